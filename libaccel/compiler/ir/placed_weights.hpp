// SPDX-License-Identifier: Apache-2.0
//
// The weights that are in the memory of the card already, and the places where they are.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "ir/tensor_storage.hpp"

namespace accel::compiler {

/// A part of the weights on the card.
struct WeightRange {
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
    std::uint64_t checksum = 0;  // of these bytes alone; zero if nobody has computed it
};

class PlacedWeights {
  public:
    /// Weights of this process. The storage is kept, so that no other has its identity.
    void add(const TensorStorage& data, std::uint64_t offset);
    /// Weights of another process, which are found by their checksum.
    void add(const WeightRange& range);

    /// The place of a storage with these bytes. If there are weights of another process, this may
    /// read the bytes to compute their checksum.
    [[nodiscard]] std::optional<std::uint64_t> find(const TensorStorage& data);

  private:
    std::unordered_map<const void*, std::uint64_t> offsets_;  // by identity
    std::vector<TensorStorage> kept_;
    // By size and checksum.
    std::map<std::pair<std::uint64_t, std::uint64_t>, std::uint64_t> foreign_;
};

/// The checksum of WeightRange.
[[nodiscard]] std::uint64_t checksum_of(const TensorStorage& data);

}  // namespace accel::compiler
