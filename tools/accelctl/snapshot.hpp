// SPDX-License-Identifier: Apache-2.0
//
// The state of all cards and their clients at one moment, and the activity between two snapshots.
#pragma once

#include <string>
#include <vector>

#include "clients.hpp"
#include "json.hpp"
#include "status.hpp"

namespace accel::tools {

/// All cards that a name selects, and the clients of every card.
struct Snapshot {
    double time = 0;  ///< seconds of CLOCK_REALTIME
    std::vector<Status> cards;
    Clients clients;
};

/// CLOCK_REALTIME in seconds.
[[nodiscard]] double realtime();

/// Reads the cards that `name` selects (select_cards()). A card that is removed during the call has
/// the state "gone".
[[nodiscard]] Snapshot take_snapshot(const SystemRoot& root, const std::string& name);

/// The document accelctl.top/1, without its schema: cards with their rates, clients with their
/// utilization.
[[nodiscard]] Json to_json(const Snapshot& before, const Snapshot& after);

}  // namespace accel::tools
