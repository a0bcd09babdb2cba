# SPDX-License-Identifier: Apache-2.0
"""Cases of the operators of com.microsoft that compute in f32 and f16."""

import itertools
from math import erf

import numpy as np
from writer import HALF, SUMS, Writer, folder_argument

F32 = np.float32
I64 = np.int64


def sigmoid(x):
    return 1 / (1 + np.exp(-x.astype(np.float64)))


def softmax(x, axis):
    rows = x.reshape(int(np.prod(x.shape[:axis])), -1).astype(np.float64)
    e = np.exp(rows - rows.max(1, keepdims=True))
    return (e / e.sum(1, keepdims=True)).reshape(x.shape).astype(F32)


def activations(w):
    x, bias = w.f32(2, 3, 8), w.f32(8)
    w.case("gelu", "Gelu", [x])
    w.case("bias_gelu", "BiasGelu", [x, bias])
    w.case("fast_gelu", "FastGelu", [x])
    w.case("fast_gelu_bias", "FastGelu", [x, bias])
    w.case("quick_gelu", "QuickGelu", [x], {"alpha": 1.2})
    w.case("bias_add", "BiasAdd", [x, bias, x * F32(2)], expected=[3 * x + bias])
    left, right = np.split(x + bias, 2, axis=-1)
    gelu = right * np.vectorize(lambda v: 0.5 * (1 + erf(v / 2**0.5)))(right)
    w.case("bias_split_gelu", "BiasSplitGelu", [x, bias], expected=[(left * gelu).astype(F32)])
    data = w.f32(4, 2, 3, 8)
    for name, shape, axis, inner in (
        ("inner", (4, 1, 1, 8), 3, 1),
        ("outer", (1, 1, 3, 8), 3, 0),
        ("rank", (3, 8), 3, 0),
        ("rows", (4, 1, 3, 8), 2, 1),
    ):
        bias = w.f32(*shape)
        attributes = {"axis": axis, "is_inner_broadcast": inner}
        expected = [softmax(data + bias, axis)]
        w.case(f"bias_softmax_{name}", "BiasSoftmax", [data, bias], attributes, expected=expected)


def products(w):
    for a, b, first_a, first_b in itertools.product((0, 1), repeat=4):

        def stored(x, transposed, batch_behind):
            x = np.swapaxes(x, -1, -2) if transposed else x
            return np.ascontiguousarray(np.moveaxis(x, -2, 0) if batch_behind else x)

        inputs = [stored(w.f32(5, 3, 2, 4), a, first_a), stored(w.f32(5, 3, 4, 6), b, first_b)]
        attributes = {"transA": a, "transB": b, "transBatchA": first_a, "transBatchB": first_b}
        name = f"fused_matmul_{a}{b}{first_a}{first_b}"
        w.case(name, "FusedMatMul", inputs, {**attributes, "alpha": 0.7}, tolerance=SUMS)
    w.case("transpose_matmul", "TransposeMatMul", [w.f32(4, 3), w.f32(4, 5)], {"transA": 1})
    for name, more in (
        ("Relu", {}),
        ("Tanh", {}),
        ("Sigmoid", {}),
        ("Softsign", {}),
        ("Softplus", {}),
        ("Elu", {"activation_alpha": 0.6}),
        ("LeakyRelu", {"activation_alpha": 0.3}),
        ("HardSigmoid", {"activation_alpha": 0.3, "activation_beta": 0.4}),
    ):
        attributes = {"transB": 1, "alpha": 0.5, "beta": 0.3, "activation": name, **more}
        w.case(f"fused_gemm_{name}", "FusedGemm", [w.f32(4, 3), w.f32(5, 3), w.f32(5)], attributes)
    for metric in ("euclidean", "sqeuclidean"):
        inputs = [w.f32(4, 3), w.f32(5, 3)]
        w.case(f"cdist_{metric}", "CDist", inputs, {"metric": metric}, tolerance=SUMS)
    a, b = w.f32(4, 3, 2), w.f32(4, 3, 2)
    x, y = a[..., 0] + 1j * a[..., 1], b[..., 0] + 1j * b[..., 1]
    for name, z in (("ComplexMul", x * y), ("ComplexMulConj", x * y.conj())):
        w.case(name, name, [a, b], expected=[np.stack([z.real, z.imag], -1).astype(F32)])


