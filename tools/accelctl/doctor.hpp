// SPDX-License-Identifier: Apache-2.0
//
// What the doctor finds: a cause, and the commands that mend it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "card.hpp"
#include "root.hpp"

namespace accel::tools {

enum class Severity : std::uint8_t { ok, warning, problem };

struct Finding {
    std::string id;  ///< stable, for scripts
    Severity severity = Severity::ok;
    std::string subject;  ///< a card, or "machine"
    std::string text;
    std::vector<std::string> cures;  ///< commands, in the order in which to try them
};

using Findings = std::vector<Finding>;

/// doctor_module.cpp: why no driver is bound to these cards, which have none.
void diagnose_driver(const Root& root, const std::vector<Card>& cards, Findings& findings);

/// doctor_node.cpp: a card with a driver: its node, who may open it, how it is.
void diagnose_node(const Root& root, const Card& card, Findings& findings);
void diagnose_limits(const Root& root, Findings& findings);

}  // namespace accel::tools
