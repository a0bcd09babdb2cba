# SPDX-License-Identifier: Apache-2.0
"""Queues, jobs, lists, batches and semaphores."""

import threading
import time
import unittest

import accel
import numpy as np
from accel import commands
from card import CardTest

try:
    import ml_dtypes
except ImportError:
    ml_dtypes = None


class Queue(CardTest):
    def setUp(self):
        super().setUp()
        self.queue = self.card.create_queue()
        self.addCleanup(self.queue.close)

    def test_gemm_of_the_tutorial(self):
        x = self.card.from_array(np.float32([[1, 2, 3, 4]]))
        w = self.card.from_array(np.full((4, 3), 0.5, np.float32))
        b = self.card.from_array(np.float32([0, 1, -100]))
        y = self.card.buffer((1, 3))
        job = self.queue.submit(
            commands.Gemm(d=y, a=x, b=w, bias=b, m=1, n=3, k=4, activation=commands.UnaryOp.relu)
        )
        job.wait()
        self.assertTrue(job.done)
        self.assertEqual(job.sequence, 1)
        self.assertEqual(y.numpy().tolist(), [[5, 6, 0]])

    def test_bf16_and_f16_products_agree_with_numpy(self):
        for name in ("f16", "bf16") if ml_dtypes else ("f16",):
            with self.subTest(name):
                a = self.card.buffer((2, 2), name)
                a.copy_from([[1, 2], [3, 4]])
                d = self.card.buffer((2, 2))
                form = commands.NumericFormat(a_type=name, b_type=name)
                self.queue.submit(commands.Gemm(d=d, a=a, b=a, m=2, n=2, k=2, format=form)).wait()
                self.assertEqual(d.numpy().tolist(), [[7, 10], [15, 22]])

    def test_every_command_computes_what_its_description_says(self):
        card, x = self.card, self.card.from_array(np.float32([[3, 1, 2], [6, 5, 4]]))
        values = x.numpy()

        def result(shape, make, dtype="f32"):
            y = card.buffer(shape, dtype)
            self.queue.submit(make(y)).wait()
            return y.numpy().tolist()

        self.assertEqual(result((2, 3), lambda y: commands.copy(y, x)), values.tolist())
        self.assertEqual(
            result((2, 3), lambda y: commands.Copy(dst=y, src=x, bytes=24)), values.tolist()
        )
        self.assertEqual(result(3, lambda y: commands.fill(y, 7), "i64"), [7, 7, 7])
        self.assertEqual(
            result(2, lambda y: commands.Fill(dst=y, pattern=5, bytes=8), "u32"), [5, 5]
        )
        self.assertEqual(
            result(
                (2, 3),
                lambda y: commands.Elementwise(
                    op=commands.ElementwiseOp.mul, dst=y, a=x, b=x, shape=(2, 3)
                ),
            ),
            (values * values).tolist(),
        )
        self.assertEqual(
            result(
                2,
                lambda y: commands.Reduce(op=commands.ReduceOp.argmax, dst=y, src=x, outer=2, n=3),
                "u32",
            ),
            [0, 0],
        )
        self.assertEqual(
            result(
                (3, 2), lambda y: commands.Transpose(dst=y, src=x, shape=(3, 2), src_strides=[1, 3])
            ),
            values.T.tolist(),
        )
        indices = card.from_array(np.int64([1, 0]))
        self.assertEqual(
            result(
                (2, 3),
                lambda y: commands.Gather(dst=y, src=x, indices=indices, n=2, count=2, inner=3),
            ),
            values[::-1].tolist(),
        )
        self.assertEqual(
            result(
                (2, 3),
                lambda y: commands.Scatter(
                    op=commands.ScatterOp.set, dst=y, src=x, indices=indices, n=2, count=2, inner=3
                ),
            ),
            values[::-1].tolist(),
        )
        self.assertEqual(
            result(
                (2, 1),
                lambda y: commands.Attention(
                    d=y, q=x, k=x, v=x, queries=2, keys=3, size=1, scale=0, right=0, offset=1
                ),
            ),
            [[float(values.ravel()[:2].mean())], [float(values.ravel()[:3].mean())]],
        )
        soft = np.array(result((2, 3), lambda y: commands.Softmax(dst=y, src=x, outer=2, n=3)))
        np.testing.assert_allclose(soft.sum(axis=1), [1, 1], rtol=1e-6)
        table = np.zeros(2, [("index", np.uint32), ("weight", np.float32)])
        table["index"], table["weight"] = [2, 0], [1, 0.5]
        taps = card.from_array(table.view(np.uint8))
        self.assertEqual(
            result(
                (2, 2), lambda y: commands.Resize(dst=y, src=x, table=taps, outer=2, n=3, count=2)
            ),
            [[2, 1.5], [4, 3]],
        )

    def test_images_are_convolved_and_pooled(self):
        image = self.card.from_array(np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1))
        weights = self.card.from_array(np.ones((2, 2, 1, 1), np.float32))
        out = self.card.buffer((1, 3, 3, 1))
        layout = commands.ImageLayout(height=4, width=4)
        result = commands.ImageLayout(height=3, width=3)
        window = commands.ConvWindow(height=2, width=2)
        self.queue.submit(
            commands.Conv2d(
                dst=out,
                src=image,
                weights=weights,
                src_layout=layout,
                dst_layout=result,
                window=window,
            )
        ).wait()
        x = image.numpy()[0, :, :, 0]
        expected = x[:-1, :-1] + x[1:, :-1] + x[:-1, 1:] + x[1:, 1:]
        self.assertEqual(out.numpy()[0, :, :, 0].tolist(), expected.tolist())
        self.queue.submit(
            commands.Pool(
                op=commands.PoolOp.max,
                dst=out,
                src=image,
                src_layout=layout,
                dst_layout=result,
                window=window,
            )
        ).wait()
        self.assertEqual(out.numpy()[0, :, :, 0].tolist(), x[1:, 1:].tolist())

    def test_a_list_loops_and_moves_its_arguments(self):
        source = self.card.from_array(np.arange(8, dtype=np.int32).reshape(4, 2))
        target = self.card.from_array(np.zeros((4, 2), np.int32))
        count = self.card.from_array(np.int64([3]))
        recorded = self.card.create_command_list()
        recorded.add(commands.Loop(commands=3, limit=4, count=count))
        row = {"bytes": 8, "count": 4, "stride": 8, "by_pass": True}
        recorded.add(commands.SetArgument(argument=2, base=accel.Argument(0), **row))
        recorded.add(commands.SetArgument(argument=3, base=accel.Argument(1), reversed=True, **row))
        recorded.add(commands.Copy(dst=accel.Argument(3), src=accel.Argument(2), bytes=8))
        recorded.close()
        self.queue.submit(recorded, source, target).wait()
        self.assertEqual(target.numpy().tolist(), [[0, 0], [4, 5], [2, 3], [0, 1]])
        with self.assertRaisesRegex(accel.InvalidArgumentError, "CommandList"):
            self.queue.submit(commands.Loop(commands=0))

    def test_a_list_runs_with_the_arguments_of_its_call(self):
        commands_list = self.card.create_command_list()
        commands_list.add(
            commands.Elementwise(
                op=commands.ElementwiseOp.add,
                dst=accel.Argument(1),
                a=accel.Argument(0),
                b=accel.Argument(0),
                shape=4,
            )
        ).add(
            commands.Elementwise(
                op=commands.ElementwiseOp.mul,
                dst=accel.Argument(1),
                a=accel.Argument(1),
                b=accel.Argument(1),
                shape=4,
            )
        )
        commands_list.close()
        self.assertEqual((len(commands_list), commands_list.arguments), (2, 2))
        for values in ([1, 2, 3, 4], [5, 6, 7, 8]):
            x, y = self.card.from_array(np.float32(values)), self.card.buffer(4)
            self.queue.submit(commands_list, x, y).wait()
            self.assertEqual(y.numpy().tolist(), [(2 * v) ** 2 for v in values])
        with self.assertRaises(accel.InvalidArgumentError):
            self.queue.submit(commands_list, x)

    def test_a_batch_is_published_as_one_or_taken_back(self):
        y = self.card.buffer(4)
        before = self.queue.doorbells
        with self.queue.batch() as batch:
            batch.add(commands.fill(y, 1))
            batch.add(commands.fill(y, 2))
            self.assertEqual(len(batch), 2)
            job = batch.submit()
        job.wait()
        self.assertEqual(self.queue.doorbells - before, 1)
        self.assertEqual(y.numpy().tolist(), [2] * 4)
        with self.queue.batch() as batch:
            batch.add(commands.fill(y, 3))
        self.queue.submit(commands.Nop()).wait()
        self.assertEqual(y.numpy().tolist(), [2] * 4)

    def test_a_semaphore_holds_a_queue_until_its_value(self):
        semaphore = self.card.create_semaphore()
        y = self.card.buffer(1, "i32")
        self.queue.submit(semaphore.wait(3))
        job = self.queue.submit(commands.fill(y, 8))
        with self.assertRaises(accel.TimeoutError):
            job.wait(0.05)
        self.assertFalse(job.done)
        semaphore.set(3)
        self.queue.ring_doorbell()
        job.wait(60)
        self.assertEqual((y.numpy()[0], semaphore.value), (8, 3))
        self.queue.submit(semaphore.signal(5)).wait()
        self.assertEqual(semaphore.value, 5)

    def test_waits_for_several_jobs_name_the_first_that_is_over(self):
        held = self.card.create_semaphore()
        other = self.card.create_queue()
        blocked = other.submit(held.wait(1))
        done = self.queue.submit(commands.Nop())
        self.assertEqual(accel.wait_any([blocked, done], 60), 1)
        with self.assertRaises(accel.TimeoutError):
            accel.wait_all([done, blocked], 0.05)
        with self.assertRaises(accel.TimeoutError):
            accel.wait_any([blocked], 0.05)
        held.set(1)
        other.ring_doorbell()
        accel.wait_all([done, blocked], 60)
        with self.assertRaises(accel.InvalidArgumentError):
            accel.wait_any([])

    def test_synchronize_waits_for_all_jobs_while_other_threads_submit(self):
        held = self.card.create_semaphore()
        y = self.card.buffer(1, "i32")
        self.queue.submit(held.wait(1))
        self.queue.submit(commands.fill(y, 5))

        def release():
            time.sleep(0.05)
            self.queue.submit(commands.Nop())
            held.set(1)
            self.queue.ring_doorbell()

        thread = threading.Thread(target=release)
        thread.start()
        self.queue.synchronize()
        self.assertEqual(int(y.numpy()[0]), 5)
        thread.join()
        self.queue.submit(commands.Fill(dst=accel.Address(1 << 40), pattern=0, bytes=64))
        with self.assertRaises(accel.Error):
            self.queue.synchronize()
        self.queue.reset()
        self.queue.synchronize()

    def test_a_full_ring_refuses_or_waits_without_the_gil(self):
        queue = self.card.create_queue(entries=4)
        held = self.card.create_semaphore()
        queue.submit(held.wait(1))
        while queue.try_submit(commands.Nop()) is not None:
            pass

        def release():
            time.sleep(0.05)
            held.set(1)

        thread = threading.Thread(target=release)
        thread.start()
        queue.submit(commands.Nop()).wait(60)
        thread.join()

    def test_other_threads_run_during_a_wait(self):
        held = self.card.create_semaphore()
        job = self.queue.submit(held.wait(1))
        counts = []

        def count():
            for _ in range(100):
                counts.append(time.monotonic())
            held.set(1)
            self.queue.ring_doorbell()

        thread = threading.Thread(target=count)
        thread.start()
        job.wait(60)
        thread.join()
        self.assertEqual(len(counts), 100)

    def test_many_threads_share_a_queue(self):
        buffers = [self.card.buffer(1, "i32") for _ in range(4)]

        def work(buffer, value):
            for i in range(50):
                self.queue.submit(commands.fill(buffer, value + i)).wait()

        threads = [
            threading.Thread(target=work, args=(buffer, 1000 * i))
            for i, buffer in enumerate(buffers)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual([int(b.numpy()[0]) for b in buffers], [1000 * i + 49 for i in range(4)])

    def test_a_named_argument_is_named_in_errors(self):
        recorded = self.card.create_command_list()
        recorded.add(commands.Fill(dst=accel.Argument(0), pattern=0, bytes=64))
        recorded.name_argument(0, "the picture").close()
        with self.assertRaisesRegex(accel.InvalidArgumentError, "the picture touches 64 bytes"):
            self.queue.submit(recorded, self.card.buffer(1))

    def test_a_time_that_is_no_number_is_refused(self):
        job = self.queue.submit(self.card.create_semaphore().wait(1))
        for use in (job.wait, lambda time: self.card.create_queue(spin=time)):
            with self.assertRaisesRegex(accel.InvalidArgumentError, "not a number"):
                use(float("nan"))
        self.queue.reset()

    def test_registered_memory_lives_until_its_job_is_over(self):
        held = self.card.create_semaphore()
        array = np.zeros(4096, np.float32)
        self.queue.submit(held.wait(1))
        buffer = self.card.from_array(array, copy=False)
        import sys

        references = sys.getrefcount(array)
        job = self.queue.submit(commands.fill(buffer, 1))
        del buffer
        self.assertGreaterEqual(sys.getrefcount(array), references)
        held.set(1)
        self.queue.ring_doorbell()
        job.wait(60)
        self.queue.submit(commands.Nop()).wait()
        self.assertLess(sys.getrefcount(array), references)
        self.assertTrue((array == 1).all())

    def test_a_job_keeps_its_queue_until_it_is_over(self):
        before = self.card.info().user_queues.used
        held = self.card.create_semaphore()
        job = self.card.create_queue().submit(held.wait(1))
        self.assertEqual(self.card.info().user_queues.used, before + 1)
        held.set(1)
        job.wait(60)
        self.expect_soon(lambda: self.card.info().user_queues.used, before)

    def test_a_closed_queue_cancels_its_jobs(self):
        held = self.card.create_semaphore()
        job = self.queue.submit(held.wait(1))
        self.queue.close()
        with self.assertRaises(accel.Error) as caught:
            job.wait(60)
        self.assertEqual(caught.exception.errno, 125)  # ECANCELED
        with self.assertRaisesRegex(accel.InvalidArgumentError, "closed"):
            self.queue.submit(commands.Nop())

    def test_counters_of_the_card_are_readable(self):
        self.queue.submit(commands.Nop()).wait()
        stats = self.queue.stats()
        self.assertEqual((stats.completed, stats.commands), (1, 1))
        self.assertEqual((self.queue.pending, self.queue.entries), (0, 64))
        self.assertIsNone(self.queue.failure())


if __name__ == "__main__":
    unittest.main()
