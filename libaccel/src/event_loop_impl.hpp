// SPDX-License-Identifier: Apache-2.0
//
// The callbacks of an event loop and its sleep. The public EventLoop and the request queues share
// it, so that a callback may destroy the loop that runs it.
//
// The jobs of one epoch of a queue end in order. So a watch has its callbacks in the order of their
// sequence numbers, and the driver notifies for the first. A sleep is a poll() on the devices, a
// timer, and an eventfd by which other threads wake the loop.
//
// Lock order: mutex_, then the locks of a CompletionState. No callback runs under mutex_.
#pragma once

#include <poll.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "accel/event_loop.hpp"
#include "completion_state.hpp"
#include "fork.hpp"
#include "wake_descriptor.hpp"

namespace accel::detail {

/// Thread-safety: any thread; one thread at a time runs callbacks.
class EventLoopImpl {
  public:
    /// Names a callback of add().
    using Ticket = std::uint64_t;

    EventLoopImpl();
    EventLoopImpl(const EventLoopImpl&) = delete;
    EventLoopImpl& operator=(const EventLoopImpl&) = delete;
    EventLoopImpl(EventLoopImpl&&) = delete;
    EventLoopImpl& operator=(EventLoopImpl&&) = delete;
    ~EventLoopImpl() = default;

    /// Throws Error(operation_canceled) after close(), as the other additions do.
    void when_done(const Job& job, JobCallback callback, Deadline deadline);

    /// Adds a callback that finish() makes due.
    [[nodiscard]] Ticket add(JobCallback callback, Deadline deadline);
    /// Makes a callback of add() due with a result. Does nothing if it is due already.
    void finish(Ticket ticket, const JobResult& result) noexcept;

    void post(UniqueFunction<void()> function, Deadline earliest);

    /// As EventLoop::run_once(). `stopped` is set if stop() ended it.
    std::size_t run_once(Deadline deadline, bool* stopped = nullptr);
    void run();
    void stop();

    /// Runs the callbacks that are due, and all others with operation_canceled.
    void close() noexcept;

    [[nodiscard]] std::size_t pending();
    [[nodiscard]] int fd();
    [[nodiscard]] bool in_child() const noexcept { return origin_.in_child(); }
    /// Whether the calling thread is in run() or run_once().
    [[nodiscard]] bool on_this_thread() const noexcept {
        return runner_.load(std::memory_order_relaxed) == std::this_thread::get_id();
    }

  private:
    struct Timer;
    using Timers = std::multimap<Deadline, Timer>;

    struct Entry {
        Job job;  // none: of add()
        JobCallback callback;
        std::optional<Timers::iterator> timer;
    };
    using Entries = std::list<Entry>;

    // The callbacks of the jobs of one epoch of a queue.
    struct Watch {
        Entries entries;             // by sequence number
        std::uint64_t notified = 0;  // the sequence number that the driver notifies for
        bool silent = false;         // the driver does not notify: look at intervals
        bool look = false;           // ask the driver about the jobs
    };
    using Watches = std::map<std::shared_ptr<CompletionState>, Watch>;

    struct Timer {
        UniqueFunction<void()> function;           // of post()
        std::shared_ptr<CompletionState> watched;  // or the entry of a job,
        Ticket ticket = 0;                         // or of add()
        Entries::iterator entry;
    };

    struct Due {
        JobCallback callback;
        JobResult result;
        UniqueFunction<void()> function;  // of post(), without a callback
    };

    class Runner;

    void check_process() const;

    // Under mutex_.
    void check_usable() const;
    void make_due(JobCallback callback, const JobResult& result);
    void end_entry(Entries& entries, Entries::iterator entry, const JobResult& result);
    void collect_jobs();
    void collect_timers();
    void collect_watch(const std::shared_ptr<CompletionState>& completion, Watch& watch);
    void update_notification(CompletionState& completion, Watch& watch);
    void end_watch(const std::shared_ptr<CompletionState>& completion, const Watch& watch) noexcept;
    void set_timer() noexcept;
    void watch_device(int fd);
    void unwatch_device(int fd) noexcept;

    std::size_t run_due();
    /// Returns whether there is time left.
    [[nodiscard]] bool sleep(Deadline deadline);

    Origin origin_;
    std::shared_ptr<WakeDescriptor> wake_;
    FileDescriptor timer_;
    std::atomic<std::thread::id> runner_{};

    std::mutex mutex_;      // guards the members below
    FileDescriptor epoll_;  // for the user; made when asked for
    Watches watches_;
    std::map<int, unsigned> devices_;    // the number of watches of each device
    std::map<Ticket, Entries> tickets_;  // one entry each
    Ticket newest_ticket_ = 0;
    Timers timers_;
    std::deque<Due> due_;
    bool stopped_ = false;
    bool closed_ = false;
    bool reported_ = false;  // the last poll() reported a device
};

}  // namespace accel::detail
