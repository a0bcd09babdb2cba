// SPDX-License-Identifier: Apache-2.0
#include "emulated.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>

#include "exit.hpp"

namespace accel::tools {

namespace {

constexpr std::string_view selector = "card=";
constexpr std::string_view prefix = "emulated";
constexpr const char* variable = "ACCEL_DEVICE";

}  // namespace

namespace {

std::vector<Card> cards_of_environment(const SystemRoot& root, const std::string& value) {
    try {
        return select_cards(root, value);
    } catch (const Failure& failure) {
        throw Failure(failure.exit(),
                      fmt::format("{}={} in the environment: {}", variable, value, failure.what()),
                      failure.hint());
    }
}

}  // namespace

bool names_emulated_card(std::string_view name) {
    return name == prefix || name.starts_with(std::string(prefix) + ":");
}

Card emulated_card(std::string_view name) {
    return {.address = std::string(name),
            .driver = {},
            .node = std::nullopt,
            .emulated = std::string(name)};
}

std::vector<Card> emulated_cards(std::string_view name) {
    const bool one = name.find(":" + std::string(selector)) != std::string_view::npos ||
                     name.find("," + std::string(selector)) != std::string_view::npos;
    return one ? std::vector<Card>{emulated_card(name)} : emulated_machine(name);
}

Device open_card(const Card& card) {
    try {
        return Device::open(card.path());
    } catch (const Error& error) {
        if (!card.emulated.empty() && error.errc() == std::errc::invalid_argument) {
            throw Failure(Exit::usage, error.what());
        }
        throw;
    }
}

std::vector<Card> emulated_machine(std::string_view name) {
    unsigned count = 1;
    std::string machine;  // the name without the option `card`
    std::string_view rest = name.substr(std::min(name.size(), prefix.size() + 1));
    while (!rest.empty()) {
        const std::string_view option = rest.substr(0, rest.find(','));
        rest.remove_prefix(std::min(rest.size(), option.size() + 1));
        constexpr std::string_view cards = "cards=";
        if (option.starts_with(cards)) {
            count = parse_number<unsigned>(option.substr(cards.size())).value_or(1);
        }
        if (!option.starts_with(selector)) {
            machine += std::string(option) + ",";
        }
    }
    if (count < 2) {
        return {emulated_card(name)};
    }
    std::vector<Card> all;
    for (unsigned i = 0; i < count; ++i) {
        all.push_back(emulated_card(fmt::format("{}:{}card={}", prefix, machine, i)));
    }
    return all;
}

std::string name_or_environment(const SystemRoot& root, std::string_view name) {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): read only
    const char* const variable_value = std::getenv(variable);
    std::string value = variable_value == nullptr ? "" : variable_value;
    const auto number = parse_number<std::size_t>(name);
    if (value.empty() || !root.own() || (!name.empty() && !number)) {
        return std::string(name);
    }
    const std::vector<Card> cards = cards_of_environment(root, value);
    if (number) {
        if (*number >= cards.size()) {
            throw Failure(Exit::no_card,
                          fmt::format("there is no card {} among those that {}={} names", name,
                                      variable, value));
        }
        return cards[*number].address;
    }
    return value;
}

void require_real_card(const Card& card, const char* command) {
    if (!card.emulated.empty()) {
        throw Failure(Exit::unsupported,
                      fmt::format("'{}' acts on the driver of a card, and {} has none", command,
                                  card.emulated),
                      "an emulated card lives within one process; name a card of this machine");
    }
}

}  // namespace accel::tools
