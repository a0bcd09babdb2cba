// SPDX-License-Identifier: Apache-2.0
//
// Memory: copies in both directions, transfers by the driver, the isolation of contexts, and access
// between cards.
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <system_error>

#include "accel/accel.hpp"
#include "checks_values.hpp"
#include "text.hpp"

namespace accel::tools {

namespace {

constexpr std::size_t words = 256 << 10;  // 1 MiB

// Patterns that detect stuck bits, swapped byte lanes and wrong addresses.
std::uint32_t pattern(std::size_t kind, std::size_t i, RandomNumbers& numbers) {
    switch (kind) {
        case 0:
            return 0;
        case 1:
            return ~0U;
        case 2:
            return 0x55555555U << (i & 1U);
        case 3:
            return 1U << (i % 32);
        case 4:
            return static_cast<std::uint32_t>(i * 4);
        default:
            return static_cast<std::uint32_t>(numbers.next());
    }
}
constexpr std::size_t patterns = 6;

}  // namespace

std::string check_dma(const CheckContext& context) {
    const Device device = Device::open(context.card.path());
    Queue queue = device.create_queue();
    auto source = device.allocate<std::uint32_t>({words});
    auto back = device.allocate<std::uint32_t>({words});
    const auto card = device.allocate_device<std::uint32_t>({words});
    RandomNumbers numbers(23);
    for (std::size_t kind = 0; kind < patterns; ++kind) {
        for (std::size_t i = 0; i < words; ++i) {
            source[i] = pattern(kind, i, numbers);
        }
        back.fill(0xdeadbeefU);
        // An offset from the page boundary makes the card split the copy into parts of many sizes.
        const std::size_t shift = kind * 37;
        context.finish(
            queue.submit(copy(card.slice(0, words - shift), source.slice(shift, words - shift))),
            "to the card");
        context.finish(
            queue.submit(copy(back.slice(shift, words - shift), card.slice(0, words - shift))),
            "from the card");
        for (std::size_t i = shift; i < words; ++i) {
            if (back[i] != source[i]) {
                throw CheckFailed(fmt::format("pattern {}, byte {}: wrote {:08x}, read back {:08x}",
                                              kind, i * 4, source[i], back[i]));
            }
        }
    }
    return fmt::format("{} patterns of {} written and read back", patterns, human_bytes(words * 4));
}

std::string check_transfer(const CheckContext& context) {
    if (!context.card.emulated.empty()) {
        throw CheckSkipped("an emulated card has no driver that write() and read() reach");
    }
    const Device device = Device::open(context.card.path());
    const auto memory = device.allocate_device<std::uint32_t>({words});
    std::vector<std::uint32_t> source(words);
    std::vector<std::uint32_t> back(words);
    RandomNumbers numbers(29);
    std::generate(source.begin(), source.end(),
                  [&] { return static_cast<std::uint32_t>(numbers.next()); });
    const auto at = static_cast<off_t>(memory.address());
    const auto all = static_cast<ssize_t>(words * 4);
    if (::pwrite(device.fd(), source.data(), words * 4, at) != all) {
        throw CheckFailed(
            fmt::format("write() to device memory: {}", std::generic_category().message(errno)));
    }
    if (::pread(device.fd(), back.data(), words * 4, at) != all) {
        throw CheckFailed(
            fmt::format("read() of device memory: {}", std::generic_category().message(errno)));
    }
    if (source != back) {
        throw CheckFailed("read() of device memory returns other bytes than write() wrote");
    }
    return fmt::format("{} by write() and read()", human_bytes(words * 4));
}

std::string check_isolation(const CheckContext& context) {
    const Device victim = Device::open(context.card.path());
    const Device intruder = Device::open(context.card.path());
    constexpr std::size_t size = 1024;
    // The padding moves the victim's buffer to addresses that the intruder has not mapped.
    const auto pad = victim.allocate<std::uint32_t>({1 << 20});
    auto secret = victim.allocate<std::uint32_t>({size});
    secret.fill(0x5ec2e75eU);
    auto loot = intruder.allocate<std::uint32_t>({size});
    loot.fill(0);
    Queue queue = intruder.create_queue();
    const auto must_fault = [&](const Copy& command, const char* what) {
        try {
            context.finish(queue.submit(command), what);
        } catch (const Error& error) {
            if (error.status() != CardStatus::fault_unmapped) {
                throw;
            }
            queue.reset();
            return;
        }
        throw CheckFailed(fmt::format("{} the memory of another context did not fault", what));
    };
    const Address there = secret.address();
    must_fault({.dst = loot, .src = there, .bytes = size * 4}, "reading");
    must_fault({.dst = there, .src = loot, .bytes = size * 4}, "writing");
    for (std::size_t i = 0; i < size; ++i) {
        if (secret[i] != 0x5ec2e75eU || loot[i] != 0) {
            throw CheckFailed("one context read or changed the memory of another");
        }
    }
    // The same address in two contexts is different memory.
    auto mine = victim.allocate<std::uint32_t>({size});
    context.finish(victim.create_queue().submit(fill(mine, 1U)), "filling");
    context.finish(queue.submit(fill(loot, 2U)), "filling");
    if (mine[0] != 1 || loot[0] != 2 || secret[0] != 0x5ec2e75eU) {
        throw CheckFailed("the same address in two contexts is the same memory");
    }
    return "reads and writes between contexts fault (two events), and change nothing";
}

std::string check_peers(const CheckContext& context) {
    if (context.others.empty()) {
        throw CheckSkipped("this machine has no other card");
    }
    constexpr std::size_t size = 64 << 10;
    std::string reached;
    for (const Card& card : context.others) {
        const Device device = Device::open(context.card.path());
        const Device other = Device::open(card.path());
        const auto memory = other.allocate_device<std::uint8_t>({size});
        const FileDescriptor exported = other.export_memory(memory);
        std::optional<Buffer<std::uint8_t>> peer;
        try {
            peer = device.import_memory<std::uint8_t>(exported.get(), Access::read_write);
        } catch (const Error& error) {
            if (error.errc() == std::errc::operation_not_supported) {
                throw CheckSkipped(
                    fmt::format("{} is out of reach: {}", card.name(), error.what()));
            }
            throw;
        }
        auto source = device.allocate<std::uint8_t>({size});
        auto back = other.allocate<std::uint8_t>({size});
        RandomNumbers numbers(31);
        std::generate(source.begin(), source.end(),
                      [&] { return static_cast<std::uint8_t>(numbers.next()); });
        Queue queue = device.create_queue();
        context.finish(queue.submit(Copy{.dst = *peer, .src = source, .bytes = size}),
                       "writing to the other card");
        Queue other_queue = other.create_queue();
        context.finish(other_queue.submit(Copy{.dst = back, .src = memory, .bytes = size}),
                       "reading on the other card");
        if (!std::equal(source.begin(), source.end(), back.begin())) {
            throw CheckFailed(fmt::format("{} received other bytes than were sent", card.name()));
        }
        reached += (reached.empty() ? "" : ", ") + card.name();
    }
    return fmt::format("{} to {} over the PCIe bus", human_bytes(size), reached);
}

}  // namespace accel::tools
