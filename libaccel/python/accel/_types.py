# SPDX-License-Identifier: Apache-2.0
"""Names of types in the signatures of the package."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

if TYPE_CHECKING:
    from ._accel import Priority

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
Dtype: TypeAlias = np.dtype[Any]
Path: TypeAlias = str | os.PathLike[str]
Content: TypeAlias = bytes | bytearray | memoryview | Array


class QueueOptions(TypedDict, total=False):
    """The options of Device.create_queue()."""

    priority: Priority
    entries: int
    spin: float | None
    time_limit: float


class LoadOptions(TypedDict, total=False):
    """The options of Model.load(), except log."""

    batch: int
    dimensions: dict[str, int]
    shapes: dict[str, list[int]]
    constant_inputs: dict[str, ArrayLike]
    allow_narrowing: bool
    host_fallback: bool
    imported_weights: int


class BatcherOptions(LoadOptions, QueueOptions, total=False):
    """The options of Model.load() and of Device.create_queue()."""


__all__ = [
    "Array",
    "ArrayLike",
    "BatcherOptions",
    "Content",
    "Dtype",
    "DTypeLike",
    "LoadOptions",
    "Path",
    "QueueOptions",
]
