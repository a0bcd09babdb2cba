// SPDX-License-Identifier: Apache-2.0
//
// The largest elements of an output: the most likely classes of a classifier.
#pragma once

#include <accel/tensor.hpp>
#include <cstddef>
#include <string>
#include <vector>

namespace accel::tools {

struct RankedClass {
    std::size_t index = 0;
    double value = 0;
    std::string label;  ///< empty without labels
};

/// The rows of an output along its last dimension, at most `max_ranked_rows`.
struct Ranking {
    std::string output;
    std::size_t rows = 0;  ///< of the output
    std::vector<std::vector<RankedClass>> best;
};

inline constexpr std::size_t max_ranked_rows = 16;

/// A line of the file for each class. Throws Failure if it cannot be read.
[[nodiscard]] std::vector<std::string> read_labels(const std::string& path);

/// The `count` largest elements of each row, largest first; of equal ones the lower index is first.
/// Throws Failure if there are labels, but not one for each element of a row.
[[nodiscard]] Ranking rank_classes(const std::string& name, const TensorData& output,
                                   std::size_t count, const std::vector<std::string>& labels);

}  // namespace accel::tools
