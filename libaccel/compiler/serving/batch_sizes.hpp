// SPDX-License-Identifier: Apache-2.0
//
// One model, compiled for several batch sizes. The weights are on the card once, if the compiler
// lays them out alike for all sizes.
#pragma once

#include <accel/model.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <vector>

namespace accel::compiler {

class BatchSizes {
  public:
    /// Loads the model for each of `sizes` and for 1. Throws Error if its inputs and outputs do not
    /// grow with the batch.
    BatchSizes(const Device& device, const std::filesystem::path& file, LoadOptions options,
               std::vector<std::size_t> sizes);

    struct Sized {
        std::size_t size;
        Model model;
    };
    /// The smallest size for `requests`, which is not above the largest.
    [[nodiscard]] const Sized& fitting(std::size_t requests) const;
    [[nodiscard]] const Model& single() const { return models_.front().model; }
    /// Bytes of weights on the card.
    [[nodiscard]] std::uint64_t weights() const { return weights_; }

  private:
    std::vector<Sized> models_;  // by size; the first is 1
    std::uint64_t weights_ = 0;
};

}  // namespace accel::compiler
