// SPDX-License-Identifier: GPL-2.0
//
// What takes how long: the card's shared resources and the time of whoever uses them.
//
// Each task has a Lane, its own view of time. A command starts somewhere in time and uses the link
// in both directions, device memory and the arithmetic units, all of them at once, as hardware with
// buffers does: each resource has a cursor in the lane, and the command is over when the last of
// them is. What cannot go on before it has read something waits for all of them (Blocking). A
// resource that another lane uses meanwhile is had later; small packets slip in between long
// transfers, at the expense of those.
//
// A lane's time may be ahead of the clock; settle() lets the clock catch up. The numbers are in
// accel_timing.h, the link is link.hpp's.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "accel_timing.h"
#include "lane.hpp"
#include "link.hpp"
#include "timeline.hpp"

namespace accel::card {

// What arithmetic is made of.
enum class Work : std::uint8_t { macs, elements, specials };

class Timing {
  public:
    Timing(const accel_core_link& link, Timeline& timeline) : link_(link), timeline_(timeline) {}

    // ---- the lane of the task that runs

    [[nodiscard]] Lane& lane() const { return timeline_.current()->lane; }
    // Ticks, rounded up.
    [[nodiscard]] std::uint64_t now() const {
        return (lane().time() + ps_per_tick - 1) / ps_per_tick;
    }
    // Not before a tick.
    void wait_for(std::uint64_t tick) { lane().join(std::max(lane().time(), tick * ps_per_tick)); }
    void spend(std::uint64_t ticks) { lane().join(lane().time() + ticks * ps_per_tick); }

    void host_read(std::uint64_t address, std::uint64_t bytes);
    void host_write(std::uint64_t address, std::uint64_t bytes);
    void memory(std::uint64_t bytes);
    void work(Work kind, std::uint64_t count);
    // What is left of the full clock.
    void set_clock(double share) { clock_ = share; }

    // Waits until the clock is where the lane is. Yields: no mutex, no Piece may be held.
    void settle() { settle(0); }
    // The same, and so many ticks more: until what was written arrives.
    void settle(std::uint64_t ticks) { timeline_.sleep_until(now() + ticks); }

    // ---- from outside of a lane

    // When something that the host sends now arrives.
    [[nodiscard]] std::uint64_t arrival() const { return timeline_.now() + ACCEL_TIMING_LINK; }
    [[nodiscard]] Timeline& timeline() { return timeline_; }

  private:
    void use(Resource resource, Picoseconds duration, bool small);
    [[nodiscard]] Picoseconds& free(Resource resource) {
        return free_[static_cast<std::size_t>(resource)];
    }
    [[nodiscard]] Picoseconds& cursor(Resource resource) const {
        return lane().at[static_cast<std::size_t>(resource)];
    }

    Link link_;
    Timeline& timeline_;
    std::array<Picoseconds, resources> free_{};  // when each is to be had, by anybody
    double clock_ = 1.0;
};

// Guards below do nothing without a Timing: in a card that is as quick as it can.

// What is read while one exists must be there before anything else goes on.
class Blocking {
  public:
    explicit Blocking(Timing* timing) : timing_(timing) { join(); }
    ~Blocking() { join(); }
    Blocking(const Blocking&) = delete;
    Blocking& operator=(const Blocking&) = delete;
    Blocking(Blocking&&) = delete;
    Blocking& operator=(Blocking&&) = delete;

  private:
    void join() {
        if (timing_ != nullptr) {
            timing_->lane().join();
        }
    }
    Timing* timing_;
};

// What happens while one exists goes on beside what follows, and does not hold it up.
class Beside {
  public:
    explicit Beside(Timing* timing) : timing_(timing) {
        if (timing_ != nullptr) {
            before_ = timing_->lane();
        }
    }
    ~Beside() {
        if (timing_ != nullptr) {
            timing_->lane() = before_;
        }
    }
    Beside(const Beside&) = delete;
    Beside& operator=(const Beside&) = delete;
    Beside(Beside&&) = delete;
    Beside& operator=(Beside&&) = delete;

  private:
    Timing* timing_;
    Lane before_;
};

}  // namespace accel::card
