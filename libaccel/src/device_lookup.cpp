// SPDX-License-Identifier: Apache-2.0
//
// Names of cards: path, PCI address or serial number.
#include "device_lookup.hpp"

#include <charconv>
#include <optional>
#include <string>
#include <utility>

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

// Opens the first card that `matches`. A card that cannot be opened may be the right one, so the
// error names it.
template <typename Predicate>
std::shared_ptr<DeviceImpl> find_device(const std::shared_ptr<Kernel>& kernel,
                                        std::string_view name, Predicate matches) {
    std::string problems;
    for (const std::string& path : kernel->nodes()) {
        try {
            auto device = std::make_shared<DeviceImpl>(kernel, path);
            if (matches(device->limits())) {
                return device;
            }
        } catch (const Error& error) {
            problems += "; " + std::string(error.what());
        }
    }
    throw Error(std::errc::no_such_device,
                "cannot open card " + std::string(name) +
                    ": no card that can be opened has this name; Device::list() lists the cards" +
                    problems);
}

}  // namespace

std::shared_ptr<DeviceImpl> open_device(const std::shared_ptr<Kernel>& kernel,
                                        std::string_view name) {
    if (name.starts_with('/')) {
        return std::make_shared<DeviceImpl>(kernel, std::string(name));
    }
    if (const auto pci = parse_pci(name)) {
        return find_device(kernel, name, [&](const DeviceInfo& info) { return info.pci == *pci; });
    }
    if (const auto serial = parse_serial(name)) {
        return find_device(kernel, name,
                           [&](const DeviceInfo& info) { return info.serial == *serial; });
    }
    throw_invalid("cannot open card \"" + std::string(name) +
                  "\": give a path (/dev/accel0), a PCI address (0000:01:00.0) or a serial number "
                  "(decimal or 0x...)");
}

std::vector<DeviceEntry> list_devices(const std::shared_ptr<Kernel>& kernel) {
    std::vector<DeviceEntry> entries;
    for (std::string& path : kernel->nodes()) {
        DeviceEntry entry;
        try {
            entry.info = DeviceImpl(kernel, path).limits();
        } catch (const Error& error) {
            entry.reason = error.what();
        }
        entry.path = std::move(path);
        entries.push_back(std::move(entry));
    }
    return entries;
}

}  // namespace accel::detail
