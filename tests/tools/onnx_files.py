# SPDX-License-Identifier: Apache-2.0
"""Small files that the tests give to `accelctl run`: models, tensors of ONNX and numpy, pictures.

Written by hand, as neither onnx nor numpy is a package that the tests need.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Sequence

# Data types: the number in ONNX, the format of struct, the name in .npy.
TYPES = {
    "f32": (1, "f", "<f4"),
    "u8": (2, "B", "|u1"),
    "i8": (3, "b", "|i1"),
    "i32": (6, "i", "<i4"),
    "i64": (7, "q", "<i8"),
    "bool": (9, "?", "|b1"),
    "f16": (10, "e", "<f2"),
}


def _varint(number: int) -> bytes:
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def _text(key: int, data: bytes | str) -> bytes:
    raw = data.encode() if isinstance(data, str) else data
    return _varint(key << 3 | 2) + _varint(len(raw)) + raw


def _number(key: int, number: int) -> bytes:
    return _varint(key << 3) + _varint(number)


def _value(name: str, kind: str, shape: Sequence[int]) -> bytes:
    dims = b"".join(_text(1, _number(1, length)) for length in shape)
    return _text(1, name) + _text(2, _text(1, _number(1, TYPES[kind][0]) + _text(2, dims)))


# (operator, inputs, output or outputs), and attributes that are integers. An operator of another
# domain than ONNX has its name before it.
Node = (
    tuple[str, Sequence[str], str | Sequence[str]]
    | tuple[str, Sequence[str], str | Sequence[str], dict[str, int]]
)


def _node(node: Node) -> bytes:
    op, sources, results = node[:3]
    domain, _, name = op.rpartition(".")
    names = [results] if isinstance(results, str) else results
    out = b"".join(_text(1, source) for source in sources)
    out += b"".join(_text(2, result) for result in names) + _text(4, name)
    for key, value in (node[3] if len(node) == 4 else {}).items():
        out += _text(5, _text(1, key) + _number(3, value) + _number(20, 2))
    return out + (_text(7, domain) if domain else b"")


def model(
    nodes: Sequence[Node],
    inputs: Sequence[tuple[str, str, Sequence[int]]],
    outputs: Sequence[tuple[str, str, Sequence[int]]],
    weights: Sequence[bytes] = (),
    domains: Sequence[str] = (),
) -> bytes:
    """A model of opset 17, and of version 1 of other domains; a weight is a TensorProto."""
    graph = b"".join(_text(1, _node(node)) for node in nodes)
    graph += _text(2, "g")
    graph += b"".join(_text(5, weight) for weight in weights)
    graph += b"".join(_text(11, _value(*value)) for value in inputs)
    graph += b"".join(_text(12, _value(*value)) for value in outputs)
    opsets = _text(8, _text(1, "") + _number(2, 17))
    opsets += b"".join(_text(8, _text(1, domain) + _number(2, 1)) for domain in domains)
    return _number(1, 8) + opsets + _text(7, graph)


def one_node(op: str, kind: str, shape: Sequence[int]) -> bytes:
    return model([(op, ["x"], "y")], [("x", kind, shape)], [("y", kind, shape)])


def raw(kind: str, values: Sequence[float]) -> bytes:
    return struct.pack(f"<{len(values)}{TYPES[kind][1]}", *values)


def tensor(kind: str, shape: Sequence[int], values: Sequence[float]) -> bytes:
    """A TensorProto with raw_data."""
    dims = b"".join(_number(1, length) for length in shape)
    return dims + _number(2, TYPES[kind][0]) + _text(8, "t") + _text(9, raw(kind, values))


def tensor_head(kind: str, shape: Sequence[int], name: str) -> bytes:
    """A TensorProto without its elements: raw_data() or external_data() follow."""
    dims = b"".join(_number(1, length) for length in shape)
    return dims + _number(2, TYPES[kind][0]) + _text(8, name)


def named_tensor(kind: str, shape: Sequence[int], name: str, values: Sequence[float]) -> bytes:
    return tensor_head(kind, shape, name) + raw_data(raw(kind, values))


def raw_data(content: bytes) -> bytes:
    return _text(9, content)


def external_data(location: str, offset: int, length: int) -> bytes:
    entries = {"location": location, "offset": str(offset), "length": str(length)}
    texts = [_text(13, _text(1, key) + _text(2, value)) for key, value in entries.items()]
    return b"".join(texts) + _number(14, 1)


def tensor_of_floats(shape: Sequence[int], values: Sequence[float]) -> bytes:
    """A TensorProto with float_data."""
    dims = b"".join(_number(1, length) for length in shape)
    return dims + _number(2, 1) + _text(4, raw("f32", values))


def parse_tensor(data: bytes) -> dict[int, list[bytes | int]]:
    """The fields of a TensorProto."""

    def varint(at: int) -> tuple[int, int]:
        number = shift = 0
        while True:
            number |= (data[at] & 127) << shift
            shift += 7
            at += 1
            if data[at - 1] < 128:
                return number, at

    fields: dict[int, list[bytes | int]] = {}
    at = 0
    while at < len(data):
        key, at = varint(at)
        number, at = varint(at)
        value: bytes | int = number
        if key & 7 == 2:
            value = data[at : at + number]
            at += number
        fields.setdefault(key >> 3, []).append(value)
    return fields


def npy(
    kind: str,
    shape: Sequence[int],
    values: Sequence[float],
    *,
    descr: str = "",
    fortran: bool = False,
    version: int = 1,
) -> bytes:
    text = str({"descr": descr or TYPES[kind][2], "fortran_order": fortran, "shape": tuple(shape)})
    head = text.encode() + b"\n"
    length = struct.pack("<H" if version == 1 else "<I", len(head))
    return b"\x93NUMPY" + bytes([version, 0]) + length + head + raw(kind, values)


def parse_npy(data: bytes) -> tuple[str, tuple[int, ...], tuple[float, ...]]:
    """Name of the data type, shape and values. The elements must be aligned to 64 bytes."""
    assert data[:8] == b"\x93NUMPY\x01\x00", data[:8]
    end = 10 + struct.unpack("<H", data[8:10])[0]
    assert end % 64 == 0
    header = eval(data[10:end], {})
    assert header["fortran_order"] is False
    formats = {name: code for _, code, name in TYPES.values()} | {"<V2": "H"}
    values = struct.unpack(f"<{math.prod(header['shape'])}{formats[header['descr']]}", data[end:])
    return header["descr"], header["shape"], values


def png(width: int, height: int, channels: int, samples: bytes) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    color = {1: 0, 3: 2, 4: 6}[channels]
    stride = width * channels
    rows = b"".join(b"\0" + samples[row * stride : (row + 1) * stride] for row in range(height))
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, color, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )
