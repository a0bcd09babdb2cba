// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
#include "indexed.hpp"

namespace accel::card {

Status IndexedOperands::check() const {
    if (!aligned(whole, element_bytes) || !aligned(part, element_bytes) ||
        !aligned(indices, index_bytes)) {
        return ACCEL_BAD_ALIGNMENT;
    }
    if (empty()) {
        return ACCEL_OK;
    }
    std::uint64_t whole_bytes = 0;
    std::uint64_t part_bytes = 0;
    std::uint64_t row_indices = index_bytes;
    std::uint64_t all_indices = 0;
    if (__builtin_mul_overflow(slice_bytes(), std::uint64_t{n}, &whole_bytes) ||
        __builtin_mul_overflow(slice_bytes(), std::uint64_t{count}, &part_bytes) ||
        (elements && __builtin_mul_overflow(std::uint64_t{outer} * index_bytes,
                                            std::uint64_t{inner}, &row_indices)) ||
        __builtin_mul_overflow(row_indices, std::uint64_t{count}, &all_indices)) {
        return ACCEL_BAD_SIZE;
    }
    return first_failure({check_extent(whole, outer, whole_bytes, whole_bytes),
                          check_extent(part, outer, part_bytes, part_bytes),
                          check_extent(indices, 1, 0, all_indices)});
}

Status resolve_indices(std::span<std::int64_t> indices, std::uint32_t n) {
    const std::int64_t length = n;
    for (std::int64_t& index : indices) {
        if (index < -length || index >= length) {
            return ACCEL_BAD_INDEX;
        }
        index += index < 0 ? length : 0;
    }
    return ACCEL_OK;
}

}  // namespace accel::card
