# SPDX-License-Identifier: Apache-2.0
"""ONNX files for tests, encoded without a library: a few messages of protobuf."""

import struct
from pathlib import Path

FLOAT, INT64, FLOAT16, BFLOAT16 = 1, 7, 10, 16


def _varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _message(field: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return _varint(field << 3 | 2) + _varint(len(body)) + body


def _text(field: int, value: str) -> bytes:
    return _message(field, value.encode())


def value(field: int, name: str, shape: tuple, kind: int = FLOAT) -> bytes:
    """An input (field 11) or an output (field 12) of a graph; a dimension may have a name."""
    dimensions = [_message(1, _text(2, d) if isinstance(d, str) else _number(1, d)) for d in shape]
    tensor = _message(1, _number(1, kind), _message(2, *dimensions))
    return _message(field, _text(1, name), _message(2, tensor))


def node(operator: str, inputs: list[str], outputs: list[str]) -> bytes:
    return _message(
        1,
        *(_text(1, name) for name in inputs),
        *(_text(2, name) for name in outputs),
        _text(3, outputs[0]),
        _text(4, operator),
    )


def constant(name: str, shape: tuple, values: list[float]) -> bytes:
    return _message(
        5,
        *(_number(1, d) for d in shape),
        _number(2, FLOAT),
        _text(8, name),
        _message(9, struct.pack(f"<{len(values)}f", *values)),
    )


def write(path: Path, *parts: bytes) -> Path:
    """Writes a model of opset 17 with these parts of its graph."""
    graph = _message(7, *parts, _text(2, "test"))
    path.write_bytes(_number(1, 8) + graph + _message(8, _text(1, ""), _number(2, 17)))
    return path


def affine(path: Path, rows: int | str = 1, inner: int = 4, columns: int = 3) -> Path:
    """y[rows][columns] = relu(x[rows][inner] * w + b), with w = 0.5 and b = column."""
    return write(
        path,
        value(11, "x", (rows, inner)),
        value(12, "y", (rows, columns)),
        constant("w", (inner, columns), [0.5] * (inner * columns)),
        constant("b", (columns,), [float(c) for c in range(columns)]),
        node("MatMul", ["x", "w"], ["product"]),
        node("Add", ["product", "b"], ["sum"]),
        node("Relu", ["sum"], ["y"]),
    )


def sum_and_product(path: Path, count: int = 4) -> Path:
    """sum = a + b and product = a * b, of `count` elements."""
    return write(
        path,
        value(11, "a", (count,)),
        value(11, "b", (count,)),
        value(12, "sum", (count,)),
        value(12, "product", (count,)),
        node("Add", ["a", "b"], ["sum"]),
        node("Mul", ["a", "b"], ["product"]),
    )


def two_products(path: Path) -> Path:
    """y = a * w + b * w, of rows of 4, with w = 0.5."""
    return write(
        path,
        value(11, "a", (1, 4)),
        value(11, "b", (1, 4)),
        value(12, "y", (1, 3)),
        constant("w", (4, 3), [0.5] * 12),
        node("MatMul", ["a", "w"], ["first"]),
        node("MatMul", ["b", "w"], ["second"]),
        node("Add", ["first", "second"], ["y"]),
    )


def pick_rows(path: Path) -> Path:
    """y = the rows of table [2, 2] that index [1] names."""
    return write(
        path,
        value(11, "table", (2, 2)),
        value(11, "index", (1,), INT64),
        value(12, "y", (1, 2)),
        node("Gather", ["table", "index"], ["y"]),
    )


def negate(path: Path, shape: tuple, kind: int = FLOAT) -> Path:
    """y = -x."""
    return write(
        path, value(11, "x", shape, kind), value(12, "y", shape, kind), node("Neg", ["x"], ["y"])
    )
