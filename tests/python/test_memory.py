# SPDX-License-Identifier: Apache-2.0
"""Lifetimes: nothing of a dropped object stays behind on the card."""

import gc
import operator
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
        before = self.usage()
        for _ in range(5):
            with self.assertRaises(ValueError):
                model(np.ones((1, 5), np.float32))
            with self.assertRaises(ValueError):
                self.card.buffer(4).reshape(5)
        # Objects of an earlier test may have been released meanwhile.
        self.assertTrue(all(map(operator.le, self.usage(), before)), (self.usage(), before))


if __name__ == "__main__":
    unittest.main()
