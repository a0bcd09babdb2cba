// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The operands of GATHER and SCATTER: the whole tensor `outer x n x inner`, the tensor `outer x
// count x inner` of the selected slices or elements, and the indices that select them.
#pragma once

#include <cstdint>
#include <span>

#include "units.hpp"

namespace accel::card {

struct IndexedOperands {
    std::uint64_t whole;    // the address of the tensor of n slices
    std::uint64_t part;     // that of the tensor of `count` slices
    std::uint64_t indices;  // that of the indices
    std::uint32_t outer;
    std::uint32_t n;
    std::uint32_t count;
    std::uint32_t inner;
    unsigned element_bytes;
    unsigned index_bytes;
    bool elements;  // each element has an index of its own

    [[nodiscard]] bool empty() const { return outer == 0 || count == 0 || inner == 0; }
    [[nodiscard]] std::uint64_t slice_bytes() const { return std::uint64_t{inner} * element_bytes; }

    /// Whether all addresses are aligned, and all tensors within the address space. The functions
    /// below hold after this.
    [[nodiscard]] Status check() const;

    [[nodiscard]] Extent whole_extent() const {
        return {.begin = whole, .bytes = std::uint64_t{outer} * n * slice_bytes()};
    }
    [[nodiscard]] Extent part_extent() const {
        return {.begin = part, .bytes = std::uint64_t{outer} * count * slice_bytes()};
    }
    [[nodiscard]] Extent index_extent() const {
        const std::uint64_t each = elements ? std::uint64_t{outer} * inner : std::uint64_t{1};
        return {.begin = indices, .bytes = each * count * index_bytes};
    }
};

/// Replaces indices that count from the end. BAD_INDEX if one is outside an axis of the length n.
[[nodiscard]] Status resolve_indices(std::span<std::int64_t> indices, std::uint32_t n);

}  // namespace accel::card
