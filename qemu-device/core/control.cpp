// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Requests of the host's side, and the control thread that executes them.
#include "control.hpp"

#include <algorithm>
#include <bit>
#include <utility>

#include "accel_timing.h"
#include "checks.hpp"

namespace accel::card {

namespace {

constexpr std::uint32_t max_admin_entries = 64;
constexpr std::uint32_t max_event_entries = 8192;

bool valid_entries(std::uint32_t entries, std::uint32_t max_entries) {
    return std::has_single_bit(entries) && entries >= 2 && entries <= max_entries;
}

}  // namespace

bool Rings::valid() const {
    return aligned(admin.ring, ACCEL_PAGE_SIZE) && aligned(admin.results, ACCEL_PAGE_SIZE) &&
           aligned(events.address, ACCEL_PAGE_SIZE) &&
           valid_entries(admin.entries, max_admin_entries) &&
           valid_entries(events.entries, max_event_entries);
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
    // The card counts as enabled from the request until it has stopped.
    return ACCEL_STATUS_READY | (enable_wanted_ || running_ ? ACCEL_STATUS_ENABLED : 0U);
}

bool Control::enabled() const {
    const std::lock_guard lock(mutex_);
    return enable_wanted_;
}

void Control::enable(const Rings& rings) {
    const std::lock_guard lock(mutex_);
    if (resetting_ || fatal_ || enable_wanted_) {
        return;
    }
    if (!rings.valid()) {
        fatal_ = true;
        wake_.notify_all();
        return;
    }
    enable_wanted_ = true;
    rings_ = rings;
    ++request_;
    admin_tail_ = admin_done_ = 0;
    events_.set_consumed(0);
    wake_.notify_all();
}

void Control::disable() {
    const std::lock_guard lock(mutex_);
    if (!resetting_ && enable_wanted_) {
        enable_wanted_ = false;
        ++request_;
        scheduler_.pause();  // at once, before the control thread executes the request
        wake_.notify_all();
    }
}

void Control::admin_doorbell(std::uint32_t tail) {
    const std::lock_guard lock(mutex_);
    if (resetting_ || fatal_ || !enable_wanted_) {
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
    if (resetting_ || fatal_ || !enable_wanted_ || page >= bad_pages_.size()) {
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
        enable_wanted_ = fatal_ = fatal_reported_ = false;
        ++request_;
        admin_tail_ = admin_done_ = 0;
        scheduler_.pause();
    }
    // Running commands end now, even if the control thread already waits for them.
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

void Control::set_hung(bool admin, bool resets) {
    const std::lock_guard lock(mutex_);
    admin_hung_ = admin;
    resets_hung_ = resets;
    wake_.notify_all();
}

bool Control::admin_pending() const {
    return running_ && !fatal_ && !admin_hung_ && admin_done_ < admin_tail_;
}

bool Control::has_work() const {
    if (reset_ && resets_hung_) {
        return shut_down_;
    }
    return shut_down_ || reset_ || request_ != applied_request_ || (fatal_ && !fatal_reported_) ||
           any_bad_page_ || admin_pending();
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
        } else if (request_ != applied_request_) {
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
    scheduler_.wait_until_idle();
    events_.stop();
    bus_.drop_interrupts();
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
    applied_request_ = request_;
    if (!reset_) {
        stopping_ = shut_down_;
        resetting_ = false;
    }
}

void Control::do_enable(Lock& lock) {
    const bool start = enable_wanted_;
    const Rings rings = rings_;
    const std::uint64_t wish = request_;
    lock.unlock();
    scheduler_.pause();
    scheduler_.wait_until_idle();
    events_.stop();
    if (start) {
        events_.start(rings.events);
        admin_->start(rings.admin);
    }
    lock.lock();
    if (start && wish == request_) {
        scheduler_.resume();
    }
    running_ = start;
    applied_request_ = wish;
}

void Control::fail(Lock& lock) {
    fatal_ = true;
    fatal_reported_ = false;
    lock.unlock();
    wake_.notify_all();
}

void Control::do_fatal(Lock& lock) {
    fatal_reported_ = true;
    any_bad_page_ = false;
    enable_wanted_ = false;
    applied_request_ = ++request_;
    lock.unlock();
    scheduler_.pause();
    bus_.guest_error(
        "the card stopped: a ring of the admin or event queue is invalid or cannot be accessed; "
        "reset the card");
    // If the ring of the event queue is the cause, only STATUS.FATAL shows the failure.
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
            post_event(event);
        }
    }
    lock.lock();
}

void Control::do_admin(Lock& lock) {
    const std::uint64_t sequence = admin_done_ + 1;
    const std::uint64_t wish = request_;
    lock.unlock();
    const bool ok = admin_->run(sequence);
    lock.lock();
    if (wish != request_) {
        return;  // the card was reset or disabled meanwhile, which discarded the admin queue
    }
    admin_done_ = sequence;
    if (!ok) {
        fatal_ = true;
    }
}

void Control::post_event(const accel_event& event) {
    if (!events_.post(event)) {
        Lock lock(mutex_);
        fail(lock);
    }
}

}  // namespace accel::card
