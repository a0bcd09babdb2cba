// SPDX-License-Identifier: Apache-2.0
//
// Loads libaccel_emulated when a program names an emulated card, and not before.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "kernel.hpp"

namespace accel::detail {

/// Whether a name of a card is that of an emulated one.
[[nodiscard]] bool names_emulated(std::string_view name) noexcept;

/// The machine of an emulated card, and the path of the card in it.
struct EmulatedCard {
    std::shared_ptr<Kernel> machine;
    std::string path;
};

/// Throws Error if the library cannot be loaded, or if the name has a bad option.
[[nodiscard]] EmulatedCard emulated_card(const std::string& name);

}  // namespace accel::detail
