// SPDX-License-Identifier: Apache-2.0
//
// A user queue as an SDK drives it: ring, status page, shadow doorbell.
#pragma once

#include <cstdint>

#include "bench/address_space.hpp"

namespace accel::bench {

struct QueueOptions {
    uint32_t entries = 64;
    uint32_t vector = 1;
    uint32_t priority = 0;
    Layout layout = Layout::host;  // of ring and status page
};

class Queue {
  public:
    // Creates queue `id` in a context.
    Queue(AddressSpace& space, uint32_t id, const QueueOptions& options = {});

    // Writes a command into its slot and moves the shadow doorbell; its sequence number. The caller
    // sees to it that the ring has room.
    uint64_t place(const accel_command& command);
    // Rings the doorbell if the card asked for it since `before`, the tail before place().
    void ring_if_needed(uint64_t before);
    // place() and ring_if_needed().
    uint64_t submit(const accel_command& command);
    void ring();

    // Until the command is finished, or the queue failed. ACCEL_OK, what the error block says, or
    // ACCEL_INTERNAL if neither comes.
    [[nodiscard]] accel_status wait(uint64_t sequence);
    [[nodiscard]] accel_status run(const accel_command& command) { return wait(submit(command)); }

    [[nodiscard]] uint64_t completed();
    [[nodiscard]] uint32_t state();
    [[nodiscard]] accel_queue_status status();
    [[nodiscard]] uint64_t event_index();
    void arm(uint64_t sequence);
    void set_tail(uint64_t tail);
    [[nodiscard]] uint64_t tail() const { return tail_; }

    [[nodiscard]] accel_status reset();
    [[nodiscard]] accel_status destroy();

    [[nodiscard]] uint32_t id() const { return id_; }
    [[nodiscard]] uint64_t ring_address() const { return ring_; }
    [[nodiscard]] uint64_t status_address() const { return status_; }
    [[nodiscard]] AddressSpace& space() { return space_; }

  private:
    [[nodiscard]] uint64_t word(uint64_t offset);
    void set_word(uint64_t offset, uint64_t value);

    AddressSpace& space_;
    uint32_t id_;
    QueueOptions options_;
    uint64_t ring_;
    uint64_t status_;
    uint64_t tail_ = 0;
};

}  // namespace accel::bench
