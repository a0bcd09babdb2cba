# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C ends each call that waits for the card."""

import unittest

from card import run

PRELUDE = """
import faulthandler, signal
import accel
import numpy as np
from accel import commands, examples

faulthandler.dump_traceback_later(60, exit=True)
card = accel.Device()
queue = card.create_queue(entries=4)
held = card.create_semaphore()
hold = held.wait(1)

def interrupt(*_):
    raise KeyboardInterrupt

def interrupted(function, *arguments, **keywords):
    signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        function(*arguments, **keywords)
    except KeyboardInterrupt:
        print("interrupted")
"""


class Signals(unittest.TestCase):
    def ends(self, program: str) -> None:
        done = run(PRELUDE + program)
        self.assertEqual((done.returncode, done.stdout), (0, "interrupted\n"), done.stderr)

    def test_submit_on_a_full_ring(self):
        self.ends("""
for _ in range(4):
    queue.submit(hold)
interrupted(queue.submit, hold)
held.set(1)
queue.submit(commands.Nop()).wait(60)
""")

    def test_add_to_a_batch_on_a_full_ring(self):
        self.ends("""
for _ in range(3):
    queue.submit(hold)
with queue.batch() as batch:
    batch.add(hold)
    interrupted(batch.add, hold)
held.set(1)
queue.submit(commands.Nop()).wait(60)
""")

    def test_copies_of_device_memory(self):
        self.ends("""
queue.submit(hold)
buffer = card.buffer(4, placement=accel.Placement.device)
interrupted(buffer.copy_from, np.zeros(4, np.float32), queue=queue)
""")

    def test_calls_and_profiles_of_a_model(self):
        for member in ("__call__", "profile"):
            with self.subTest(member):
                self.ends(f"""
model = accel.Model.load(examples.FASHION, card)
image = examples.read_pgm("ankle-boot.pgm")
for _ in range(4):
    queue.submit(hold)
interrupted(model.{member}, image, queue=queue)
""")

    def test_submit_of_a_pipeline(self):
        self.ends("""
buffer = card.buffer(1)
pipeline = accel.Pipeline(card, lambda q, o: q.submit(hold), inputs=[4], outputs=[4])
def fill():
    while True:
        pipeline.submit([buffer], [buffer])
interrupted(fill)
""")

    def test_the_function_of_a_request(self):
        self.ends("""
requests = accel.RequestQueue(card)
interrupted(requests.submit, lambda q: [q.submit(hold) for _ in range(200)][-1])
""")


if __name__ == "__main__":
    unittest.main()
