// SPDX-License-Identifier: Apache-2.0
//
// Memory: DMA both ways, transfers by the driver, what keeps processes apart, other cards.
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>
#include <numeric>

#include "accel/accel.hpp"
#include "checks.hpp"
#include "peer.hpp"
#include "text.hpp"

namespace accel::tools {

namespace {

constexpr std::size_t words = 256 << 10;  // 1 MiB

// Patterns that find stuck bits, swapped lanes and wrong addresses.
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

std::string check_dma(const Bench& bench) {
    const Device device = Device::open(bench.card.path());
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
        // Off the page boundaries, so that pieces of all sizes are in it.
        const std::size_t shift = kind * 37;
        bench.finish(
            queue.submit(copy(card.slice(0, words - shift), source.slice(shift, words - shift))),
            "to the card");
        bench.finish(
            queue.submit(copy(back.slice(shift, words - shift), card.slice(0, words - shift))),
            "from the card");
        for (std::size_t i = shift; i < words; ++i) {
            if (back[i] != source[i]) {
                throw Wrong(fmt::format("pattern {}, byte {}: sent {:08x}, came back {:08x}", kind,
                                        i * 4, source[i], back[i]));
            }
        }
    }
    return fmt::format("{} patterns of {} there and back", patterns, human_bytes(words * 4));
}

std::string check_transfer(const Bench& bench) {
    const Device device = Device::open(bench.card.path());
    const SharedMemory memory(device, words * 4);
    std::vector<std::uint32_t> source(words);
    std::vector<std::uint32_t> back(words);
    RandomNumbers numbers(29);
    std::generate(source.begin(), source.end(),
                  [&] { return static_cast<std::uint32_t>(numbers.next()); });
    const auto at = static_cast<off_t>(memory.address());
    const auto all = static_cast<ssize_t>(words * 4);
    if (::pwrite(device.fd(), source.data(), words * 4, at) != all) {
        throw Wrong(
            fmt::format("write() to device memory: {}", std::generic_category().message(errno)));
    }
    if (::pread(device.fd(), back.data(), words * 4, at) != all) {
        throw Wrong(
            fmt::format("read() of device memory: {}", std::generic_category().message(errno)));
    }
    if (source != back) {
        throw Wrong("read() gives other bytes than write() put there");
    }
    return fmt::format("{} by write() and read()", human_bytes(words * 4));
}

std::string check_isolation(const Bench& bench) {
    const Device victim = Device::open(bench.card.path());
    const Device intruder = Device::open(bench.card.path());
    constexpr std::size_t size = 1024;
    // The victim has memory where the intruder has none.
    const auto pad = victim.allocate<std::uint32_t>({1 << 20});
    auto secret = victim.allocate<std::uint32_t>({size});
    secret.fill(0x5ec2e75eU);
    auto loot = intruder.allocate<std::uint32_t>({size});
    loot.fill(0);
    Queue queue = intruder.create_queue();
    const auto must_fault = [&](const Copy& command, const char* what) {
        try {
            bench.finish(queue.submit(command), what);
        } catch (const Error& error) {
            if (error.status() != CardStatus::fault_unmapped) {
                throw;
            }
            queue.reset();
            return;
        }
        throw Wrong(fmt::format("{} another context's memory did not fault", what));
    };
    const Address there = secret.address();
    must_fault({.dst = loot, .src = there, .bytes = size * 4}, "reading");
    must_fault({.dst = there, .src = loot, .bytes = size * 4}, "writing");
    for (std::size_t i = 0; i < size; ++i) {
        if (secret[i] != 0x5ec2e75eU || loot[i] != 0) {
            throw Wrong("memory of one context changed or was seen in another");
        }
    }
    // The same address in both: each has its own.
    auto mine = victim.allocate<std::uint32_t>({size});
    bench.finish(victim.create_queue().submit(fill(mine, 1U)), "filling");
    bench.finish(queue.submit(fill(loot, 2U)), "filling");
    if (mine[0] != 1 || loot[0] != 2 || secret[0] != 0x5ec2e75eU) {
        throw Wrong("two contexts share memory");
    }
    return "reads and writes across two contexts fault, and nothing leaks";
}

std::string check_peers(const Bench& bench) {
    if (bench.others.empty()) {
        throw Skip("there is no other card");
    }
    constexpr std::size_t size = 64 << 10;
    std::string reached;
    for (const Card& card : bench.others) {
        const Device device = Device::open(bench.card.path());
        const Device other = Device::open(card.path());
        const SharedMemory memory(other, size);
        std::unique_ptr<PeerMemory> peer;
        try {
            peer = std::make_unique<PeerMemory>(device, memory.fd());
        } catch (const Error& error) {
            if (error.errc() == std::errc::operation_not_supported) {
                throw Skip(fmt::format("no way to {}: {}", card.name(), error.what()));
            }
            throw;
        }
        auto source = device.allocate<std::uint8_t>({size});
        auto back = other.allocate<std::uint8_t>({size});
        RandomNumbers numbers(31);
        std::generate(source.begin(), source.end(),
                      [&] { return static_cast<std::uint8_t>(numbers.next()); });
        Queue queue = device.create_queue();
        bench.finish(queue.submit(Copy{.dst = peer->address(), .src = source, .bytes = size}),
                     "writing to the other card");
        Queue theirs = other.create_queue();
        bench.finish(theirs.submit(Copy{.dst = back, .src = memory.address(), .bytes = size}),
                     "reading there");
        if (!std::equal(source.begin(), source.end(), back.begin())) {
            throw Wrong(fmt::format("{} got other bytes than were sent", card.name()));
        }
        reached += (reached.empty() ? "" : ", ") + card.name();
    }
    return fmt::format("{} to {} over the bus", human_bytes(size), reached);
}

}  // namespace accel::tools
