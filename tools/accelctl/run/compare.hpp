// SPDX-License-Identifier: Apache-2.0
//
// The comparison of an output with the expected one.
#pragma once

#include <accel/tensor.hpp>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace accel::tools {

/// An element may differ by absolute + relative * |expected|, as in numpy.isclose().
struct Tolerance {
    double absolute = 0;
    double relative = 0;
};

struct Comparison {
    std::string name;  ///< of the output
    std::size_t elements = 0;
    std::size_t different = 0;    ///< elements beyond the tolerance
    double max_absolute = 0;      ///< the largest difference
    double max_relative = 0;      ///< the same, by |expected|; elements that are 0 do not count
    std::string first_different;  ///< the position and the two values
};

/// Both have the same data type and number of elements. NaN equals NaN.
[[nodiscard]] Comparison compare(const std::string& name, const TensorData& output,
                                 const TensorData& expected, const Tolerance& tolerance);

}  // namespace accel::tools
