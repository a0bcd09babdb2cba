// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The sum of products of the data sheet, for many results at once: sums of blocks, which are added
// up pairwise. GEMM, CONV2D, POOL and RESIZE have this order.
#pragma once

#include <algorithm>

#include "execution.hpp"
#include "numerics/reduction.hpp"

namespace accel::card {

class BlockSums {
  public:
    // The results that are summed together.
    static constexpr std::size_t max_results = Scratch::tile_floats / 2;

    explicit BlockSums(Scratch& scratch) : scratch_(scratch) {}

    void restart() {
        blocks_ = 0;
        depth_ = 0;
    }

    // Where the sums of the next block belong: max_results floats.
    [[nodiscard]] float* next() const { return level(depth_); }

    // Adds these sums, of `count` results, to those of the blocks before. As in a binary counter,
    // two neighbors that cover equally many blocks merge.
    void add(std::size_t count) {
        ++depth_;
        for (std::uint64_t bits = blocks_++; (bits & 1) != 0; bits >>= 1) {
            merge(count);
        }
    }

    // The sums of all blocks, which are the next sums of a restart, too.
    [[nodiscard]] float* finish(std::size_t count) {
        if (depth_ == 0) {
            std::fill_n(level(0), count, 0.0F);
        }
        while (depth_ > 1) {
            merge(count);
        }
        return level(0);
    }

  private:
    [[nodiscard]] float* level(std::size_t index) const {
        return index == 0 ? scratch_.tile[1].get()
                          : scratch_.levels.get() + (index - 1) * max_results;
    }
    void merge(std::size_t count) {
        --depth_;
        add_values(level(depth_ - 1), level(depth_), count);
    }

    Scratch& scratch_;
    std::uint64_t blocks_ = 0;
    std::size_t depth_ = 0;
};

}  // namespace accel::card
