# SPDX-License-Identifier: Apache-2.0
"""Functions that submit a command or a call of a list, for the extension module."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ._accel import Command, CommandList

if TYPE_CHECKING:
    from ._accel import Address, Buffer, Job, Queue


def submission(work: Command | CommandList, *arguments: Buffer | Address) -> Callable[[Queue], Job]:
    """Returns a function that submits `work` to the queue that it gets."""
    if not isinstance(work, Command | CommandList):
        raise TypeError("submit() takes a Command, a CommandList, or a function")
    return lambda queue: queue.submit(work, *arguments)
