// SPDX-License-Identifier: Apache-2.0
//
// All cards and all who hold them, at one moment; and what happened between two.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "holders.hpp"
#include "status.hpp"

namespace accel::tools {

struct Sample {
    double time = 0;  ///< seconds, of CLOCK_REALTIME
    std::vector<Status> cards;
    Holders holders;
};

/// CLOCK_REALTIME in seconds.
[[nodiscard]] double realtime();

/// Cards that `name` selects; see select_cards(). A card that goes away meanwhile is "gone".
[[nodiscard]] Sample take_sample(const Root& root, const std::string& name);

/// The document accelctl.top/1, without its schema: cards with "rates", and clients with theirs.
[[nodiscard]] nlohmann::ordered_json sample_json(const Sample& before, const Sample& after);

}  // namespace accel::tools
