// SPDX-License-Identifier: Apache-2.0
//
// Products of quantized matrices of the domain com.microsoft.
#include <algorithm>

#include "frontend/operators/contrib.hpp"
#include "frontend/operators/quantized.hpp"

namespace accel::compiler {

namespace {

// A zero point that a command can hold: a constant with one value. Absent ones are zero.
std::optional<std::int16_t> known_zero(const Node& n, std::optional<ValueId> zero) {
    if (!zero) {
        return std::int16_t{0};
    }
    const Constant constant = n.b.value(*zero).constant;
    if (!constant) {
        return std::nullopt;
    }
    const std::vector<std::int64_t> values = constant->integers();
    if (values.empty() || std::ranges::any_of(values, [&](auto z) { return z != values[0]; })) {
        return std::nullopt;
    }
    return static_cast<std::int16_t>(values[0]);
}

// As i32, so that it broadcasts over the columns of a product.
ValueId wide_zero(const Node& n, const Quantized& of) {
    if (!of.zero) {
        return n.b.scalar(DataType::i32, 0);
    }
    const ValueId zero = n.b.cast(*of.zero, DataType::i32);
    return elements(n.b.dims(zero)) == 1 ? n.b.reshape(zero, {}) : zero;
}

ValueId sum_along(const Node& n, ValueId x, std::size_t axis) {
    return reduce_integers(n, ReduceOp::sum, x, {axis});
}

}  // namespace

Quantized dynamically_quantized(const Node& n, ValueId x) {
    const Values all = lowered_as(n, "DynamicQuantizeLinear", {x});
    return {all[0], all[1], all[2]};
}

Quantized with_column_sums(const Node& n, Quantized matrix) {
    const ValueId columns = sub(n, n.b.cast(matrix.value, DataType::i32), wide_zero(n, matrix));
    matrix.column_sums = sum_along(n, columns, n.b.rank(columns) - 2);
    return matrix;
}

// (a - za)(b - zb) = ab - zb * sum(a) - za * sum(b - zb). A command subtracts what is known.
ValueId integer_product(const Node& n, const Quantized& a, const Quantized& b) {
    const std::optional<std::int16_t> known_a = known_zero(n, a.zero);
    const std::optional<std::int16_t> known_b = known_zero(n, b.zero);
    if (!known_a && elements(n.b.dims(*a.zero)) != 1) {
        refuse("a different zero point for each row is not supported");
    }
    const std::size_t rank = n.b.rank(a.value);
    if (rank < 2 || n.b.rank(b.value) < 2) {
        refuse("its operands " + to_string(n.b.dims(a.value)) + " and " +
               to_string(n.b.dims(b.value)) + " are not matrices");
    }
    ValueId y = n.b.matmul({.epilogue = {},
                            .format = {.a_type = n.b.type(a.value),
                                       .b_type = n.b.type(b.value),
                                       .result_type = DataType::i32,
                                       .a_zero_point = known_a.value_or(0),
                                       .b_zero_point = known_b.value_or(0)}},
                           {a.value, b.value});
    if (!known_b) {
        const ValueId rows = sub(n, n.b.cast(a.value, DataType::i32),
                                 n.b.scalar(DataType::i32, known_a.value_or(0)));
        y = sub(n, y, mul(n, sum_along(n, rows, rank - 1), wide_zero(n, b)));
    }
    if (!known_a) {
        const Quantized summed = b.column_sums ? b : with_column_sums(n, b);
        y = sub(n, y, mul(n, *summed.column_sums, wide_zero(n, a)));
    }
    return y;
}

ValueId dequantized_product(const Node& n, const Quantized& a, const Quantized& b) {
    const auto scale = [&](ValueId of) {
        return elements(n.b.dims(of)) == 1 ? n.b.reshape(of, {}) : of;
    };
    const ValueId y = n.b.cast(integer_product(n, a, b), DataType::f32);
    return mul(n, y, mul(n, scale(a.scale), scale(b.scale)));
}

namespace {

Values matmul_integer_to_float(const Node& n) {
    const ValueId y = dequantized_product(n, {n.in(0), n.in(2), optional_input(n, 4)},
                                          {n.in(1), n.in(3), optional_input(n, 5)});
    return {add_input(n, n.b.cast(y, n.b.type(n.in(2))), 6)};
}

Values dynamic_quantize_matmul(const Node& n) {
    const ValueId y = dequantized_product(n, dynamically_quantized(n, n.in(0)),
                                          {n.in(1), n.in(2), optional_input(n, 3)});
    return {add_input(n, y, 4)};
}

// ---- QGemm

constexpr std::size_t bias_input = 6;
constexpr std::size_t y_scale_input = 7;
constexpr std::size_t y_zero_input = 8;

// One command, if all that it needs is known.
std::optional<ValueId> requantized_gemm(const Node& n, const Quantized& a, const Quantized& b) {
    const std::int64_t columns = n.b.dims(b.value)[1];
    std::vector<ValueId> needed{a.scale, b.scale, n.in(y_scale_input)};
    std::vector<std::int64_t> bias;
    if (n.has(bias_input)) {
        const Constant c = n.b.value(n.in(bias_input)).constant;
        if (!c || elements(c->dims) != columns || c->dims.back() != columns) {
            return std::nullopt;
        }
        bias = c->integers();
    }
    const std::optional<ValueId> y_zero = optional_input(n, y_zero_input);
    const bool known =
        std::ranges::all_of(needed, [&](ValueId id) { return n.b.value(id).constant != nullptr; });
    if (!known || !known_zero(n, a.zero) || !known_zero(n, b.zero) || !y_zero ||
        !known_zero(n, y_zero)) {
        return std::nullopt;
    }
    const float alpha = n.real("alpha", 1.0F);
    return n.b.matmul({.epilogue = {},
                       .format = {.a_type = n.b.type(a.value),
                                  .b_type = n.b.type(b.value),
                                  .result_type = n.b.type(*y_zero),
                                  .a_zero_point = *known_zero(n, a.zero),
                                  .b_zero_point = *known_zero(n, b.zero),
                                  .result_zero_point = *known_zero(n, y_zero),
                                  .requantize = true}},
                      {a.value, b.value,
                       bias_and_scales(n, columns, bias, alpha * single(n.floats(1), "a_scale"),
                                       n.floats(4), single(n.floats(y_scale_input), "y_scale"))});
}

// alpha * a * b + c, where c has the scale of the product.
Values qgemm(const Node& n) {
    const auto transposed = [&](std::size_t input, const char* attribute) {
        const ValueId x = n.in(input);
        if (n.b.rank(x) != 2) {
            refuse("its operand " + to_string(n.b.dims(x)) + " is no matrix");
        }
        return transposed_if(n, x, attribute);
    };
    const Quantized a{transposed(0, "transA"), n.in(1), optional_input(n, 2)};
    const Quantized b{transposed(3, "transB"), n.in(4), optional_input(n, 5)};
    if (n.has(y_scale_input)) {
        if (const auto y = requantized_gemm(n, a, b)) {
            return {*y};
        }
    }
    const auto scale = [&](ValueId of) {
        return elements(n.b.dims(of)) == 1 ? n.b.reshape(of, {}) : of;
    };
    const ValueId sum = add_input(n, integer_product(n, a, b), bias_input);
    const ValueId factor = mul(n, mul(n, scale(a.scale), scale(b.scale)), n.real("alpha", 1.0F));
    const ValueId y = mul(n, n.b.cast(sum, DataType::f32), factor);
    if (!n.has(y_scale_input)) {
        return {y};
    }
    return lowered_as(n, "QuantizeLinear",
                      {y, n.b.reshape(n.in(y_scale_input), {}), optional_input(n, y_zero_input)});
}

}  // namespace

void add_contrib_quantized_products(OperatorTable& table) {
    table.add({
        {"com.microsoft.DynamicQuantizeMatMul", dynamic_quantize_matmul},
        {"com.microsoft.MatMulIntegerToFloat", matmul_integer_to_float},
        {"com.microsoft.QGemm", qgemm},
    });
}

}  // namespace accel::compiler
