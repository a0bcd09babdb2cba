# SPDX-License-Identifier: Apache-2.0
"""Batches of single requests, pipelines, and quantization."""

import asyncio
import errno
import threading
import unittest

import accel
import numpy as np
import onnx_files
from accel import commands
from card import CardTest


def affine_of(x: np.ndarray) -> np.ndarray:
    """What onnx_files.affine computes."""
    return np.maximum(x @ np.full((4, 3), 0.5, np.float32) + np.arange(3, dtype=np.float32), 0)


class Batcher(CardTest):
    def open(self, **options) -> accel.Batcher:
        file = onnx_files.affine(self.folder() / "model.onnx", rows="n")
        batcher = accel.Batcher(self.card, file, **options)
        self.addCleanup(batcher.close)
        return batcher

    def test_requests_that_come_together_run_together(self):
        batcher = self.open(max_batch=4, max_delay=30)
        rows = [np.full((1, 4), i, np.float32) for i in range(4)]
        requests = [batcher.submit(row) for row in rows]
        for row, request in zip(rows, requests, strict=True):
            result = request.get(60)
            self.assertEqual(result.tolist(), affine_of(row).tolist())
            self.assertIs(request.get(), result)
        self.assertEqual((batcher.stats.requests, batcher.stats.batches), (4, 1))
        (x,), (y,) = batcher.inputs, batcher.outputs
        self.assertEqual((x.shape, y.shape), ((1, 4), (1, 3)))

    def test_it_is_called_like_a_model(self):
        batcher = self.open(max_delay=0)
        row = np.float32([[1, 2, 3, 4]])
        self.assertEqual(batcher(row).tolist(), [[5, 6, 7]])
        self.assertEqual(batcher(x=row)["y"].tolist(), [[5, 6, 7]])
        self.assertEqual(batcher({"x": row})["y"].tolist(), [[5, 6, 7]])
        with self.assertRaises(accel.InvalidArgumentError):
            batcher(np.zeros((2, 4), np.float32))
        with self.assertRaisesRegex(TypeError, "float64"):
            batcher(np.zeros((1, 4)))

    def test_threads_share_batches(self):
        batcher = self.open(max_batch=8, max_delay=0.005)
        wrong = []

        def work(i):
            for n in range(20):
                row = np.full((1, 4), 20 * i + n, np.float32)
                if batcher(row).tolist() != affine_of(row).tolist():
                    wrong.append((i, n))

        threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        self.assertEqual(wrong, [])
        stats = batcher.stats
        self.assertEqual(stats.requests, 160)
        self.assertLess(stats.batches, 160)

    def test_tasks_of_asyncio_share_batches_and_wait_for_room(self):
        batcher = self.open(max_batch=4, max_delay=0.005, max_waiting=4)

        async def work():
            rows = [np.full((1, 4), i, np.float32) for i in range(40)]
            results = await asyncio.gather(*(batcher.run(row) for row in rows))
            for row, result in zip(rows, results, strict=True):
                self.assertEqual(result.tolist(), affine_of(row).tolist())
            self.assertEqual((await batcher.submit(x=rows[1]))["y"].tolist(), [[2, 3, 4]])
            with self.assertRaises(accel.InvalidArgumentError):
                await batcher.run(np.zeros((1, 5), np.float32))

        asyncio.run(asyncio.wait_for(work(), 120))
        self.assertLess(batcher.stats.batches, 41)

    def test_a_canceled_task_takes_its_request_back(self):
        batcher = self.open(max_batch=4, max_delay=60)
        row = np.ones((1, 4), np.float32)

        async def work():
            task = asyncio.ensure_future(batcher.run(row))
            await asyncio.sleep(0.01)
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task

        asyncio.run(work())
        requests = [batcher.submit(row) for _ in range(4)]
        for request in requests:
            request.wait(60)
        self.assertEqual((batcher.stats.requests, batcher.stats.batches), (4, 1))

    def test_try_submit_tells_that_there_is_no_room(self):
        batcher = self.open(max_batch=4, max_delay=60, max_waiting=2)
        row = np.ones((1, 4), np.float32)
        first = batcher.submit(row)
        self.assertIsNotNone(batcher.try_submit(row))
        self.assertIsNone(batcher.try_submit(row))
        self.assertTrue(first.cancel())
        with self.assertRaises(accel.Error) as caught:
            first.get()
        self.assertEqual(caught.exception.errno, errno.ECANCELED)

    def test_weights_are_on_the_card_once(self):
        batcher = self.open(max_batch=8)
        alone = self.open(max_batch=1)
        self.assertEqual(batcher.stats.weights, alone.stats.weights)
        self.open(batch_sizes=[2, 8], allow_narrowing=True, priority=accel.Priority.low)
        with self.assertRaisesRegex(TypeError, "'batches'"):
            self.open(batches=3)

    def test_it_refuses_a_model_without_a_batch(self):
        file = onnx_files.sum_and_product(self.folder() / "model.onnx")
        with self.assertRaises(accel.InvalidArgumentError):
            accel.Batcher(self.card, file)


