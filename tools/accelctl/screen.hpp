// SPDX-License-Identifier: Apache-2.0
//
// A snapshot as the lines of a screen, the same for a terminal and for a file.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "json.hpp"
#include "terminal.hpp"

namespace accel::tools {

enum class SortKey : std::uint8_t { compute, dma, memory, pid };
inline constexpr std::string_view sort_names[] = {"compute", "dma", "memory", "pid"};

inline constexpr const char* no_clients = "No process holds a card.";

/// `document` is accelctl.top/1. No line is wider than `columns`; color codes do not count.
[[nodiscard]] std::vector<std::string> render(const Json& document, SortKey sort,
                                              const Terminal& terminal, int columns);

}  // namespace accel::tools
