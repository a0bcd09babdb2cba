// SPDX-License-Identifier: Apache-2.0
//
// A sample as lines of a screen. The same for a terminal and for a file.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "terminal.hpp"

namespace accel::tools {

enum class SortKey : std::uint8_t { compute, dma, memory, pid };
inline constexpr std::string_view sort_names[] = {"compute", "dma", "memory", "pid"};

/// `document` is accelctl.top/1. Lines are not wider than `columns`, colours apart.
[[nodiscard]] std::vector<std::string> render(const nlohmann::ordered_json& document, SortKey sort,
                                              const Terminal& terminal, int columns);

}  // namespace accel::tools
