// SPDX-License-Identifier: Apache-2.0
//
// A user queue as an SDK drives it: ring, status page, shadow doorbell.
#pragma once

#include <cstdint>

#include "bench/address_space.hpp"

namespace accel::bench {

struct QueueOptions {
    std::uint32_t entries = 64;
    std::uint32_t vector = 1;
    std::uint32_t priority = 0;
    Layout layout = Layout::host;  // of ring and status page
};

class Queue {
  public:
    // Creates queue `id` in a context.
    Queue(AddressSpace& space, std::uint32_t id, const QueueOptions& options = {});

    // Writes a command into its slot and moves the shadow doorbell; its sequence number. The caller
    // sees to it that the ring has room.
    std::uint64_t place(const accel_command& command);
    // Rings the doorbell if the card asked for it since `before`, the tail before place().
    void ring_if_needed(std::uint64_t before);
    // place() and ring_if_needed().
    std::uint64_t submit(const accel_command& command);
    void ring();

    // Until the command is finished, or the queue failed. ACCEL_OK, what the error block says, or
    // ACCEL_INTERNAL if neither comes.
    [[nodiscard]] accel_status wait(std::uint64_t sequence);
    [[nodiscard]] accel_status run(const accel_command& command) { return wait(submit(command)); }

    [[nodiscard]] std::uint64_t completed();
    [[nodiscard]] std::uint32_t state();
    [[nodiscard]] accel_queue_status status();
    [[nodiscard]] std::uint64_t event_index();
    void arm(std::uint64_t sequence);
    void set_tail(std::uint64_t tail);
    [[nodiscard]] std::uint64_t tail() const { return tail_; }

    [[nodiscard]] accel_status reset();
    [[nodiscard]] accel_status destroy();

    [[nodiscard]] std::uint32_t id() const { return id_; }
    [[nodiscard]] std::uint64_t ring_address() const { return ring_; }
    [[nodiscard]] std::uint64_t status_address() const { return status_; }
    [[nodiscard]] AddressSpace& space() { return space_; }

  private:
    [[nodiscard]] std::uint64_t word(std::uint64_t offset);
    void set_word(std::uint64_t offset, std::uint64_t value);

    AddressSpace& space_;
    std::uint32_t id_;
    QueueOptions options_;
    std::uint64_t ring_;
    std::uint64_t status_;
    std::uint64_t tail_ = 0;
};

}  // namespace accel::bench
