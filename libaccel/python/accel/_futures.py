# SPDX-License-Identifier: Apache-2.0
"""Futures of concurrent.futures for jobs and requests."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

from ._accel import EventLoop, InferenceRequest, Job, JobResult, ModelRequest, Request


def as_future(loop: EventLoop, work: Job | Request) -> Future[Any]:
    """Returns a future that is ready when the job or the request is over. The loop must run.

    The result is that of get(), if the work has one, or None. The exception is that of
    wait().
    """
    future: Future[Any] = Future()
    future.set_running_or_notify_cancel()

    def settle(result: JobResult) -> None:
        if result.error is not None and not work.done:
            future.set_exception(result.error)  # the loop ended before the work
            return
        try:
            work.wait(0)
            future.set_result(work.get(0) if isinstance(work, InferenceRequest | ModelRequest) else None)
        except Exception as error:
            future.set_exception(error)

    loop.when_done(work, settle)
    return future
