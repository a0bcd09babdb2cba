// SPDX-License-Identifier: Apache-2.0
//
// Collecting the callbacks that are due, running them, and sleeping.
#include "event_loop_impl.hpp"

#include <sys/epoll.h>
#include <sys/timerfd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <ctime>
#include <utility>

#include "throw_error.hpp"

namespace accel::detail {

namespace {

// The length of a sleep when poll() does not help: the driver has no notifications, or it reports a
// job of another waiter that has not noticed it yet.
constexpr std::chrono::milliseconds nap{1};

JobResult result_of(const Job& job) {
    try {
        return job.wait(Duration());
    } catch (const Error& error) {
        return error;
    }
}

}  // namespace

// The thread that runs callbacks.
class EventLoopImpl::Runner {
  public:
    explicit Runner(EventLoopImpl& loop) : loop_(loop) {
        const std::thread::id self = std::this_thread::get_id();
        std::thread::id none;
        if (loop.runner_.compare_exchange_strong(none, self)) {
            return;
        }
        if (none == self) {
            throw Error(std::errc::resource_deadlock_would_occur,
                        "a callback runs the event loop that runs it: return from the callback, or "
                        "make another loop for it");
        }
        throw Error(std::errc::device_or_resource_busy,
                    "another thread runs this event loop: run it on one thread at a time, or make "
                    "a loop for each thread");
    }
    Runner(const Runner&) = delete;
    Runner& operator=(const Runner&) = delete;
    Runner(Runner&&) = delete;
    Runner& operator=(Runner&&) = delete;
    ~Runner() { loop_.runner_ = std::thread::id(); }

  private:
    EventLoopImpl& loop_;
};

EventLoopImpl::EventLoopImpl()
    : wake_(std::make_shared<WakeDescriptor>()),
      timer_(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)) {
    if (timer_.get() < 0) {
        throw_errno(errno, "cannot create the timer of an event loop");
    }
}

void EventLoopImpl::check_process() const {
    if (in_child()) {
        throw_in_child();
    }
}

void EventLoopImpl::check_usable() const {
    if (closed_) {
        throw Error(std::errc::operation_canceled,
                    "the event loop has ended: create another one, and keep it until the work is "
                    "done");
    }
}

void EventLoopImpl::make_due(JobCallback callback, const JobResult& result) {
    due_.push_back({.callback = std::move(callback), .result = result, .function = {}});
}

void EventLoopImpl::end_entry(Entries& entries, Entries::iterator entry, const JobResult& result) {
    make_due(std::move(entry->callback), result);
    if (entry->timer) {
        timers_.erase(*entry->timer);
    }
    entries.erase(entry);
}

void EventLoopImpl::when_done(const Job& job, JobCallback callback, Deadline deadline) {
    check_process();
    const std::lock_guard lock(mutex_);
    check_usable();
    const std::shared_ptr<CompletionState>& completion = JobAccess::completion(job);
    if (!completion) {
        make_due(std::move(callback), {});
        wake_->signal();
        return;
    }
    const auto [found, is_new] = watches_.try_emplace(completion);
    Watch& watch = found->second;
    if (is_new) {
        completion->add_end_observer(wake_);
        watch_device(completion->device().fd());
    }
    auto place = watch.entries.end();
    while (place != watch.entries.begin() && std::prev(place)->job.sequence() > job.sequence()) {
        --place;
    }
    const auto entry = watch.entries.insert(
        place, {.job = job, .callback = std::move(callback), .timer = std::nullopt});
    if (deadline != no_deadline) {
        entry->timer = timers_.emplace(
            deadline, Timer{.function = {}, .watched = completion, .ticket = 0, .entry = entry});
        set_timer();
    }
    update_notification(*completion, watch);
    wake_->signal();
}

EventLoopImpl::Ticket EventLoopImpl::add(JobCallback callback, Deadline deadline) {
    check_process();
    const std::lock_guard lock(mutex_);
    check_usable();
    const Ticket ticket = ++newest_ticket_;
    Entries& entries = tickets_[ticket];
    entries.push_back({.job = {}, .callback = std::move(callback), .timer = std::nullopt});
    if (deadline != no_deadline) {
        entries.front().timer = timers_.emplace(
            deadline,
            Timer{.function = {}, .watched = {}, .ticket = ticket, .entry = entries.begin()});
        set_timer();
        wake_->signal();
    }
    return ticket;
}

void EventLoopImpl::finish(Ticket ticket, const JobResult& result) noexcept {
    const std::lock_guard lock(mutex_);
    if (const auto found = tickets_.find(ticket); found != tickets_.end()) {
        end_entry(found->second, found->second.begin(), result);
        tickets_.erase(found);
        wake_->signal();
    }
}

