// SPDX-License-Identifier: Apache-2.0
//
// The state of a file, a buffer, a queue and a mapping of a machine.
#pragma once

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <map>
#include <memory>
#include <new>
#include <system_error>

#include "machine.hpp"
#include "page_table.hpp"

namespace accel::emulated {

struct Machine::Buffer {
    std::uint64_t address = 0;
    std::uint64_t bytes = 0;         // whole pages
    std::shared_ptr<Memory> memory;  // empty for registered memory
    bool imported = false;
    bool registered = false;
    Exposure exposure;  // of host memory; ends before the memory
};

// At the start of a doorbell page: a doorbell finds its card without a lock.
struct DoorbellTarget {
    std::atomic<Card*> card{nullptr};
    std::uint32_t queue = 0;
};

struct Machine::Queue {
    std::shared_ptr<QueueState> state;
    std::uint64_t address = 0;
    std::uint64_t bytes = 0;
    std::uint64_t doorbell_address = 0;
    std::shared_ptr<Memory> doorbell;
    Exposure exposure;

    [[nodiscard]] DoorbellTarget& target() const {
        return *reinterpret_cast<DoorbellTarget*>(doorbell->data());
    }
};

struct Machine::File {
    File(Bus& bus, Card& of, std::size_t index) : card(of), card_index(index), pages(bus) {}

    Card& card;
    std::size_t card_index;
    std::uint32_t context = 0;
    PageTable pages;
    std::shared_ptr<FileState> state = std::make_shared<FileState>();
    int dead = 0;  // the errno that every call fails with
    accel_reason reason = ACCEL_REASON_NONE;
    std::uint32_t pid = 0;
    std::uint64_t end_time = 0;
    std::uint64_t generation = card.generation();
    std::uint64_t next_address = 0x10'0000'0000;
    std::uint32_t next_handle = 1;
    std::map<std::uint32_t, Buffer> buffers;
    std::map<std::uint32_t, Queue> queues;

    /// Addresses for a new object, with an unmapped page behind.
    [[nodiscard]] std::uint64_t reserve(std::uint64_t length) {
        const std::uint64_t address = next_address;
        next_address += round_to_pages(length) + page_bytes;
        return address;
    }
};

struct Machine::Mapped {
    std::shared_ptr<Memory> memory;
    unsigned count = 0;
};

// Calls `action`, which returns an errno; turns exceptions into one.
template <typename Action>
[[nodiscard]] int guarded(Action&& action) noexcept {
    try {
        return action();
    } catch (const std::system_error& error) {
        return error.code().value() == 0 ? EIO : error.code().value();
    } catch (const std::bad_alloc&) {
        return ENOMEM;
    } catch (...) {
        return EIO;
    }
}

}  // namespace accel::emulated
