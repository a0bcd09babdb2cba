// SPDX-License-Identifier: Apache-2.0
//
// The names of emulated cards: "emulated[:option=value,...]".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "card.hpp"

namespace accel::emulated {

struct Options {
    std::uint32_t cards = 1;
    std::uint32_t card = 0;  ///< the card that the name selects
    CardOptions each;        ///< the serial number is that of the first card

    /// The name of the machine: all options that are not at their defaults, except `card`, in one
    /// order.
    [[nodiscard]] std::string machine() const;
    [[nodiscard]] std::vector<CardOptions> all() const;
};

/// Throws std::invalid_argument with a sentence about the option.
[[nodiscard]] Options parse_options(std::string_view name);

}  // namespace accel::emulated
