// SPDX-License-Identifier: GPL-2.0
//
// The card's state: reset, enabled, failed; and the thread that changes it.
//
// The host's side only notes what is wanted, under a mutex that is never held across a callback or
// a wait; the control thread does it: it stops engines, runs the admin queue, forgets everything in
// a reset. So no register access waits for anybody.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <vector>

#include "admin.hpp"
#include "events.hpp"

namespace accel::card {

// What is latched when the card is enabled.
struct Rings {
    AdminRing admin;
    EventRing events;

    [[nodiscard]] bool valid() const;
};

class Control {
  public:
    Control(Bus& bus, Events& events, Scheduler& scheduler, Counters& counters, Sensors& sensors,
            BusyMeters& meters, std::uint32_t doorbell_pages, Timeline* timeline);
    // Before run(); two-step because Admin looks at stopping().
    void attach(Admin& admin) { admin_ = &admin; }

    // ---- the host's side

    // STATUS, but for THROTTLED.
    [[nodiscard]] std::uint32_t status() const;
    [[nodiscard]] bool enabled() const;
    void enable(const Rings& rings);
    void disable();
    void admin_doorbell(std::uint32_t tail);
    void bad_doorbell(std::uint64_t page);
    void reset(bool function);
    void shut_down();
    // What is not done: the admin queue, resets.
    void hold(bool admin, bool resets);

    // ---- the card's threads

    void run();
    // Posts an event; a ring that cannot be written is fatal.
    void report(const accel_event& event);
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
    // Resets: what is wanted, and of which kind.
    bool reset_ = false;
    bool reset_function_ = false;
    bool resetting_ = false;
    std::atomic<bool> stopping_{false};  // a reset or the end waits: do not begin or go on
    // Enabling: each change of what is wanted has a number, and so has what is in force.
    bool wanted_ = false;
    Rings rings_;
    std::uint64_t wish_ = 0;
    std::uint64_t applied_ = 0;
    bool running_ = false;
    // Failure.
    bool fatal_ = false;
    bool fatal_told_ = false;
    // The admin queue.
    std::uint64_t admin_tail_ = 0;
    std::uint64_t admin_done_ = 0;
    // Defects.
    bool admin_held_ = false;
    bool resets_held_ = false;
    // Doorbells without a queue, by page; one event each until it is written.
    std::vector<bool> bad_pages_;
    bool any_bad_page_ = false;
};

}  // namespace accel::card
