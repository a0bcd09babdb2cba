// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Which units are independent, and how large those of GEMM and CONV2D are.
#include "units.hpp"

#include <algorithm>
#include <array>

#include "gemm_kernel.hpp"

namespace accel::card {

bool are_distinct(std::span<const Spacing> dimensions) {
    std::array<Spacing, ACCEL_RANK_MAX> left{};
    const auto end = std::ranges::copy_if(dimensions, left.begin(), [](const Spacing& d) {
                         return d.length > 1;
                     }).out;
    std::uint64_t reach = 0;  // the highest index that the dimensions so far address
    for (auto d = left.begin(); d != end; ++d) {
        std::ranges::iter_swap(d, std::ranges::min_element(d, end, {}, &Spacing::stride));
        std::uint64_t span = 0;
        if (d->stride <= reach || __builtin_mul_overflow(d->length - 1, d->stride, &span) ||
            __builtin_add_overflow(reach, span, &reach)) {
            return false;
        }
    }
    return true;
}

Tiling make_tiling(const TilingInput& input) {
    // Narrower blocks would spend more time on packing than on products.
    constexpr std::uint64_t min_width = 2 * tile_columns;
    constexpr double min_nanoseconds = 10'000;
    const auto set_columns = [&](Tiling& tiling, std::uint64_t blocks) {
        tiling.width =
            std::min(input.max_width,
                     divide_up(divide_up(input.columns, blocks), tile_columns) * tile_columns);
        tiling.column_blocks = divide_up(input.columns, tiling.width);
    };
    const auto set_rows = [&](Tiling& tiling, std::uint64_t parts) {
        tiling.rows = divide_up(input.row_blocks, parts);
        tiling.row_parts = divide_up(input.row_blocks, tiling.rows);
    };
    Tiling tiling{.width = input.max_width,
                  .column_blocks = divide_up(input.columns, input.max_width),
                  .rows = input.row_blocks,
                  .row_parts = 1};
    if (input.threads == 1 || input.nanoseconds < min_shared_nanoseconds) {
        return tiling;
    }
    const auto wanted = static_cast<std::uint64_t>(
        std::clamp(input.nanoseconds / min_nanoseconds, 1.0, 2.0 * input.threads));
    while (saturated_product(input.matrices, tiling.column_blocks * tiling.row_parts) < wanted) {
        // A block that is wider than the matrix has all its columns.
        const bool narrow = std::min(tiling.width, input.columns) <= min_width;
        const bool low = tiling.rows == 1;
        if (narrow && low) {
            break;
        }
        // The shorter cut costs the less packing.
        const bool wide = input.columns / tiling.column_blocks >= input.results / tiling.row_parts;
        if (low || (wide && !narrow)) {
            for (std::uint64_t blocks = tiling.column_blocks, more = blocks + 1;
                 tiling.column_blocks == blocks; ++more) {
                set_columns(tiling, more);
            }
        } else {
            for (std::uint64_t parts = tiling.row_parts, more = parts + 1;
                 tiling.row_parts == parts; ++more) {
                set_rows(tiling, more);
            }
        }
    }
    return tiling;
}

}  // namespace accel::card
