// SPDX-License-Identifier: Apache-2.0
//
// A timeline of the commands of a run, for Perfetto (ui.perfetto.dev) and chrome://tracing.
#pragma once

#include <accel/model.hpp>
#include <span>
#include <string>

namespace accel::tools {

/// JSON in Chrome's trace event format: one track of nodes and one of commands. Time 0 is the start
/// of the first command. `records` are those of Model::profile().
[[nodiscard]] std::string trace_json(const std::string& card, const Model& net,
                                     std::span<const CompletionRecord> records, double clock_hz);

}  // namespace accel::tools
