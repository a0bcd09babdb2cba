# SPDX-License-Identifier: Apache-2.0
"""Callbacks at the completion of jobs, on the thread of the caller's choice; futures."""

import concurrent.futures
import errno
import gc
import select
import sys
import threading
import time
import unittest
import weakref

import accel
from accel import commands
from card import CardTest


class EventLoop(CardTest):
    def setUp(self):
        super().setUp()
        self.queue = self.card.create_queue()
        self.addCleanup(self.queue.close)
        self.held = self.card.create_semaphore()

    def release(self) -> None:
        self.held.set(1)
        self.queue.ring_doorbell()

    def test_callbacks_run_on_the_thread_that_runs_the_loop(self):
        with accel.EventLoop() as loop:
            calls = []
            job = self.queue.submit(self.held.wait(1))
            job.then(loop, lambda result: calls.append((result.ok, threading.get_ident())))
            self.assertEqual((loop.run_once(0), loop.pending), (0, 1))
            self.release()
            self.assertEqual(loop.run_once(60), 1)
            self.assertEqual(calls, [(True, threading.get_ident())])
            self.assertEqual(loop.pending, 0)

    def test_a_thread_of_the_library_runs_callbacks(self):
        with accel.EventLoop.with_thread() as loop:
            done = threading.Event()
            threads = []

            def on_done(result):
                result.check()
                threads.append(threading.get_ident())
                done.set()

            for _ in range(20):
                done.clear()
                self.queue.submit(commands.Nop()).then(loop, on_done)
                self.assertTrue(done.wait(60))
            self.assertEqual(len(set(threads)), 1)
            self.assertNotIn(threading.get_ident(), threads)

    def test_close_ends_a_running_loop(self):
        for call in ("run", "run_once"):
            with self.subTest(call):
                loop = accel.EventLoop()
                returned = threading.Event()
                results = []
                self.queue.submit(self.held.wait(1)).then(loop, results.append)

                def work(loop=loop, call=call, returned=returned):
                    getattr(loop, call)()
                    returned.set()

                thread = threading.Thread(target=work, daemon=True)
                thread.start()
                time.sleep(0.05)
                loop.close()
                self.assertTrue(returned.wait(30))
                thread.join()
                self.assertEqual([result.error.errno for result in results], [errno.ECANCELED])
                self.queue.reset()

    def test_a_callback_that_closes_its_loop_ends_run(self):
        loop = accel.EventLoop()
        loop.post(loop.close)
        thread = threading.Thread(target=loop.run, daemon=True)
        thread.start()
        thread.join(30)
        self.assertFalse(thread.is_alive())
        self.assertTrue(loop.closed)

    def test_a_callback_that_refers_to_its_loop_is_collected(self):
        class Owner:
            pass

        for make in (accel.EventLoop, accel.EventLoop.with_thread):
            with self.subTest(make):
                owner = Owner()
                owner.loop = make()
                errors = []
                owner.loop.post_after(1000, lambda owner=owner: None)
                self.queue.submit(self.held.wait(1)).then(
                    owner.loop,
                    lambda result, owner=owner, errors=errors: errors.append(result.error.errno),
                )
                reference = weakref.ref(owner)
                gc.collect()
                self.assertEqual((owner.loop.closed, owner.loop.pending), (False, 2))
                del owner
                gc.collect()
                self.assertIsNone(reference())
                self.assertEqual(errors, [errno.ECANCELED])
                self.queue.reset()

    def test_a_callback_submits_the_next_job(self):
        with accel.EventLoop.with_thread() as loop:
            finished = threading.Event()
            left = [50]

            def next_job(result):
                result.check()
                left[0] -= 1
                if left[0] == 0:
                    finished.set()
                else:
                    self.queue.submit(commands.Nop()).then(loop, next_job)

            self.queue.submit(commands.Nop()).then(loop, next_job)
            self.assertTrue(finished.wait(60))

    def test_a_callback_gets_the_error_of_its_job(self):
        with accel.EventLoop() as loop:
            results = []
            job = self.queue.submit(commands.Fill(dst=accel.Address(1 << 40), pattern=0, bytes=64))
            loop.when_done(job, results.append)
            loop.run_once(60)
            (result,) = results
            self.assertFalse(result.ok)
            self.assertEqual(result.error.status, accel.CardStatus.fault_unmapped)
            with self.assertRaises(accel.Error):
                result.check()

    def test_a_timeout_calls_back_before_the_job_is_over(self):
        with accel.EventLoop() as loop:
            results = []
            job = self.queue.submit(self.held.wait(1))
            loop.when_done(job, results.append, timeout=0.01)
            self.assertEqual(loop.run_once(60), 1)
            self.assertTrue(results[0].timed_out)
            self.assertIsNone(results[0].error)
            self.assertFalse(job.done)
            self.release()
            job.wait(60)

    def test_an_exception_of_a_callback_leaves_run_once(self):
        with accel.EventLoop() as loop:
            calls = []
            loop.post(lambda: 1 / 0)
            loop.post(lambda: calls.append(1))
            with self.assertRaises(ZeroDivisionError):
                loop.run_once(0)
            loop.run_once(0)
            self.assertEqual(calls, [1])

    def test_an_exception_on_the_library_s_thread_is_reported(self):
        reported = []
        before = sys.unraisablehook
        sys.unraisablehook = lambda report: reported.append(report.exc_type)
        try:
            with accel.EventLoop.with_thread() as loop:
                done = threading.Event()
                loop.post(lambda: 1 / 0)
                loop.post(done.set)
                self.assertTrue(done.wait(60))
        finally:
            sys.unraisablehook = before
        self.assertEqual(reported, [ZeroDivisionError])

    def test_run_ends_by_stop_from_another_thread_and_from_a_callback(self):
        with accel.EventLoop() as loop:
            timer = threading.Timer(0.02, loop.stop)
            timer.start()
            loop.run()
            timer.join()
            loop.post(loop.stop)
            loop.run()
            loop.stop()
            self.assertEqual(loop.run_once(60), 0)

    def test_delayed_functions_run_in_the_order_of_their_times(self):
        with accel.EventLoop() as loop:
            order = []
            loop.post_after(0.03, lambda: (order.append("late"), loop.stop()))
            loop.post_after(0.001, lambda: order.append("early"))
            loop.run()
            self.assertEqual(order, ["early", "late"])

    def test_a_loop_that_ends_cancels_its_callbacks_and_not_the_jobs(self):
        results = []
        job = self.queue.submit(self.held.wait(1))
        with accel.EventLoop() as loop:
            loop.when_done(job, results.append)
        self.assertEqual(results[0].error.errno, errno.ECANCELED)
        self.release()
        job.wait(60)
        with self.assertRaisesRegex(accel.InvalidArgumentError, "closed"):
            loop.run_once(0)

    def test_a_callback_closes_its_own_loop(self):
        for loop in (accel.EventLoop(), accel.EventLoop.with_thread()):
            closed = threading.Event()

            def close(loop=loop, closed=closed):
                loop.close()
                closed.set()

            loop.post(close)
            if not loop.closed:
                # The library's thread may have closed it meanwhile.
                try:
                    loop.run_once(0)
                except accel.Error as error:
                    self.assertIn(error.errno, (errno.EBUSY, errno.EINVAL))
            self.assertTrue(closed.wait(60))

    def test_a_callback_must_not_run_its_loop(self):
        with accel.EventLoop() as loop:
            caught = []

            def nested():
                try:
                    loop.run_once(0)
                except accel.Error as error:
                    caught.append((error.errno, loop.on_this_thread))

            loop.post(nested)
            loop.run_once(0)
            self.assertEqual(caught, [(errno.EDEADLK, True)])
            self.assertFalse(loop.on_this_thread)

    def test_the_descriptor_tells_a_foreign_loop(self):
        with accel.EventLoop() as loop:
            poll = select.poll()
            poll.register(loop.fileno(), select.POLLIN)
            job = self.queue.submit(self.held.wait(1))
            calls = []
            job.then(loop, calls.append)
            while poll.poll(0):
                loop.run_once(0)
            self.release()
            deadline = time.monotonic() + 60
            while not calls and time.monotonic() < deadline:
                poll.poll(1000)
                loop.run_once(0)
            self.assertTrue(calls[0].ok)

    def test_a_callback_keeps_its_job_s_queue_and_lets_go_of_it(self):
        queue = self.card.create_queue()
        before = self.card.info().user_queues.used
        with accel.EventLoop() as loop:
            called = []

            class Callback:
                def __call__(self, result):
                    called.append(result.ok)

            callback = Callback()
            alive = weakref.ref(callback)
            queue.submit(self.held.wait(1)).then(loop, callback)
            del queue, callback
            gc.collect()
            self.assertIsNotNone(alive())
            self.held.set(1)
            loop.run_once(60)
            self.assertEqual(called, [True])
            self.assertIsNone(alive())
        self.expect_soon(lambda: self.card.info().user_queues.used, before - 1)

    def test_a_future_has_the_result_of_its_job(self):
        with accel.EventLoop.with_thread() as loop:
            accel.as_future(loop, self.queue.submit(commands.Nop())).result(60)
            bad = commands.Fill(dst=accel.Address(1 << 40), pattern=0, bytes=64)
            future = accel.as_future(loop, self.queue.submit(bad))
            with self.assertRaises(accel.Error) as caught:
                future.result(60)
            self.assertEqual(caught.exception.failure.address, 1 << 40)
            self.queue.reset()
            futures = [accel.as_future(loop, self.queue.submit(commands.Nop())) for _ in range(20)]
            done, left = concurrent.futures.wait(futures, 60)
            self.assertEqual((len(done), len(left)), (20, 0))


