// SPDX-License-Identifier: Apache-2.0
//
// Finds the card in sysfs, binds and unbinds it, loads and unloads the driver.
#include "card.hpp"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "uapi.hpp"

namespace uapi {

namespace fs = std::filesystem;

namespace {

constexpr auto driver_folder = "/sys/bus/pci/drivers/accel";
constexpr auto pci_devices = "/sys/bus/pci/devices";
// The VM harness packs it there.
constexpr auto module_file = "/vm/modules/accel.ko";
constexpr int extended_capabilities = 0x100;
constexpr std::uint16_t serial_capability = 0x0003;

std::uint32_t word(const std::vector<std::uint8_t>& bytes, std::size_t offset) {
    std::uint32_t value = 0;
    if (offset + sizeof(value) <= bytes.size()) {
        std::memcpy(&value, bytes.data() + offset, sizeof(value));
    }
    return value;
}

std::vector<fs::path> find_cards() {
    std::vector<fs::path> cards;
    for (const auto& entry : fs::directory_iterator(pci_devices)) {
        if (std::stoul(read_file(entry.path() / "vendor"), nullptr, 16) == ACCEL_PCI_VENDOR &&
            std::stoul(read_file(entry.path() / "device"), nullptr, 16) == ACCEL_PCI_DEVICE) {
            cards.push_back(entry.path());
        }
    }
    std::ranges::sort(cards);
    return cards;
}

fs::path find_card(std::size_t index) {
    const auto cards = find_cards();
    if (index >= cards.size()) {
        throw std::runtime_error("this machine has " + std::to_string(cards.size()) + " cards");
    }
    return cards[index];
}

/// The lines of /proc/interrupts whose last word begins with `name`.
std::vector<std::string> interrupt_table(const std::string& name) {
    std::vector<std::string> lines;
    std::ifstream table("/proc/interrupts");
    for (std::string line; std::getline(table, line);) {
        if (line.find(" " + name, line.rfind(' ')) != std::string::npos) {
            lines.push_back(line);
        }
    }
    return lines;
}

}  // namespace

int write_file(const fs::path& path, const std::string& text) {
    const Descriptor file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (file.get() < 0) {
        return errno;
    }
    const ssize_t written = ::write(file.get(), text.data(), text.size());
    if (written < 0) {
        return errno;
    }
    return static_cast<std::size_t>(written) == text.size() ? 0 : EIO;
}

std::string read_file(const fs::path& path) {
    std::ifstream file(path);
    std::ostringstream text;
    text << file.rdbuf();
    require(file ? 0 : EIO, "read " + path.string());
    return text.str();
}

Card::Card(std::size_t index) : folder_(find_card(index)) {}

std::size_t Card::count() {
    return find_cards().size();
}

bool Card::bound() const {
    return fs::exists(folder_ / "driver");
}

std::string Card::node() const {
    // The node may disappear during the search.
    std::error_code gone;
    const fs::directory_iterator nodes(folder_ / "accel-card", gone);
    return nodes != fs::directory_iterator() ? "/dev" / nodes->path().filename() : fs::path();
}

std::string Card::name() const {
    return fs::path(node()).filename();
}

std::vector<std::uint8_t> Card::config() const {
    const std::string text = read_file(folder_ / "config");
    return {text.begin(), text.end()};
}

Bar Card::bar(int index) const {
    std::istringstream lines(read_file(folder_ / "resource"));
    std::string line;
    for (int i = 0; i <= index; ++i) {
        std::getline(lines, line);
    }
    std::istringstream fields(line);
    std::uint64_t start = 0;
    std::uint64_t end = 0;
    fields >> std::hex >> start >> end;
    return {start, end - start + 1};
}

std::optional<std::uint64_t> Card::serial() const {
    const std::vector<std::uint8_t> bytes = config();
    for (std::size_t at = extended_capabilities; at != 0; at = word(bytes, at) >> 20) {
        if ((word(bytes, at) & 0xffff) == serial_capability) {
            return word(bytes, at + 4) | static_cast<std::uint64_t>(word(bytes, at + 8)) << 32;
        }
    }
    return std::nullopt;
}

std::uint64_t Card::read_register(std::uint64_t offset) const {
    const Descriptor file(::open((folder_ / "resource0").c_str(), O_RDONLY | O_CLOEXEC));
    require(file.get() >= 0 ? 0 : errno, "resource0");
    const Mapping block(file.get(), 0, ACCEL_REGISTER_BLOCK, PROT_READ);
    return block.as<const volatile std::uint64_t>()[offset / sizeof(std::uint64_t)];
}

void Card::unbind() const {
    require(write_file(fs::path(driver_folder) / "unbind", address()), "unbind");
}

void Card::bind() const {
    require(write_file(fs::path(driver_folder) / "bind", address()), "bind");
}

void Card::reset() const {
    require(write_file(folder_ / "reset", "1"), "reset");
}

int Card::unload() {
    return ::syscall(SYS_delete_module, "accel", O_NONBLOCK) == 0 ? 0 : errno;
}

int Card::load() {
    const Descriptor file(::open(module_file, O_RDONLY | O_CLOEXEC));
    return file.get() >= 0 && ::syscall(SYS_finit_module, file.get(), "", 0) == 0 ? 0 : errno;
}

std::uint64_t Card::interrupts(const std::string& name) {
    std::uint64_t sum = 0;
    for (const std::string& line : interrupt_table(name)) {
        std::istringstream fields(line.substr(line.find(':') + 1));
        for (std::uint64_t count = 0; fields >> count;) {
            sum += count;
        }
    }
    return sum;
}

int Card::interrupt_lines(const std::string& name) {
    return static_cast<int>(interrupt_table(name).size());
}

}  // namespace uapi
