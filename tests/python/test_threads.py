# SPDX-License-Identifier: Apache-2.0
"""Objects that one thread closes while another uses them: an Error or a result, never a crash."""

import unittest

from card import run

PRELUDE = """
import threading, time
import accel
from accel import commands

card = accel.Device()

def in_thread(function, *arguments):
    def work():
        try:
            function(*arguments)
        except accel.Error:
            pass
    thread = threading.Thread(target=work)
    thread.start()
    return thread

def full_ring(entries=2):
    held = card.create_semaphore()
    queue = card.create_queue(entries=entries)
    for _ in range(entries):
        queue.submit(held.wait(1))
    return queue, held
"""


class Threads(unittest.TestCase):
    def survives(self, program: str) -> None:
        done = run(PRELUDE + program + "\nprint('survived')")
        self.assertEqual((done.returncode, done.stdout), (0, "survived\n"), done.stderr)

    def test_a_queue_closes_while_submit_waits_for_room(self):
        self.survives("""
for _ in range(20):
    queue, held = full_ring()
    nop = commands.Nop()
    submits = in_thread(queue.submit, nop)
    time.sleep(0.005)
    closes = in_thread(queue.close)
    submits.join(), closes.join()
    assert queue.closed
""")

    def test_a_queue_closes_while_others_use_it(self):
        self.survives("""
for _ in range(50):
    queue = card.create_queue()
    def use():
        while True:
            queue.submit(commands.Nop()).wait()
            queue.stats(), queue.pending, queue.reset()
    threads = [in_thread(use) for _ in range(3)]
    time.sleep(0.005)
    closes = [in_thread(queue.close) for _ in range(2)]
    for thread in threads + closes:
        thread.join()
""")

    def test_a_list_is_released_while_its_call_waits_for_room(self):
        self.survives("""
y = card.buffer(1, "i32")
for i in range(1, 20):
    queue, held = full_ring()
    recorded = card.create_command_list()
    recorded.add(commands.fill(y, i)).close()
    submits = in_thread(lambda: queue.submit(recorded).wait())
    time.sleep(0.005)
    recorded.release()
    held.set(1)
    submits.join()
    assert y.numpy()[0] == i
""")

    def test_a_batch_ends_while_it_waits_for_room(self):
        self.survives("""
for _ in range(20):
    held = card.create_semaphore()
    queue = card.create_queue(entries=2)
    queue.submit(held.wait(1))
    batch = queue.batch()
    batch.add(commands.Nop())
    adds = in_thread(batch.add, commands.Nop())
    time.sleep(0.005)
    batch.__exit__(None, None, None)
    held.set(1)
    adds.join()
    queue.submit(commands.Nop()).wait()
""")

    def test_a_sequence_of_jobs_changes_during_the_wait(self):
        self.survives("""
for _ in range(20):
    held = card.create_semaphore()
    queue = card.create_queue()
    jobs = [queue.submit(held.wait(1))]
    waits = in_thread(accel.wait_all, jobs)
    time.sleep(0.005)
    jobs.clear()
    held.set(1), queue.ring_doorbell()
    waits.join()
for wait in (accel.wait_any, accel.wait_all):
    for jobs in ([None], [queue.submit(commands.Nop()), None], [3]):
        try:
            wait(jobs, 1)
        except TypeError as error:
            assert "sequence of Jobs" in str(error), error
        else:
            raise AssertionError(jobs)
for wait in (accel.wait_any_until, accel.wait_all_until):
    try:
        wait([None], time.monotonic() + 1)
    except TypeError:
        continue
    raise AssertionError(wait)
""")


if __name__ == "__main__":
    unittest.main()