def convolutions(w):
    weights, bias = w.f32(8, 4, 3, 3), w.f32(8)
    for name, parameters in (
        ("Relu", None),
        ("Tanh", None),
        ("Sigmoid", None),
        ("LeakyRelu", [0.2]),
        ("Clip", [-0.5, 0.5]),
        ("HardSigmoid", [0.2, 0.4]),
    ):
        attributes = {"activation": name, "pads": [1, 1, 1, 1]}
        if parameters:
            attributes["activation_params"] = parameters
        for residual in (None, w.f32(1, 8, 6, 6)):
            case = f"fused_conv_{name}" + ("" if residual is None else "_residual")
            inputs = [w.f32(1, 4, 6, 6), weights, bias, residual]
            w.case(case, "FusedConv", inputs, attributes, weights=(1, 2), tolerance=SUMS)
    attributes = {"strides": [2, 2], "group": 2, "activation": "Relu"}
    inputs = [w.f32(2, 4, 7, 7), w.f32(8, 2, 3, 3)]
    w.case("fused_conv_groups", "FusedConv", inputs, attributes, weights=(1,), tolerance=SUMS)
    inputs = [w.f32(1, 3, 4, 4), w.f32(3, 2, 3, 3), np.array([0, 1, 1, 0], I64)]
    name = "ConvTransposeWithDynamicPads"
    attributes = {"strides": [2, 2], "output_padding": [1, 1]}
    w.case(name, name, inputs, attributes, weights=(1, 2), tolerance=SUMS)
    inputs = [w.f32(1, 4, 6, 6), weights, bias, w.f32(1, 8, 6, 6)]
    attributes = {"activation": "Relu", "pads": [1, 1, 1, 1]}
    y = w.case("fused_conv_as_nchw", "FusedConv", inputs, attributes, weights=(1, 2))
    inputs[0], inputs[3], y = (np.moveaxis(x, 1, -1).copy() for x in (inputs[0], inputs[3], y[0]))
    more = {"weights": (1, 2), "tolerance": SUMS, "expected": [y]}
    w.case("nhwc_fused_conv", "NhwcFusedConv", inputs, attributes, **more)
    attributes = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}
    w.case("nhwc_max_pool", "NhwcMaxPool", [w.u8(1, 6, 6, 4)], attributes)


def tensors(w):
    axis = np.array(-1, np.int32)
    w.case("expand_dims", "ExpandDims", [w.f32(2, 3), axis], weights=(1,))
    for size in (1, 2, 3, 7, 16):
        inputs = [w.f32(3, size, size)]
        w.case(f"inverse_{size}", "Inverse", inputs, tolerance=(2e-3, 2e-3, 0))
    w.case("inverse_pivot", "Inverse", [np.array([[0, 1], [2, 0]], F32)])
    inputs = [w.f32(2, 3), np.array([[0, 2, 1, 0]], I64), F32(1.5)]
    w.case("pad", "Pad", inputs, weights=(1, 2))
    w.case("trilu", "Trilu", [w.f32(3, 4, 5), np.array(1, I64)], {"upper": 0}, weights=(1,))
    inputs = [np.array([2, 1, 1, 3, 4, 3], F32)]
    w.case("unique", "Unique", inputs, outputs=3, weights=(0,))
    inputs = [w.f32(3, 4), np.array([[0, 1], [2, 3]], I64)]
    w.case("gather_nd", "GatherND", inputs, weights=(1,))
    w.case("range", "Range", [F32(1), F32(5), F32(1.5)], weights=(0, 1, 2))
    attributes = {"onesided": 1, "normalized": 0, "signal_ndim": 1}
    x = w.f32(3, 8)
    z = np.fft.rfft(x)
    pairs = np.stack([z.real, z.imag], -1).astype(F32)
    w.case("rfft", "Rfft", [x], attributes, expected=[pairs], tolerance=SUMS)
    w.case("irfft", "Irfft", [pairs], attributes, expected=[x], tolerance=SUMS)


