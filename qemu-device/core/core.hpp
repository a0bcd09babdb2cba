// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The whole card: its parts, their lifetimes, and the threads that run it. accel_core.h states the
// contract with the embedder.
//
// Threads: one for each engine, the control thread (resets and the admin queue), and the team that
// helps the engines (team.hpp). The thread of an engine runs fibers, so that it can set a command
// aside (worker.hpp). The embedder's thread only records requests and notifies. A card with a
// timing model has no threads: virtual_engines.hpp has tasks in virtual time instead, and every
// wait suspends a task.
//
// Locks. Each is a leaf unless noted. Only the events mutex is held across a callback.
//   Control::mutex_      requests of the host; Scheduler::mutex_ may be taken under it
//   Scheduler::mutex_    the lists of queues
//   Team::mutex_         shared commands and helpers
//   Sensors::mutex_      the thermal model
//   Context::gate_       entered for a piece of traffic, across the callbacks of that piece; closed
//                        by INVALIDATE on the control thread
//   Context::cache_mutex_  cached translations
//   Events::mutex_       the order of the event ring; only threads of the card take it, and no
//                        Context is used under it
//
// Includes and calls point one way, down the layers that CMakeLists.txt lists.
#pragma once

#include <memory>
#include <optional>

#include "accel_core.h"
#include "engine_thread.hpp"
#include "registers.hpp"
#include "virtual_engines.hpp"

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
    [[nodiscard]] TimingModel* timing() { return timing_ ? &*timing_ : nullptr; }
    void deliver_doorbell(std::uint64_t page, std::uint32_t value);
    void start();
    void stop();

    const accel_core_link link_;  // config_.link points to it
    const accel_core_config config_;
    accel_core_defect defect_ = ACCEL_DEFECT_NONE;
    Counters counters_;
    const Embedder embedder_;
    std::optional<Timeline> timeline_;  // only with a timing model
    std::optional<TimingModel> timing_;
    Bus bus_;
    BusyMeters meters_;
    Sensors sensors_;
    Events events_;
    Scheduler scheduler_;
    Control control_;
    Processor processor_;
    Admin admin_;
    Registers registers_;
    // The last members: they are joined before the members that they use are destroyed.
    std::jthread control_thread_;
    std::optional<Team> team_;
    std::optional<EngineThread> dma_;
    std::optional<EngineThread> compute_;
    std::optional<VirtualEngines> virtual_engines_;
};

}  // namespace accel::card
