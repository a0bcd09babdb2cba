# SPDX-License-Identifier: Apache-2.0
"""`await job`: the event loop polls the file descriptor of the device, and no thread waits."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from ._accel import Job

Waiter = tuple["Job", "asyncio.Future[None]"]


@dataclass
class _Watch:
    """The jobs of one device that tasks of an event loop await."""

    fd: int
    waiters: dict[int, list[Waiter]] = field(default_factory=dict)  # by queue

    def add(self, loop: asyncio.AbstractEventLoop, waiter: Waiter) -> None:
        if not self.waiters:
            loop.add_reader(self.fd, self.on_readable, loop)
        key = waiter[0]._queue_key
        queued = self.waiters.setdefault(key, [])
        queued.append(waiter)
        queued.sort(key=lambda entry: entry[0].sequence)
        self.settle(key)
        self.stop_if_idle(loop)

    def on_readable(self, loop: asyncio.AbstractEventLoop) -> None:
        for key in list(self.waiters):
            self.settle(key)
        self.stop_if_idle(loop)

    def settle(self, key: int) -> None:
        """Ends the waits for jobs that are over, and asks for a notification of the next one."""
        queued = self.waiters[key]
        while True:
            remaining = [waiter for waiter in queued if not _settle_one(*waiter)]
            if not remaining:
                queued[0][0]._notify(False)
                del self.waiters[key]
                return
            first = remaining[0][0]
            first._notify(True)
            self.waiters[key] = queued = remaining
            # The notification reports only what happens after it.
            if not first.done:
                return

    def stop_if_idle(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self.waiters:
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
    if job.done or job._fd < 0:
        job.wait(0)
        return
    loop = asyncio.get_running_loop()
    fd = job._fd
    watch = _watches.setdefault(loop, {}).setdefault(fd, _Watch(fd))
    future: asyncio.Future[None] = loop.create_future()
    watch.add(loop, (job, future))
    await future
