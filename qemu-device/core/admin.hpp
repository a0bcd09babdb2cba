// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The admin queue: it manages contexts, queues and translations. The control thread of the card
// runs it, one command at a time. Only that thread creates or destroys contexts and queues.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "processor.hpp"

namespace accel::card {

struct AdminRing {
    std::uint64_t ring = 0;
    std::uint64_t results = 0;
    std::uint32_t entries = 0;
};

struct AdminLimits {
    std::uint32_t queues;
    std::uint32_t contexts;
    std::uint32_t vectors;
    std::uint32_t ring_entries;
};

class Admin {
  public:
    // `stop` is set while a reset waits: long commands then end early.
    Admin(Bus& bus, DeviceMemory memory, Counters& counters, Scheduler& scheduler,
          Processor& processor, const AdminLimits& limits, const std::atomic<bool>& stop);

    void start(const AdminRing& ring) { ring_ = ring; }
    // Fetches, runs and answers the command with this sequence number. False: the bus refused.
    [[nodiscard]] bool run(std::uint64_t sequence);
    // Destroys all queues and contexts. No engine may hold a queue.
    void clear();

  private:
    [[nodiscard]] Status execute(const accel_admin_command& command);
    [[nodiscard]] Status create_context(const accel_admin_command& command);
    [[nodiscard]] Status destroy_context(std::uint32_t id);
    [[nodiscard]] Status invalidate(const accel_admin_command& command);
    [[nodiscard]] Status create_queue(const accel_admin_command& command);
    [[nodiscard]] Status destroy_queue(std::uint32_t id);
    [[nodiscard]] Status reset_queue(std::uint32_t id);
    [[nodiscard]] Status query_queue(const accel_admin_command& command);
    [[nodiscard]] Status query_queues(const accel_admin_command& command);
    [[nodiscard]] Status clear_memory(const accel_admin_command& command);
    [[nodiscard]] Context* context(std::uint32_t id) const;

    Bus& bus_;
    DeviceMemory memory_;
    Counters& counters_;
    Scheduler& scheduler_;
    Processor& processor_;
    const AdminLimits limits_;
    const std::atomic<bool>& stop_;
    AdminRing ring_;
    std::vector<std::unique_ptr<Context>> contexts_;
};

}  // namespace accel::card
