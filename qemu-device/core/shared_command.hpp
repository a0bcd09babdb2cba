// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// A shared command: one that an engine and the threads of the team compute together.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "team.hpp"

namespace accel::card {

class SharedCommand final : public TeamCommand, Checkpoint {
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

  private:
    // The units of one thread.
    class Source final : public UnitSource {
      public:
        Source(SharedCommand& command, std::uint64_t& first) : command_(command), first_(first) {}
        [[nodiscard]] bool take(UnitRange& range) override;

      private:
        SharedCommand& command_;
        std::uint64_t& first_;
    };

    void help(Checkpoint& checkpoint, Scratch& scratch, std::uint64_t& first) override;
    [[nodiscard]] bool has_units() const override;
    // The leader's checkpoint, within the turn of the command.
    [[nodiscard]] Status pass(std::uint64_t pieces) override;
    void record(std::uint64_t first, Status status, std::uint64_t address);
    // The command ends with this status, whatever its units do.
    void abandon(Status status);
    // Waits for the helpers. Runs the stopped helpers that no thread continues.
    void join();
    void finish(std::unique_ptr<Helper> helper);
    void wait_for_helpers();

    Team& team_;
    Execution& leader_;
    const Parts& parts_;
    const Memory memory_;  // the leader's, for helpers to copy
    Checkpoint* const turn_;
    const std::uint64_t units_;
    std::uint64_t grain_;  // units that a thread takes at a time
    std::atomic<std::uint64_t> next_unit_{0};
    std::uint64_t leader_first_ = 0;
    // Under the team's mutex.
    Status status_ = ACCEL_OK;
    std::uint64_t fault_address_ = 0;
};

}  // namespace accel::card