def normalizations(w):
    near = {"epsilon": 1e-5}
    first, sum_only = ["y", "", "", "sum"], {"tolerance": SUMS}
    for skip in ((2, 3, 8), (1, 3, 8), (3, 8)):
        inputs = [w.f32(2, 3, 8), w.f32(*skip), w.f32(8), w.f32(8), w.f32(8)]
        name = "skip_layer_norm_" + "x".join(map(str, skip))
        w.case(name, "SkipLayerNormalization", inputs, near, outputs=first, **sum_only)
    w.case("skip_layer_norm_plain", "SkipLayerNormalization", inputs[:3], near)
    halves = [w.f16(2, 3, 8), w.f16(2, 3, 8), w.f16(8), w.f16(8), w.f16(8)]
    w.case("skip_layer_norm_f16", "SkipLayerNormalization", halves, near, tolerance=HALF)
    inputs = [w.f32(2, 3, 8), w.f32(2, 3, 8), w.f32(8), w.f32(8)]
    name = "SkipSimplifiedLayerNormalization"
    w.case("skip_simplified", name, inputs, near, outputs=first)
    w.case("skip_simplified_plain", name, inputs[:3], near)
    name = "SimplifiedLayerNormalization"
    w.case("simplified", name, inputs[::2], {"axis": -1, **near}, domain="")
    words, segments = w.i32(0, 10, 2, 4), w.i32(0, 2, 2, 4)
    tables = [w.f32(10, 8), w.f32(6, 8), w.f32(2, 8), w.f32(8), w.f32(8)]
    mask = np.array([[1, 1, 1, 0], [1, 1, 0, 0]], np.int32)
    positions = np.array([[3, 2, 1, 0], [0, 1, 2, 3]], np.int32)
    constants, name = (2, 3, 4, 5, 6), "EmbedLayerNormalization"
    inputs = [words, segments, *tables, mask]
    w.case("embed", name, inputs, outputs=2, weights=constants)
    w.case("embed_positions", name, [*inputs, positions], outputs=3, weights=constants)
    tables[2] = None
    w.case("embed_words", name, [words, None, *tables], outputs=2, weights=constants)
    for last, activation in itertools.product((0, 1), repeat=2):
        x, gamma, beta, skip, bias = w.f32(2, 4, 4, 8), w.f32(8), w.f32(8), w.f32(2, 8), w.f32(8)

        def normal(x, gamma=gamma, beta=beta, activation=activation):
            parts = x.reshape(2, 16, 4, 2).astype(np.float64)
            centered = parts - parts.mean((1, 3), keepdims=True)
            deviation = np.sqrt((centered**2).mean((1, 3), keepdims=True) + 1e-5)
            y = (centered / deviation).reshape(x.shape) * gamma + beta
            return (y * sigmoid(y) if activation else y).astype(F32)

        def order(x, last=last):
            return x if last else np.moveaxis(x, -1, 1).copy()

        attributes = {"groups": 4, "channels_last": last, "activation": activation, **near}
        inputs, case = [order(x), gamma, beta], f"group_norm_{last}{activation}"
        w.case(case, "GroupNorm", inputs, attributes, expected=[order(normal(x))], **sum_only)
        total = x + skip[:, None, None] + bias
        expected, inputs = [order(normal(total)), order(total)], [*inputs, skip, bias]
        more = {"outputs": 2, "expected": expected, **sum_only}
        w.case(f"skip_{case}", "SkipGroupNorm", inputs, attributes, **more)


