// SPDX-License-Identifier: Apache-2.0
#include "ir/program.hpp"

#include <accel_hw.h>

#include <algorithm>
#include <array>

namespace accel::compiler {

std::string_view to_string(const Operation& operation) {
    static constexpr std::array<std::string_view, std::variant_size_v<Operation>> names{
        "elementwise", "matmul",   "conv",      "pool",      "reduce",    "softmax",
        "attention",   "gather",   "scatter",   "resize",    "concat",    "pad",
        "permute",     "slice",    "broadcast", "reshape",   "loop",      "branch",
        "end",         "variable", "assign",    "step-read", "step-write"};
    return names.at(operation.index());
}

bool fits_attention(std::int64_t size, std::int64_t value_size) {
    return size >= 1 && value_size >= 1 && size <= ACCEL_ATTENTION_SIZE_MAX &&
           value_size <= ACCEL_ATTENTION_SIZE_MAX;
}

Dims broadcast_dims(const Dims& a, const Dims& b) {
    Dims result(std::max(a.size(), b.size()));
    for (std::size_t i = 0; i < result.size(); ++i) {
        const std::int64_t x = i < a.size() ? a[a.size() - 1 - i] : 1;
        const std::int64_t y = i < b.size() ? b[b.size() - 1 - i] : 1;
        if (x != y && x != 1 && y != 1) {
            refuse("its operands have the shapes " + to_string(a) + " and " + to_string(b) +
                   ", which do not broadcast");
        }
        result[result.size() - 1 - i] = x == 1 ? y : x;
    }
    return result;
}

std::size_t normalize_axis(std::int64_t axis, std::size_t rank) {
    const auto n = static_cast<std::int64_t>(rank);
    if (axis < -n || axis >= n) {
        refuse("it names axis " + std::to_string(axis) + " of a tensor with " +
               std::to_string(rank) + " dimensions");
    }
    return static_cast<std::size_t>(axis < 0 ? axis + n : axis);
}

std::int64_t normalize_index(std::int64_t index, std::int64_t length) {
    if (index < -length || index >= length) {
        refuse("the index " + std::to_string(index) + " is outside an axis of the length " +
                   std::to_string(length),
               "an index must be from " + std::to_string(-length) + " to " +
                   std::to_string(length - 1));
    }
    return index < 0 ? index + length : index;
}

Dims dense_strides(const Dims& dims) {
    Dims strides(dims.size());
    std::int64_t step = 1;
    for (std::size_t i = dims.size(); i-- > 0;) {
        strides[i] = step;
        step *= std::max<std::int64_t>(dims[i], 1);
    }
    return strides;
}

}  // namespace accel::compiler
