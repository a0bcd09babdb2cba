// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// A shared command: one that an engine and the threads of the team compute together.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>

#include "team.hpp"

namespace accel::card {

class SharedCommand final : Checkpoint {
  public:
    SharedCommand(Team& team, Execution& leader, const Units& units, const Parts& parts);
    ~SharedCommand() = default;
    SharedCommand(const SharedCommand&) = delete;
    SharedCommand& operator=(const SharedCommand&) = delete;
    SharedCommand(SharedCommand&&) = delete;
    SharedCommand& operator=(SharedCommand&&) = delete;

    // ---- the leader

    // See Crew::run().
    [[nodiscard]] Status run();
    // For a preemption: waits until all helpers stopped, between two pieces.
    void pause();
    void proceed();

    // ---- a helper

    // Computes units until there are none. `first` always holds the first of the units in work.
    void help(Checkpoint& checkpoint, Scratch& scratch, std::uint64_t& first);
    void count(std::uint64_t pieces) { pieces_.value.fetch_add(pieces, std::memory_order_relaxed); }
    [[nodiscard]] bool is_paused() const { return paused_.load(std::memory_order_relaxed); }
    // For a thread whose units begin at `first`: whether its work is in vain, because a lower unit
    // failed or because the command must end.
    [[nodiscard]] bool is_over(std::uint64_t first) const {
        return limit_.load(std::memory_order_relaxed) <= first;
    }

  private:
    friend class Team;

    // The units of one thread.
    class Source final : public UnitSource {
      public:
        Source(SharedCommand& command, std::uint64_t& first) : command_(command), first_(first) {}
        [[nodiscard]] bool take(UnitRange& range) override;

      private:
        SharedCommand& command_;
        std::uint64_t& first_;
    };

    // A counter in a cache line of its own.
    struct alignas(64) Line {
        std::atomic<std::uint64_t> value{0};
    };

    // The leader's checkpoint, within the turn of the command.
    [[nodiscard]] Status pass(std::uint64_t pieces) override;
    void record(std::uint64_t first, Status status, std::uint64_t address);
    // The command ends with this status, whatever its units do.
    void abandon(Status status);
    // Waits for the helpers. It runs those that stopped and that no thread continues.
    void join();
    void finish(std::unique_ptr<Helper> helper);
    void wait_for_helpers();

    // ---- under the team's mutex

    // Whether a thread of the team has something to do.
    [[nodiscard]] bool wants_thread() const;

    Team& team_;
    Execution& leader_;
    const Parts& parts_;
    const Memory memory_;  // the leader's, for helpers to copy
    Checkpoint* const turn_;
    const std::uint64_t units_;
    std::uint64_t grain_;      // units that a thread takes at a time
    std::size_t max_helpers_;  // under the team's mutex
    std::atomic<std::uint64_t> next_unit_{0};
    std::atomic<std::uint64_t> limit_{UINT64_MAX};  // units from here on need not be computed
    std::uint64_t leader_first_ = 0;
    Line pieces_;  // of helpers, not counted by the leader yet
    // The team's mutex protects changes of all that follows.
    std::atomic<bool> paused_{false};
    std::atomic<std::size_t> helpers_{0};  // threads of the team that work on it
    Helpers stopped_;
    std::condition_variable changed_;  // a helper stopped or is done
    Status status_ = ACCEL_OK;
    std::uint64_t fault_address_ = 0;
    SharedCommand* next_ = nullptr;  // among the team's commands
};

}  // namespace accel::card
