// SPDX-License-Identifier: Apache-2.0
//
// The state of a file, a buffer, a queue and a mapping of the fake driver.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "fake_driver.hpp"

namespace accel::fake {

struct Driver::Buffer {
    std::uint64_t address = 0;
    std::uint64_t bytes = 0;              // whole pages
    std::shared_ptr<std::byte> backing;   // empty for registered memory
    std::optional<std::uint64_t> memory;  // the offset in device memory
    void* user = nullptr;
};

struct Driver::Queue {
    std::uint32_t id = 0;
    std::uint64_t address = 0;
    std::uint64_t bytes = 0;
    std::uint64_t doorbell_address = 0;
    std::shared_ptr<std::byte> backing;
    std::shared_ptr<std::byte> doorbell;
    std::uint32_t epoch = 0;  // incremented by each reset, and by the destruction
    std::uint64_t notify = 0;
    std::multiset<std::uint64_t> waiting;
    accel_event error{};                       // its status is zero if there was none
    accel_reason stopped = ACCEL_REASON_NONE;  // by the driver

    [[nodiscard]] accel_queue_status& status() const {
        return *reinterpret_cast<accel_queue_status*>(backing.get());
    }
};

struct Driver::File {
    std::size_t card_index = 0;
    Card* card = nullptr;
    std::uint32_t context = 0;
    int dead = 0;  // the errno that every call fails with
    accel_reason reason = ACCEL_REASON_NONE;
    std::uint32_t pid = 0;
    std::uint64_t generation = 0;  // of the card when the file was opened
    std::shared_ptr<std::byte> root;
    std::vector<std::shared_ptr<std::byte>> tables;
    std::uint64_t next_address = 0x10'0000'0000;
    std::uint32_t next_handle = 1;
    std::map<std::uint32_t, Buffer> buffers;
    std::map<std::uint32_t, QueuePtr> queues;
};

struct Driver::Mapped {
    std::shared_ptr<std::byte> backing;
    Card* card = nullptr;  // of a doorbell
    std::uint32_t queue = 0;
};

}  // namespace accel::fake
