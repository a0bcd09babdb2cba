# SPDX-License-Identifier: Apache-2.0
"""`await job`: the event loop polls the file descriptor of the device, and no thread waits."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from ._accel import Job, Queue

Waiter = tuple["Job", "asyncio.Future[None]"]


@dataclass
class _Waiters:
    """The tasks that await jobs of one queue, in the order of the jobs."""

    queue: Queue
    waiters: list[Waiter] = field(default_factory=list)

    def settle(self) -> None:
        """Ends the waits for jobs that are over, and asks for a notification of the next one."""
        while True:
            self.waiters = [waiter for waiter in self.waiters if not _settle_one(*waiter)]
            if not self.waiters:
                self.queue._notify(None)
                return
            first = self.waiters[0][0]
            self.queue._notify(first)
            # The notification reports only what happens after it.
            if not first.done:
                return


@dataclass
class _Watch:
    """The jobs of one device that tasks of an event loop await."""

    fd: int
    queues: dict[int, _Waiters] = field(default_factory=dict)

    def add(self, loop: asyncio.AbstractEventLoop, queue: Queue, waiter: Waiter) -> None:
        if not self.queues:
            loop.add_reader(self.fd, self.on_readable, loop)
        queued = self.queues.setdefault(queue._key, _Waiters(queue))
        queued.waiters.append(waiter)
        queued.waiters.sort(key=lambda entry: entry[0].sequence)
        self.on_readable(loop)

    def on_readable(self, loop: asyncio.AbstractEventLoop) -> None:
        for key, queued in list(self.queues.items()):
            queued.settle()
            if not queued.waiters:
                del self.queues[key]
        if not self.queues:
            loop.remove_reader(self.fd)


def _settle_one(job: Job, future: asyncio.Future[None]) -> bool:
    """Returns whether the wait is over."""
    if future.done():
        return True  # the task was canceled
    try:
        job.wait(0)
    except TimeoutError:
        return False
    except Exception as error:
        future.set_exception(error)
        return True
    future.set_result(None)
    return True


_watches: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[int, _Watch]] = WeakKeyDictionary()


def wake() -> None:
    """Makes all loops look at their jobs; the extension module calls it when a queue ends."""
    for loop, watches in list(_watches.items()):
        for watch in list(watches.values()):
            # A loop that has ended has no tasks that wait.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(watch.on_readable, loop)


async def wait(job: Job) -> None:
    """Waits for a job in the running event loop. Raises like Job.wait()."""
    queue = job._queue
    if job.done or queue is None or queue.closed:
        job.wait(0)
        return
    loop = asyncio.get_running_loop()
    watch = _watches.setdefault(loop, {}).setdefault(queue._fd, _Watch(queue._fd))
    future: asyncio.Future[None] = loop.create_future()
    watch.add(loop, queue, (job, future))
    await future
