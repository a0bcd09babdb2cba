// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Workers: fibers that run the loop of an engine. When a command is preempted, its worker is set
// aside with all that the command has on its stack and in its buffers, and the engine continues
// with another worker. An engine that preempts nothing never changes its worker.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "commands/units.hpp"
#include "timing/timeline.hpp"

namespace accel::card {

struct Queue;
class SharedCommand;

struct Worker {
    explicit Worker(const std::function<void(Worker&)>& body)
        : task([this, body] { body(*this); }) {}

    Scratch scratch;
    Task task;
    SharedCommand* shared = nullptr;  // its running command, if a team computes it
    std::size_t unit = 0;             // in virtual time: the index of the unit that it runs on
};

// The engine of a running command, as the command sees it.
class EngineSeat {
  public:
    EngineSeat() = default;
    EngineSeat(const EngineSeat&) = delete;
    EngineSeat& operator=(const EngineSeat&) = delete;
    EngineSeat(EngineSeat&&) = delete;
    EngineSeat& operator=(EngineSeat&&) = delete;

    // Sets the running command of the queue aside, and returns when an engine continues with it.
    // False: the engine keeps the command. `urgent`: the engine is needed to end a preempted
    // command of a queue that is being stopped.
    [[nodiscard]] virtual bool set_aside(Queue& queue, bool urgent) = 0;
    // The threads that help the engine. Null: there are none.
    [[nodiscard]] virtual Crew* crew() { return nullptr; }

  protected:
    ~EngineSeat() = default;
};

// The workers of one or more engines. One thread at a time uses it.
class Workers {
  public:
    // Starts with `base` workers: as many as the engines need when nothing is preempted.
    Workers(std::size_t base, std::function<void(Worker&)> body);

    // A worker that waits for a queue.
    [[nodiscard]] Worker& take();
    // The worker has put its queue back. True: it may stay; false: it is one too many, and must end
    // at once.
    [[nodiscard]] bool give(Worker& worker);

    // Prepares for setting a worker aside: afterwards a worker is free. False: memory is short.
    [[nodiscard]] bool reserve();
    void set_aside() { ++aside_; }
    void continued() { --aside_; }

    // Frees workers that ended. Not called by a worker.
    void sweep();
    // Resumes every worker until it ends. Not called by a worker, and no command is set aside.
    void end(const std::function<void(Worker&)>& resume);

  private:
    // Workers beyond those in use that are kept for later preemptions.
    static constexpr std::size_t max_spare = 8;

    void add();

    const std::size_t base_;
    const std::function<void(Worker&)> body_;
    std::vector<std::unique_ptr<Worker>> all_;
    std::vector<Worker*> free_;
    std::size_t aside_ = 0;
    bool ended_some_ = false;
};

}  // namespace accel::card
