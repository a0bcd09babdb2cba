// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The team: threads that help the engines to compute a command, in a card without a timing model.
//
// A shared command (shared_command.hpp) is computed by its leader, which is the thread of an
// engine, and by helpers, which the threads of the team run. When the command is preempted, its
// helpers stop between two pieces, as the leader does, and the threads are free for other commands.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "embedder.hpp"
#include "helper.hpp"

namespace accel::card {

// A shared command, as the team sees it. The team's mutex protects all of it.
class TeamCommand : public HelpedCommand {
  public:
    TeamCommand(const TeamCommand&) = delete;
    TeamCommand& operator=(const TeamCommand&) = delete;
    TeamCommand(TeamCommand&&) = delete;
    TeamCommand& operator=(TeamCommand&&) = delete;

  protected:
    TeamCommand() = default;
    ~TeamCommand() = default;

    // Whether there are units for another helper.
    [[nodiscard]] virtual bool has_units() const = 0;

    std::size_t max_helpers_ = 0;
    // The number of threads of the team that work on it. Any thread may read it, to see that it
    // becomes zero.
    std::atomic<std::size_t> helpers_{0};
    Helpers stopped_;
    std::condition_variable changed_;  // a helper stopped or is done

  private:
    friend class Team;

    // Whether a thread of the team has something to do.
    [[nodiscard]] bool wants_thread() const {
        return !is_paused() && (stopped_.size() > 0 || (helpers_ < max_helpers_ && has_units()));
    }

    TeamCommand* next_ = nullptr;  // among the team's commands
};

class Team {
  public:
    // `threads`: how many may compute a command, its leader included. The team is smaller if the
    // machine permits no more threads.
    Team(unsigned threads, const Embedder& embedder);
    // The leaders must have ended before.
    ~Team();
    Team(const Team&) = delete;
    Team& operator=(const Team&) = delete;
    Team(Team&&) = delete;
    Team& operator=(Team&&) = delete;

    [[nodiscard]] unsigned threads() const { return count_; }

    // ---- leaders

    using Lock = std::unique_lock<std::mutex>;
    [[nodiscard]] std::mutex& mutex() { return mutex_; }
    // The lock is held.
    void add(TeamCommand& command);
    void remove(TeamCommand& command);
    // Wakes up to `count` threads, because there is work. Releases the lock.
    void notify(Lock& lock, std::size_t count);
    // Keeps a helper that is done for later commands, or returns it if the team has enough. The
    // lock is held.
    [[nodiscard]] std::unique_ptr<Helper> keep(std::unique_ptr<Helper> helper);

  private:
    // The next step of a thread: it resumes a helper for a command.
    struct Assignment {
        TeamCommand* command = nullptr;  // null: nothing
        std::unique_ptr<Helper> helper;  // null: one must be made
    };

    // The loop of a thread.
    void run();
    [[nodiscard]] Assignment next();
    void wait(Lock& lock);
    // Returns the helper if the team has enough.
    [[nodiscard]] std::unique_ptr<Helper> put_back(Assignment assignment, bool done);

    std::mutex mutex_;
    std::condition_variable work_;
    TeamCommand* commands_ = nullptr;  // linked by next_
    Helpers spare_;
    std::size_t sleeping_ = 0;
    std::atomic<std::uint64_t> activity_{0};  // changes when work arrives; spinning threads read it
    bool ending_ = false;
    unsigned count_ = 1;
    std::atomic<unsigned> helpers_made_{0};
    std::vector<std::jthread> threads_;
};

}  // namespace accel::card
