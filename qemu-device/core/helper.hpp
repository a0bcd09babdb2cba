// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Helpers: fibers with buffers of their own, which compute units of a shared command on any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "commands/units.hpp"
#include "timing/fiber.hpp"

namespace accel::card {

// A shared command, as a helper sees it.
class HelpedCommand {
  public:
    HelpedCommand() = default;
    HelpedCommand(const HelpedCommand&) = delete;
    HelpedCommand& operator=(const HelpedCommand&) = delete;
    HelpedCommand(HelpedCommand&&) = delete;
    HelpedCommand& operator=(HelpedCommand&&) = delete;

    // Computes units until there are none. `first` always holds the first of the units in progress.
    virtual void help(Checkpoint& checkpoint, Scratch& scratch, std::uint64_t& first) = 0;

    void count(std::uint64_t pieces) { pieces_.value.fetch_add(pieces, std::memory_order_relaxed); }
    [[nodiscard]] bool is_paused() const { return paused_.load(std::memory_order_relaxed); }
    // For a thread whose units begin at `first`: whether its work is in vain, because a lower unit
    // failed or because the command must end.
    [[nodiscard]] bool is_over(std::uint64_t first) const {
        return limit_.load(std::memory_order_relaxed) <= first;
    }

  protected:
    ~HelpedCommand() = default;

    // A counter in a cache line of its own.
    struct alignas(64) Line {
        std::atomic<std::uint64_t> value{0};
    };
    Line pieces_;                                   // not counted by the leader yet
    std::atomic<std::uint64_t> limit_{UINT64_MAX};  // units from here on need not be computed
    std::atomic<bool> paused_{false};
};

class Helper final : Checkpoint {
  public:
    // `number` chooses the lane of the memory accesses: helpers in different lanes hardly disturb
    // each other.
    explicit Helper(unsigned number);
    // The helper must have no command.
    ~Helper();
    Helper(const Helper&) = delete;
    Helper& operator=(const Helper&) = delete;
    Helper(Helper&&) = delete;
    Helper& operator=(Helper&&) = delete;

    // The next resume() begins with this command.
    void assign(HelpedCommand& command) { command_ = &command; }
    // Continues until the command has no units left; then it returns true. False: the helper
    // stopped, because the command is preempted, or after a piece if `stepwise`.
    [[nodiscard]] bool resume(bool stepwise);

    std::unique_ptr<Helper> next;  // in a Helpers

  private:
    [[nodiscard]] Status pass(std::uint64_t pieces) override;
    void run();

    Scratch scratch_;
    HelpedCommand* command_ = nullptr;  // null when the fiber must end
    std::uint64_t first_ = 0;           // of the units that it computes
    std::uint64_t pieces_ = 0;          // that the command did not count yet
    bool stepwise_ = false;
    bool done_ = false;
    Fiber fiber_;
};

// A stack of helpers. It allocates nothing.
class Helpers {
  public:
    Helpers() = default;
    ~Helpers() {
        while (pop() != nullptr) {
        }
    }
    Helpers(const Helpers&) = delete;
    Helpers& operator=(const Helpers&) = delete;
    Helpers(Helpers&&) = delete;
    Helpers& operator=(Helpers&&) = delete;

    [[nodiscard]] std::size_t size() const { return size_; }
    void push(std::unique_ptr<Helper> helper);
    // Null: there is none.
    [[nodiscard]] std::unique_ptr<Helper> pop();

  private:
    std::unique_ptr<Helper> top_;
    std::size_t size_ = 0;
};

}  // namespace accel::card
