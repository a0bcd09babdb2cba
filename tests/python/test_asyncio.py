# SPDX-License-Identifier: Apache-2.0
"""Jobs in asyncio: awaited without a thread, many at once, across queues."""

import asyncio
import threading
import unittest

import accel
from accel import commands
from card import CardTest


class Asyncio(CardTest):
    def setUp(self):
        super().setUp()
        self.queue = self.card.create_queue()
        self.addCleanup(self.queue.close)

    def run_in_loop(self, work):
        async def limited():
            return await asyncio.wait_for(work, 60)

        return asyncio.run(limited())

    def test_a_job_that_is_over_is_awaited_at_once(self):
        async def work():
            job = self.queue.submit(commands.Nop())
            job.wait()
            await job

        self.run_in_loop(work())

    def test_the_loop_runs_other_tasks_while_a_job_is_awaited(self):
        held = self.card.create_semaphore()
        order = []

        async def release():
            await asyncio.sleep(0.02)
            order.append("released")
            held.set(1)
            self.queue.ring_doorbell()

        async def work():
            job = self.queue.submit(held.wait(1))
            task = asyncio.ensure_future(release())
            await job
            order.append("done")
            await task

        before = threading.active_count()
        self.run_in_loop(work())
        self.assertEqual(order, ["released", "done"])
        self.assertEqual(threading.active_count(), before)

    def test_many_jobs_of_several_queues_are_awaited_in_any_order(self):
        held = self.card.create_semaphore()
        queues = [self.queue, self.card.create_queue(), self.card.create_queue()]

        async def wait(name, job, ends):
            await job
            ends.append(name)

        async def work():
            jobs = []
            for number, queue in enumerate(queues):
                queue.submit(held.wait(1))
                for i in range(5):
                    jobs.append(((number, i), queue.submit(commands.Nop())))
            ends = []
            tasks = [asyncio.ensure_future(wait(*pair, ends)) for pair in reversed(jobs)]
            await asyncio.sleep(0.01)
            self.assertEqual(ends, [])
            held.set(1)
            for queue in queues:
                queue.ring_doorbell()
            await asyncio.gather(*tasks)
            self.assertEqual(len(ends), 15)

        self.run_in_loop(work())

    def test_a_failed_job_raises_in_its_task(self):
        async def work():
            job = self.queue.submit(commands.Fill(dst=accel.Address(1 << 40), pattern=0, bytes=64))
            with self.assertRaises(accel.Error) as caught:
                await job
            self.assertEqual(caught.exception.status, accel.CardStatus.fault_unmapped)

        self.run_in_loop(work())

    def test_a_canceled_task_leaves_the_others(self):
        held = self.card.create_semaphore()

        async def work():
            first = self.queue.submit(held.wait(1))
            second = self.queue.submit(commands.Nop())

            async def wait(job):
                await job

            canceled, other = (
                asyncio.ensure_future(wait(first)),
                asyncio.ensure_future(wait(second)),
            )
            await asyncio.sleep(0.01)
            canceled.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await canceled
            held.set(1)
            self.queue.ring_doorbell()
            await other

        self.run_in_loop(work())

    def test_a_queue_that_is_closed_ends_the_waits_for_its_jobs(self):
        held = self.card.create_semaphore()

        async def work():
            job = self.queue.submit(held.wait(1))

            async def wait():
                await job

            task = asyncio.ensure_future(wait())
            await asyncio.sleep(0.01)
            self.queue.close()
            with self.assertRaises(accel.Error):
                await task

        self.run_in_loop(work())

    def test_two_loops_in_turn(self):
        async def work():
            for _ in range(20):
                await self.queue.submit(commands.Nop())

        self.run_in_loop(work())
        self.run_in_loop(work())


if __name__ == "__main__":
    unittest.main()
