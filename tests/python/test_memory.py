# SPDX-License-Identifier: Apache-2.0
"""Lifetimes: nothing of a dropped object stays behind on the card."""

import gc
import time
import unittest

import accel
import numpy as np
import onnx_files
from accel import commands
from card import CardTest


class Lifetime(CardTest):
    def usage(self):
        info = self.card.info()
        return (
            info.user_host_memory.used,
            info.user_device_memory.used,
            info.user_queues.used,
            info.user_contexts.used,
        )

    def settled_usage(self):
        """The usage once a driver has released what earlier tests dropped."""
        gc.collect()
        usage, since = self.usage(), time.monotonic()
        while time.monotonic() - since < 0.5:
            time.sleep(0.02)
            if (now := self.usage()) != usage:
                usage, since = now, time.monotonic()
        return usage

    def test_dropped_objects_leave_nothing_behind(self):
        file = onnx_files.affine(self.folder() / "model.onnx")

        def use():
            model = accel.Model.load(file, accel.Device())
            x = model.device.buffer((1, 4))
            queue = model.device.create_queue()
            for _ in range(3):
                model(x, queue=queue)
                model(np.ones((1, 4), np.float32))
            recorded = model.device.create_command_list()
            recorded.add(commands.fill(x, 1)).close()
            queue.submit(recorded).wait()
            queue.submit(model.device.create_semaphore().signal(1)).wait()

        use()
        gc.collect()
        self.card.buffer(1)  # a driver may create the context now
        before = self.usage()
        for _ in range(5):
            use()
        self.expect_soon(self.usage, before)

    def test_exceptions_leave_nothing_behind(self):
        model = accel.Model.load(onnx_files.affine(self.folder() / "model.onnx"), self.card)
        model(np.ones((1, 4), np.float32))
        before = self.settled_usage()
        for _ in range(5):
            with self.assertRaises(ValueError):
                model(np.ones((1, 5), np.float32))
            with self.assertRaises(ValueError):
                self.card.buffer(4).reshape(5)
        self.assertEqual(self.usage(), before)


if __name__ == "__main__":
    unittest.main()
