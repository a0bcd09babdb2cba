// SPDX-License-Identifier: Apache-2.0
//
// A host for one card: memory, interrupts, a clock, and the driver's part of the admin and event
// queues.
//
// Time. A card with a timing model lives in virtual time: a thread of the bench lets it leap to
// whatever the card waits for next, and it stands still when the card waits for nothing.
//
// The big lock. Like an emulator, the bench holds one lock around every call into the card, and its
// interrupt callback takes the same lock. A card that waits for one of its threads within a call
// therefore hangs here.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "accel_core.h"
#include "accel_hw.h"
#include "bench/host_memory.hpp"

namespace accel::bench {

struct Options {
    std::uint64_t memory = 64 << 20;
    std::uint64_t host = 96 << 20;
    std::uint64_t serial = 0x00c0ffee00c0ffee;
    std::uint32_t queues = 12;
    std::uint32_t contexts = 6;
    std::uint32_t vectors = 8;
    std::uint32_t ring_entries = 1024;
    std::uint32_t admin_entries = 16;
    std::uint32_t event_entries = 64;
    bool enable = true;
    std::optional<accel_core_link> link = default_link();  // empty: no timing model

    // As the environment has it: ACCEL_TIMING=model runs all tests on cards with a model.
    static std::optional<accel_core_link> default_link();
};

// Gen 3 x8, the link of the public models.
inline constexpr accel_core_link gen3x8{
    .generation = 3, .lanes = 8, .payload = 256, .read_request = 512, .completion = 256};

// Polls until it holds; false if it does not for a time that only a hang explains.
[[nodiscard]] bool eventually(const std::function<bool()>& condition);

class Bench {
  public:
    explicit Bench(const Options& options = {});
    ~Bench();
    Bench(const Bench&) = delete;
    Bench& operator=(const Bench&) = delete;
    Bench(Bench&&) = delete;
    Bench& operator=(Bench&&) = delete;

    // ---- the bus

    [[nodiscard]] std::uint64_t read(std::uint64_t offset, unsigned bytes);
    void write(std::uint64_t offset, std::uint64_t value, unsigned bytes);
    [[nodiscard]] std::uint32_t read32(std::uint64_t offset) {
        return static_cast<std::uint32_t>(read(offset, 4));
    }
    [[nodiscard]] std::uint64_t read64(std::uint64_t offset) { return read(offset, 8); }
    void write32(std::uint64_t offset, std::uint32_t value) { write(offset, value, 4); }
    void write64(std::uint64_t offset, std::uint64_t value) { write(offset, value, 8); }
    void doorbell(std::uint32_t queue, std::uint64_t value);
    // At the same moment: virtual time does not leap in between.
    void doorbells(std::span<const std::pair<std::uint32_t, std::uint64_t>> rung);
    void doorbell_raw(std::uint64_t offset, std::uint64_t value, unsigned bytes);
    void function_reset();
    void set_defect(accel_core_defect defect);
    void set_ambient(std::int32_t millicelsius);

    [[nodiscard]] HostMemory& host() { return host_; }
    [[nodiscard]] std::span<std::uint8_t> device() { return {device_.get(), options_.memory}; }
    [[nodiscard]] const Options& options() const { return options_; }

    [[nodiscard]] std::uint64_t interrupts(unsigned vector) const { return interrupts_[vector]; }
    // Interrupts of vector 0, when those of all admin commands and `events` events have come. Only
    // as long as nothing else used it, and since the last enable().
    [[nodiscard]] bool settled(std::uint64_t events);
    // Called in the card's threads, before the access. For tests that hold the card up.
    void set_access_hook(std::function<void(std::uint64_t bus, bool write)> hook);
    // Ticks that are added to the clock.
    void advance_clock(std::uint64_t ticks) { clock_offset_ += ticks; }
    [[nodiscard]] bool timed() const { return options_.link.has_value(); }
    [[nodiscard]] std::uint64_t clock() const;
    // From now on the bus refuses writes (reads) to these addresses.
    void refuse(std::uint64_t first, std::uint64_t last) {
        refuse_first_ = first;
        refuse_last_ = last;
    }
    void refuse_nothing() { refuse(1, 0); }

    // ---- the driver

    // Sets the admin and event registers and ENABLE, with empty rings.
    void enable();
    // Soft reset, until the card is ready again.
    [[nodiscard]] bool soft_reset();
    [[nodiscard]] bool wait_ready();

    // Places admin commands; wait_admin() gives the result, ACCEL_INTERNAL if none comes.
    std::uint64_t post_admin(const accel_admin_command& command);
    [[nodiscard]] accel_status wait_admin(std::uint64_t sequence);
    [[nodiscard]] accel_status admin(const accel_admin_command& command) {
        return wait_admin(post_admin(command));
    }
    [[nodiscard]] accel_queue_stats query(std::uint32_t queue);

    // The next event, consumed; waits for it.
    [[nodiscard]] std::optional<accel_event> next_event();
    // Whether an event is there that was not consumed.
    [[nodiscard]] bool event_pending();
    void set_event_head(std::uint32_t head) { write32(ACCEL_REG_EVENT_HEAD, head); }
    [[nodiscard]] std::uint64_t event_ring() const { return event_ring_; }
    [[nodiscard]] std::uint64_t admin_ring() const { return admin_ring_; }

    [[nodiscard]] std::vector<std::string> guest_errors();

  private:
    [[nodiscard]] bool refused(std::uint64_t bus) const {
        return bus >= refuse_first_ && bus <= refuse_last_;
    }
    void before_access(std::uint64_t bus, bool write);
    void set_deadline(std::uint64_t deadline);
    void leap(const std::stop_token& stop);

    Options options_;
    HostMemory host_;
    Memory device_;
    std::mutex big_lock_;
    std::vector<std::atomic<std::uint64_t>> interrupts_;
    std::atomic<std::uint64_t> clock_offset_{1};
    std::atomic<std::uint64_t> refuse_first_{1};
    std::atomic<std::uint64_t> refuse_last_{0};
    std::mutex hook_mutex_;
    std::shared_ptr<const std::function<void(std::uint64_t, bool)>> hook_;
    std::mutex log_mutex_;
    std::vector<std::string> guest_errors_;
    std::mutex admin_mutex_;
    std::uint64_t admin_ring_ = 0;
    std::uint64_t admin_results_ = 0;
    std::uint64_t admin_tail_ = 0;
    std::mutex query_mutex_;
    std::uint64_t query_page_ = 0;
    std::uint64_t event_ring_ = 0;
    std::uint64_t events_seen_ = 0;
    std::mutex deadline_mutex_;
    std::condition_variable_any deadline_set_;
    std::uint64_t deadline_ = UINT64_MAX;
    accel_core* core_ = nullptr;
    std::jthread leaper_;
};

}  // namespace accel::bench
