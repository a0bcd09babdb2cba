// SPDX-License-Identifier: GPL-2.0
//
// The control thread.
#include "control.hpp"

#include <algorithm>
#include <bit>
#include <utility>

#include "accel_timing.h"

namespace accel::card {

namespace {

constexpr std::uint32_t admin_entries_max = 64;
constexpr std::uint32_t event_entries_max = 1024;

bool valid_entries(std::uint32_t entries, std::uint32_t most) {
    return std::has_single_bit(entries) && entries >= 2 && entries <= most;
}

}  // namespace

bool Rings::valid() const {
    return aligned(admin.ring, ACCEL_PAGE_SIZE) && aligned(admin.results, ACCEL_PAGE_SIZE) &&
           aligned(events.address, ACCEL_PAGE_SIZE) &&
           valid_entries(admin.entries, admin_entries_max) &&
           valid_entries(events.entries, event_entries_max);
}

Control::Control(Bus& bus, Events& events, Scheduler& scheduler, Counters& counters,
                 Sensors& sensors, BusyMeters& meters, std::uint32_t doorbell_pages,
                 Timeline* timeline)
    : bus_(bus),
      events_(events),
      scheduler_(scheduler),
      counters_(counters),
      sensors_(sensors),
      meters_(meters),
      wake_(timeline, ACCEL_TIMING_LINK),
      bad_pages_(doorbell_pages) {}

std::uint32_t Control::status() const {
    const std::lock_guard lock(mutex_);
    if (resetting_) {
        return ACCEL_STATUS_RESETTING;
    }
    if (fatal_) {
        return ACCEL_STATUS_READY | ACCEL_STATUS_FATAL;
    }
    // Enabled from the moment that it was asked for until the card has stopped.
    return ACCEL_STATUS_READY | (wanted_ || running_ ? ACCEL_STATUS_ENABLED : 0U);
}

bool Control::enabled() const {
    const std::lock_guard lock(mutex_);
    return wanted_;
}

void Control::enable(const Rings& rings) {
    const std::lock_guard lock(mutex_);
    if (resetting_ || fatal_ || wanted_) {
        return;
    }
    if (!rings.valid()) {
        fatal_ = true;
        wake_.notify_all();
        return;
    }
    wanted_ = true;
    rings_ = rings;
    ++wish_;
    admin_tail_ = admin_done_ = 0;
    events_.set_consumed(0);
    wake_.notify_all();
}

void Control::disable() {
    const std::lock_guard lock(mutex_);
    if (!resetting_ && wanted_) {
        wanted_ = false;
        ++wish_;
        scheduler_.pause();  // now, not when the control thread gets to it
        wake_.notify_all();
    }
}

void Control::admin_doorbell(std::uint32_t tail) {
    const std::lock_guard lock(mutex_);
    if (resetting_ || fatal_ || !wanted_) {
        return;
    }
    const std::uint64_t ahead = tail - static_cast<std::uint32_t>(admin_done_);
    if (static_cast<std::uint32_t>(ahead) > rings_.admin.entries) {
        fatal_ = true;
    } else {
        admin_tail_ = std::max(admin_tail_, admin_done_ + static_cast<std::uint32_t>(ahead));
    }
    wake_.notify_all();
}

void Control::bad_doorbell(std::uint64_t page) {
    const std::lock_guard lock(mutex_);
    if (resetting_ || fatal_ || !wanted_ || page >= bad_pages_.size()) {
        return;
    }
    bad_pages_[page] = any_bad_page_ = true;
    wake_.notify_all();
}

void Control::reset(bool function) {
    {
        const std::lock_guard lock(mutex_);
        reset_ = resetting_ = true;
        reset_function_ = reset_function_ || function;
        stopping_ = true;
        wanted_ = fatal_ = fatal_told_ = false;
        ++wish_;
        admin_tail_ = admin_done_ = 0;
        scheduler_.pause();
    }
    // What runs ends now, also if the control thread is waiting for just that.
    scheduler_.stop_all();
    wake_.notify_all();
}

void Control::shut_down() {
    {
        const std::lock_guard lock(mutex_);
        shut_down_ = true;
        stopping_ = true;
    }
    scheduler_.stop_all();
    wake_.notify_all();
}

void Control::hold(bool admin, bool resets) {
    const std::lock_guard lock(mutex_);
    admin_held_ = admin;
    resets_held_ = resets;
    wake_.notify_all();
}

bool Control::admin_pending() const {
    return running_ && !fatal_ && !admin_held_ && admin_done_ < admin_tail_;
}

bool Control::has_work() const {
    if (reset_ && resets_held_) {
        return shut_down_;
    }
    return shut_down_ || reset_ || wish_ != applied_ || (fatal_ && !fatal_told_) || any_bad_page_ ||
           admin_pending();
}

void Control::run() {
    Lock lock(mutex_);
    for (;;) {
        wake_.wait(lock, [this] { return has_work(); });
        if (shut_down_) {
            return;
        }
        if (reset_) {
            do_reset(lock);
        } else if (wish_ != applied_) {
            do_enable(lock);
        } else if (fatal_) {
            do_fatal(lock);
        } else if (admin_pending()) {
            do_admin(lock);
        } else {
            do_bad_doorbells(lock);
        }
    }
}

void Control::do_reset(Lock& lock) {
    const bool function = std::exchange(reset_function_, false);
    reset_ = false;
    lock.unlock();
    scheduler_.pause();
    scheduler_.stop_all();
    scheduler_.wait_quiet();
    events_.stop();
    bus_.forget_interrupts();
    admin_->clear();
    if (function) {
        counters_.reset();
        for (auto& meter : meters_) {
            meter.reset();
        }
        sensors_.reset();
    }
    lock.lock();
    bad_pages_.assign(bad_pages_.size(), false);
    any_bad_page_ = false;
    running_ = false;
    applied_ = wish_;
    if (!reset_) {
        stopping_ = shut_down_;
        resetting_ = false;
    }
}

void Control::do_enable(Lock& lock) {
    const bool start = wanted_;
    const Rings rings = rings_;
    const std::uint64_t wish = wish_;
    lock.unlock();
    scheduler_.pause();
    scheduler_.wait_quiet();
    events_.stop();
    if (start) {
        events_.start(rings.events);
        admin_->start(rings.admin);
    }
    lock.lock();
    if (start && wish == wish_) {
        scheduler_.resume();
    }
    running_ = start;
    applied_ = wish;
}

void Control::fail(Lock& lock) {
    fatal_ = true;
    fatal_told_ = false;
    lock.unlock();
    wake_.notify_all();
}

void Control::do_fatal(Lock& lock) {
    fatal_told_ = true;
    any_bad_page_ = false;
    wanted_ = false;
    applied_ = ++wish_;
    lock.unlock();
    scheduler_.pause();
    bus_.guest_error("the card stopped: bad admin or event queue");
    // It may be this very ring that failed; then STATUS.FATAL alone tells.
    (void)events_.post(plain_event(ACCEL_EVENT_FATAL, ACCEL_INTERNAL));
    lock.lock();
    running_ = false;
}

void Control::do_bad_doorbells(Lock& lock) {
    const std::vector<bool> pages = bad_pages_;
    bad_pages_.assign(bad_pages_.size(), false);
    any_bad_page_ = false;
    lock.unlock();
    for (std::size_t page = 0; page < pages.size(); ++page) {
        if (pages[page]) {
            accel_event event = plain_event(ACCEL_EVENT_BAD_DOORBELL, ACCEL_BAD_DOORBELL);
            event.queue = static_cast<std::uint32_t>(page);
            report(event);
        }
    }
    lock.lock();
}

void Control::do_admin(Lock& lock) {
    const std::uint64_t sequence = admin_done_ + 1;
    const std::uint64_t wish = wish_;
    lock.unlock();
    const bool ok = admin_->run(sequence);
    lock.lock();
    if (wish != wish_) {
        return;  // reset or disabled meanwhile: that queue is gone
    }
    admin_done_ = sequence;
    if (!ok) {
        fatal_ = true;
    }
}

void Control::report(const accel_event& event) {
    if (!events_.post(event)) {
        Lock lock(mutex_);
        fail(lock);
    }
}

}  // namespace accel::card