def rotations(w):
    tables = [w.f32(16, 4), w.f32(16, 4)]
    for interleaved, rank in itertools.product((0, 1), (3, 4)):
        x = w.f32(2, 3, 5, 8) if rank == 4 else w.f32(2, 5, 24)
        attributes = {"interleaved": interleaved}
        name, more = f"rotary_{interleaved}_{rank}", {"weights": (2, 3)}
        positions = w.random.integers(0, 16, (2, 5))
        w.case(f"{name}_positions", "RotaryEmbedding", [x, positions, *tables], attributes, **more)
        offset = np.array([3], I64)
        w.case(f"{name}_offset", "RotaryEmbedding", [x, offset, *tables], attributes, **more)
        attributes |= {"rotary_embedding_dim": 4, "num_heads": 3}
        inputs = [x, offset, w.f32(16, 2), w.f32(16, 2)]
        w.case(f"{name}_part", "RotaryEmbedding", inputs, attributes, **more)


def attention(w):
    batch, length, heads, size, past = 2, 4, 3, 8, 5
    hidden, mask = heads * size, np.array([[1, 1, 1, 0], [1, 1, 0, 0]], np.int32)
    state = w.f32(2, batch, heads, past, size)
    long_mask = np.concatenate([np.ones((batch, past), np.int32), mask], 1)
    one_way = {"unidirectional": 1}
    for name, given, before, bias, attributes in (
        ("plain", None, None, None, {}),
        ("mask", mask, None, None, {}),
        ("ends", np.array([3, 2], np.int32), None, None, {}),
        ("ends_starts", np.array([3, 4, 1, 0], np.int32), None, None, {}),
        ("mask_3d", w.bits(batch, length, length), None, None, {}),
        ("one_way", None, None, None, one_way),
        ("one_way_mask", mask, None, None, one_way),
        ("one_way_mask_3d", w.bits(batch, length, length), None, None, one_way),
        ("scale", None, None, None, {"scale": 0.2}),
        ("filter", mask, None, None, {"mask_filter_value": -5.0}),
        ("past", None, state, None, {}),
        ("past_one_way_mask", long_mask, state, None, one_way),
        ("bias", mask, None, w.f32(1, heads, length, length), {}),
    ):
        inputs = [w.f32(batch, length, hidden), w.f32(hidden, 3 * hidden) * F32(0.3)]
        inputs += [w.f32(3 * hidden), given, before, bias]
        attributes = {"num_heads": heads, **attributes}
        more = {"outputs": 1 if before is None else 2, "weights": (1, 2), "tolerance": SUMS}
        w.case(f"attention_{name}", "Attention", inputs, attributes, **more)
    attributes = {"num_heads": heads, "qkv_hidden_sizes": [hidden, hidden, 12]}
    inputs = [w.f32(batch, length, hidden), w.f32(hidden, 2 * hidden + 12) * F32(0.3)]
    w.case("attention_sizes", "Attention", inputs, attributes, weights=(1,), tolerance=SUMS)


def multi_head_attention(w):
    batch, length, heads, size, keys = 2, 4, 3, 8, 6
    hidden, attributes = heads * size, {"num_heads": heads}
    q, k, v = (w.f32(batch, n, hidden) for n in (length, keys, keys))
    bias, past = w.f32(3 * hidden), [w.f32(batch, heads, 5, size) for _ in range(2)]
    new = [q, q * F32(0.5), q * F32(2)]
    more, name = {"tolerance": SUMS}, "MultiHeadAttention"
    for case, inputs, extra, outputs in (
        ("plain", [q, k, v], {}, 1),
        ("bias", [q, k, v, bias], {}, 1),
        ("values", [q, k, w.f32(batch, keys, 12), w.f32(2 * hidden + 12)], {}, 1),
        ("mask", [q, k, v, None, w.bits(batch, keys)], {}, 1),
        ("lengths", [q, k, v, None, np.array([3, 5], np.int32)], {}, 1),
        ("mask_3d", [q, k, v, None, w.bits(batch, length, keys)], {}, 1),
        ("scores", [q, k, v, None, None, w.f32(1, heads, length, keys)], {}, 1),
        ("past", [*new, bias, None, None, *past], {}, 3),
        ("past_one_way", [*new, None, None, None, *past], {"unidirectional": 1}, 3),
        ("one_way", new, {"unidirectional": 1}, 1),
        ("scale", [q, k, v], {"scale": 0.1}, 1),
        ("cross", [q, *past, bias], {}, 1),
    ):
        attributes = {"num_heads": heads, **extra}
        w.case(f"multi_head_{case}", name, inputs, attributes, outputs=outputs, **more)
    # ONNX Runtime supports packed inputs on GPUs only.
    attributes = {"num_heads": heads}
    y = w.case("multi_head_as_three", name, new, attributes, **more)
    packed = np.stack([x.reshape(batch, length, heads, size) for x in new], 3)
    w.case("multi_head_packed", name, [packed], attributes, expected=y, **more)
    w.case("multi_head_packed_keys", name, [q, packed[:, :, :, 1:]], attributes, expected=y, **more)
    name, one = "DecoderMaskedMultiHeadAttention", w.f32(batch, 1, hidden)
    w.case("decoder", name, [one, *past, w.bits(batch, 5)], attributes, **more)


