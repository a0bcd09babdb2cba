# SPDX-License-Identifier: Apache-2.0
"""Names of types in the signatures of the package."""

from __future__ import annotations

import os
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
Dtype: TypeAlias = np.dtype[Any]
Path: TypeAlias = str | os.PathLike[str]

__all__ = ["Array", "ArrayLike", "Dtype", "DTypeLike", "Path"]
