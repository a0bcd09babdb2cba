// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The threads of the team.
#include "team.hpp"

#include <algorithm>
#include <new>
#include <system_error>
#include <utility>

#include "thread.hpp"

namespace accel::card {

namespace {

// Spins of a thread without work before it sleeps; a few microseconds in total.
constexpr int max_spins = 128;

}  // namespace

Team::Team(unsigned threads, const Embedder& embedder) {
    threads_.reserve(threads - 1);
    try {
        for (; count_ < threads; ++count_) {
            threads_.push_back(start_thread(embedder, [this] { run(); }));
        }
    } catch (const std::system_error&) {
        return;  // the threads that exist suffice
    }
}

Team::~Team() {
    {
        const std::lock_guard lock(mutex_);
        ending_ = true;
        activity_.fetch_add(1, std::memory_order_relaxed);
    }
    work_.notify_all();
}

void Team::run() {
    Lock lock(mutex_);
    while (!ending_) {
        Assignment assignment = next();
        if (assignment.command == nullptr) {
            wait(lock);
            continue;
        }
        lock.unlock();
        if (assignment.helper == nullptr) {
            try {
                assignment.helper = std::make_unique<Helper>(helpers_made_++);
            } catch (const std::bad_alloc&) {
                // The command has one helper fewer.
            }
        }
        bool done = true;
        if (assignment.helper != nullptr) {
            assignment.helper->assign(*assignment.command);
            done = assignment.helper->resume(false);
        }
        lock.lock();
        if (auto surplus = put_back(std::move(assignment), done); surplus != nullptr) {
            lock.unlock();
            surplus.reset();
            lock.lock();
        }
    }
}

// The command with the fewest threads comes first.
Team::Assignment Team::next() {
    TeamCommand* best = nullptr;
    for (TeamCommand* command = commands_; command != nullptr; command = command->next_) {
        if (command->wants_thread() && (best == nullptr || command->helpers_ < best->helpers_)) {
            best = command;
        }
    }
    if (best == nullptr) {
        return {};
    }
    ++best->helpers_;
    auto stopped = best->stopped_.pop();
    return {.command = best, .helper = stopped != nullptr ? std::move(stopped) : spare_.pop()};
}

void Team::wait(Lock& lock) {
    const std::uint64_t seen = activity_.load(std::memory_order_relaxed);
    lock.unlock();
    for (int spin = 0; spin < max_spins && activity_.load(std::memory_order_relaxed) == seen;
         ++spin) {
        pause_cpu();
    }
    lock.lock();
    if (activity_.load(std::memory_order_relaxed) == seen) {
        ++sleeping_;
        work_.wait(lock);
        --sleeping_;
    }
}

std::unique_ptr<Helper> Team::put_back(Assignment assignment, bool done) {
    TeamCommand& command = *assignment.command;
    std::unique_ptr<Helper> surplus;
    if (assignment.helper == nullptr) {
        command.max_helpers_ = 0;
    } else if (done) {
        surplus = keep(std::move(assignment.helper));
    } else {
        command.stopped_.push(std::move(assignment.helper));
    }
    --command.helpers_;
    // The leader may destroy the command as soon as the mutex is released.
    command.changed_.notify_all();
    return surplus;
}

std::unique_ptr<Helper> Team::keep(std::unique_ptr<Helper> helper) {
    if (spare_.size() + 1 >= count_) {
        return helper;
    }
    spare_.push(std::move(helper));
    return nullptr;
}

void Team::add(TeamCommand& command) {
    command.next_ = commands_;
    commands_ = &command;
}

void Team::remove(TeamCommand& command) {
    TeamCommand** link = &commands_;
    while (*link != &command) {
        link = &(*link)->next_;
    }
    *link = command.next_;
}

void Team::notify(Lock& lock, std::size_t count) {
    activity_.fetch_add(1, std::memory_order_relaxed);
    const std::size_t sleepers = std::min(count, sleeping_);
    lock.unlock();
    for (std::size_t i = 0; i < sleepers; ++i) {
        work_.notify_one();
    }
}

}  // namespace accel::card
