// SPDX-License-Identifier: Apache-2.0
//
// Operations that move the elements of constants, computed part by part.
#pragma once

#include <vector>

#include "ir/program.hpp"

namespace accel::compiler {

/// Each reader computes parts of the result.
[[nodiscard]] PartReader read_permuted(const op::Permute& permute, const Constant& from,
                                       const Value& result);
[[nodiscard]] PartReader read_sliced(const op::Slice& slice, const Constant& from,
                                     const Value& result);
[[nodiscard]] PartReader read_broadcast(const Constant& from, const Value& result);
[[nodiscard]] PartReader read_concatenated(const op::Concat& concat,
                                           const std::vector<Constant>& operands,
                                           const Value& result);
/// Computes the whole result first.
[[nodiscard]] PartReader read_padded(const op::Pad& pad, const Constant& from, const Value& result);

/// Calls visit(i, offset) for each element of a dense result. `offset` addresses a second tensor
/// with these strides.
template <typename Visit>
void walk(const Dims& dims, std::int64_t first, const Dims& strides, Visit&& visit) {
    const std::int64_t count = elements(dims);
    Dims at(dims.size());
    std::int64_t offset = first;
    for (std::int64_t i = 0; i < count; ++i) {
        visit(i, offset);
        for (std::size_t d = dims.size(); d-- > 0;) {
            offset += strides[d];
            if (++at[d] < dims[d]) {
                break;
            }
            offset -= strides[d] * dims[d];
            at[d] = 0;
        }
    }
}

}  // namespace accel::compiler
