// SPDX-License-Identifier: Apache-2.0
//
// What changes when a card interrupts: how far the queues are, and what waits for them. The lock of
// the card's signals (see Card) protects everything here.
#pragma once

#include <accel_hw.h>
#include <accel_uapi.h>

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <set>

#include "memory.hpp"
#include "owned_fd.hpp"

namespace accel::emulated {

/// What poll() on an open file reports.
class FileState {
  public:
    /// Throws std::system_error.
    FileState();

    [[nodiscard]] int fd() const noexcept { return user_.get(); }
    /// The errno of every call of the file after its end; zero before.
    [[nodiscard]] int ended() const noexcept { return ended_; }

    /// Makes poll() report POLLIN, or ends that.
    void set_ready(bool ready) noexcept;
    /// Makes poll() report POLLHUP and POLLERR from now on.
    void end(int error) noexcept;

    // Of the queues with a notification, see Card::update().
    bool due = false;     // the command of one is finished, or never will be
    bool failed = false;  // it never will be

  private:
    OwnedFd user_;  // the user polls this end of a pair of sockets
    OwnedFd peer_;
    bool ready_ = false;
    int ended_ = 0;
};

struct QueueState {
    std::uint32_t id = 0;
    std::shared_ptr<Memory> memory;  // the status page, then the ring
    std::shared_ptr<FileState> file;

    std::uint32_t epoch = 0;   // incremented by a reset and by the destruction
    std::uint64_t notify = 0;  // the sequence number for poll(); zero: none
    OwnedFd eventfd;
    bool eventfd_due = false;                  // the eventfd was not yet signaled for `notify`
    std::multiset<std::uint64_t> waiting;      // sequence numbers of the calls that wait
    std::condition_variable changed;           // wakes these calls
    accel_event error{};                       // its status is zero if there was none
    accel_reason stopped = ACCEL_REASON_NONE;  // by the driver

    [[nodiscard]] accel_queue_status& status() const noexcept {
        return *reinterpret_cast<accel_queue_status*>(memory->data());
    }
    [[nodiscard]] std::uint64_t completed() const noexcept;

    /// 1 if the command is finished, 0 if it is not, or -errno if it never will be.
    [[nodiscard]] int look(std::uint64_t sequence, std::uint32_t since) const noexcept;

    /// Asks the card for an interrupt at the lowest sequence number that anything waits for.
    void arm() noexcept;

    /// Wakes what the present state of the queue concerns, and tells its file.
    void update() noexcept;

    void signal_eventfd() noexcept;
};

}  // namespace accel::emulated
