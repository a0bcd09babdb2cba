// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The softmax of ATTENTION over tiles of keys, as section 6 of the data sheet specifies it. A tile
// is a block of scores [keys][rows], with a column for each query.
#pragma once

#include <array>
#include <cstddef>

#include "accel_hw.h"
#include "numerics/reduction.hpp"

namespace accel::card {

// values[i] = cap(values[i] * scale)
void scale_scores(float* values, std::size_t count, float scale, float softcap);

// Adds mask[key] to the scores of each key, or for booleans blocks the keys whose element is 0.
// `dense`: the mask has an element for each score instead.
void mask_scores(float* values, std::size_t keys, std::size_t rows, const float* mask, bool dense,
                 bool is_boolean);

// The maxima, sums and totals of up to max_rows queries while their tiles are added in order.
class RunningSoftmax {
  public:
    static constexpr std::size_t max_rows = 64;

    // `totals` has rows of `width` floats, one for each query.
    RunningSoftmax(std::size_t rows, std::size_t width, float* totals);

    // Turns the scores of a tile of at most ACCEL_ATTENTION_TILE keys into exponentials.
    void add_scores(float* scores, std::size_t keys);
    // Adds the products of these exponentials and the values: rows of `width` floats.
    void add_products(const float* products);
    // Divides the totals. A query without keys gives `empty`.
    void finish(float empty);

  private:
    using Row = std::array<float, max_rows>;

    // Of a PairwiseReduction over the keys of a tile.
    static constexpr std::size_t levels = ACCEL_ATTENTION_TILE / PairwiseReduction::block_rows + 1;

    std::size_t rows_;
    std::size_t width_;
    float* totals_;
    Row peaks_{};
    Row sums_{};
    // Of the tile that was added last.
    Row factors_{};
    Row is_empty_{};  // not zero: the tile changes nothing
    std::array<float, levels * max_rows> levels_{};
};

}  // namespace accel::card
