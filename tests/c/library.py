# SPDX-License-Identifier: Apache-2.0
"""libaccel_c through ctypes: the structures that the tests use, and calls that raise exceptions."""

from __future__ import annotations

import contextlib
import ctypes
import os
import struct
import unittest
from ctypes import (
    c_char,
    c_char_p,
    c_float,
    c_int16,
    c_int32,
    c_int64,
    c_size_t,
    c_uint8,
    c_uint16,
    c_uint32,
    c_uint64,
    c_void_p,
)
from pathlib import Path

BUILD = Path(os.environ.get("ACCEL_BUILD", "build")).resolve()
FOLDER = BUILD / "libaccel/c"
ROOT = Path(__file__).resolve().parents[2]
HEADERS = ROOT / "libaccel/c/include"
MODELS = Path("/usr/share/libonnx-testdata/data/node")


def _sanitizers() -> str:
    cache = BUILD / "CMakeCache.txt"
    lines = cache.read_text().splitlines() if cache.is_file() else []
    return next((line.split("=", 1)[1] for line in lines if line.startswith("ACCEL_SANITIZE:")), "")


SANITIZERS = (
    _sanitizers()
)  # as for -fsanitize=; only a program with the same ones loads the library
FOREVER = c_int64(2**63 - 1)
BF16, U8, I32, I64 = 2, 5, 8, 10  # of ACCEL_DTYPE_*


class Error(ctypes.Structure):
    _fields_ = (
        ("size", c_uint32),
        ("code", c_int32),
        ("status", c_uint32),
        ("reason", c_uint32),
        ("sequence", c_uint64),
        ("address", c_uint64),
        ("opcode", c_uint32),
        ("list_index", c_uint32),
        ("text", c_char * 1024),
    )


class Operand(ctypes.Structure):
    _fields_ = (
        ("buffer", c_void_p),
        ("offset", c_uint64),
        ("kind", c_uint32),
        ("argument", c_uint32),
    )


class Shape(ctypes.Structure):
    _fields_ = (("rank", c_uint32), ("reserved", c_uint32), ("dimensions", c_uint64 * 6))


class Format(ctypes.Structure):
    _fields_ = (
        *((name, c_uint8) for name in ("a_type", "b_type", "result_type", "requantize")),
        *((name, c_int16) for name in ("a_zero_point", "b_zero_point", "result_zero_point")),
        *((name, c_uint8) for name in ("accumulate", "reserved")),
    )


class Image(ctypes.Structure):
    _fields_ = tuple(
        (name, c_uint32)
        for name in ("height", "width", "channels", "pixel_stride", "row_stride", "image_stride")
    )


class Window(ctypes.Structure):
    _fields_ = tuple(
        (name, c_uint16)
        for name in (
            *("height", "width", "stride_y", "stride_x"),
            *("dilation_y", "dilation_x", "pad_top", "pad_left"),
        )
    )


def words(text: str) -> list[tuple[str, type[c_uint32]]]:
    return [(name, c_uint32) for name in text.split()]


def operands(text: str) -> list[tuple[str, type[Operand]]]:
    return [(name, Operand) for name in text.split()]


class Copy(ctypes.Structure):
    _fields_ = (
        *words("size rows"),
        *operands("dst src"),
        *((name, c_uint64) for name in ("bytes", "dst_stride", "src_stride")),
    )


class Fill(ctypes.Structure):
    _fields_ = (
        *words("size pattern_bytes"),
        *operands("dst"),
        *((name, c_uint64) for name in ("pattern", "bytes", "dst_stride")),
        *words("rows reserved"),
    )


class Gemm(ctypes.Structure):
    _fields_ = (
        *words("size activation"),
        *operands("d a b bias"),
        *words("m n k transpose_a transpose_b lda ldb ldd"),
        *(("alpha", c_float), ("beta", c_float), ("format", Format)),
        *words("batch batch_stride_a batch_stride_b batch_stride_d reserved"),
    )


class Conv2d(ctypes.Structure):
    _fields_ = (
        *words("size batch groups activation"),
        *operands("dst src weights bias"),
        *(("src_image", Image), ("dst_image", Image), ("window", Window)),
        *(("alpha", c_float), ("beta", c_float), ("format", Format)),
        *words("reserved"),
    )


class Pool(ctypes.Structure):
    _fields_ = (
        *words("size op batch count_include_pad"),
        *operands("dst src"),
        *(("src_image", Image), ("dst_image", Image), ("window", Window)),
    )


class Elementwise(ctypes.Structure):
    _fields_ = (
        *words("size op"),
        *operands("dst a b c"),
        *((name, Shape) for name in ("shape", "dst_strides", "a_strides", "b_strides")),
        *(("c_strides", Shape), ("activation", c_uint32), ("alpha", c_float), ("beta", c_float)),
        *words("type dst_type a_type b_type c_type"),
    )


class HeadStrides(ctypes.Structure):
    _fields_ = words("batch head row")


class Attention(ctypes.Structure):
    _fields_ = (
        *words("size flags"),
        *operands("d q k v mask lengths positions"),
        *words("batch heads key_heads queries keys head_size value_size"),
        *(("scale", c_float), ("softcap", c_float), *words("left right"), ("offset", c_int32)),
        *((f"{name}_strides", HeadStrides) for name in ("d", "q", "k", "v", "mask")),
        *words("d_type q_type k_type v_type mask_type index_type reserved"),
    )


