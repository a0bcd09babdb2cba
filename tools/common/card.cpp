// SPDX-License-Identifier: Apache-2.0
#include "card.hpp"

#include <accel_hw.h>
#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "emulated.hpp"
#include "exit.hpp"

namespace accel::tools {

namespace {

constexpr std::string_view node_prefix = "accel";
constexpr const char* no_card_hint =
    "this machine has no card; 'accelctl doctor' looks for the reason";

std::optional<unsigned> node_number(std::string_view name) {
    if (!name.starts_with(node_prefix)) {
        return std::nullopt;
    }
    return parse_number<unsigned>(name.substr(node_prefix.size()));
}

std::string list(const std::vector<Card>& cards) {
    if (cards.empty()) {
        return no_card_hint;
    }
    std::string text;
    for (const Card& card : cards) {
        text += (text.empty() ? "the cards are " : ", ") +
                (card.node ? card.name() + " (" + card.address + ")" : card.address);
    }
    return text;
}

}  // namespace

std::vector<Card> find_cards(const SystemRoot& root) {
    std::vector<Card> cards;
    // Names sort as addresses do, as long as no domain has more than four digits.
    for (const std::string& address : root.list("/sys/bus/pci/devices")) {
        Card card{.address = address, .driver = {}, .node = std::nullopt};
        if (root.number(card.pci() + "/vendor", 16) != ACCEL_PCI_VENDOR ||
            root.number(card.pci() + "/device", 16) != ACCEL_PCI_DEVICE) {
            continue;
        }
        card.driver = root.link(card.pci() + "/driver").value_or("");
        for (const std::string& name : root.list(card.pci() + "/accel-card")) {
            card.node = node_number(name);
        }
        cards.push_back(std::move(card));
    }
    return cards;
}

std::optional<std::string> full_address(std::string_view text) {
    const std::size_t dot = text.rfind('.');
    const std::size_t colon = text.rfind(':', dot);
    if (dot == std::string_view::npos || colon == std::string_view::npos) {
        return std::nullopt;
    }
    std::string_view domain = "0";
    std::string_view bus = text.substr(0, colon);
    if (const std::size_t first = bus.find(':'); first != std::string_view::npos) {
        domain = bus.substr(0, first);
        bus = bus.substr(first + 1);
    }
    const auto d = parse_number<unsigned>(domain, 16);
    const auto b = parse_number<unsigned>(bus, 16);
    const auto s = parse_number<unsigned>(text.substr(colon + 1, dot - colon - 1), 16);
    const auto f = parse_number<unsigned>(text.substr(dot + 1), 16);
    if (!d || !b || !s || !f || *b > 0xff || *s > 0x1f || *f > 7) {
        return std::nullopt;
    }
    return fmt::format("{:04x}:{:02x}:{:02x}.{:x}", *d, *b, *s, *f);
}

std::vector<Card> select_cards(const SystemRoot& root, std::string_view name) {
    if (names_emulated_card(name)) {
        return emulated_cards(name);
    }
    std::vector<Card> cards = find_cards(root);
    if (name.empty()) {
        return cards;
    }
    std::vector<Card> found;
    const auto pick = [&](auto matches) {
        std::copy_if(cards.begin(), cards.end(), std::back_inserter(found), matches);
    };
    constexpr std::string_view dev = "/dev/";
    const std::string_view bare = name.starts_with(dev) ? name.substr(dev.size()) : name;
    constexpr std::size_t serial_digits = 16;
    if (const auto address = full_address(name)) {
        pick([&](const Card& card) { return card.address == *address; });
    } else if (const auto node = node_number(bare)) {
        pick([&](const Card& card) { return card.node == node; });
    } else if (name.starts_with("0x") || name.size() == serial_digits) {
        const auto serial = parse_number<std::uint64_t>(name, 16);
        pick([&](const Card& card) {
            const auto text = card.node ? root.text(card.folder() + "/serial") : std::nullopt;
            return serial && text && parse_number<std::uint64_t>(*text, 16) == serial;
        });
    } else if (const auto number = parse_number<unsigned>(name)) {
        pick([&](const Card& card) { return card.node == number; });
    } else {
        throw Failure(Exit::usage,
                      fmt::format("'{}' names no card: give a number (0), a node (accel0), a PCI "
                                  "address (01:00.0), a serial number (0x1) or 'emulated'",
                                  name));
    }
    if (found.empty()) {
        throw Failure(Exit::no_card, fmt::format("there is no card {}", name), list(cards));
    }
    return found;
}

Card select_card(const SystemRoot& root, std::string_view name) {
    if (names_emulated_card(name)) {
        return emulated_card(name);
    }
    std::vector<Card> cards = select_cards(root, name);
    if (cards.empty()) {
        throw Failure(Exit::no_card, "no card found", no_card_hint);
    }
    if (cards.size() > 1) {
        throw Failure(Exit::usage,
                      fmt::format("there are {} cards: choose one, for example with --device {}",
                                  cards.size(), cards.front().name()),
                      list(cards));
    }
    return std::move(cards.front());
}

std::string rebind_command(const Card& card) {
    constexpr const char* driver = "/sys/bus/pci/drivers/accel";
    return fmt::format("echo {0} > {1}/unbind; echo {0} > {1}/bind", card.address, driver);
}

void require_driver(const Card& card) {
    if (!card.node && card.emulated.empty()) {
        throw Failure(Exit::no_card, card.address + " has no driver",
                      "'accelctl doctor' looks for the reason");
    }
}

Card select_card_with_driver(const SystemRoot& root, std::string_view name) {
    Card card = select_card(root, name_or_environment(root, name));
    require_driver(card);
    return card;
}

}  // namespace accel::tools
