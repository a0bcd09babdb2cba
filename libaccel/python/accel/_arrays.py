# SPDX-License-Identifier: Apache-2.0
"""Arrays of numpy for the extension module, with bf16 and small types by the package ml_dtypes."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

Array = np.ndarray[Any, Any]

_NUMPY_NAMES = {
    "f32": "float32",
    "f16": "float16",
    "f64": "float64",
    "i8": "int8",
    "u8": "uint8",
    "i16": "int16",
    "u16": "uint16",
    "i32": "int32",
    "u32": "uint32",
    "i64": "int64",
    "u64": "uint64",
    "boolean": "bool",
}

# The types of the package ml_dtypes, which neither numpy nor the buffer protocol has.
_EXTENSION_NAMES = {
    "bf16": "bfloat16",
    "f8e4m3fn": "float8_e4m3fn",
    "f8e4m3fnuz": "float8_e4m3fnuz",
    "f8e5m2": "float8_e5m2",
    "f8e5m2fnuz": "float8_e5m2fnuz",
    "f8e8m0": "float8_e8m0fnu",
    "f4e2m1": "float4_e2m1fn",
    "i4": "int4",
    "u4": "uint4",
    "i2": "int2",
    "u2": "uint2",
}


def _bits_of(name: str) -> np.dtype[Any]:
    """Returns the type of numpy whose elements hold the bits of an extension type."""
    return np.dtype(np.uint16 if name == "bf16" else np.uint8)


@cache
def dtype_of(name: str) -> np.dtype[Any]:
    """Returns the data type of numpy with the name of a DataType."""
    if name not in _EXTENSION_NAMES:
        return np.dtype(_NUMPY_NAMES[name])
    try:
        import ml_dtypes

        dtype: np.dtype[Any] = np.dtype(getattr(ml_dtypes, _EXTENSION_NAMES[name]))
    except (ImportError, AttributeError) as error:
        raise ImportError(
            f"numpy has no {name}: install the newest package ml_dtypes (pip install -U ml_dtypes)"
        ) from error
    return dtype


def bits(array: Any) -> Any:
    """Returns an array of an extension type as integers with its bits; others as they are.

    The buffer protocol has no extension types.
    """
    if isinstance(array, np.ndarray) and array.dtype.name in _EXTENSION_NAMES.values():
        return array.view(np.dtype(f"u{array.dtype.itemsize}"))
    return array


def view(buffer: Any, name: str) -> Array:
    """Returns the memory that `buffer` exports as an array of the data type."""
    array = np.asarray(buffer)
    return array.view(dtype_of(name)) if name in _EXTENSION_NAMES else array


def empty(shape: tuple[int, ...], name: str) -> Array:
    """Returns a new array with undefined elements."""
    return np.empty(shape, dtype_of(name))


def array_of(value: ArrayLike, name: str | None) -> Array:
    """Returns a value as an array, which may have another memory layout than dense."""
    return np.asarray(value) if name is None else np.asarray(value, dtype_of(name))


def dense(value: ArrayLike, name: str) -> Array:
    """Returns a dense array of the data type with the elements of `value`.

    An array must have that type already; lists and numbers are converted.
    """
    extension = _EXTENSION_NAMES.get(name)
    wanted = _bits_of(name) if extension else dtype_of(name)
    given = getattr(getattr(value, "dtype", None), "name", None)
    # The types of one byte have the same bits, and another meaning.
    if given not in _EXTENSION_NAMES.values() or given == extension:
        value = bits(value)
    if hasattr(value, "dtype") or hasattr(value, "__dlpack__"):
        array = np.asarray(value)
        if not array.dtype.isnative:
            raise TypeError(
                f"the array has the data type {array.dtype.name} in the byte order of another "
                f"machine ({array.dtype.str!r}): convert it with astype({array.dtype.name!r})"
            )
        if array.dtype != wanted:
            expected = extension or wanted.name
            raise TypeError(
                f"the array has data type {array.dtype.name}, not {expected}: "
                f"convert it with astype()"
            )
    elif extension:
        array = np.asarray(value, dtype_of(name)).view(wanted)
    else:
        array = np.asarray(value, wanted)
    return array if array.flags.c_contiguous else np.ascontiguousarray(array)


def shares(source: Any, array: Array) -> bool:
    """Returns whether `array` is the memory of `source` and not a copy."""
    return isinstance(source, np.ndarray) and np.may_share_memory(source, array)


def convert(array: Array, dtype: DTypeLike | None, copy: bool | None) -> Array:
    """Implements __array__ of a buffer."""
    if dtype is not None and np.dtype(dtype) != array.dtype:
        if copy is False:
            raise ValueError("a conversion needs a copy")
        return array.astype(dtype)
    return array.copy() if copy else array


def element_bytes(value: Any, name: str) -> bytes:
    """Returns the bytes of one element."""
    return np.asarray(value, dtype_of(name)).tobytes()


def describe(value: Any) -> str:
    """Returns data type and shape of a value for a message: "f32[1, 3]"."""
    try:
        dtype = value.dtype if hasattr(value, "dtype") else np.asarray(value).dtype
        shape = value.shape if hasattr(value, "shape") else np.asarray(value).shape
    except (TypeError, ValueError):
        return type(value).__name__
    names = {numpy: name for name, numpy in (_NUMPY_NAMES | _EXTENSION_NAMES).items()}
    order = "" if dtype.isnative else " in the byte order of another machine"
    return f"{names.get(dtype.name, dtype.name)}{list(shape)}{order}"


def output_fault(value: Any) -> str | None:
    """Returns why an array of any type and shape cannot take an output, and what helps."""
    if not isinstance(value, np.ndarray):
        return None
    if not value.flags.writeable:
        return "read-only: give an array that can be written"
    if not value.flags.c_contiguous:
        return "not dense: give an array such as numpy.empty() makes, and copy from it"
    return None
