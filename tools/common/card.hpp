// SPDX-License-Identifier: Apache-2.0
//
// The cards of a machine, always in the order of their PCI addresses. The number of a card is that
// of its node, /dev/accelN; a card without a driver has no number. A name may also mean a card that
// the SDK emulates in this process.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "root.hpp"

namespace accel::tools {

struct Card {
    std::string address;           ///< domain:bus:device.function, as sysfs writes it
    std::string driver;            ///< the driver that is bound to it; empty: none
    std::optional<unsigned> node;  ///< N of /dev/accelN
    std::string emulated{};  ///< the SDK's name of an emulated card; empty: a card of the machine

    [[nodiscard]] std::string pci() const { return "/sys/bus/pci/devices/" + address; }
    /// The folder of the node in sysfs. The card must have a node.
    [[nodiscard]] std::string folder() const { return "/sys/class/accel-card/" + name(); }
    /// "accel0"; the PCI address if there is no node; "emulated" with its options.
    [[nodiscard]] std::string name() const {
        return node ? "accel" + std::to_string(*node) : address;
    }
    /// For the first line of a screen: "accel0 0000:01:00.0", or "emulated".
    [[nodiscard]] std::string title() const {
        return name() == address ? address : name() + " " + address;
    }
    /// The name that Device::open() takes.
    [[nodiscard]] std::string path() const {
        return emulated.empty() ? "/dev/" + name() : emulated;
    }
};

/// All cards, by PCI address.
[[nodiscard]] std::vector<Card> find_cards(const SystemRoot& root);

/// The cards of a name: a number (0), a node (accel0, /dev/accel0), a PCI address (with or without
/// domain), a serial number (0x..., or 16 hexadecimal digits), or a name of an emulated card. An
/// empty name selects all cards of the machine. Throws Failure if no card has the name.
[[nodiscard]] std::vector<Card> select_cards(const SystemRoot& root, std::string_view name);

/// The card of a name, which may be empty if the machine has one card. Throws Failure.
[[nodiscard]] Card select_card(const SystemRoot& root, std::string_view name);

/// The same for a card that is to be opened: an empty name is then that of ACCEL_DEVICE, if it is
/// set. Throws Failure if no driver has the card.
[[nodiscard]] Card select_card_with_driver(const SystemRoot& root, std::string_view name);

/// Throws Failure unless a driver has the card, or it is emulated.
void require_driver(const Card& card);

/// The PCI address in full: "0000:01:02.3" for "1:2.3". Nothing if the text is no PCI address.
[[nodiscard]] std::optional<std::string> full_address(std::string_view text);

/// The command by which root binds the driver to the card again: the step after a reset that did
/// not help.
[[nodiscard]] std::string rebind_command(const Card& card);

/// The last step for a card that neither a reset nor its driver brings back.
inline constexpr const char* power_off_step = "power the machine off and on, if that does not help";

}  // namespace accel::tools
