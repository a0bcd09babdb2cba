// SPDX-License-Identifier: Apache-2.0
//
// Operators of language models beside attention: root mean square normalization, rotary positions,
// gated activations, caches, and the short causal convolution of state-space models.
#include <numeric>

#include "frontend/onnx_tensor.hpp"
#include "frontend/operators/attention_core.hpp"
#include "frontend/operators/windows.hpp"

namespace accel::compiler {

namespace {

// x / sqrt(mean(x^2) + epsilon), in the type of stash_type; the scale multiplies in the type of x.
Values rms_norm(const Node& n) {
    const ValueId given = n.in(0);
    const DataType type = n.b.type(given);
    const auto stash =
        n.b.compute_type(data_type_of(static_cast<std::int32_t>(n.integer("stash_type", 1))));
    const ValueId x = n.b.cast(given, stash);
    const std::size_t first = normalize_axis(n.integer("axis", -1), n.b.rank(x));
    std::vector<std::size_t> axes(n.b.rank(x) - first);
    std::iota(axes.begin(), axes.end(), first);
    const ValueId mean = reduce(n, ReduceOp::mean, mul(n, x, x), axes);
    const ValueId root = unary(n, UnaryOp::sqrt, add(n, mean, n.real("epsilon", 1e-5F)));
    return {mul(n, n.b.cast(div(n, x, root), type), n.in(1))};
}

// The input as [batch, length, heads, size].
ValueId by_position(const Node& n, ValueId x, std::int64_t heads) {
    return n.b.rank(x) == 4 ? n.b.permute(x, {0, 2, 1, 3}) : with_heads(n, x, heads);
}

ValueId as_given(const Node& n, ValueId y, ValueId given) {
    return n.b.rank(given) == 4 ? n.b.permute(y, {0, 2, 1, 3}) : n.b.reshape(y, n.b.dims(given));
}

void check_rotary_dim(const Node& n, ValueId cosines) {
    const std::int64_t dim = n.integer("rotary_embedding_dim", 0);
    if (dim != 0 && dim != 2 * n.b.dims(cosines).back()) {
        refuse("its rotary_embedding_dim " + std::to_string(dim) + " is not twice the length of " +
               "the rows of its cosines " + to_string(n.b.dims(cosines)));
    }
}

Values rotary_embedding(const Node& n) {
    const ValueId x = by_position(n, n.in(0), n.integer("num_heads", 0));
    const auto angles = [&](std::size_t input) {
        return n.has(3) ? n.b.gather(n.in(input), n.in(3), 0, false) : n.in(input);
    };
    check_rotary_dim(n, n.in(1));
    const ValueId y = rotated(n, x, angles(1), angles(2), n.integer("interleaved", 0) != 0);
    return {as_given(n, y, n.in(0))};
}

// com.microsoft: the positions are the second input, and one position is that of the first token.
Values rotary_embedding_by_offset(const Node& n) {
    if (n.integer("is_packed_batching", 0) != 0) {
        refuse("is_packed_batching is not supported");
    }
    check_rotary_dim(n, n.in(2));
    const std::int64_t size = 2 * n.b.dims(n.in(2)).back();
    std::int64_t heads = n.integer("num_heads", 0);
    if (heads == 0 && n.b.rank(n.in(0)) == 3 && size > 0) {
        heads = n.b.dims(n.in(0))[2] / size;
    }
    // ONNX Runtime, which defines the operator, ignores the attribute scale.
    const ValueId x = by_position(n, n.in(0), heads);
    ValueId positions = n.b.cast(n.in(1), DataType::i64);
    if (elements(n.b.dims(positions)) == 1) {
        const std::int64_t length = n.b.dims(x)[1];
        positions = add(n, counting(n, length, {1, length}), n.b.reshape(positions, {1, 1}));
    }
    const auto angles = [&](std::size_t input) {
        return n.b.gather(n.in(input), positions, 0, false);
    };
    const ValueId y = rotated(n, x, angles(2), angles(3), n.integer("interleaved", 0) != 0);
    return {as_given(n, y, n.in(0))};
}

// x * sigmoid(alpha * x)
Values swish(const Node& n) {
    const ValueId x = n.in(0);
    return {mul(n, x, unary(n, UnaryOp::sigmoid, scaled(n, x, n.real("alpha", 1.0F))))};
}

Values swiglu(const Node& n) {
    if (n.b.dims(n.in(0)) != n.b.dims(n.in(1))) {
        refuse("its inputs " + to_string(n.b.dims(n.in(0))) + " and " +
               to_string(n.b.dims(n.in(1))) + " differ in shape");
    }
    return {mul(n, swish(n)[0], n.in(1))};
}

// Every row of the cache takes either the row of the update that belongs there, or itself.
Values tensor_scatter(const Node& n) {
    const ValueId cache = n.in(0);
    const Dims dims = n.b.dims(cache);
    const Dims update = n.b.dims(n.in(1));
    const std::size_t axis = normalize_axis(n.integer("axis", -2), dims.size());
    const std::string mode = n.text("mode", "linear");
    Dims expected = dims;
    if (axis > 0 && update.size() == dims.size()) {
        expected[axis] = std::min(update[axis], dims[axis]);
    }
    if (axis == 0 || update != expected || (mode != "linear" && mode != "circular")) {
        refuse("it cannot write an update " + to_string(update) + " along axis " +
               std::to_string(axis) + " of a cache " + to_string(dims) + " in the mode " + mode);
    }
    const std::int64_t room = dims[axis];
    const std::int64_t count = update[axis];
    if (count == 0 || elements(dims) == 0) {
        return {cache};
    }
    const auto integer = [&](std::int64_t value) {
        return n.b.scalar(DataType::i64, static_cast<double>(value));
    };
    const ValueId starts = n.has(2) ? n.b.reshape(n.b.cast(n.in(2), DataType::i64), {dims[0], 1})
                                    : n.b.broadcast(integer(0), {dims[0], 1});
    // The row of the update for each row of the cache; outside 0 … count - 1 if there is none.
    ValueId row = sub(n, counting(n, room, {1, room}), starts);
    if (mode == "circular") {
        row = n.b.binary(ElementwiseOp::mod, row, integer(room));
    }
    return {scattered_rows(n, cache, n.in(1), row, axis)};
}

// A convolution of each channel with its own kernel, over the past and the current positions.
Values causal_conv(const Node& n) {
    const ValueId given = n.in(0);
    const DataType type = n.b.type(given);
    const Dims dims = n.b.dims(given);
    const Dims kernel = n.b.dims(n.in(1));
    if (n.integer("ndim", 1) != 1 || n.integer("dilation", 1) != 1 ||
        n.integer("channels_last", 0) != 0) {
        refuse("an ndim or a dilation other than 1, and channels_last, are not supported");
    }
    if (dims.size() != 3 || kernel.size() != 3 || kernel[0] != dims[1] || kernel[1] != 1 ||
        kernel[2] < 1) {
        refuse("its weights " + to_string(kernel) + " do not fit its input " + to_string(dims));
    }
    const std::int64_t taps = kernel[2];
    const Dims state{dims[0], dims[1], taps - 1};
    const ValueId past = n.has(3) ? n.in(3) : n.b.broadcast(n.b.scalar(type, 0), state);
    if (n.b.dims(past) != state) {
        refuse("its past_state " + to_string(n.b.dims(past)) + " is not " + to_string(state));
    }
    const ValueId x = taps == 1 ? given : n.b.concat({past, given}, 2);
    const std::int64_t length = n.b.dims(x)[2];
    std::vector<ValueId> bias;
    if (n.has(2)) {
        bias.push_back(n.b.cast(n.in(2), DataType::f32));
    }
    const ValueId image = n.b.reshape(x, {dims[0], dims[1], 1, length});
    const ValueId weights = n.b.reshape(n.in(1), {dims[1], 1, 1, taps});
    const std::vector<WindowAxis> axes{{.result = 1}, {.kernel = taps, .result = dims[2]}};
    ValueId y = convolve(n, image, weights, axes, static_cast<std::uint32_t>(dims[1]),
                         {.a_type = type, .b_type = n.b.type(weights), .result_type = type}, bias);
    y = n.b.reshape(y, dims);
    const std::string activation = n.text("activation", "none");
    if (activation == "silu" || activation == "swish") {
        const ValueId wide = n.b.cast(y, DataType::f32);
        y = n.b.cast(mul(n, wide, unary(n, UnaryOp::sigmoid, wide)), type);
    } else if (activation != "none") {
        refuse("its activation '" + activation + "' is not silu, swish or none");
    }
    return {y, n.b.slice(x, 2, length - (taps - 1), taps - 1)};
}

}  // namespace

void add_transformers(OperatorTable& table) {
    table.add({
        {"CausalConvWithState", {27}, causal_conv},
        {"RMSNormalization", {23}, rms_norm},
        {"RotaryEmbedding", {23}, rotary_embedding},
        {"SwiGLU", {28}, swiglu},
        {"Swish", {24}, swish},
        {"TensorScatter", {24}, tensor_scatter},
        {"com.microsoft.CausalConvWithState", causal_conv},
        {"com.microsoft.RotaryEmbedding", rotary_embedding_by_offset},
    });
}

}  // namespace accel::compiler
