// SPDX-License-Identifier: Apache-2.0
//
// The findings of the doctor: the cause of a problem, and the commands that fix it.
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
    std::vector<std::string> fixes;  ///< commands, in the order to try them
};

using Findings = std::vector<Finding>;

/// doctor_module.cpp: the reason why these cards have no driver.
void diagnose_driver(const SystemRoot& root, const std::vector<Card>& cards, Findings& findings);

/// doctor_node.cpp: the node of a card with a driver, the permission to open it, its state.
void diagnose_node(const SystemRoot& root, const Card& card, Findings& findings);
/// doctor_node.cpp: limits of this user and this kernel.
void diagnose_limits(const SystemRoot& root, Findings& findings);

}  // namespace accel::tools
