// SPDX-License-Identifier: Apache-2.0
//
// The cards of a machine. Their order is that of their PCI addresses, everywhere; the number of a
// card is that of its node, /dev/accelN, and a card without a driver has none.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "root.hpp"

namespace accel::tools {

struct Card {
    std::string address;           ///< domain:bus:device.function, as sysfs writes it
    std::string driver;            ///< that is bound to it; empty: none
    std::optional<unsigned> node;  ///< N of /dev/accelN

    [[nodiscard]] std::string pci() const { return "/sys/bus/pci/devices/" + address; }
    /// The folder of the node; only with a node.
    [[nodiscard]] std::string folder() const { return "/sys/class/accel-card/" + name(); }
    /// "accel0"; the PCI address if there is no node.
    [[nodiscard]] std::string name() const {
        return node ? "accel" + std::to_string(*node) : address;
    }
    [[nodiscard]] std::string path() const { return "/dev/" + name(); }
};

/// All of them, by PCI address.
[[nodiscard]] std::vector<Card> find_cards(const Root& root);

/// The cards that are meant: by number (0), node (accel0, /dev/accel0), PCI address (with or
/// without domain), or serial number (0x..., or 16 hexadecimal digits). An empty name is all.
/// Throws Failure if there is none of that name.
[[nodiscard]] std::vector<Card> select_cards(const Root& root, std::string_view name);

/// The one that is meant; an empty name will do when there is only one.
[[nodiscard]] Card select_card(const Root& root, std::string_view name);

/// "1:2.3" or "0000:01:02.3", in full; nothing if it is no PCI address.
[[nodiscard]] std::optional<std::string> full_address(std::string_view text);

}  // namespace accel::tools
