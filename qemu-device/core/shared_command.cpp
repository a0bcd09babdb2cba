// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Sharing the units of a command. A failure counts if no lower unit fails, so the status does not
// depend on the threads: units are taken in ascending order, and every unit below one that failed
// is computed to its end.
#include "shared_command.hpp"

#include <algorithm>
#include <chrono>

#include "thread.hpp"

namespace accel::card {

namespace {

// About the time that a thread needs for the units that it takes at a time.
constexpr double grain_nanoseconds = min_shared_nanoseconds / 2;
// While the leader waits for helpers it passes its checkpoint this often.
constexpr auto wait_between_looks = std::chrono::microseconds(50);
// Spins before it waits, about as long as a grain takes.
constexpr int max_spins = 1024;

}  // namespace

SharedCommand::SharedCommand(Team& team, Execution& leader, const Units& units, const Parts& parts)
    : team_(team),
      leader_(leader),
      parts_(parts),
      memory_(leader.memory),
      turn_(leader.memory.checkpoint()),
      units_(units.count) {
    const auto count = static_cast<double>(units.count);
    const double threads = std::clamp(count * units.nanoseconds / grain_nanoseconds, 2.0,
                                      static_cast<double>(team.threads()));
    max_helpers_ = static_cast<std::size_t>(threads) - 1;
    // Near the end no thread waits long for another one.
    grain_ = static_cast<std::uint64_t>(
        std::clamp(grain_nanoseconds / units.nanoseconds, 1.0, std::max(count / threads / 2, 1.0)));
}

bool SharedCommand::Source::take(UnitRange& range) {
    const std::uint64_t first =
        command_.next_unit_.fetch_add(command_.grain_, std::memory_order_relaxed);
    if (first >= command_.units_ || command_.is_over(first)) {
        return false;
    }
    first_ = first;
    range = {.first = first, .last = first + std::min(command_.grain_, command_.units_ - first)};
    return true;
}

void SharedCommand::help(Checkpoint& checkpoint, Scratch& scratch, std::uint64_t& first) {
    Memory memory(memory_);
    memory.set_thread(scratch.recent, scratch.lane);
    memory.set_checkpoint(&checkpoint);
    Execution execution{.command = leader_.command,
                        .memory = memory,
                        .scratch = scratch,
                        .threads = leader_.threads};
    Source source(*this, first);
    if (const Status status = parts_.run(execution, source); status != ACCEL_OK) {
        record(first, status, memory.fault_address());
    }
    memory.set_checkpoint(nullptr);
}

Status SharedCommand::run() {
    leader_.memory.set_checkpoint(this);
    {
        Team::Lock lock(team_.mutex());
        team_.add(*this);
        team_.notify(lock, max_helpers_);
    }
    Source source(*this, leader_first_);
    if (const Status status = parts_.run(leader_, source); status != ACCEL_OK) {
        record(leader_first_, status, leader_.memory.fault_address());
    }
    join();
    leader_.memory.set_checkpoint(turn_);
    if (status_ != ACCEL_OK) {
        leader_.memory.set_fault_address(fault_address_);
    }
    return status_;
}

Status SharedCommand::pass(std::uint64_t pieces) {
    if (pieces_.value.load(std::memory_order_relaxed) != 0) {
        pieces += pieces_.value.exchange(0, std::memory_order_relaxed);
    }
    const Status status = turn_->pass(pieces);
    if (status != ACCEL_OK) {
        abandon(status);
        return status;
    }
    return is_over(leader_first_) ? ACCEL_ABORTED : ACCEL_OK;
}

void SharedCommand::record(std::uint64_t first, Status status, std::uint64_t address) {
    const std::lock_guard lock(team_.mutex());
    if (!is_over(first)) {
        limit_.store(first, std::memory_order_relaxed);
        status_ = status;
        fault_address_ = address;
    }
}

void SharedCommand::abandon(Status status) {
    const std::lock_guard lock(team_.mutex());
    limit_.store(0, std::memory_order_relaxed);
    status_ = status;
}

void SharedCommand::pause() {
    Team::Lock lock(team_.mutex());
    paused_ = true;
    changed_.wait(lock, [this] { return helpers_ == 0; });
}

void SharedCommand::proceed() {
    Team::Lock lock(team_.mutex());
    paused_ = false;
    team_.notify(lock, stopped_.size() + max_helpers_);
}

bool SharedCommand::has_units() const {
    const std::uint64_t next = next_unit_.load(std::memory_order_relaxed);
    return next < units_ && !is_over(next);
}

void SharedCommand::join() {
    Team::Lock lock(team_.mutex());
    max_helpers_ = 0;
    while (helpers_ != 0 || stopped_.size() > 0) {
        auto helper = stopped_.pop();
        lock.unlock();
        if (helper != nullptr) {
            finish(std::move(helper));
        } else {
            wait_for_helpers();
        }
        lock.lock();
    }
    team_.remove(*this);
}

void SharedCommand::finish(std::unique_ptr<Helper> helper) {
    while (!helper->resume(true)) {
        (void)pass(0);
    }
    Team::Lock lock(team_.mutex());
    helper = team_.keep(std::move(helper));
    lock.unlock();
}

void SharedCommand::wait_for_helpers() {
    for (int spin = 0; spin < max_spins && helpers_.load(std::memory_order_relaxed) != 0; ++spin) {
        pause_cpu();
    }
    if (helpers_.load(std::memory_order_relaxed) == 0) {
        return;
    }
    (void)pass(0);
    Team::Lock lock(team_.mutex());
    if (helpers_ != 0) {
        changed_.wait_for(lock, wait_between_looks);
    }
}

}  // namespace accel::card
