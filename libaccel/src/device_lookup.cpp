// SPDX-License-Identifier: Apache-2.0
//
// Names of cards: path, PCI address, serial number, or an emulated card; and ACCEL_DEVICE.
#include "device_lookup.hpp"

#include <charconv>
#include <cstdlib>
#include <optional>
#include <string>
#include <utility>

#include "emulated_library.hpp"
#include "shown_name.hpp"

namespace accel::detail {

namespace {

template <typename T>
std::optional<T> parse(std::string_view text, int base) {
    T value{};
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value, base);
    if (text.empty() || error != std::errc{} || stop != end) {
        return std::nullopt;
    }
    return value;
}

// [domain:]bus:device.function, all hexadecimal.
std::optional<PciAddress> parse_pci(std::string_view text) {
    const std::size_t dot = text.rfind('.');
    const std::size_t colon = text.rfind(':', dot);
    if (dot == std::string_view::npos || colon == std::string_view::npos || dot < colon) {
        return std::nullopt;
    }
    std::string_view domain = "0";
    std::string_view bus = text.substr(0, colon);
    if (const std::size_t first = bus.find(':'); first != std::string_view::npos) {
        domain = bus.substr(0, first);
        bus = bus.substr(first + 1);
    }
    const auto d = parse<std::uint32_t>(domain, 16);
    const auto b = parse<std::uint32_t>(bus, 16);
    const auto s = parse<std::uint32_t>(text.substr(colon + 1, dot - colon - 1), 16);
    const auto f = parse<std::uint32_t>(text.substr(dot + 1), 16);
    if (!d || !b || !s || !f) {
        return std::nullopt;
    }
    return PciAddress{*d, *b, *s, *f};
}

std::optional<std::uint64_t> parse_serial(std::string_view text) {
    if (text.starts_with("0x") || text.starts_with("0X")) {
        return parse<std::uint64_t>(text.substr(2), 16);
    }
    return parse<std::uint64_t>(text, 10);
}

// The message of an error without the text of its errno, which Error appends.
std::string message_of(const Error& error) {
    std::string text = error.what();
    const std::string suffix = ": " + error.code().message();
    if (text.ends_with(suffix)) {
        text.resize(text.size() - suffix.size());
    }
    return text;
}

// The cards among which a name is searched.
struct Choice {
    std::shared_ptr<Kernel> kernel;
    std::vector<std::string> paths;
    std::string variable;  // "ACCEL_DEVICE=..." if that made the choice, or empty
};

// Opens the first card that `matches`. A card that cannot be opened may be the right one, so the
// error names it.
template <typename Predicate>
std::shared_ptr<DeviceImpl> find_device(const Choice& choice, std::string_view name,
                                        Predicate matches) {
    std::string problems;
    for (const std::string& path : choice.paths) {
        try {
            auto device = std::make_shared<DeviceImpl>(choice.kernel, path);
            if (matches(device->limits())) {
                return device;
            }
        } catch (const Error& error) {
            problems += "; " + message_of(error);
        }
    }
    throw Error(std::errc::no_such_device,
                "cannot open card " + shown_name(name) +
                    ": no card that can be opened has this name" +
                    (choice.variable.empty() ? "" : " among those of " + choice.variable) +
                    "; Device::list() lists the cards" + problems);
}

std::shared_ptr<DeviceImpl> open_in(const Choice& choice, std::string_view name) {
    if (name.starts_with('/')) {
        return std::make_shared<DeviceImpl>(choice.kernel, std::string(name));
    }
    if (const auto pci = parse_pci(name)) {
        return find_device(choice, name, [&](const DeviceInfo& info) { return info.pci == *pci; });
    }
    if (const auto serial = parse_serial(name)) {
        return find_device(choice, name,
                           [&](const DeviceInfo& info) { return info.serial == *serial; });
    }
    throw_invalid("cannot open card \"" + shown_name(name) +
                  "\": give a path (/dev/accel0), a PCI address (0000:01:00.0), a serial number "
                  "(decimal or 0x...), or \"emulated\"");
}

Choice all_of(const std::shared_ptr<Kernel>& kernel) {
    return {.kernel = kernel, .paths = kernel->nodes(), .variable = {}};
}

std::vector<DeviceEntry> list_in(const Choice& choice) {
    std::vector<DeviceEntry> entries;
    for (const std::string& path : choice.paths) {
        DeviceEntry entry;
        try {
            entry.info = DeviceImpl(choice.kernel, path).limits();
        } catch (const Error& error) {
            entry.reason = error.what();
        }
        entry.path = path;
        entries.push_back(std::move(entry));
    }
    return entries;
}

// Calls `action`; an error of a name in the environment also names the variable.
template <typename Action>
auto with_variable(const std::string& variable, Action action) {
    try {
        return action();
    } catch (const Error& error) {
        throw Error(error.errc(), variable + " in the environment: " + message_of(error),
                    error.reason());
    }
}

// The cards of the environment: those that ACCEL_DEVICE names, or all of the driver.
Choice environment() {
    const char* const value = ::secure_getenv("ACCEL_DEVICE");
    if (value == nullptr || *value == '\0') {
        return all_of(linux_kernel());
    }
    const std::string name = value;
    const std::string variable = "ACCEL_DEVICE=" + shown_name(name);
    return with_variable(variable, [&]() -> Choice {
        if (names_emulated(name)) {
            EmulatedCard card = emulated_card(name);
            // A name that selects a card stands for that card alone.
            auto paths = name.find("card=") == std::string::npos
                             ? card.machine->nodes()
                             : std::vector<std::string>{card.path};
            return {std::move(card.machine), std::move(paths), variable};
        }
        auto kernel = linux_kernel();
        const std::string path =
            name.starts_with('/') ? name : open_in(all_of(kernel), name)->path();
        return {std::move(kernel), {path}, variable};
    });
}

}  // namespace

std::shared_ptr<DeviceImpl> open_device(const std::shared_ptr<Kernel>& kernel,
                                        std::string_view name) {
    return open_in(all_of(kernel), name);
}

std::shared_ptr<DeviceImpl> open_default_device() {
    return open_device(0U);
}

std::shared_ptr<DeviceImpl> open_device(unsigned index) {
    const Choice choice = environment();
    if (choice.variable.empty()) {
        return std::make_shared<DeviceImpl>(choice.kernel, "/dev/accel" + std::to_string(index));
    }
    if (index >= choice.paths.size()) {
        throw Error(std::errc::no_such_device,
                    "cannot open card " + std::to_string(index) + ": " + choice.variable +
                        " in the environment names " +
                        (choice.paths.size() == 1
                             ? "one card, which has number 0"
                             : std::to_string(choice.paths.size()) + " cards, from number 0 on") +
                        "; choose one of these, or change the variable");
    }
    return with_variable(choice.variable, [&] {
        return std::make_shared<DeviceImpl>(choice.kernel, choice.paths[index]);
    });
}

std::shared_ptr<DeviceImpl> open_device(std::string_view name) {
    if (names_emulated(name)) {
        EmulatedCard card = emulated_card(std::string(name));
        return std::make_shared<DeviceImpl>(std::move(card.machine), std::move(card.path));
    }
    if (name.starts_with('/')) {
        return std::make_shared<DeviceImpl>(linux_kernel(), std::string(name));
    }
    return open_in(environment(), name);
}

std::vector<DeviceEntry> list_devices(const std::shared_ptr<Kernel>& kernel) {
    return list_in(all_of(kernel));
}

std::vector<DeviceEntry> list_devices() {
    return list_in(environment());
}

}  // namespace accel::detail
