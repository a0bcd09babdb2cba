// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Sums, products and extremes of many values, in the order that section 6 of the data sheet
// specifies.
#pragma once

#include <cstddef>
#include <cstdint>

namespace accel::card {

// Reduces rows of `columns` values to one row: the sum or the product of each column. The order
// depends on the number of rows alone, so neither vector width nor the division of the rows among
// calls changes a bit.
class PairwiseReduction {
  public:
    enum class Kind : std::uint8_t { sum, product };

    static constexpr std::size_t block_rows = 64;
    // The running totals of 2^32 rows: one for each level of the tree.
    static constexpr std::size_t max_levels = 28;

    // `levels` has room for max_levels rows, or for one if there are at most block_rows rows.
    PairwiseReduction(Kind kind, std::size_t columns, float* levels)
        : kind_(kind), columns_(columns), levels_(levels) {}

    // Adds `count` rows: a multiple of block_rows, except in the last call.
    void add(const float* rows, std::size_t count);

    // The results: the first row of `levels`.
    [[nodiscard]] float* finish();

  private:
    Kind kind_;
    std::size_t columns_;
    float* levels_;
    std::uint64_t blocks_ = 0;
    std::size_t depth_ = 0;
};

// The greatest or the least value of each column of `count` rows, starting from those in `best`.
void reduce_extremes(bool least, const float* rows, std::size_t count, std::size_t columns,
                     float* best);

// best and index: the extreme value of each column and the row that holds it first, where the
// first row of `rows` is row `first`. Both are set if `first` is 0.
void reduce_indices(bool least, const float* rows, std::size_t count, std::size_t columns,
                    std::uint64_t first, float* best, std::uint32_t* index);

// The transposed matrix: to[c * rows + r] = from[r * columns + c]
void transpose_values(const float* from, std::size_t rows, std::size_t columns, float* to);
// to[i] = to[i] + from[i]
void add_values(float* to, const float* from, std::size_t count);
// to[i] = maximum(to[i], from[i])
void take_maxima(float* to, const float* from, std::size_t count);
// to[i] = to[i] / by
void divide_values(float* to, std::size_t count, float by);

}  // namespace accel::card