class Deadlines(CardTest):
    def setUp(self):
        super().setUp()
        self.queue = self.card.create_queue()
        self.addCleanup(self.queue.close)
        self.held = self.card.create_semaphore()

    def test_waits_end_at_a_point_in_time(self):
        job = self.queue.submit(self.held.wait(1))
        for wait in (
            job.wait_until,
            lambda deadline: accel.wait_any_until([job], deadline),
            lambda deadline: accel.wait_all_until([job, job], deadline),
        ):
            deadline = time.monotonic() + 0.02
            with self.assertRaises(accel.TimeoutError):
                wait(deadline)
            self.assertGreaterEqual(time.monotonic(), deadline)
            with self.assertRaises(accel.TimeoutError):
                wait(time.monotonic() - 5)
        self.held.set(1)
        self.queue.ring_doorbell()
        job.wait_until(time.monotonic() + 60)
        self.assertEqual(accel.wait_any_until([job], time.monotonic() - 5), 0)
        accel.wait_all_until([job], time.monotonic() - 5)

    def test_wait_all_waits_for_the_others_after_one_failed(self):
        other = self.card.create_queue()
        bad = commands.Fill(dst=accel.Address(1 << 40), pattern=0, bytes=64)
        failed = other.submit(bad)
        held = self.queue.submit(self.held.wait(1))
        with self.assertRaises(accel.TimeoutError):
            accel.wait_all([failed, held], 0.05)
        timer = threading.Timer(0.05, lambda: (self.held.set(1), self.queue.ring_doorbell()))
        timer.start()
        with self.assertRaises(accel.Error) as caught:
            accel.wait_all([failed, held], 60)
        self.assertEqual(caught.exception.status, accel.CardStatus.fault_unmapped)
        self.assertTrue(held.done)
        timer.join()


if __name__ == "__main__":
    unittest.main()
