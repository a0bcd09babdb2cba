// SPDX-License-Identifier: Apache-2.0
//
// QuantizeLinear and DequantizeLinear: per tensor, per axis, and in blocks along an axis.
#include <algorithm>
#include <cmath>
#include <optional>

#include "frontend/onnx_tensor.hpp"
#include "frontend/operators/casts.hpp"
#include "frontend/operators/lowering.hpp"
#include "frontend/operators/stored_weights.hpp"

namespace accel::compiler {

namespace {

// How the scales and zero points of a node apply to its input x.
class Granularity {
  public:
    Granularity(const Node& n, ValueId x, ValueId scale) : n_(n), shape_(n.b.dims(x)) {
        const Dims& scales = n.b.dims(scale);
        if (elements(scales) == 1) {
            return;
        }
        axis_ = normalize_axis(n.integer("axis", 1), shape_.size());
        block_ = n.integer("block_size", 0);
        if (scales.size() == 1 && (block_ == 0 || shape_.size() > 1)) {
            block_ = 0;
            check(scales[0] == shape_[*axis_], scales);
            return;
        }
        check(scales.size() == shape_.size() && block_ > 0, scales);
        Dims expected = shape_;
        expected[*axis_] = (shape_[*axis_] + block_ - 1) / block_;
        check(scales == expected, scales);
    }

    [[nodiscard]] bool per_tensor() const { return !axis_; }
    [[nodiscard]] bool per_axis() const { return axis_ && block_ == 0; }
    [[nodiscard]] std::size_t axis() const { return axis_.value_or(0); }

    // x with an axis of its own for the elements of a block, if there are only whole blocks.
    [[nodiscard]] ValueId split(ValueId x) const {
        return whole_blocks() ? n_.b.reshape(x, split_shape(block_)) : x;
    }
    [[nodiscard]] ValueId joined(ValueId y) const { return n_.b.reshape(y, shape_); }

    // A scale or zero point in a shape that broadcasts over split(x).
    [[nodiscard]] ValueId aligned(ValueId parameter) const {
        if (per_tensor()) {
            return n_.b.reshape(parameter, {});
        }
        if (per_axis()) {
            Dims along(shape_.size(), 1);
            along[*axis_] = shape_[*axis_];
            return n_.b.reshape(parameter, std::move(along));
        }
        if (whole_blocks()) {
            return n_.b.reshape(parameter, split_shape(1));
        }
        // The last block is shorter: repeats the parameter for each element.
        Dims repeated = split_shape(block_);
        Dims flat = shape_;
        flat[*axis_] = repeated[*axis_] * block_;
        const ValueId wide = n_.b.broadcast(n_.b.reshape(parameter, split_shape(1)), repeated);
        return n_.b.slice(n_.b.reshape(wide, std::move(flat)), *axis_, 0, shape_[*axis_]);
    }

  private:
    static void check(bool fits, const Dims& scales) {
        if (!fits) {
            refuse("scales of the shape " + to_string(scales) + " do not fit its input",
                   "give one scale, one for each index of the axis, or one for each block of "
                   "block_size elements along the axis");
        }
    }
    [[nodiscard]] bool whole_blocks() const { return block_ > 0 && shape_[*axis_] % block_ == 0; }
    // The shape with the axis cut into blocks, of which each has `length` elements.
    [[nodiscard]] Dims split_shape(std::int64_t length) const {
        Dims dims = shape_;
        const auto at = dims.begin() + static_cast<std::ptrdiff_t>(*axis_);
        *at = (*at + block_ - 1) / block_;
        dims.insert(at + 1, length);
        return dims;
    }