def grouped_attention(w):
    batch, heads, groups, size = 2, 4, 2, 16
    cosines = [w.f32(32, size // 2), w.f32(32, size // 2)]
    rotary = {"do_rotary": 1}
    for name, new, total, room, lengths, attributes, extra in (
        ("prompt", 4, 4, 0, None, {}, {}),
        ("prompt_no_past", 4, 4, None, None, {}, {}),
        ("prompt_rotary", 4, 4, 0, None, rotary, {}),
        ("prompt_pairs", 4, 4, 0, None, {**rotary, "rotary_interleaved": 1}, {}),
        ("prompt_room", 4, 4, 8, None, rotary, {}),
        ("packed", 4, 4, 0, None, rotary, {0: w.f32(batch, 4, (heads + 2 * groups) * size)}),
        ("decode", 1, 6, 5, None, rotary, {}),
        ("decode_room", 1, 6, 8, None, rotary, {}),
        ("decode_ragged", 1, 6, 8, [5, 3], rotary, {}),
        ("cap", 4, 4, 0, None, {"softcap": 2.0}, {}),
        ("smooth", 4, 4, 0, None, {"smooth_softmax": 1}, {}),
        ("sink", 4, 4, 0, None, {}, {11: w.f32(heads)}),
        ("bias", 4, 4, 0, None, {}, {10: w.f32(1, heads, 4, 4)}),
        ("window", 6, 6, 0, None, {"local_window_size": 2}, {}),
        ("window_decode", 1, 6, 5, None, {"local_window_size": 2}, {}),
        ("both_ways", 4, 4, 0, None, {"causal": 0}, {}),
    ):
        inputs = [w.f32(batch, new, n * size) for n in (heads, groups, groups)] + [None] * 9
        lengths = lengths or [total - 1] * batch
        if room is not None:
            for i in (3, 4):
                inputs[i] = w.f32(batch, groups, room, size)
                for b, last in enumerate(lengths):  # the content behind the valid keys is free
                    inputs[i][b, :, 0 if total == new else last + 1 - new :] = 0
        inputs[5:7] = np.array(lengths, np.int32), np.array(total, np.int32)
        if "do_rotary" in attributes:
            inputs[7:9] = cosines
        for i, x in extra.items():
            inputs[i] = x
        if 0 in extra:
            inputs[1] = inputs[2] = None
        attributes = {"num_heads": heads, "kv_num_heads": groups, **attributes}
        more = {"outputs": 3, "weights": (6,), "tolerance": SUMS}
        w.case(f"grouped_{name}", "GroupQueryAttention", inputs, attributes, **more)


def main():
    writer = Writer(folder_argument(), seed=1)
    for part in (
        activations,
        products,
        convolutions,
        tensors,
        normalizations,
        rotations,
        attention,
        multi_head_attention,
        grouped_attention,
    ):
        part(writer)


main()