class Softmax(ctypes.Structure):
    _fields_ = (*words("size outer n inner"), *operands("dst src"))


class Reduce(ctypes.Structure):
    _fields_ = (*words("size op outer n inner reserved"), *operands("dst src"))


class Transpose(ctypes.Structure):
    _fields_ = (
        *words("size element_size"),
        *operands("dst src"),
        *(("shape", Shape), ("dst_strides", Shape)),
        *(("src_strides", c_int32 * 6), ("src_offset", c_uint64)),
    )


class Gather(ctypes.Structure):
    _fields_ = (
        *words("size elements"),
        *operands("dst src indices"),
        *words("index_type element_size outer n count inner"),
    )


class Scatter(ctypes.Structure):
    _fields_ = (
        *words("size op"),
        *operands("dst src indices"),
        *words("type index_type elements outer n count inner reserved"),
    )


class Resize(ctypes.Structure):
    _fields_ = (*words("size taps"), *operands("dst src table"), *words("outer n count inner"))


class Tensor(ctypes.Structure):
    _fields_ = (
        *words("size type"),
        *(("name", c_char_p), ("shape", ctypes.POINTER(c_int64)), ("rank", c_uint64)),
        *(("data", c_void_p), ("bytes", c_uint64)),
    )


class AccelError(Exception):
    """The error of a call; `details` are the members of accel_error_t."""

    def __init__(self, details: Error):
        super().__init__(details.text.decode())
        self.details = details
        self.code = details.code


class Library:
    """Calls functions by their names without "accel_"."""

    def __init__(self) -> None:
        self.c = ctypes.CDLL(str(FOLDER / "libaccel_c.so.0"))
        for name in ("status_text", "reason_text", "library_version"):
            self.function(name).restype = c_char_p
        for name in ("devices_path", "devices_reason"):
            self.function(name).restype = c_char_p
            self.function(name).argtypes = (c_void_p, c_size_t)
        for name in ("buffer_bytes", "buffer_address", "job_sequence"):
            self.function(name).restype = c_uint64

    def function(self, name: str):
        return getattr(self.c, f"accel_{name}")

    def call(self, name: str, *arguments) -> None:
        """Raises AccelError if the function fails. The error is its last parameter."""
        error = Error(size=ctypes.sizeof(Error))
        code = self.function(name)(*arguments, ctypes.byref(error))
        if code != 0:
            assert error.code == code
            raise AccelError(error)

    def make(self, name: str, *arguments) -> c_void_p:
        """The handle that the function makes."""
        handle = c_void_p(1)
        try:
            self.call(name, *arguments, ctypes.byref(handle))
        except AccelError:
            assert not handle.value
            raise
        assert handle.value
        return handle

    def command(self, name: str, description: ctypes.Structure) -> c_void_p:
        if not description.size:
            description.size = ctypes.sizeof(description)
        return self.make(f"command_{name}", ctypes.byref(description))


def shape(*dimensions: int) -> Shape:
    return Shape(len(dimensions), 0, (c_uint64 * 6)(*dimensions))


class CardTest(unittest.TestCase):
    """A test with an emulated card and a queue."""

    library: Library

    @classmethod
    def setUpClass(cls):
        if SANITIZERS:
            raise unittest.SkipTest("Python does not load a library with sanitizers")
        cls.library = Library()

    def setUp(self):
        self.card = self.handle("device_close", "device_open", b"emulated")
        self.queue = self.handle("queue_destroy", "queue_create", self.card, None)

    def handle(self, free: str, make: str, *arguments) -> c_void_p:
        """A handle that the end of the test releases."""
        handle = self.library.make(make, *arguments)
        self.addCleanup(self.library.function(free), handle)
        return handle

    @contextlib.contextmanager
    def fails(self, code: int, *texts: str):
        with self.assertRaises(AccelError) as caught:
            yield caught
        self.assertEqual(caught.exception.code, code, str(caught.exception))
        for text in texts:
            self.assertIn(text, str(caught.exception))

    def buffer(self, size: int) -> c_void_p:
        return self.handle("buffer_free", "buffer_allocate", self.card, c_uint64(size), None)

    def memory(self, buffer: c_void_p, size: int):
        address = c_void_p()
        self.library.call("buffer_data", buffer, ctypes.byref(address))
        assert address.value
        return (c_char * size).from_address(address.value)

    def write(self, layout: str, *values) -> Operand:
        """An operand on a new buffer with these values; `layout` is a letter of struct."""
        data = struct.pack(f"<{len(values)}{layout}", *values)
        buffer = self.buffer(len(data))
        self.memory(buffer, len(data))[:] = data
        return Operand(buffer=buffer, kind=1)

    def read(self, layout: str, operand: Operand, count: int) -> list:
        layout = f"<{count}{layout}"
        data = self.memory(c_void_p(operand.buffer), struct.calcsize(layout)).raw
        return list(struct.unpack(layout, data))

    def zeros(self, size: int) -> Operand:
        return Operand(buffer=self.buffer(size), kind=1)

    def submit(self, command: c_void_p) -> c_void_p:
        return self.handle("job_free", "queue_submit", self.queue, command)

    def run_command(self, name: str, description: ctypes.Structure) -> None:
        command = self.library.command(name, description)
        self.addCleanup(self.library.function("command_free"), command)
        self.library.call("queue_submit", self.queue, command, None)
        self.library.call("queue_synchronize", self.queue)
