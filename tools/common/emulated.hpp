// SPDX-License-Identifier: Apache-2.0
//
// Names of emulated cards ("emulated", "emulated:cards=2,memory=1G"), and the environment variable
// that chooses a card for a program.
#pragma once

#include <accel/device.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "card.hpp"

namespace accel::tools {

[[nodiscard]] bool names_emulated_card(std::string_view name);

/// The card of such a name; the SDK checks its options when the card is opened.
[[nodiscard]] Card emulated_card(std::string_view name);

/// The cards that a name selects: one if it has the option `card`, otherwise all of the machine.
[[nodiscard]] std::vector<Card> emulated_cards(std::string_view name);

/// Opens the card. Throws Failure for a wrong option of an emulated card, otherwise Error.
[[nodiscard]] Device open_card(const Card& card);

/// All cards of the emulated machine of a name: one for each card of its option `cards`.
[[nodiscard]] std::vector<Card> emulated_machine(std::string_view name);

/// The name of a card on the command line, after ACCEL_DEVICE: an empty name is the value of the
/// variable, and a number counts the cards that the variable names, as in Device::open(). The
/// variable is about this machine: with --root it does not count. Throws Failure if there is no
/// such card.
[[nodiscard]] std::string name_or_environment(const SystemRoot& root, std::string_view name);

/// Throws Failure if the card is emulated. `command` acts on a driver, which such a card lacks.
void require_real_card(const Card& card, const char* command);

}  // namespace accel::tools
