// SPDX-License-Identifier: Apache-2.0
#include "run/compare.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "run/numbers.hpp"

namespace accel::tools {

namespace {

// "137 ([0,3,17])"
std::string position(std::size_t index, const std::vector<std::int64_t>& shape) {
    std::string text = std::to_string(index);
    if (shape.size() < 2) {
        return text;
    }
    std::vector<std::size_t> position;
    for (auto i = shape.size(); i-- > 0;) {
        const auto length = static_cast<std::size_t>(std::max<std::int64_t>(shape[i], 1));
        position.push_back(index % length);
        index /= length;
    }
    std::ranges::reverse(position);
    return fmt::format("{} ([{}])", text, fmt::join(position, ","));
}

}  // namespace

Comparison compare(const std::string& name, const TensorData& output, const TensorData& expected,
                   const Tolerance& tolerance) {
    const std::vector<double> got = to_numbers(output.type, output.bytes);
    const std::vector<double> wanted = to_numbers(expected.type, expected.bytes);
    Comparison result{.name = name, .elements = got.size(), .first_different = {}};
    for (std::size_t i = 0; i < got.size(); ++i) {
        // Equal infinities have no difference that is a number.
        if (got[i] == wanted[i] || (std::isnan(got[i]) && std::isnan(wanted[i]))) {
            continue;
        }
        const double error = std::fabs(got[i] - wanted[i]);
        const double limit = tolerance.absolute + tolerance.relative * std::fabs(wanted[i]);
        if (!(error <= limit) || std::isinf(wanted[i])) {
            if (++result.different == 1) {
                result.first_different = fmt::format("element {} is {:g}, and {:g} was expected",
                                                     position(i, output.shape), got[i], wanted[i]);
            }
        }
        if (std::isfinite(error)) {
            result.max_absolute = std::max(result.max_absolute, error);
            if (wanted[i] != 0) {
                result.max_relative = std::max(result.max_relative, error / std::fabs(wanted[i]));
            }
        }
    }
    return result;
}

}  // namespace accel::tools
