// SPDX-License-Identifier: Apache-2.0
//
// What is behind the weights on the card: a trailer, with which a process that imports weights
// compares the model that it compiled itself, and a directory, in which it finds single weights.
// The directory is written when the weights are exported. A footer at the end of the last page of
// the memory says where it is, because an importer knows only the number of pages.
#pragma once

#include <array>
#include <cstdint>

#include "runtime/compiled_model.hpp"

namespace accel::compiler {

struct WeightsTrailer {
    std::array<char, 8> magic{'A', 'C', 'C', 'E', 'L', 'W', 'T', '2'};
    std::uint64_t bytes = 0;  // of the weights
    std::uint64_t fingerprint = 0;

    friend bool operator==(const WeightsTrailer&, const WeightsTrailer&) = default;
};

struct WeightsFooter {
    std::array<char, 8> magic{'A', 'C', 'C', 'E', 'L', 'W', 'F', '1'};
    std::uint64_t directory = 0;  // offset of the first WeightRange
    std::uint64_t ranges = 0;
    WeightsTrailer trailer = {};

    [[nodiscard]] bool valid() const { return magic == WeightsFooter().magic; }
};

inline constexpr std::uint64_t trailer_alignment = 64;
static_assert(sizeof(WeightsTrailer) <= trailer_alignment);
static_assert(sizeof(WeightsFooter) <= trailer_alignment);

[[nodiscard]] inline std::uint64_t trailer_offset(const CompiledModel& model) {
    return (model.memory.weights + trailer_alignment - 1) / trailer_alignment * trailer_alignment;
}

[[nodiscard]] inline std::uint64_t directory_offset(const CompiledModel& model) {
    return trailer_offset(model) + trailer_alignment;
}

[[nodiscard]] inline WeightsTrailer trailer_of(const CompiledModel& model) {
    return {.bytes = model.memory.weights, .fingerprint = model.fingerprint};
}

}  // namespace accel::compiler