class Pipeline(CardTest):
    def test_items_are_computed_in_order_while_others_are_copied(self):
        file = onnx_files.affine(self.folder() / "model.onnx")
        model = accel.Model.load(file, self.card)
        inputs = [self.card.from_array(np.full((1, 4), i, np.float32)) for i in range(12)]
        outputs = [self.card.buffer((1, 3)) for _ in inputs]

        def compute(queue, operands):
            return model.submit(queue, operands)

        with accel.Pipeline(self.card, compute, inputs=[16], outputs=[12], depth=3) as pipeline:
            items = [pipeline.submit([x], [y]) for x, y in zip(inputs, outputs, strict=True)]
            self.assertEqual(items, list(range(1, 13)))
            pipeline.wait(3, 60)
            self.assertTrue(pipeline.done(3))
            pipeline.synchronize()
            self.assertTrue(pipeline.done(12))
        for i, y in enumerate(outputs):
            self.assertEqual(y.numpy().tolist(), affine_of(np.full((1, 4), i)).tolist())

    def test_a_failed_item_stops_it_until_reset(self):
        x, y = self.card.buffer(16), self.card.buffer(16)
        x.copy_from(np.arange(16, dtype=np.float32))
        bad = commands.Fill(dst=accel.Address(1 << 40), pattern=0, bytes=64)
        work = [bad]

        def compute(queue, operands):
            source, target = operands
            if work:
                return queue.submit(work.pop())
            return queue.submit(commands.Copy(dst=target, src=source, bytes=64))

        pipeline = accel.Pipeline(self.card, compute, inputs=[64], outputs=[64])
        item = pipeline.submit([x], [y])
        with self.assertRaisesRegex(accel.Error, "computation of item 1"):
            pipeline.wait(item, 60)
        with self.assertRaises(accel.Error):
            pipeline.submit([x], [y])
        pipeline.reset()
        pipeline.wait(pipeline.submit([x], [y]), 60)
        self.assertEqual(y.numpy().tolist(), list(range(16)))

    def test_an_exception_of_the_function_leaves_submit(self):
        x, y = self.card.buffer(16), self.card.buffer(16)

        def compute(queue, operands):
            raise KeyError("text")

        with (
            accel.Pipeline(self.card, compute, inputs=[64], outputs=[64]) as pipeline,
            self.assertRaisesRegex(KeyError, "text"),
        ):
            pipeline.submit([x], [y])

    def test_registered_memory_is_an_operand(self):
        def compute(queue, operands):
            source, target = operands
            return queue.submit(commands.Copy(dst=target, src=source, bytes=16384))

        with accel.Pipeline(self.card, compute, inputs=[16384], outputs=[16384]) as pipeline:
            outputs = [self.card.buffer(4096) for _ in range(10)]
            for i, y in enumerate(outputs):
                array = np.full(4096, i, np.float32)
                pipeline.submit([self.card.from_array(array, copy=False)], [y])
            del array
            pipeline.synchronize()
        for i, y in enumerate(outputs):
            self.assertTrue((y.numpy() == i).all())


class Quantize(CardTest):
    def test_a_quantized_model_gives_nearly_the_same(self):
        folder = self.folder()
        file = onnx_files.affine(folder / "model.onnx", rows="n")
        random = np.random.default_rng(1)
        data = [random.random((1, 4), np.float32) for _ in range(8)]
        parts = []
        report = accel.quantize(
            file, data, folder / "int8.onnx", self.card, progress=parts.append, batch=1
        )
        self.assertEqual([node.reason for node in report.nodes], [""])
        self.assertEqual(report.outputs[0].output, "y")
        self.assertGreater(report.outputs[0].signal_to_noise, 20)
        self.assertEqual((sorted(parts), parts[-1]), (parts, 1.0))
        model = accel.Model.load(folder / "int8.onnx", self.card)
        for x in data:
            np.testing.assert_allclose(model(x), affine_of(x), atol=0.05)

    def test_runs_of_several_inputs_are_tuples_or_dicts(self):
        folder = self.folder()
        file = onnx_files.two_products(folder / "model.onnx")
        a, b = np.ones((1, 4), np.float32), np.full((1, 4), 2, np.float32)
        for number, data in enumerate(([(a, b)], [{"a": a, "b": b}], iter([[a, b]]))):
            report = accel.quantize(file, data, folder / f"{number}.onnx", self.card)
            self.assertEqual(len(report.nodes), 2)
        names = [node.node for node in report.nodes]
        report = accel.quantize(
            file, [(a, b)], folder / "part.onnx", self.card, nodes_to_exclude=names[:1]
        )
        self.assertEqual([bool(node.reason) for node in report.nodes], [True, False])

    def test_an_exception_of_progress_ends_it_without_a_file(self):
        folder = self.folder()
        file = onnx_files.affine(folder / "model.onnx")

        def progress(part):
            raise KeyError("text")

        with self.assertRaisesRegex(KeyError, "text"):
            accel.quantize(
                file,
                [np.ones((1, 4), np.float32)],
                folder / "int8.onnx",
                self.card,
                progress=progress,
            )
        self.assertFalse((folder / "int8.onnx").exists())


if __name__ == "__main__":
    unittest.main()
