# SPDX-License-Identifier: Apache-2.0
"""The shapes of a model that leaves a dimension open, through the C interface."""

import ctypes
import errno
import struct
import sys
import tempfile
import unittest
from ctypes import c_char_p, c_int64, c_size_t, c_uint32, c_uint64, c_void_p
from pathlib import Path

from library import ROOT, CardTest

sys.path.append(str(ROOT / "tests/python"))
import onnx_files


class Tensor(ctypes.Structure):
    _fields_ = (
        ("size", c_uint32),
        ("type", c_uint32),
        ("name", c_char_p),
        ("shape", ctypes.POINTER(c_int64)),
        ("rank", c_uint64),
        ("data", c_void_p),
        ("bytes", c_uint64),
    )


class Dimension(ctypes.Structure):
    _fields_ = (("name", c_char_p), ("length", c_int64))


class ModelShape(ctypes.Structure):
    _fields_ = (
        ("size", c_uint32),
        ("reserved", c_uint32),
        ("dimensions", ctypes.POINTER(Dimension)),
        ("dimension_count", c_uint64),
        ("inputs", ctypes.POINTER(Tensor)),
        ("input_count", c_uint64),
    )


class ModelOptions(ctypes.Structure):
    _fields_ = (
        ("size", c_uint32),
        ("allow_narrowing", c_uint32),
        ("host_fallback", c_uint32),
        ("lists_open", c_uint32),
        ("batch", c_int64),
        ("dimensions", ctypes.POINTER(Dimension)),
        ("dimension_count", c_uint64),
        ("shapes", ctypes.POINTER(Tensor)),
        ("shape_count", c_uint64),
        ("constants", ctypes.POINTER(Tensor)),
        ("constant_count", c_uint64),
        ("open_dimensions", ctypes.POINTER(c_char_p)),
        ("open_dimension_count", c_uint64),
        ("specializations", ctypes.POINTER(ModelShape)),
        ("specialization_count", c_uint64),
        ("max_shapes", c_uint64),
    )


def shape_of(lengths: dict[str, int]) -> ModelShape:
    dimensions = (Dimension * len(lengths))(*((n.encode(), v) for n, v in lengths.items()))
    return ModelShape(
        size=ctypes.sizeof(ModelShape), dimensions=dimensions, dimension_count=len(lengths)
    )


class Shapes(CardTest):
    def load(self, **fields):
        with tempfile.TemporaryDirectory() as folder:
            file = onnx_files.affine(Path(folder) / "model.onnx", "length")
            options = ModelOptions(size=ctypes.sizeof(ModelOptions), **fields)
            return self.handle(
                "model_free", "model_load", self.card, str(file).encode(), ctypes.byref(options)
            )

    def input_shape(self, model) -> list[int]:
        tensor = Tensor(size=ctypes.sizeof(Tensor))
        self.library.call("model_input", model, c_size_t(0), ctypes.byref(tensor))
        return tensor.shape[: tensor.rank]

    def specialize(self, model, lengths: dict[str, int]):
        return self.handle(
            "model_free", "model_specialize", model, ctypes.byref(shape_of(lengths))
        )

    def test_a_run_with_another_shape_specializes(self):
        model = self.load()
        self.assertEqual(self.input_shape(model), [-1, 4])
        for rows in (2, 5):
            values = struct.pack(f"{4 * rows}f", *range(4 * rows))
            data = ctypes.create_string_buffer(values, len(values))
            given = Tensor(
                size=ctypes.sizeof(Tensor),
                shape=(c_int64 * 2)(rows, 4),
                rank=2,
                data=ctypes.cast(data, c_void_p),
                bytes=len(values),
            )
            results = self.handle(
                *("results_free", "model_run", model, self.queue),
                *(ctypes.byref(given), c_size_t(1)),
            )
            output = Tensor(size=ctypes.sizeof(Tensor))
            self.library.call("results_get", results, c_size_t(0), ctypes.byref(output))
            self.assertEqual(output.shape[: output.rank], [rows, 3])
            found = struct.unpack(f"{3 * rows}f", ctypes.string_at(output.data, output.bytes))
            expected = [0.5 * (16 * row + 6) + c for row in range(rows) for c in range(3)]
            self.assertEqual(list(found), expected)

    def test_a_specialized_model_has_its_shape(self):
        model = self.load(max_shapes=1)
        self.assertEqual(self.input_shape(self.specialize(model, {"length": 7})), [7, 4])
        with self.fails(errno.EINVAL, "'width'"):
            self.library.make("model_specialize", model, ctypes.byref(shape_of({"width": 1})))

    def test_shapes_are_declared_and_the_others_closed(self):
        two = shape_of({"length": 2})
        declared = self.load(specializations=ctypes.pointer(two), specialization_count=1)
        with tempfile.TemporaryDirectory() as folder:
            saved = f"{folder}/set.model".encode()
            self.library.call("model_save", declared, saved)
            again = self.handle("model_free", "model_load", self.card, saved, None)
        self.assertEqual(self.input_shape(again), [2, 4])
        with self.fails(errno.EINVAL, "('length') of input 'x' is open"):
            self.load(lists_open=1)


if __name__ == "__main__":
    unittest.main()
