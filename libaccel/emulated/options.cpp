// SPDX-License-Identifier: Apache-2.0
//
// The table of options.
#include "options.hpp"

#include <accel_hw.h>

#include <array>
#include <charconv>
#include <optional>
#include <set>
#include <stdexcept>

#include "accel_core.h"
#include "shown_name.hpp"

namespace accel::emulated {

namespace {

constexpr std::string_view prefix = "emulated";

constexpr std::uint32_t most_cards = 16;

using Value = std::optional<std::uint64_t>;

Value parse_number(std::string_view text) {
    int base = 10;
    if (text.starts_with("0x") || text.starts_with("0X")) {
        text.remove_prefix(2);
        base = 16;
    }
    std::uint64_t value = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value, base);
    return !text.empty() && error == std::errc{} && stop == end ? Value(value) : std::nullopt;
}

// A number of bytes, with K, M, G or T behind it.
Value parse_size(std::string_view text) {
    constexpr std::string_view units = "KMGT";
    unsigned shift = 0;
    if (!text.empty()) {
        if (const auto unit = units.find(text.back()); unit != std::string_view::npos) {
            shift = 10 * (static_cast<unsigned>(unit) + 1);
            text.remove_suffix(1);
        }
    }
    const Value value = parse_number(text);
    return value && *value <= UINT64_MAX >> shift ? Value(*value << shift) : std::nullopt;
}

Value parse_timing(std::string_view text) {
    return text == "fast" ? Value(0) : text == "model" ? Value(1) : std::nullopt;
}

std::string size_text(std::uint64_t bytes) {
    for (const auto& [shift, unit] : {std::pair(30, "G"), std::pair(20, "M"), std::pair(10, "K")}) {
        if (bytes >> shift << shift == bytes) {
            return std::to_string(bytes >> shift) + unit;
        }
    }
    return std::to_string(bytes);
}

std::string number_text(std::uint64_t value) {
    return std::to_string(value);
}

std::string timing_text(std::uint64_t value) {
    return value != 0 ? "model" : "fast";
}

struct Option {
    std::string_view name;
    std::string_view takes;  // in messages
    std::uint64_t least;
    std::uint64_t most;
    Value (*parse)(std::string_view);
    std::string (*text)(std::uint64_t);
    std::uint64_t (*get)(const Options&);
    void (*set)(Options&, std::uint64_t);
};

template <typename Field>
void assign(Field& field, std::uint64_t value) {
    field = static_cast<Field>(value);
}

constexpr std::array table{
    Option{"cards", "1 to 16", 1, most_cards, parse_number, number_text,
           [](const Options& o) -> std::uint64_t { return o.cards; },
           [](Options& o, std::uint64_t v) { assign(o.cards, v); }},
    Option{"memory", "4K to 1T, a multiple of 4096 bytes, as in 256M", ACCEL_PAGE_SIZE,
           std::uint64_t{1} << 40, parse_size, size_text,
           [](const Options& o) -> std::uint64_t { return o.each.memory; },
           [](Options& o, std::uint64_t v) { assign(o.each.memory, v); }},
    Option{"queues", "1 to 1024", 1, 1024, parse_number, number_text,
           [](const Options& o) -> std::uint64_t { return o.each.queues; },
           [](Options& o, std::uint64_t v) { assign(o.each.queues, v); }},
    Option{"contexts", "1 to 1024", 1, 1024, parse_number, number_text,
           [](const Options& o) -> std::uint64_t { return o.each.contexts; },
           [](Options& o, std::uint64_t v) { assign(o.each.contexts, v); }},
    Option{"serial", "a number, decimal or 0x...; the next cards have the next numbers", 0,
           UINT64_MAX, parse_number, number_text,
           [](const Options& o) -> std::uint64_t { return o.each.serial; },
           [](Options& o, std::uint64_t v) { assign(o.each.serial, v); }},
    Option{"timing", "fast or model", 0, 1, parse_timing, timing_text,
           [](const Options& o) -> std::uint64_t { return o.each.timing_model ? 1 : 0; },
           [](Options& o, std::uint64_t v) { o.each.timing_model = v != 0; }},
    Option{"threads", "0 to 1024, where 0 means one for each core", 0, ACCEL_CORE_MAX_THREADS,
           parse_number, number_text,
           [](const Options& o) -> std::uint64_t { return o.each.threads; },
           [](Options& o, std::uint64_t v) { assign(o.each.threads, v); }},
    // Not a part of the machine's name.
    Option{"card", "0 to cards - 1", 0, most_cards - 1, parse_number, number_text,
           [](const Options& o) -> std::uint64_t { return o.card; },
           [](Options& o, std::uint64_t v) { assign(o.card, v); }},
};

[[noreturn]] void refuse(std::string_view name, const std::string& why) {
    std::string text =
        "cannot open card \"" + detail::shown_name(name) + "\": " + why + "; the options are";
    for (const Option& option : table) {
        text += (&option == table.data() ? " " : ", ") + std::string(option.name) + "=...";
    }
    throw std::invalid_argument(text + ", as in emulated:cards=2,memory=1G");
}

const Option& find_option(std::string_view name, std::string_view key) {
    for (const Option& option : table) {
        if (option.name == key) {
            return option;
        }
    }
    refuse(name, "an emulated card has no option \"" + detail::shown_name(key) + "\"");
}

void apply(Options& options, std::string_view name, std::string_view item) {
    const std::size_t equals = item.find('=');
    const std::string_view key = item.substr(0, equals);
    const Option& option = find_option(name, key);
    const std::string_view text =
        equals == std::string_view::npos ? std::string_view() : item.substr(equals + 1);
    const Value value = option.parse(text);
    if (!value || *value < option.least || *value > option.most ||
        (key == "memory" && *value % ACCEL_PAGE_SIZE != 0)) {
        refuse(name, "option " + std::string(key) + " is \"" + detail::shown_name(text) +
                         "\" and must be " + std::string(option.takes));
    }
    option.set(options, *value);
}

}  // namespace

Options parse_options(std::string_view name) {
    Options options;
    std::set<std::string_view> given;
    std::string_view rest = name.substr(prefix.size());
    if (rest == ":") {
        rest = {};  // no options
    }
    while (!rest.empty()) {
        rest.remove_prefix(1);  // a colon, then commas
        const std::string_view item = rest.substr(0, rest.find(','));
        if (item.empty()) {
            refuse(name, "one of its options is empty: remove the comma that is too many");
        }
        apply(options, name, item);
        const std::string_view key = item.substr(0, item.find('='));
        if (!given.insert(key).second) {
            refuse(name, "it has option " + std::string(key) + " twice: keep one");
        }
        rest.remove_prefix(item.size());
    }
    if (options.card >= options.cards) {
        refuse(name, "option card is " + std::to_string(options.card) + " and the machine has " +
                         (options.cards == 1
                              ? "one card, which has number 0"
                              : std::to_string(options.cards) + " cards, from number 0 on"));
    }
    return options;
}

std::string Options::machine() const {
    const Options defaults;
    std::string name(prefix);
    char separator = ':';
    for (const Option& option : table) {
        const std::uint64_t value = option.get(*this);
        if (option.name != "card" && value != option.get(defaults)) {
            name += separator + std::string(option.name) + "=" + option.text(value);
            separator = ',';
        }
    }
    return name;
}

std::vector<CardOptions> Options::all() const {
    std::vector<CardOptions> result(cards, each);
    for (std::uint32_t i = 0; i < cards; ++i) {
        result[i].serial += i;
    }
    return result;
}

}  // namespace accel::emulated
