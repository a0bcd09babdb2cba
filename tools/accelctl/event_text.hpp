// SPDX-License-Identifier: Apache-2.0
//
// The events of a card as the driver writes them, and their meanings for people.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace accel::tools {

struct Event {
    std::uint64_t sequence = 0;
    double time = 0;  ///< seconds, CLOCK_REALTIME
    std::string name;
    std::map<std::string, std::string> fields;
};

/// The events of the driver's file `events`: one a line.
[[nodiscard]] std::vector<Event> parse_events(const std::string& text);

/// The meaning of an event, one sentence; empty for an event that these tools do not know.
[[nodiscard]] std::string explain_event(const Event& event);

}  // namespace accel::tools
