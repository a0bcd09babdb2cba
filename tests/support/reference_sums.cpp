// SPDX-License-Identifier: Apache-2.0
//
// The order of sums of the reference.
#include <bit>
#include <cmath>

#include "reference.hpp"

namespace accel::reference {

namespace {

// T(first, count) of the data sheet: the left part covers the largest power of two of blocks.
template <typename Combine>
float combine_pairwise(std::span<const float> blocks, Combine&& combine) {
    if (blocks.size() == 1) {
        return blocks[0];
    }
    const std::size_t left = std::bit_floor(blocks.size() - 1);
    return combine(combine_pairwise(blocks.first(left), combine),
                   combine_pairwise(blocks.subspan(left), combine));
}

// Blocks of 64 values, which are halved until one is left.
template <typename Combine>
float reduce_values(std::vector<float> x, float identity, Combine&& combine) {
    x.resize((x.size() + 63) / 64 * 64, identity);
    std::vector<float> blocks;
    for (std::size_t first = 0; first < x.size(); first += 64) {
        for (std::size_t half = 32; half != 0; half /= 2) {
            for (std::size_t i = first; i < first + half; ++i) {
                x[i] = combine(x[i], x[i + half]);
            }
        }
        blocks.push_back(x[first]);
    }
    return blocks.empty() ? identity : combine(identity, combine_pairwise(blocks, combine));
}

float add(float a, float b) {
    return a + b;
}

}  // namespace

float sum(const std::vector<float>& x) {
    return reduce_values(x, 0.0F, add);
}

float product(const std::vector<float>& x) {
    return reduce_values(x, 1.0F, [](float a, float b) { return a * b; });
}

void SumOfProducts::add(float a, float b) {
    if (count_++ % 32 == 0) {
        blocks_.push_back(0.0F);
    }
    blocks_.back() = std::fma(a, b, blocks_.back());
}

float SumOfProducts::value() const {
    return blocks_.empty() ? 0.0F
                           : combine_pairwise(std::span<const float>(blocks_), reference::add);
}

}  // namespace accel::reference
