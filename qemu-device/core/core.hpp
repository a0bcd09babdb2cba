// SPDX-License-Identifier: GPL-2.0
//
// The card, put together. See accel_core.h for what the embedder may rely on.
//
// Threads: one for each engine, one for control (resets and the admin queue). The embedder's thread
// only notes and notifies. With a timing model there are none: model/engines.hpp has tasks in
// virtual time for all of it, and what waits below waits there.
//
// Locks, each leaf unless it says otherwise; none but the events mutex is held across a callback:
//   Control::mutex_      what the host wants of the card; Scheduler::mutex_ may be taken under it
//   Scheduler::mutex_    where every queue is
//   Sensors::mutex_      the thermal model
//   Context::gate_       held open by a piece of traffic, across the callbacks that make it up;
//                        closed by INVALIDATE, on the control thread
//   Context::cache_mutex_
//   Events::mutex_       order of the event ring; threads of the card only; Context is not used
//                        under it
#pragma once

#include <memory>
#include <optional>

#include "accel_core.h"
#include "engine.hpp"
#include "registers.hpp"
#include "timing/engines.hpp"

namespace accel::card {

class Core {
  public:
    Core(const accel_core_config& config, const accel_core_callbacks& callbacks, void* opaque);
    ~Core();
    Core(const Core&) = delete;
    Core& operator=(const Core&) = delete;
    Core(Core&&) = delete;
    Core& operator=(Core&&) = delete;

    [[nodiscard]] Registers& registers() { return registers_; }
    void doorbell(std::uint64_t offset, std::uint64_t value, unsigned bytes);
    void timer();
    void reset();
    void set_defect(accel_core_defect defect);
    [[nodiscard]] accel_core_defect defect() const { return defect_; }
    [[nodiscard]] Sensors& sensors() { return sensors_; }
    [[nodiscard]] const Sensors& sensors() const { return sensors_; }

  private:
    [[nodiscard]] Timeline* timeline() { return timeline_ ? &*timeline_ : nullptr; }
    void ring(std::uint64_t page, std::uint32_t value);
    void start();
    void stop();

    const accel_core_link link_;  // what config_.link points to
    const accel_core_config config_;
    accel_core_defect defect_ = ACCEL_DEFECT_NONE;
    Counters counters_;
    Bus bus_;
    std::optional<Timeline> timeline_;  // with a timing model
    std::optional<Timing> timing_;
    BusyMeters meters_;
    Sensors sensors_;
    Events events_;
    Scheduler scheduler_;
    Control control_;
    Processor processor_;
    Admin admin_;
    Registers registers_;
    // Last, so that they are joined before anything they use goes.
    std::jthread control_thread_;
    EngineThread dma_;
    EngineThread compute_;
    std::optional<VirtualEngines> virtual_;
};

}  // namespace accel::card
