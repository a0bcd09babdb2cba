// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The team: threads that help the engines to compute a command, in a card without a timing model.
//
// A shared command (shared_command.hpp) is computed by its leader, which is the thread of an
// engine, and by helpers. A helper is a fiber with buffers of its own. When the command is
// preempted, its helpers stop between two pieces, as the leader does, and the threads of the team
// are free for other commands.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "commands/units.hpp"
#include "embedder.hpp"
#include "timing/fiber.hpp"

namespace accel::card {

class SharedCommand;

// Computes units of a shared command, on any thread that resumes it.
class Helper final : Checkpoint {
  public:
    // `number`: helpers with different numbers disturb each other less.
    explicit Helper(unsigned number);
    // The helper has no command.
    ~Helper();
    Helper(const Helper&) = delete;
    Helper& operator=(const Helper&) = delete;
    Helper(Helper&&) = delete;
    Helper& operator=(Helper&&) = delete;

    // The next resume() begins with this command.
    void assign(SharedCommand& command) { command_ = &command; }
    // Continues until the command has no units left; then it returns true. False: the helper
    // stopped, because the command is preempted, or after a piece if `stepwise`.
    [[nodiscard]] bool resume(bool stepwise);

    std::unique_ptr<Helper> next;  // in a Helpers

  private:
    [[nodiscard]] Status pass(std::uint64_t pieces) override;
    void run();
    void run_command();

    Scratch scratch_;
    SharedCommand* command_ = nullptr;  // null when the fiber must end
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

class Team {
  public:
    // `threads`: how many may compute a command, its leader included. The team is smaller if the
    // machine permits no more threads.
    Team(unsigned threads, const Embedder& embedder);
    // Before that, the leaders must have ended.
    ~Team();
    Team(const Team&) = delete;
    Team& operator=(const Team&) = delete;
    Team(Team&&) = delete;
    Team& operator=(Team&&) = delete;

    [[nodiscard]] unsigned threads() const { return count_; }

  private:
    friend class SharedCommand;
    using Lock = std::unique_lock<std::mutex>;

    // What a thread does next: it resumes a helper for a command.
    struct Assignment {
        SharedCommand* command = nullptr;  // null: nothing
        std::unique_ptr<Helper> helper;    // null: one must be made
    };

    // The loop of a thread.
    void run();
    [[nodiscard]] Assignment next();
    void wait(Lock& lock);
    // Returns a helper that is one too many.
    [[nodiscard]] std::unique_ptr<Helper> put_back(Assignment assignment, bool done);

    // For leaders.
    void add(SharedCommand& command);
    void remove(SharedCommand& command);
    // Wakes up to `count` threads, because there is work. Releases the lock.
    void notify(Lock& lock, std::size_t count);
    [[nodiscard]] std::unique_ptr<Helper> keep(std::unique_ptr<Helper> helper);

    std::mutex mutex_;
    std::condition_variable work_;
    SharedCommand* commands_ = nullptr;  // linked by SharedCommand::next_
    Helpers spare_;
    std::size_t sleeping_ = 0;
    std::atomic<std::uint64_t> activity_{0};  // changes when work arrives; spinning threads read it
    bool ending_ = false;
    unsigned count_ = 1;
    std::atomic<unsigned> helpers_made_{0};
    std::vector<std::jthread> threads_;
};

}  // namespace accel::card