    const Node& n_;
    Dims shape_;
    std::optional<std::size_t> axis_;
    std::int64_t block_ = 0;
};

// The integers of int8 products: a constant of 2 or 4 bits becomes one of 8.
ValueId as_int8(const Node& n, ValueId x) {
    const DataType type = n.b.type(x);
    if (type == DataType::i4 || type == DataType::i2) {
        return n.b.cast(x, DataType::i8);
    }
    return type == DataType::u4 || type == DataType::u2 ? n.b.cast(x, DataType::u8) : x;
}

// The parameters of a node if an int8 product can use them: constant, with one zero point.
std::optional<QuantParams> quant_params(const Node& n, const Granularity& granularity,
                                        ValueId counterpart) {
    const DataType quantized = n.b.type(counterpart);
    const Constant scale = n.b.value(n.in(1)).constant;
    const Constant zero = n.has(2) ? n.b.value(n.in(2)).constant : nullptr;
    if (!scale || scale->type != DataType::f32 || (n.has(2) && !zero) ||
        (quantized != DataType::i8 && quantized != DataType::u8) ||
        !(granularity.per_tensor() || granularity.per_axis())) {
        return std::nullopt;
    }
    const std::vector<std::int64_t> zeros = zero ? zero->integers() : std::vector<std::int64_t>{0};
    if (zeros.empty() || std::ranges::any_of(zeros, [&](auto z) { return z != zeros[0]; })) {
        return std::nullopt;
    }
    return QuantParams{.counterpart = counterpart,
                       .scales = scale->floats(),
                       .zero_point = static_cast<std::int16_t>(zeros[0]),
                       .axis = granularity.axis()};
}

// Whether a zero point is known to be zero everywhere.
bool is_zero(const Node& n, std::size_t i) {
    if (!n.has(i)) {
        return true;
    }
    const Constant zero = n.b.value(n.in(i)).constant;
    if (!zero || elements(zero->dims) == 0) {
        return false;
    }
    // -0 - -0 is +0. So only a zero point of +0 keeps every element, -0 too.
    return std::ranges::all_of(zero->floats(), [](float z) { return z == 0 && !std::signbit(z); });
}

// The data type that the attribute output_dtype states, if the node has it.
DataType stated_type(const Node& n, DataType otherwise) {
    const std::int64_t stated = n.integer("output_dtype", 0);
    return stated == 0 ? otherwise : n.b.compute_type(data_type_of(stated));
}

// A type that holds all differences of two integers.
DataType difference_type(DataType type) {
    return size_of(type) == 1 ? DataType::i16 : DataType::i32;
}

// (x - zero_point) * scale, computed in f32
ValueId dequantized(const Node& n, const Granularity& granularity, ValueId x, DataType result) {
    ValueId y = granularity.split(x);
    if (!is_zero(n, 2)) {
        const ValueId zero = granularity.aligned(n.in(2));
        y = is_integer(n.b.type(x))
                ? n.b.elementwise({.op = ElementwiseOp::sub}, {y, zero},
                                  difference_type(n.b.type(y)))
                : sub(n, n.b.cast(y, DataType::f32), n.b.cast(zero, DataType::f32));
    }
    const ValueId scale = n.b.cast(granularity.aligned(n.in(1)), DataType::f32);
    return granularity.joined(n.b.mixed(ElementwiseOp::mul, scale, y, result));
}

Values dequantize(const Node& n) {
    const ValueId x = n.in(0);
    const Granularity granularity(n, x, n.in(1));
    const DataType result = stated_type(n, n.b.type(n.in(1)));
    const ValueId y = dequantized(n, granularity, x, result);
    const Constant weights = n.b.value(x).constant;
    const bool stored = weights && is_worth_storing(*weights) && n.b.value(y).constant;
    if (stored) {
        n.b.set_unfolded(y, dequantized(n, granularity, unpacked_on_card(n, weights), result));
    }
    if (result == DataType::f32) {
        const ValueId integers = weights ? as_int8(n, x) : x;
        if (const auto params = quant_params(n, granularity, integers)) {
            if (stored && integers != x) {
                n.b.set_unfolded(integers, as_int8(n, unpacked_on_card(n, weights)));
            }
            n.b.set_quant_params(y, *params);
        }
    }
    return {y};
}

// A sum of two quantized values, or the positive part of one, if `zero` is the least number.
std::optional<std::pair<ValueId, ValueId>> quantized_summands(const Node& n, ValueId x,
                                                              bool zero_is_least) {
    const auto elementwise = [&](ValueId id) -> const op::Elementwise* {
        const Instruction* const producer = n.b.producer(id);
        return producer == nullptr ? nullptr : std::get_if<op::Elementwise>(&producer->operation);
    };
    const op::Elementwise* last = elementwise(x);
    if (last != nullptr && zero_is_least && last->op == ElementwiseOp::identity &&
        last->activation == UnaryOp::relu) {
        x = n.b.producer(x)->operands[0];
        last = elementwise(x);
    }
    if (last == nullptr || last->op != ElementwiseOp::add || last->activation != UnaryOp::none) {
        return std::nullopt;
    }
    const auto& operands = n.b.producer(x)->operands;
    const bool both = std::ranges::all_of(operands, [&](ValueId id) {
        const Value& value = n.b.value(id);
        return value.type == DataType::f32 && value.quant && value.quant->scales.size() == 1 &&
               size_of(n.b.type(value.quant->counterpart)) == 1;
    });
    return both ? std::optional(std::pair(operands[0], operands[1])) : std::nullopt;
}

// Quantizes a sum of quantized values from their integers, instead of from their numbers.
std::optional<ValueId> quantized_sum(const Node& n, ValueId x, const QuantParams& params,
                                     DataType type) {
    const float scale = params.scales[0];
    const bool zero_is_least = params.zero_point == (type == DataType::i8 ? -128 : 0);
    const auto summands = quantized_summands(n, x, zero_is_least);
    if (!summands || !(scale > 0)) {
        return std::nullopt;
    }
    float shift = params.zero_point;
    const auto scaled = [&](ValueId id) {
        const QuantParams& own = *n.b.value(id).quant;
        const float ratio = own.scales[0] / scale;
        shift -= ratio * static_cast<float>(own.zero_point);
        return n.b.mixed(ElementwiseOp::mul, n.b.scalar(ratio), own.counterpart, DataType::f32);
    };
    const ValueId a = scaled(summands->first);
    const ValueId sum = add(n, a, scaled(summands->second));
    return n.b.elementwise({.op = ElementwiseOp::add, .activation = UnaryOp::round},
                           {sum, n.b.scalar(shift)}, type);
}

// round(x / scale) + zero_point, saturated to the range of the type of zero_point; f32
ValueId quantized_tensor(const Node& n, ValueId x, ValueId scale, ValueId zero) {
    const auto in_steps = [&](DataType type) {
        return n.b.elementwise({.op = ElementwiseOp::div, .activation = UnaryOp::round}, {x, scale},
                               type);
    };
    const Constant point = n.b.value(zero).constant;
    if (point && point->integers() == std::vector<std::int64_t>{0}) {
        return in_steps(n.b.type(zero));
    }
    const ValueId steps = in_steps(DataType::f32);
    return n.b.elementwise({.op = ElementwiseOp::add}, {steps, n.b.cast(zero, DataType::f32)},
                           n.b.type(zero));
}

// Quantizes x before views that only reorder or reshape it. The producer of the source can then
// store quantized elements at once.
ValueId quantize_before_views(const Node& n, ValueId x, const QuantParams& params, ValueId scale,
                              ValueId zero) {
    const Instruction* const producer = n.b.producer(x);
    ValueId y = 0;
    if (producer != nullptr && std::holds_alternative<op::Reshape>(producer->operation)) {
        y = n.b.reshape(quantize_before_views(n, producer->operands[0], params, scale, zero),
                        n.b.dims(x));
    } else if (producer != nullptr && std::holds_alternative<op::Permute>(producer->operation)) {
        const auto axes = std::get<op::Permute>(producer->operation).axes;
        y = n.b.permute(quantize_before_views(n, producer->operands[0], params, scale, zero), axes);
    } else if (const auto sum = quantized_sum(n, x, params, n.b.type(zero))) {
        y = *sum;
    } else {
        y = quantized_tensor(n, x, scale, zero);
    }
    QuantParams own = params;
    own.counterpart = x;
    n.b.set_quant_params(y, std::move(own));
    return y;
}

// x / scale, rounded to the type in which ONNX divides. f32, or a half that is widened.
ValueId quotient(const Node& n, const Granularity& granularity, ValueId x) {
    const ValueId scale = granularity.aligned(n.in(1));
    const auto precision = n.integer("precision", 0);
    DataType type = n.b.type(scale) == n.b.type(x) ? n.b.type(x) : DataType::f32;
    ValueId a = granularity.split(x);
    ValueId b = scale;
    if (precision != 0) {
        type = n.b.compute_type(data_type_of(precision));
        a = n.b.cast(a, type);
        b = n.b.cast(b, type);
    }
    if (is_integer(type) || is_small(type)) {
        refuse("it divides in " + std::string(to_string(type)),
               "set precision to FLOAT, FLOAT16 or BFLOAT16");
    }
    const ValueId ratio = n.b.elementwise(
        {.op = ElementwiseOp::div}, {n.b.cast(a, DataType::f32), n.b.cast(b, DataType::f32)}, type);
    return n.b.cast(ratio, DataType::f32);
}

// saturate(x / scale + zero_point)
ValueId quantize_values(const Node& n, const Granularity& granularity, ValueId x, DataType type) {
    const ValueId ratio = quotient(n, granularity, x);
    const auto zero = [&] { return n.b.cast(granularity.aligned(n.in(2)), DataType::f32); };
    if (is_integer(type)) {
        const ValueId steps = n.b.unary(UnaryOp::round, ratio);
        return granularity.joined(
            is_zero(n, 2) ? n.b.cast(steps, type)
                          : n.b.elementwise({.op = ElementwiseOp::add}, {steps, zero()}, type));
    }
    // 0 - zero_point: so a negative zero stays one.
    const ValueId moved =
        is_zero(n, 2)     ? ratio
        : is_float8(type) ? sub(n, ratio, n.b.binary(ElementwiseOp::sub, n.b.scalar(0.0F), zero()))
                          : add(n, ratio, zero());
    return granularity.joined(is_float8(type)
                                  ? to_float8(n, moved, type, n.integer("saturate", 1) != 0)
                                  : n.b.cast(moved, type));
}

Values quantize(const Node& n) {
    const ValueId x = n.in(0);
    const Granularity granularity(n, x, n.in(1));
    const DataType type = n.has(2) ? n.b.type(n.in(2)) : stated_type(n, DataType::u8);
    const auto params = type == DataType::u8 || type == DataType::i8
                            ? quant_params(n, granularity, n.has(2) ? n.in(2) : n.b.scalar(type, 0))
                            : std::nullopt;
    if (!params || params->scales.size() != 1 || n.b.type(x) != DataType::f32 ||
        n.b.type(n.in(1)) != DataType::f32 || n.integer("precision", 0) > 1) {
        return {quantize_values(n, granularity, x, type)};
    }
    // Quantizing a dequantized value with the same parameters gives the original.
    const auto& before = n.b.value(x).quant;
    if (before && n.b.type(before->counterpart) == type && before->scales == params->scales &&
        before->zero_point == params->zero_point) {
        return {before->counterpart};
    }
    const ValueId zero = n.has(2) ? n.b.reshape(n.in(2), {}) : n.b.scalar(type, 0);
    return {quantize_before_views(n, x, *params, n.b.reshape(n.in(1), {}), zero)};
}

}  // namespace

void add_quantize_linear(OperatorTable& table) {
    table.add({
        {"DequantizeLinear", {10}, dequantize},
        {"QuantizeLinear", {10}, quantize},
    });
}

}  // namespace accel::compiler
