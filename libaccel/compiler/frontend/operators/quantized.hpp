// SPDX-License-Identifier: Apache-2.0
//
// Products of quantized values: an integer q represents (q - zero point) * scale.
#pragma once

#include <optional>

#include "frontend/operators/lowering.hpp"

namespace accel::compiler {

/// Integers with their scale and zero point: one, or one for each column of a matrix. An absent
/// zero point is zero.
struct Quantized {
    ValueId value = 0;
    ValueId scale = 0;
    std::optional<ValueId> zero = std::nullopt;
    /// The sum of each column of (value - zero point); several products share it.
    std::optional<ValueId> column_sums = std::nullopt;
};

/// The only element of a vector; throws if there are more. `what` names it.
[[nodiscard]] float single(const std::vector<float>& values, const char* what);

/// The zero point that an input holds; zero if the input is absent. The input must be a constant
/// with one value.
[[nodiscard]] std::int16_t zero_point(const Node& n, std::size_t i);

/// The third operand of a requantizing product: an i32 bias and an f32 scale for each of `count`
/// channels. An empty bias is zero.
[[nodiscard]] ValueId bias_and_scales(const Node& n, std::int64_t count,
                                      const std::vector<std::int64_t>& bias, float x_scale,
                                      const std::vector<float>& w_scale, float y_scale);

/// Quantizes x to u8, by the range of its elements.
[[nodiscard]] Quantized dynamically_quantized(const Node& n, ValueId x);

/// The same matrix with its column_sums.
[[nodiscard]] Quantized with_column_sums(const Node& n, Quantized matrix);

/// (a - zero of a) * (b - zero of b), as i32. The zero point of a is one value.
[[nodiscard]] ValueId integer_product(const Node& n, const Quantized& a, const Quantized& b);

/// The same times both scales, as f32.
[[nodiscard]] ValueId dequantized_product(const Node& n, const Quantized& a, const Quantized& b);

}  // namespace accel::compiler