void EventLoopImpl::post(UniqueFunction<void()> function, Deadline earliest) {
    check_process();
    const std::lock_guard lock(mutex_);
    check_usable();
    if (earliest == 0) {
        due_.push_back({.callback = {}, .result = {}, .function = std::move(function)});
    } else {
        timers_.emplace(
            earliest,
            Timer{.function = std::move(function), .watched = {}, .ticket = 0, .entry = {}});
        set_timer();
    }
    wake_->signal();
}

void EventLoopImpl::collect_timers() {
    if (timers_.empty() || timers_.begin()->first > now()) {
        return;
    }
    for (const Deadline time = now(); !timers_.empty() && timers_.begin()->first <= time;) {
        Timer timer = std::move(timers_.begin()->second);
        timers_.erase(timers_.begin());
        if (timer.function) {
            due_.push_back({.callback = {}, .result = {}, .function = std::move(timer.function)});
            continue;
        }
        timer.entry->timer.reset();
        Entries& entries =
            timer.watched ? watches_.at(timer.watched).entries : tickets_.at(timer.ticket);
        end_entry(entries, timer.entry, WaitResult::timed_out);
        if (!timer.watched) {
            tickets_.erase(timer.ticket);
        }
    }
    set_timer();
}

void EventLoopImpl::collect_watch(const std::shared_ptr<CompletionState>& completion,
                                  Watch& watch) {
    using JobState = CompletionState::JobState;
    while (!watch.entries.empty()) {
        const auto entry = watch.entries.begin();
        bool over = completion->state_of(entry->job.sequence()) != JobState::pending;
        if (!over && (watch.look || watch.silent)) {
            const auto waited = completion->wait_in_kernel(entry->job.sequence(), 0);
            over = waited.state != JobState::pending || waited.error != 0;
        }
        if (!over) {
            break;
        }
        const JobResult result = result_of(entry->job);
        if (result.timed_out()) {
            break;
        }
        end_entry(watch.entries, entry, result);
    }
    watch.look = false;
}

void EventLoopImpl::collect_jobs() {
    for (auto i = watches_.begin(); i != watches_.end();) {
        collect_watch(i->first, i->second);
        if (i->second.entries.empty()) {
            end_watch(i->first, i->second);
            i = watches_.erase(i);
        } else {
            update_notification(*i->first, i->second);
            ++i;
        }
    }
}

void EventLoopImpl::update_notification(CompletionState& completion, Watch& watch) {
    const std::uint64_t first = watch.entries.front().job.sequence();
    if (first != watch.notified) {
        watch.silent = completion.replace_notification(watch.notified, first) != 0;
        watch.notified = watch.silent ? 0 : first;
    }
}

void EventLoopImpl::end_watch(const std::shared_ptr<CompletionState>& completion,
                              const Watch& watch) noexcept {
    if (watch.notified != 0) {
        completion->remove_notification(watch.notified);
    }
    completion->remove_end_observer(wake_);
    unwatch_device(completion->device().fd());
}

void EventLoopImpl::set_timer() noexcept {
    itimerspec when{};
    if (!timers_.empty()) {
        constexpr std::int64_t second = 1'000'000'000;
        const Deadline first = std::max<Deadline>(timers_.begin()->first, 1);
        when.it_value = {.tv_sec = first / second, .tv_nsec = first % second};
    }
    static_cast<void>(::timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &when, nullptr));
}

std::size_t EventLoopImpl::run_due() {
    std::unique_lock lock(mutex_);
    const std::size_t count = due_.size();
    for (std::size_t i = 0; i < count; ++i) {
        Due due = std::move(due_.front());
        due_.pop_front();
        if (i + 1 < count || !due_.empty()) {
            wake_->signal();  // for the case that the callback throws
        }
        lock.unlock();
        if (due.callback) {
            due.callback(due.result);
        } else {
            due.function();
        }
        lock.lock();
    }
    return count;
}

std::size_t EventLoopImpl::run_once(Deadline deadline, bool* stopped) {
    check_process();
    const Runner runner(*this);
    for (bool time_left = true;;) {
        {
            const std::lock_guard lock(mutex_);
            wake_->clear();
            collect_jobs();
            collect_timers();
            reported_ = reported_ && due_.empty();
        }
        if (const std::size_t count = run_due(); count != 0) {
            return count;
        }
        {
            const std::lock_guard lock(mutex_);
            if (std::exchange(stopped_, false)) {
                if (stopped != nullptr) {
                    *stopped = true;
                }
                return 0;
            }
        }
        if (!time_left) {
            return 0;
        }
        time_left = sleep(deadline);
    }
}

void EventLoopImpl::run() {
    for (bool stopped = false; !stopped;) {
        run_once(no_deadline, &stopped);
        const std::lock_guard lock(mutex_);
        stopped = std::exchange(stopped_, false) || stopped;
    }
}

