// SPDX-License-Identifier: Apache-2.0
//
// Commands of a fuzzed host: nearly valid ones, so that they pass the card's first checks.
#pragma once

#include <cstdint>

#include "accel_hw.h"
#include "fixture/host_memory.hpp"
#include "fuzz_script.hpp"

namespace accel::test {

// The pages that a context of a fuzzed host maps, in page-sized units from `fuzz_window`. The rings
// and status pages of its queues come first.
inline constexpr std::uint64_t fuzz_pages = 64;
inline constexpr std::uint64_t fuzz_window = 0x40'0000;
inline constexpr std::uint64_t fuzz_large_window = fuzz_window + ACCEL_LARGE_SIZE;
inline constexpr std::uint64_t fuzz_params_page = 8;
inline constexpr std::uint64_t fuzz_first_list_page = fuzz_params_page + 1;
inline constexpr std::uint64_t fuzz_list_pages = 3;

// Any command. Its parameter block, if it has one, is written into `params_page`.
[[nodiscard]] accel_command draw_command(FuzzScript& script, std::uint8_t* params_page);

}  // namespace accel::test
