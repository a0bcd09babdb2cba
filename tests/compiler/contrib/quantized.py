# SPDX-License-Identifier: Apache-2.0
"""Cases of the quantized operators of com.microsoft, and of those with packed weights.

A quantized result may differ from ONNX Runtime's by one step.
"""

import itertools

import numpy as np
from writer import HALF, STEP, SUMS, Writer, folder_argument

F32 = np.float32


def rounded(x, scale, zero):
    steps = np.round(x / np.float64(scale)) + float(zero)
    limits = np.iinfo(zero.dtype)
    return np.clip(steps, limits.min, limits.max).astype(zero.dtype)


def elementwise(w, draw, suffix):
    def zero():
        return draw(1)[0]

    def one(*more):
        return [draw(2, 3, 8), w.scale()[()], zero(), *more]

    def case(operator, inputs, attributes=None, name="", **more):
        weights = [i for i, x in enumerate(inputs) if i > 0 and np.size(x) == 1]
        more = {"weights": weights, "tolerance": STEP, **more}
        w.case(f"{operator}_{suffix}{name}", operator, inputs, attributes, **more)

    target = [w.scale()[()], zero()]
    lowest = np.array(np.iinfo(zero().dtype).min, zero().dtype)
    for operator in ("QLinearAdd", "QLinearMul"):
        case(operator, [*one(), *one(), *target])
        row = [draw(8), w.scale()[()], zero()]
        case(operator, [*one(), *row, *target], name="_row")
    case("QLinearSigmoid", one(F32(1 / 256), lowest))
    case("QLinearLeakyRelu", one(*target), {"alpha": 0.2})
    for opset, axis in ((13, -1), (13, 1), (12, 1), (12, 2)):
        attributes = {"opset": opset, "axis": axis}
        case("QLinearSoftmax", one(F32(1 / 256), lowest), attributes, f"_{opset}_{axis}")
    for last in (0, 1):
        image = [draw(1, 5, 6, 4) if last else draw(1, 4, 5, 6), *one()[1:], *target]
        case("QLinearGlobalAveragePool", image, {"channels_last": last}, f"_{last}")
        attributes = {"channels_last": last, "kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
        for padded in (0, 1):
            attributes |= {"strides": [2, 2], "count_include_pad": padded}
            case("QLinearAveragePool", image, attributes, f"_{last}_{padded}")
        filters = draw(8, 4, 3, 3), w.scale()[()], np.zeros((), zero().dtype)
        inputs = [*image[:3], *filters, F32(2), target[1], w.i32(-500, 500, 8)]
        attributes = {"channels_last": last, "pads": [1, 1, 1, 1]}
        case("QLinearConv", inputs, attributes, f"_{last}", weights=range(1, 9))
    parts = [x for n in (3, 5, 1) for x in (draw(2, n, 4), w.scale()[()], zero())]
    case("QLinearConcat", [*target, *parts], {"axis": 1}, weights=(0, 1, 3, 4, 6, 7, 9, 10))
    a, b = one(), one()
    where = w.bits(2, 3, 8).astype(bool)
    case("QLinearWhere", [where, *a, *b, *target], weights=(2, 3, 5, 6, 7, 8))
    # ONNX Runtime has no kernels of these on the CPU.
    real = (a[0].astype(np.float64) - float(a[2])) * a[1]
    expected = [rounded(real.mean((1, 2), keepdims=True), *target)]
    attributes = {"axes": [1, 2], "keepdims": 1}
    case("QLinearReduceMean", [*a, *target], attributes, expected=expected)
    wide = [x.astype(np.int32) for x in (a[0], a[2], b[0], b[2])]
    expected = [(wide[0] - wide[1]) * (wide[2] - wide[3])]
    case("MulInteger", [a[0], a[2], b[0], b[2]], expected=expected)
    kind = np.int32 if lowest < 0 else np.uint32
    expected = [a[0].astype(kind).sum(1, keepdims=True, dtype=kind)]
    case("ReduceSumInteger", [a[0]], {"axes": [1], "keepdims": 1}, expected=expected)


def gemm(w, draw, suffix):
    def zero():
        return draw(1)[0]

    for transposed, with_bias, quantized in itertools.product((0, 1), repeat=3):
        bias = w.i32(-500, 500, 5) if with_bias else None
        target = [F32(1.5), zero()] if quantized else []
        for name, scale, point in (
            ("one", w.scale()[()], zero()),
            ("scales", w.scale(5), np.zeros(5, zero().dtype)),
            ("points", w.scale(5), draw(5)),
        ):
            b = draw(5, 7) if transposed else draw(7, 5)
            inputs = [draw(4, 7), w.scale()[()], zero(), b, scale, point, bias, *target]
            case = f"QGemm_{suffix}_{transposed}{with_bias}{quantized}_{name}"
            more = {"weights": range(1, 9), "tolerance": STEP}
            w.case(case, "QGemm", inputs, {"transB": transposed, "alpha": 0.5}, **more)


def products(w):
    draws = (("u8", w.u8), ("i8", w.i8))
    for (a_name, a), (b_name, b) in itertools.product(draws, repeat=2):
        for columns, a_zero, b_zero, bias in itertools.product((0, 1), repeat=4):
            scale = w.scale(5) if columns else w.scale()[()]
            point = (b(5) if columns else b(1)[0]) if b_zero else None
            more = w.f32(5) if bias else None
            name = f"{b_name}_{columns}{b_zero}{bias}"
            if a_name == "u8":  # ONNX Runtime has no kernel for i8 and u8
                inputs = [a(2, 4, 7), b(7, 5), w.scale()[()], scale, a(1)[0] if a_zero else None]
                case = f"MatMulIntegerToFloat_{a_name}_{a_zero}_{name}"
                weights, given = (1, 3, 5, 6), [*inputs, point, more]
                w.case(case, "MatMulIntegerToFloat", given, weights=weights, tolerance=STEP)
            if a_name == "u8" and a_zero:
                inputs = [w.f32(2, 4, 7), b(7, 5), scale, point, more]
                case, operator = f"DynamicQuantizeMatMul_{name}", "DynamicQuantizeMatMul"
                w.case(case, operator, inputs, weights=(1, 2, 3, 4), tolerance=STEP)


def embeddings(w):
    words, segments = w.i32(0, 10, 2, 4), w.i32(0, 2, 2, 4)
    mask = np.array([[1, 1, 1, 0], [1, 1, 0, 0]], np.int32)
    tables = [w.u8(10, 8), w.u8(6, 8), w.u8(2, 8), w.u8(8), w.u8(8)]
    scales, points = [w.scale()[()] for _ in tables], [w.u8(1)[0] for _ in tables]
    inputs = [words, segments, *tables, mask, *scales, *points]
    weights = [*range(2, 7), *range(8, 18)]
    w.case("QEmbed", "QEmbedLayerNormalization", inputs, outputs=2, weights=weights, tolerance=SUMS)


def attention(w):
    hidden, heads = 24, 3
    past = w.f32(2, 2, heads, 5, 8)
    for name, draw, columns, mask, before, one_way in (
        ("u8", w.u8, False, None, None, 0),
        ("i8", w.i8, False, np.array([3, 2], np.int32), None, 0),
        ("columns", w.i8, True, None, None, 0),
        ("past", w.i8, False, None, past, 1),
    ):
        scale = w.scale(3 * hidden, low=0.005, high=0.01) if columns else F32(0.008)
        point = np.zeros(3 * hidden, np.int8) if columns else draw(1)[0]
        inputs = [w.u8(2, 4, hidden), draw(hidden, 3 * hidden), w.f32(3 * hidden), F32(0.01)]
        inputs += [scale, mask, w.u8(1)[0], point, before]
        attributes = {"num_heads": heads, "unidirectional": one_way}
        more = {"outputs": 1 if before is None else 2, "weights": (1, 2, 3, 4, 6, 7)}
        w.case(f"QAttention_{name}", "QAttention", inputs, attributes, tolerance=SUMS, **more)


def recurrent(w):
    inputs, hidden, batch, steps = 6, 5, 2, 4
    for direction, draw, columns, state in (
        ("forward", w.i8, False, False),
        ("reverse", w.u8, False, True),
        ("bidirectional", w.i8, True, True),
    ):
        count = 2 if direction == "bidirectional" else 1
        shape = (count, 4 * hidden) if columns else (count,)
        point = np.full(shape, 128 if draw == w.u8 else 0, draw(1).dtype)
        given = [w.f32(steps, batch, inputs), draw(count, inputs, 4 * hidden)]
        given += [draw(count, hidden, 4 * hidden), w.f32(count, 8 * hidden) * F32(0.3), None]
        given += [w.f32(count, batch, hidden) if state else None for _ in range(2)]
        given.append(w.f32(count, 3 * hidden) if state else None)
        for _ in range(2):
            given += [w.scale(*shape, low=0.002, high=0.004), point]
        attributes = {"hidden_size": hidden, "direction": direction}
        more = {"outputs": 3, "weights": (1, 2, 3, 7, 8, 9, 10, 11), "tolerance": (2e-3, 2e-4, 0)}
        name = f"DynamicQuantizeLSTM_{direction}"
        w.case(name, "DynamicQuantizeLSTM", given, attributes, **more)


def packed(values, bits):
    """Values of a few bits each in bytes, the lowest bits first; rows begin at a byte."""
    per_byte = 8 // bits
    missing = -values.shape[-1] % per_byte
    values = np.pad(values, [(0, 0)] * (values.ndim - 1) + [(0, missing)])
    parts = values.reshape(*values.shape[:-1], -1, per_byte)
    return (parts << (bits * np.arange(per_byte))).sum(-1).astype(np.uint8)


def packed_weights(w):
    rows, block = 6, 32
    for bits, length, points in itertools.product((2, 4, 8), (40, 96), ("none", "packed", "real")):
        if bits == 8 and points == "real":
            continue  # ONNX Runtime has no kernel
        blocks = -(-length // block)
        levels = w.i32(0, 1 << bits, rows, blocks, block)
        zeros = {
            "none": None,
            "packed": packed(w.i32(0, 1 << bits, rows, blocks), bits),
            "real": w.scale(rows, blocks, low=0, high=3),
        }[points]
        inputs = [w.f32(2, 3, length), packed(levels, bits), w.scale(rows, blocks), zeros, None]
        inputs.append(w.f32(rows) if bits == 4 else None)
        attributes = {"K": length, "N": rows, "bits": bits, "block_size": block}
        name, more = f"MatMulNBits_{bits}_{length}_{points}", {"weights": (1, 2, 3, 5)}
        w.case(name, "MatMulNBits", inputs, attributes, tolerance=SUMS, **more)
    halves = [w.f16(2, 3, 96), packed(levels, 8), w.scale(rows, 3).astype(np.float16)]
    attributes = {"K": 96, "N": rows, "bits": 8, "block_size": block}
    w.case("MatMulNBits_f16", "MatMulNBits", halves, attributes, weights=(1, 2), tolerance=HALF)
    for kind in (0, 1):
        inputs = [w.f32(2, 3, 32), w.u8(80), w.scale(10)]
        attributes = {"K": 32, "N": 5, "block_size": 16, "quant_type": kind}
        w.case(f"MatMulBnb4_{kind}", "MatMulBnb4", inputs, attributes, weights=(1, 2))
    for bits in (2, 4, 8):
        table = packed(w.i32(0, 1 << bits, 9, 64), bits)
        inputs = [table, np.array([[1, 5, 0], [8, 2, 2]]), w.scale(9, 4)]
        inputs.append(packed(w.i32(0, 1 << bits, 9, 4), bits) if bits == 4 else None)
        attributes = {"bits": bits, "block_size": 16, "gather_axis": 0, "quantize_axis": 1}
        name = f"GatherBlockQuantized_{bits}"
        w.case(name, "GatherBlockQuantized", inputs, attributes, weights=(0, 2, 3))


def main():
    writer = Writer(folder_argument(), seed=2)
    for suffix, draw in (("u8", writer.u8), ("i8", writer.i8)):
        elementwise(writer, draw, suffix)
        gemm(writer, draw, suffix)
    for part in (products, embeddings, attention, recurrent, packed_weights):
        part(writer)


main()
