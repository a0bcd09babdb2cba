# SPDX-License-Identifier: Apache-2.0
"""`await job`: the event loop of asyncio polls an EventLoop, and no thread waits."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, ref

from ._accel import EventLoop

if TYPE_CHECKING:
    from ._accel import Batcher, InferenceRequest, Job, JobResult, ModelRequest, Request


@dataclass
class _Watch:
    """The work that tasks of an event loop of asyncio await."""

    events: EventLoop = field(default_factory=EventLoop)

    def add(self, work: Job | Request, future: asyncio.Future[None]) -> None:
        if self.events.pending == 0:
            future.get_loop().add_reader(self.events.fileno(), self.on_readable)
        # When a loop of asyncio ends, its callbacks stay here. They must not keep the loop.
        self.events.when_done(work, partial(_settle, ref(future)))

    def on_readable(self) -> None:
        self.events.run_once(0)
        if self.events.pending == 0:
            asyncio.get_running_loop().remove_reader(self.events.fileno())


def _settle(reference: ref[asyncio.Future[None]], _: JobResult) -> None:
    future = reference()
    if future is not None and not future.done() and not future.get_loop().is_closed():
        future.set_result(None)


_watches: WeakKeyDictionary[asyncio.AbstractEventLoop, _Watch] = WeakKeyDictionary()


async def wait(work: Job | Request) -> None:
    """Waits for a job or a request in the running event loop. Raises like its wait()."""
    if not work.done:
        loop = asyncio.get_running_loop()
        if loop not in _watches:
            _watches[loop] = _Watch()
        future: asyncio.Future[None] = loop.create_future()
        _watches[loop].add(work, future)
        await future
    work.wait(0)


async def wait_and_get(request: InferenceRequest | ModelRequest) -> Any:
    """Waits in the running event loop. Returns the result, and raises like get()."""
    await wait(request)
    return request.get(0)


async def run(batcher: Batcher, *inputs: Any, **named_inputs: Any) -> Any:
    """Submits a request and returns its outputs."""
    request = batcher.try_submit(*inputs, **named_inputs)
    if request is None:
        # No room: a thread waits for it.
        loop = asyncio.get_running_loop()
        submit = partial(batcher.submit, *inputs, **named_inputs)
        request = await loop.run_in_executor(None, submit)
    try:
        return await wait_and_get(request)
    except asyncio.CancelledError:
        request.cancel()
        raise
