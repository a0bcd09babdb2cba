# SPDX-License-Identifier: Apache-2.0
"""Processes: fork and spawn, signals, and the end of the interpreter."""

import os
import sys
import textwrap
import unittest

from card import run

PREAMBLE = """
import accel, os, sys, signal, multiprocessing, threading
import numpy as np
from accel import commands
"""


class Process(unittest.TestCase):
    def expect(self, program: str, output: str = "", **environment: str) -> None:
        done = run(PREAMBLE + textwrap.dedent(program), **environment)
        self.assertEqual((done.returncode, done.stdout.strip()), (0, output), done.stderr)
        # AddressSanitizer warns of the contexts that the card's core switches between.
        lines = [line for line in done.stderr.splitlines() if "makecontext/swapcontext" not in line]
        self.assertEqual(lines, [])

    def test_the_interpreter_ends_while_objects_live(self):
        self.expect(
            """
            card = accel.Device()
            buffer = card.buffer(1000)
            array = buffer.numpy()
            queue = card.create_queue()
            held = card.create_semaphore()
            job = queue.submit(held.wait(1))
            print("end")
            """,
            "end",
        )

    def test_the_interpreter_ends_while_a_daemon_thread_waits(self):
        self.expect(
            """
            card = accel.Device()
            queue = card.create_queue()
            held = card.create_semaphore()
            job = queue.submit(held.wait(1))
            started = threading.Event()
            def work():
                started.set()
                job.wait()
            threading.Thread(target=work, daemon=True).start()
            started.wait()
            print("end")
            """,
            "end",
        )

    def test_the_interpreter_ends_while_the_library_s_threads_work(self):
        self.expect(
            """
            card = accel.Device()
            held = card.create_semaphore()
            loop = accel.EventLoop.with_thread()
            requests = accel.RequestQueue(card, in_flight=1)
            blocked = requests.submit(lambda queue: queue.submit(held.wait(1)))
            waiting = requests.submit(lambda queue: queue.submit(commands.Nop()))
            codes = []
            waiting.then(loop, lambda result: codes.append(result.error.errno))
            pumped = accel.EventLoop()
            blocked.then(pumped, lambda result: codes.append(result.error.errno))
            def work():
                if not loop.closed:
                    loop.post(work)
            loop.post(work)
            print("end")
            """,
            "end",
        )

    def test_a_forked_child_ends_with_the_parent_s_requests(self):
        self.expect(
            """
            import warnings
            warnings.simplefilter("ignore")
            card = accel.Device()
            held = card.create_semaphore()
            loop = accel.EventLoop.with_thread()
            requests = accel.RequestQueue(card)
            request = requests.submit(lambda queue: queue.submit(held.wait(1)))
            request.then(loop, lambda result: print("called", flush=True))
            pid = os.fork()
            if pid == 0:
                for use in (lambda: requests.submit(commands.Nop()), request.wait,
                            lambda: loop.post(print)):
                    try:
                        use()
                    except accel.Error as error:
                        print(error.errno, flush=True)
                sys.exit(0)
            os.waitpid(pid, 0)
            held.set(1)
            request.wait(60)
            loop.close()
            """,
            "1\n1\n1\ncalled",
        )

    def test_a_signal_ends_waits_for_requests_and_room(self):
        self.expect(
            """
            card = accel.Device()
            held = card.create_semaphore()
            requests = accel.RequestQueue(card, in_flight=1, max_waiting=1)
            blocked = requests.submit(lambda queue: queue.submit(held.wait(1)))
            waiting = requests.submit(commands.Nop())
            calls = []
            def work(queue):
                calls.append(1)
                return queue.submit(commands.Nop())
            def on_alarm(*_):
                raise KeyboardInterrupt
            signal.signal(signal.SIGALRM, on_alarm)
            loop = accel.EventLoop()
            for wait in (waiting.wait, requests.synchronize, lambda: requests.submit(work),
                         loop.run, loop.run_once):
                signal.setitimer(signal.ITIMER_REAL, 0.1)
                try:
                    wait()
                except KeyboardInterrupt:
                    print("interrupted")
            held.set(1)
            waiting.wait(60)
            requests.synchronize()
            print(calls)
            """,
            "interrupted\n" * 5 + "[]",
        )

    def test_a_forked_child_gets_errors_and_can_open_a_card(self):
        self.expect(
            """
            import warnings
            warnings.simplefilter("ignore")
            card = accel.Device()
            buffer = card.buffer(4)
            queue = card.create_queue()
            pid = os.fork()
            if pid == 0:
                codes = []
                for use in (lambda: card.buffer(4), lambda: queue.submit(commands.Nop()),
                            lambda: buffer.numpy(), lambda: card.info()):
                    try:
                        use()
                        codes.append(0)
                    except accel.Error as error:
                        codes.append(error.errno)
                del buffer, queue
                own = accel.Device()
                values = own.buffer(4)
                own.create_queue().submit(commands.fill(values, 3)).wait()
                codes.append(int(values.numpy()[0]))
                print(codes, flush=True)
                os._exit(0)
            os.waitpid(pid, 0)
            queue.submit(commands.fill(buffer, 2)).wait()
            print(buffer.numpy()[0])
            """,
            "[1, 1, 1, 1, 3]\n2.0",
        )

    def test_workers_of_multiprocessing_use_cards_of_their_own(self):
        methods = ["spawn"]
        if "thread" not in os.environ.get("ACCEL_SANITIZE", ""):
            # ThreadSanitizer cannot start threads in a child of a process that has some.
            methods.append("fork")
        for method in methods:
            with self.subTest(method):
                self.expect(
                    f"""
                    import card_worker, warnings
                    warnings.simplefilter("ignore")
                    if __name__ == "__main__":
                        card = accel.Device()
                        context = multiprocessing.get_context("{method}")
                        with context.Pool(2) as pool:
                            print(pool.map(card_worker.double, [1, 2, 3]))
                    """,
                    "[2, 4, 6]",
                    PYTHONPATH=":".join(sys.path),
                )

    def test_a_signal_ends_a_wait(self):
        self.expect(
            """
            card = accel.Device()
            queue = card.create_queue()
            held = card.create_semaphore()
            job = queue.submit(held.wait(1))
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            def on_alarm(*_):
                raise KeyboardInterrupt
            signal.signal(signal.SIGALRM, on_alarm)
            try:
                job.wait()
            except KeyboardInterrupt:
                print("interrupted")
            """,
            "interrupted",
        )

    def test_a_handler_that_returns_lets_the_wait_go_on(self):
        self.expect(
            """
            card = accel.Device()
            queue = card.create_queue()
            held = card.create_semaphore()
            job = queue.submit(held.wait(1))
            signal.signal(signal.SIGALRM, lambda *_: held.set(1))
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            job.wait()
            print("done")
            """,
            "done",
        )


if __name__ == "__main__":
    unittest.main()