void EventLoopImpl::stop() {
    check_process();
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    wake_->signal();
}

bool EventLoopImpl::sleep(Deadline deadline) {
    std::vector<pollfd> fds{{.fd = wake_->fd(), .events = POLLIN, .revents = 0},
                            {.fd = timer_.get(), .events = POLLIN, .revents = 0}};
    const std::size_t own = fds.size();
    std::shared_ptr<CompletionState> any;  // keeps its device, and so the kernel
    bool naps = false;
    {
        const std::lock_guard lock(mutex_);
        // The poll() before this one reported a device, and still no callback is due: another
        // waiter has not noticed its job. poll() would report the device again at once.
        naps = std::exchange(reported_, false);
        if (!naps) {
            for (const auto& [fd, count] : devices_) {
                fds.push_back({.fd = fd, .events = POLLIN, .revents = 0});
            }
        }
        for (const auto& [completion, watch] : watches_) {
            any = completion;
            naps = naps || watch.silent;
        }
    }
    const Deadline start = now();
    const Deadline until =
        naps ? std::min(deadline, start + std::chrono::nanoseconds(nap).count()) : deadline;
    int timeout = -1;
    if (until != no_deadline) {
        constexpr std::int64_t longest = 3'600'000;
        const std::int64_t left = std::max<std::int64_t>(until - start, 0);
        // Rounded up: a poll of 0 ms for the last part of a millisecond would not sleep.
        timeout = static_cast<int>(std::min((left + 999'999) / 1'000'000, longest));
    }
    if (any) {
        static_cast<void>(any->device().kernel().poll(fds, timeout));
    } else {
        static_cast<void>(::poll(fds.data(), fds.size(), timeout));
    }
    const std::lock_guard lock(mutex_);
    for (std::size_t i = own; i < fds.size(); ++i) {
        if (fds[i].revents == 0) {
            continue;
        }
        reported_ = true;
        for (auto& [completion, watch] : watches_) {
            watch.look = watch.look || completion->device().fd() == fds[i].fd;
        }
    }
    return deadline == no_deadline || now() < deadline;
}

void EventLoopImpl::close() noexcept {
    std::unique_lock lock(mutex_);
    closed_ = stopped_ = true;
    const JobResult canceled = Error(std::errc::operation_canceled,
                                     "the event loop ended before the job: keep the loop until its "
                                     "callbacks have run");
    for (auto& [completion, watch] : watches_) {
        while (!watch.entries.empty()) {
            end_entry(watch.entries, watch.entries.begin(), canceled);
        }
        end_watch(completion, watch);
    }
    watches_.clear();
    for (auto& [ticket, entries] : tickets_) {
        end_entry(entries, entries.begin(), canceled);
    }
    tickets_.clear();
    // Destroyed without the lock: their destructors may call this loop.
    const Timers timers = std::exchange(timers_, {});
    std::deque<Due> due = std::exchange(due_, {});
    lock.unlock();
    for (Due& each : due) {
        if (each.callback) {
            each.callback(each.result);
        }
    }
}

std::size_t EventLoopImpl::pending() {
    check_process();
    const std::lock_guard lock(mutex_);
    std::size_t count = due_.size() + tickets_.size();
    for (const auto& [completion, watch] : watches_) {
        count += watch.entries.size();
    }
    for (const auto& [deadline, timer] : timers_) {
        count += timer.function ? 1 : 0;
    }
    return count;
}

void EventLoopImpl::watch_device(int fd) {
    if (devices_[fd]++ == 0 && epoll_.get() >= 0) {
        epoll_event event{.events = EPOLLIN, .data = {.fd = fd}};
        static_cast<void>(::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event));
    }
}

void EventLoopImpl::unwatch_device(int fd) noexcept {
    if (--devices_[fd] == 0) {
        devices_.erase(fd);
        if (epoll_.get() >= 0) {
            static_cast<void>(::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr));
        }
    }
}

int EventLoopImpl::fd() {
    check_process();
    const std::lock_guard lock(mutex_);
    check_usable();
    if (epoll_.get() < 0) {
        epoll_ = FileDescriptor(::epoll_create1(EPOLL_CLOEXEC));
        if (epoll_.get() < 0) {
            throw_errno(errno, "cannot create the epoll instance of an event loop");
        }
        std::vector<int> all{wake_->fd(), timer_.get()};
        for (const auto& [fd, count] : devices_) {
            all.push_back(fd);
        }
        for (const int fd : all) {
            epoll_event event{.events = EPOLLIN, .data = {.fd = fd}};
            static_cast<void>(::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event));
        }
    }
    return epoll_.get();
}

}  // namespace accel::detail
