# SPDX-License-Identifier: Apache-2.0
"""Exceptions have the fields of the library's errors."""

import errno
import pickle
import unittest

import accel
from accel import commands
from accel.examples import FASHION
from card import CardTest


class Errors(CardTest):
    def test_a_failed_command_is_described_by_the_card(self):
        queue = self.card.create_queue()
        job = queue.submit(commands.Fill(dst=accel.Address(1 << 40), pattern=0, bytes=64))
        with self.assertRaises(accel.Error) as caught:
            job.wait(60)
        error = caught.exception
        self.assertIsInstance(error, OSError)
        self.assertEqual(error.errno, errno.EIO)
        self.assertEqual(error.status, accel.CardStatus.fault_unmapped)
        self.assertEqual(error.reason, accel.Reason.error)
        self.assertEqual(error.failure.sequence, 1)
        self.assertEqual(error.failure.address, 1 << 40)
        self.assertIsNone(error.failure.list_index)
        self.assertEqual(queue.failure().status, error.status)
        self.assertGreater(len(str(error)), 40)
        queue.reset()
        queue.submit(commands.Nop()).wait(60)

    def test_errors_survive_a_pickle(self):
        failure = accel.CardFailure(accel.CardStatus.bad_field, 7, list_index=3)
        error = accel.Error(
            errno.EIO, "text", accel.CardStatus.bad_field, accel.Reason.error, failure
        )
        again = pickle.loads(pickle.dumps(error))
        self.assertEqual((again.errno, str(again), again.reason), (errno.EIO, "text", error.reason))
        self.assertEqual((again.failure.sequence, again.failure.list_index), (7, 3))
        needed = accel.ConstantInputRequiredError(errno.EINVAL, "text", input="shape")
        self.assertEqual(pickle.loads(pickle.dumps(needed)).input, "shape")

    def test_kinds_of_errors_are_those_of_python_too(self):
        with self.assertRaises(ValueError) as refused:
            self.card.buffer(0)
        self.assertIsInstance(refused.exception, accel.InvalidArgumentError)
        self.assertEqual(refused.exception.errno, errno.EINVAL)
        held = self.card.create_semaphore()
        queue = self.card.create_queue()
        with self.assertRaises(TimeoutError) as late:
            queue.submit(held.wait(1)).wait(0.01)
        self.assertEqual(late.exception.errno, errno.ETIMEDOUT)
        self.assertEqual(late.exception.reason, accel.Reason.none)

    def test_an_option_for_an_input_that_the_model_lacks_is_an_invalid_argument(self):
        with self.assertRaisesRegex(accel.InvalidArgumentError, "'nope'.*it has 'image'"):
            accel.Model.load(FASHION, self.card, shapes={"nope": (1,)})

    def test_unknown_cards_and_options_are_refused(self):
        with self.assertRaises(accel.InvalidArgumentError) as caught:
            accel.Device("emulated:color=red")
        self.assertIn("color", str(caught.exception))
        with self.assertRaises(accel.Error) as caught:
            accel.Device("/dev/null")
        self.assertNotEqual(caught.exception.errno, 0)
        with self.assertRaises(TypeError):
            accel.Device(1.5)

    def test_a_closed_device_is_named_but_its_objects_live(self):
        buffer = self.card.buffer(4)
        queue = self.card.create_queue()
        self.card.close()
        with self.assertRaisesRegex(accel.InvalidArgumentError, "device is closed"):
            self.card.buffer(4)
        queue.submit(commands.fill(buffer, 1)).wait(60)
        self.assertEqual(buffer.numpy().tolist(), [1] * 4)

    def test_memory_of_another_device_is_refused(self):
        other = accel.Device("emulated")
        if self.card.info().emulated:
            queue = other.create_queue()
            with self.assertRaises(accel.InvalidArgumentError):
                queue.submit(commands.fill(self.card.buffer(4), 1))

    def test_the_list_of_devices_has_the_card(self):
        entries = accel.devices()
        self.assertIn(self.card.info().path, [entry.path for entry in entries])
        self.assertEqual(entries[0].reason, "")
        self.assertIsNone(self.card.ended())


if __name__ == "__main__":
    unittest.main()
