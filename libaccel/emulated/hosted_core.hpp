// SPDX-License-Identifier: Apache-2.0
//
// The core of the emulated card within a process: its bus and callbacks, its registers, and
// the driver's half of the admin and event queues.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <utility>

#include "accel_core.h"
#include "accel_hw.h"
#include "bring_up.hpp"

namespace accel::emulated {

// The memory that the card reaches by DMA. False: there is no memory at this address.
class BusMemory {
  public:
    BusMemory() = default;
    BusMemory(const BusMemory&) = delete;
    BusMemory& operator=(const BusMemory&) = delete;
    BusMemory(BusMemory&&) = delete;
    BusMemory& operator=(BusMemory&&) = delete;
    virtual ~BusMemory() = default;

    [[nodiscard]] virtual bool read(std::uint64_t bus, void* to, std::size_t bytes) = 0;
    [[nodiscard]] virtual bool write(std::uint64_t bus, const void* from, std::size_t bytes) = 0;
    // One aligned word, never torn; loaded with acquire and stored with release semantics.
    [[nodiscard]] virtual bool read_word(std::uint64_t bus, std::uint64_t& value) = 0;
    [[nodiscard]] virtual bool write_word(std::uint64_t bus, std::uint64_t value) = 0;
};

// The machine around a core. The core's threads call it, or with a timing model run_timer() does.
class CoreHost {
  public:
    CoreHost(const CoreHost&) = delete;
    CoreHost& operator=(const CoreHost&) = delete;
    CoreHost(CoreHost&&) = delete;
    CoreHost& operator=(CoreHost&&) = delete;
    [[nodiscard]] virtual BusMemory& bus() = 0;
    // Before each access of the card to the bus. False: the bus refuses the access.
    [[nodiscard]] virtual bool admit(std::uint64_t /*bus*/, bool /*write*/) { return true; }
    virtual void interrupt(unsigned vector) = 0;
    virtual void log(accel_log_level /*level*/, const char* /*text*/) {}
    [[nodiscard]] virtual std::uint64_t clock() = 0;
    // First in every thread of the core.
    virtual void thread_enter() {}
    // With a timing model: run_timer() is due when the clock reaches the deadline.
    virtual void set_deadline(std::uint64_t /*deadline*/) {}

  protected:
    CoreHost() = default;
    ~CoreHost() = default;
};

// A core, behind a lock that is held over each call into it. A core that waits for one of its
// threads within a call hangs if a callback takes this lock, as it would in an emulator.
class HostedCore {
  public:
    // Throws std::runtime_error if the core refuses the configuration, and std::system_error if it
    // cannot start a thread.
    HostedCore(CoreHost& host, const accel_core_config& config);
    ~HostedCore();
    HostedCore(const HostedCore&) = delete;
    HostedCore& operator=(const HostedCore&) = delete;
    HostedCore(HostedCore&&) = delete;
    HostedCore& operator=(HostedCore&&) = delete;

    // ---- The core

    [[nodiscard]] std::mutex& mutex() { return mutex_; }
    // Calls `action(core)` under the lock.
    template <typename Action>
    decltype(auto) locked(Action&& action) {
        const std::lock_guard lock(mutex_);
        return std::forward<Action>(action)(core_);
    }
    [[nodiscard]] std::uint64_t read(std::uint64_t offset, unsigned bytes);
    void write(std::uint64_t offset, std::uint64_t value, unsigned bytes);
    void write32(std::uint64_t offset, std::uint32_t value) { write(offset, value, 4); }
    void write64(std::uint64_t offset, std::uint64_t value) { write(offset, value, 8); }
    void doorbell(std::uint32_t queue, std::uint64_t value);

    // ---- The driver's half of the admin and event queues

    // False if the card does not become READY.
    [[nodiscard]] bool wait_ready();
    // Clears the results and events, and enables a card that is READY.
    void enable(const AdminRings& rings);
    [[nodiscard]] const AdminRings& rings() const { return rings_; }

    // Writes an admin command, and rings its doorbell; returns its sequence number.
    std::uint64_t post_admin(const accel_admin_command& command);
    // The status of the result, if it is there.
    [[nodiscard]] std::optional<accel_status> admin_result(std::uint64_t sequence);
    // Polls for the result; ACCEL_INTERNAL if none comes.
    [[nodiscard]] accel_status wait_admin(std::uint64_t sequence);
    [[nodiscard]] accel_status admin(const accel_admin_command& command) {
        return wait_admin(post_admin(command));
    }
    // The number of admin commands that were submitted since enable().
    [[nodiscard]] std::uint64_t posted() const { return admin_tail_; }

    // Whether an event is there that was not taken. One thread at a time takes events.
    [[nodiscard]] bool event_pending();
    // The next event, if there is one; tells the card that its slot is free.
    [[nodiscard]] std::optional<accel_event> take_event();

  private:
    [[nodiscard]] std::uint64_t event_slot() const {
        return rings_.event_ring + events_taken_ % rings_.event_entries * sizeof(accel_event);
    }

    CoreHost& host_;
    std::mutex mutex_;
    std::mutex admin_mutex_;  // taken before mutex_: the order of commands is that of doorbells
    AdminRings rings_;
    std::uint64_t admin_tail_ = 0;
    std::uint64_t events_taken_ = 0;
    accel_core* core_ = nullptr;
};

}  // namespace accel::emulated
