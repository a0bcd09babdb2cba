// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The state of the card (resetting, enabled, failed), and the control thread that changes it.
//
// The host's side only records requests, under a mutex that is never held across a callback or a
// wait. The control thread executes them: it stops engines, runs the admin queue, and discards all
// state in a reset. So a register access of the host never waits for a thread of the card.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <vector>

#include "admin.hpp"
#include "events.hpp"

namespace accel::card {

// The registers that are latched when the card is enabled.
struct Rings {
    AdminRing admin;
    EventRing events;

    [[nodiscard]] bool valid() const;
};

class Control {
  public:
    Control(Bus& bus, Events& events, Scheduler& scheduler, Counters& counters, Sensors& sensors,
            BusyMeters& meters, std::uint32_t doorbell_pages, Timeline* timeline);
    // Called before run(). It is a second step because Admin needs stopping().
    void attach(Admin& admin) { admin_ = &admin; }

    // ---- the host's side

    // The STATUS register, without THROTTLED.
    [[nodiscard]] std::uint32_t status() const;
    [[nodiscard]] bool enabled() const;
    void enable(const Rings& rings);
    void disable();
    void admin_doorbell(std::uint32_t tail);
    void bad_doorbell(std::uint64_t page);
    void reset(bool function);
    void shut_down();
    // For the defects `admin` and `reset`: the admin queue is not served, resets do not end.
    void set_hung(bool admin, bool resets);

    // ---- the card's threads

    void run();
    // A ring of the event queue that cannot be written is fatal.
    void post_event(const accel_event& event);
    [[nodiscard]] const std::atomic<bool>& stopping() const { return stopping_; }

  private:
    using Lock = std::unique_lock<std::mutex>;

    [[nodiscard]] bool has_work() const;
    [[nodiscard]] bool admin_pending() const;
    void fail(Lock& lock);
    void do_reset(Lock& lock);
    void do_enable(Lock& lock);
    void do_fatal(Lock& lock);
    void do_bad_doorbells(Lock& lock);
    void do_admin(Lock& lock);

    Bus& bus_;
    Events& events_;
    Scheduler& scheduler_;
    Counters& counters_;
    Sensors& sensors_;
    BusyMeters& meters_;
    Admin* admin_ = nullptr;

    mutable std::mutex mutex_;
    Condition wake_;
    bool shut_down_ = false;
    // Resets: whether one is requested, and whether it is a function reset.
    bool reset_ = false;
    bool reset_function_ = false;
    bool resetting_ = false;
    std::atomic<bool> stopping_{false};  // a reset or the destructor waits: running work must end
    // Enabling: every request has a number, so that a newer one is noticed while one is executed.
    bool enable_wanted_ = false;
    Rings rings_;
    std::uint64_t request_ = 0;
    std::uint64_t applied_request_ = 0;
    bool running_ = false;
    // Failure.
    bool fatal_ = false;
    bool fatal_reported_ = false;
    // The admin queue.
    std::uint64_t admin_tail_ = 0;
    std::uint64_t admin_done_ = 0;
    // Defects.
    bool admin_hung_ = false;
    bool resets_hung_ = false;
    // Pages with a doorbell that has no queue. Each is set until its event is posted.
    std::vector<bool> bad_pages_;
    bool any_bad_page_ = false;
};

}  // namespace accel::card
