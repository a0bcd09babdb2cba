// SPDX-License-Identifier: Apache-2.0
//
// The weights of MatMulNBits: 4 bits each, in blocks along the columns of a matrix.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "ir/tensor.hpp"

namespace accel::compiler {

class BlockPacking {
  public:
    static constexpr std::int64_t block = 32;

    /// A matrix [k, n].
    explicit BlockPacking(const Tensor& weights) : weights_(weights) {}

    /// The blocks of a column.
    [[nodiscard]] std::int64_t blocks() const { return (weights_.dims[0] + block - 1) / block; }

    /// Calls write(bytes) for some columns at a time. Returns the scale of each block. It is not
    /// finite if an element of the block is not.
    [[nodiscard]] std::vector<float> run(
        const std::function<void(std::span<const std::byte>)>& write);

  private:
    void pack_column(std::span<const float> column, std::span<std::byte> to);

    const Tensor& weights_;
    std::vector<float> scales_;
};

}  // namespace accel::compiler
