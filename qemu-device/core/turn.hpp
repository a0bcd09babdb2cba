// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The turn of a command on an engine. It measures the device time of the command, and is the
// checkpoint at which the command makes way for others, or exceeds its time limit.
#pragma once

#include "scheduler.hpp"
#include "sensors.hpp"
#include "worker.hpp"

namespace accel::card {

// Whether a command that used this device time exceeds the limit of its queue.
[[nodiscard]] inline bool exceeds_limit(const Queue& queue, std::uint64_t ticks) {
    return queue.config.time_limit != 0 && ticks > queue.config.time_limit;
}

struct TurnParts {
    Bus& bus;
    Scheduler& scheduler;
    BusyMeter& meter;
    Queue& queue;
    Engine engine;
    EngineSeat& seat;
};

class Turn final : public Checkpoint {
  public:
    // Starts at the start of the command.
    explicit Turn(const TurnParts& parts) : parts_(parts) { begin(parts.queue.started); }

    [[nodiscard]] Status pass(std::uint64_t pieces) override;
    void end(std::uint64_t now);

  private:
    // Without a timing model, reading the clock takes longer than a short piece.
    static constexpr std::uint64_t pieces_for_each_look = 16;

    void begin(std::uint64_t now);
    [[nodiscard]] std::uint64_t length(std::uint64_t now) const {
        return now > started_ ? now - started_ : 0;
    }
    void make_way(std::uint64_t now, bool at_once);

    TurnParts parts_;
    std::uint64_t started_ = 0;
    std::uint64_t pieces_ = 0;  // since the last look
};

}  // namespace accel::card
