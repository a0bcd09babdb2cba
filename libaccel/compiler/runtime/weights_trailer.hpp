// SPDX-License-Identifier: Apache-2.0
//
// The trailer behind the weights on the card. A process that imports weights compares it with the
// model that it compiled itself.
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

[[nodiscard]] inline std::uint64_t trailer_offset(const CompiledModel& model) {
    constexpr std::uint64_t alignment = 64;
    return (model.memory.weights + alignment - 1) / alignment * alignment;
}

[[nodiscard]] inline WeightsTrailer trailer_of(const CompiledModel& model) {
    return {.bytes = model.memory.weights, .fingerprint = model.fingerprint};
}

}  // namespace accel::compiler
