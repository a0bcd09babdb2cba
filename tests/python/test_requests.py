# SPDX-License-Identifier: Apache-2.0
"""Requests: canceled one by one, submitted by functions, on one card or on several."""

import asyncio
import errno
import gc
import os
import sys
import threading
import unittest
import weakref

import accel
import numpy as np
from accel import commands
from card import CardTest


class RequestQueue(CardTest):
    def setUp(self):
        super().setUp()
        self.held = self.card.create_semaphore()

    def open(self, *arguments, **options) -> accel.RequestQueue:
        requests = accel.RequestQueue(self.card, *arguments, **options)
        self.addCleanup(requests.close)
        return requests

    def blocked(self, queue: accel.Queue) -> accel.Job:
        """Submits a job that runs until release()."""
        self.last = queue
        return queue.submit(self.held.wait(1))

    def release(self) -> None:
        self.held.set(1)

    def test_commands_lists_and_functions_are_requests(self):
        requests = self.open()
        x, y = self.card.buffer(16), self.card.buffer(16)
        requests.submit(commands.fill(x, 3)).wait(60)
        recorded = self.card.create_command_list()
        recorded.add(commands.Copy(dst=accel.Argument(0), src=x, bytes=64)).close()
        requests.submit(recorded, y).wait(60)
        self.assertEqual(y.numpy().tolist(), [3] * 16)

        def work(queue):
            queue.submit(commands.fill(x, 5))
            return queue.submit(commands.copy(y, x))

        requests.submit(work).wait(60)
        self.assertEqual(y.numpy().tolist(), [5] * 16)
        for wrong in ("text", None, 3):
            with self.assertRaises(TypeError):
                requests.submit(wrong)

    def test_functions_that_refer_to_their_object_are_collected(self):
        class Owner:
            pass

        def request_queue(owner):
            owner.target = accel.RequestQueue(self.card)
            for _ in range(5):
                owner.target.submit(lambda queue, owner=owner: queue.submit(self.held.wait(1)))

        def group(owner):
            owner.target = accel.DeviceGroup([self.card])
            for _ in range(5):
                owner.target.submit(
                    lambda queue, card, owner=owner: queue.submit(self.held.wait(1))
                )

        def pipeline(owner):
            owner.target = accel.Pipeline(
                self.card,
                lambda queue, operands, owner=owner: queue.submit(commands.Nop()),
                inputs=[4],
                outputs=[4],
            )
            owner.target.submit([self.card.buffer(1)], [self.card.buffer(1)])

        queues = self.card.info().user_queues.used
        for make in (request_queue, group, pipeline):
            with self.subTest(make.__name__):
                owner = Owner()
                make(owner)
                reference = weakref.ref(owner)
                gc.collect()
                self.assertFalse(owner.target.closed)
                del owner
                gc.collect()
                self.assertIsNone(reference())
                self.expect_soon(lambda: self.card.info().user_queues.used, queues)

    def test_one_request_is_canceled_and_the_others_run(self):
        requests = self.open(in_flight=1)
        order = []
        y = self.card.buffer(3)

        def number(i):
            def work(queue):
                order.append(i)
                return queue.submit(commands.fill(y, i))

            return work

        first = requests.submit(self.blocked)
        rest = [requests.submit(number(i)) for i in range(3)]
        self.assertEqual(requests.pending, 4)
        self.assertTrue(rest[1].cancel())
        self.assertFalse(rest[1].cancel())
        self.assertFalse(first.cancel())
        self.release()
        requests.synchronize()
        self.assertEqual(order, [0, 2])
        for request in (first, rest[0], rest[2]):
            request.wait(0)
        with self.assertRaises(accel.Error) as caught:
            rest[1].wait()
        self.assertEqual(caught.exception.errno, errno.ECANCELED)
        self.assertEqual(requests.pending, 0)

    def test_a_failed_request_leaves_those_behind_it(self):
        requests = self.open()
        y = self.card.buffer(16)
        bad = requests.submit(commands.Fill(dst=accel.Address(1 << 40), pattern=0, bytes=64))
        good = requests.submit(commands.fill(y, 2))
        good.wait(60)
        with self.assertRaises(accel.Error) as caught:
            bad.wait(60)
        self.assertEqual(caught.exception.status, accel.CardStatus.fault_unmapped)
        self.assertEqual(y.numpy().tolist(), [2] * 16)

    def test_an_exception_of_a_function_is_that_of_its_request(self):
        class Odd(Exception):
            pass

        def work(queue):
            raise Odd("text")

        requests = self.open()
        failed = requests.submit(work)
        with self.assertRaisesRegex(Odd, "text"):
            failed.wait(60)
        with self.assertRaisesRegex(accel.InvalidArgumentError, "must return a Job, not int"):
            requests.submit(lambda queue: 3).wait(60)
        requests.submit(commands.Nop()).wait(60)

    def test_a_lent_queue_is_closed_after_the_function(self):
        requests = self.open()
        kept = []

        def work(queue):
            kept.append(queue)
            return queue.submit(commands.Nop())

        requests.submit(work).wait(60)
        with self.assertRaisesRegex(accel.InvalidArgumentError, "closed"):
            kept[0].submit(commands.Nop())

    def test_a_function_must_not_call_the_object_that_runs_it(self):
        requests = self.open()

        def work(queue):
            requests.submit(commands.Nop())

        with self.assertRaises(accel.Error) as caught:
            requests.submit(work).wait(60)
        self.assertEqual(caught.exception.errno, errno.EDEADLK)

    def test_submit_waits_for_room_and_try_submit_does_not(self):
        requests = self.open(in_flight=1, max_waiting=1)
        requests.submit(self.blocked)
        waiting = requests.submit(commands.Nop())
        self.assertIsNone(requests.try_submit(commands.Nop()))
        accepted = []
        thread = threading.Thread(target=lambda: accepted.append(requests.submit(commands.Nop())))
        thread.start()
        thread.join(0.05)
        self.assertTrue(thread.is_alive())
        self.release()
        thread.join(60)
        accepted[0].wait(60)
        waiting.wait(60)

    def test_a_loop_of_the_caller_starts_the_requests(self):
        with accel.EventLoop() as loop:
            requests = self.open(loop, in_flight=1, max_waiting=1)
            threads, done = [], []

            def work(queue):
                threads.append(threading.get_ident())
                return queue.submit(commands.Nop())

            first, second = requests.submit(work), requests.submit(work)
            self.assertEqual(len(threads), 1)
            second.then(loop, lambda result: (done.append(result.ok), loop.stop()))
            loop.run()
            first.wait(0)
            self.assertEqual((done, threads), ([True], [threading.get_ident()] * 2))
            # This thread must not wait in the loop.
            caught = []

            def fill():
                requests.submit(self.blocked)
                requests.submit(commands.Nop())
                for wait in (lambda: requests.submit(commands.Nop()), requests.synchronize):
                    try:
                        wait()
                    except accel.Error as error:
                        caught.append(error.errno)

            loop.post(fill)
            loop.run_once(60)
            self.assertEqual(caught, [errno.EDEADLK] * 2)
            requests.close()

    def test_the_end_of_the_object_cancels_its_requests(self):
        requests = self.open(in_flight=1)
        first, second = requests.submit(self.blocked), requests.submit(commands.Nop())
        requests.close()
        for request in (first, second):
            with self.assertRaises(accel.Error) as caught:
                request.wait(60)
            self.assertEqual(caught.exception.errno, errno.ECANCELED)
        with self.assertRaisesRegex(accel.InvalidArgumentError, "closed"):
            requests.submit(commands.Nop())

    def test_a_request_keeps_the_object_that_accepted_it(self):
        requests = accel.RequestQueue(self.card)
        alive = weakref.ref(requests)
        request = requests.submit(self.blocked)
        del requests
        gc.collect()
        self.assertIsNone(alive())
        self.release()
        request.wait(60)

    def test_the_last_reference_dies_in_a_function_of_the_object(self):
        # The library's thread releases the function, and with it the queue that runs it.
        requests = accel.RequestQueue(self.card, in_flight=1)
        keep = [requests]
        done = threading.Event()

        def work(queue):
            job = queue.submit(commands.Nop())
            keep.clear()
            gc.collect()
            done.set()
            return job

        requests.submit(self.blocked)
        requests.submit(work)
        del requests
        self.release()
        self.assertTrue(done.wait(60))

    def test_many_threads_submit_functions(self):
        requests = self.open()
        buffers = [self.card.buffer(4, np.int32) for _ in range(4)]

        def submit(i):
            for n in range(25):
                word = commands.fill(buffers[i], 100 * i + n)
                request = requests.submit(lambda queue, word=word: queue.submit(word))
                request.wait(60)

        threads = [threading.Thread(target=submit, args=(i,)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        self.assertEqual([int(b.numpy()[0]) for b in buffers], [24, 124, 224, 324])

    def test_requests_are_awaited(self):
        requests = self.open()

        async def work():
            await asyncio.gather(*(requests.submit(commands.Nop()) for _ in range(20)))
            bad = commands.Fill(dst=accel.Address(1 << 40), pattern=0, bytes=64)
            with self.assertRaises(accel.Error) as caught:
                await requests.submit(bad)
            self.assertEqual(caught.exception.status, accel.CardStatus.fault_unmapped)

        asyncio.run(asyncio.wait_for(work(), 60))

    def test_options_are_those_of_a_queue(self):
        self.open(priority=accel.Priority.low, entries=16).submit(commands.Nop()).wait(60)
        with self.assertRaisesRegex(TypeError, "'size'"):
            self.open(size=3)
        with self.assertRaisesRegex(TypeError, "'entries'"):
            self.open(entries="many")
        with self.assertRaisesRegex(accel.InvalidArgumentError, "in_flight"):
            self.open(in_flight=0)

    def test_registered_memory_lives_until_its_request_is_over(self):
        requests = self.open()
        array = np.zeros(4096, np.float32)
        buffer = self.card.from_array(array, copy=False)
        references = sys.getrefcount(array)

        def work(queue, buffer=buffer):
            queue.submit(self.held.wait(1))
            return queue.submit(commands.fill(buffer, 1))

        request = requests.submit(work)
        del buffer, work
        gc.collect()
        self.assertGreaterEqual(sys.getrefcount(array), references)
        self.release()
        request.wait(60)
        self.assertTrue((array == 1).all())
        requests.submit(lambda queue: queue.submit(commands.Nop())).wait(60)
        requests.synchronize()
        self.expect_soon(lambda: sys.getrefcount(array) < references, True)


class DeviceGroup(CardTest):
    def setUp(self):
        super().setUp()
        if os.environ.get("ACCEL_DEVICE", "") != "emulated":
            self.skipTest("there is one card: ACCEL_DEVICE is not emulated")
        self.cards = [accel.Device(f"emulated:cards=2,card={i}") for i in range(2)]
        for card in self.cards:
            self.addCleanup(card.close)

    def test_requests_are_given_to_the_least_loaded_card(self):
        held = [card.create_semaphore() for card in self.cards]
        with accel.DeviceGroup(self.cards, in_flight=2) as group:
            blocked = [
                group.submit(lambda queue, card: queue.submit(held[card].wait(1))) for _ in range(2)
            ]
            self.assertEqual([card.running for card in group.cards], [1, 1])
            held[1].set(1)
            blocked[1].wait(60)
            used = []

            def work(queue, card):
                used.append(card)
                return queue.submit(commands.Nop())

            for _ in range(5):
                group.submit(work).wait(60)
            self.assertEqual(used, [1] * 5)
            self.assertEqual(group.pending, 1)
            held[0].set(1)
            group.synchronize()
            self.assertEqual([card.started for card in group.cards], [1, 6])
            self.assertEqual([card.failure for card in group.cards], [None, None])
            self.assertEqual(group.add(self.cards[0]), 2)

    def test_models_of_each_card_share_the_requests(self):
        import onnx_files

        file = onnx_files.affine(self.folder() / "model.onnx")
        models = [accel.Model.load(file, card) for card in self.cards]
        inputs = [card.from_array(np.float32([[1, 2, 3, 4]])) for card in self.cards]
        outputs = [card.buffer((1, 3)) for card in self.cards]
        with accel.DeviceGroup(self.cards) as group:

            def work(queue, card):
                return models[card].submit(queue, [inputs[card], outputs[card]])

            requests = [group.submit(work) for _ in range(10)]
            for request in requests:
                request.wait(60)
            self.assertEqual(sum(card.started for card in group.cards), 10)
        for output in outputs:
            self.assertEqual(output.numpy().tolist(), [[5, 6, 7]])

    def test_a_group_needs_a_card(self):
        with self.assertRaises(accel.InvalidArgumentError):
            accel.DeviceGroup([])


if __name__ == "__main__":
    unittest.main()
