// SPDX-License-Identifier: Apache-2.0
//
// Every kind of wait ends with every kind of failure, and its owner learns the reason. The tests
// print a table of failures and endings.
#include <gtest/gtest.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "commands.hpp"
#include "health.hpp"
#include "io_uring.hpp"
#include "polling.hpp"

namespace {

/// How each kind of wait ended: an errno or 0, events of poll(), signals of an eventfd.
struct Endings {
    int without_deadline = -1;
    int with_deadline = -1;
    int poll = -1;
    std::uint64_t signals = 0;
    int uring = -1;
};

/// The command after the gate.
enum class Job : std::uint8_t { bad, endless, good };

/// A queue behind a gate, and waits of each kind for the command after the gate.
class Waiters {
  public:
    explicit Waiters(Job job) {
        struct sigaction action {};
        action.sa_handler = [](int) {};  // it only interrupts the call
        uapi::require(::sigaction(SIGUSR1, &action, nullptr) == 0 ? 0 : errno, "sigaction");
        queue_.submit(uapi::wait_for(gate_.address(), 1));
        sequence_ = queue_.submit(command(job));
        start();
    }

    [[nodiscard]] const uapi::File& file() const { return file_; }
    [[nodiscard]] uapi::Queue& queue() { return queue_; }
    [[nodiscard]] std::uint64_t sequence() const { return sequence_; }
    void open_gate() const { gate_.set(1); }

    /// Waits for the end of all waits. A wait that does not end is interrupted: its result is
    /// EINTR, or no event.
    [[nodiscard]] Endings finish() {
        static_cast<void>(accel::test::eventually([&] { return ended_ == threads_.size(); }));
        while (ended_ != threads_.size()) {
            for (std::jthread& thread : threads_) {
                ::pthread_kill(thread.native_handle(), SIGUSR1);
            }
            ::usleep(10000);
        }
        threads_.clear();
        endings_.uring = -ring_.results(1).at(sequence_);
        pollfd item{.fd = event_.get(), .events = POLLIN, .revents = 0};
        if (::poll(&item, 1, 1000) == 1) {
            uapi::require(::read(event_.get(), &endings_.signals, sizeof(std::uint64_t)) ==
                                  ssize_t{sizeof(std::uint64_t)}
                              ? 0
                              : errno,
                          "an eventfd that is ready cannot be read");
        }
        return endings_;
    }
    /// More signals of the eventfd, which there must never be.
    [[nodiscard]] bool signaled_again() const {
        pollfd item{.fd = event_.get(), .events = POLLIN, .revents = 0};
        return ::poll(&item, 1, 50) == 1;
    }

  private:
    [[nodiscard]] accel_command command(Job job) const {
        switch (job) {
            case Job::endless:
                return long_.command();
            case Job::good:
                return uapi::fill(gate_.address(), 1, uapi::page);
            default:
                return uapi::fill(16, 1, 4);  // there is no memory
        }
    }
    void start() {
        accel_queue_eventfd eventfd{};
        eventfd.handle = queue_.handle();
        eventfd.fd = event_.get();
        uapi::require(file_.call(ACCEL_IOCTL_QUEUE_EVENTFD, eventfd), "QUEUE_EVENTFD");
        uapi::require(queue_.notify(sequence_), "QUEUE_NOTIFY");
        ring_.wait_for(file_, queue_.handle(), sequence_);
        uapi::check(ring_.idle(), "a wait in io_uring ended too early");
        add([&] { endings_.without_deadline = queue_.wait_until(sequence_, INT64_MAX); });
        add([&] { endings_.with_deadline = queue_.wait_until(sequence_, far()); });
        add([&] { endings_.poll = file_.poll(2 * uapi::time_limit); });
        uapi::await("the waiters",
                    [&] { return begun_ == threads_.size() && queue_.status().arm == sequence_; });
        // Now each thread is in its call, or about to enter it, which must not matter.
        ::usleep(10000);
    }
    template <typename Wait>
    void add(Wait wait) {
        threads_.emplace_back([this, wait] {
            ++begun_;
            wait();
            ++ended_;
        });
    }
    static std::int64_t far() { return uapi::deadline_in(2 * uapi::time_limit); }

    uapi::File file_;
    uapi::Semaphore gate_{file_};
    uapi::LongJob long_{file_};
    uapi::Queue queue_{file_};
    uapi::Descriptor event_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    uapi::IoUring ring_{4};
    std::uint64_t sequence_ = 0;
    Endings endings_;
    std::atomic<std::size_t> begun_ = 0;
    std::atomic<std::size_t> ended_ = 0;
    std::vector<std::jthread> threads_;
};

class EveryWaiter;

/// A failure, and what its victims must learn.
struct Failure {
    const char* name;
    Job job;
    void (EveryWaiter::*cause)(Waiters& waiters);
    int error;            ///< of the waits
    accel_reason reason;  ///< of QUEUE_QUERY if the queue fails, of CONTEXT_QUERY if the card does
    int later = 0;        ///< errno of later calls of the file; 0: only the queue fails
    bool too_often = false;  ///< the driver has reset the card three times already
};

void PrintTo(const Failure& failure, std::ostream* out) {
    *out << failure.name;
}

class EveryWaiter : public uapi::Health, public testing::WithParamInterface<Failure> {
  public:
    // ---- Failures of a queue

    void run(Waiters& waiters) { waiters.open_gate(); }
    void run_without_event(Waiters& waiters) {
        plant("events");
        waiters.open_gate();
    }
    void run_with_two_events(Waiters& waiters) {
        plant("duplicates");
        waiters.open_gate();
    }
    void hang(Waiters& waiters) {
        plant("progress");
        waiters.open_gate();
    }
    void stop(Waiters& waiters) {
        const std::uint64_t id =
            (waiters.queue().created().doorbell - (1ULL << 30)) / ACCEL_DOORBELL_STRIDE;
        set_attribute("stop_queue", std::to_string(id));
    }

    // ---- Failures of the card

    void reset(Waiters& /*waiters*/) { card().reset(); }
    void remove(Waiters& /*waiters*/) { card().unbind(); }
    void suspend(Waiters& /*waiters*/) {
        uapi::require(uapi::write_file("/sys/power/pm_test", "devices"), "pm_test");
        uapi::require(uapi::write_file("/sys/module/suspend/parameters/pm_test_delay", "0"),
                      "pm_test_delay");
        uapi::require(uapi::write_file("/sys/power/state", "freeze"), "suspend");
        uapi::require(uapi::write_file("/sys/power/pm_test", "none"), "pm_test");
    }
    void hang_engines(Waiters& /*waiters*/) { hang_engines_now(); }
    void hang_reset(Waiters& /*waiters*/) {
        plant("reset");
        card().reset();
    }
    // The watchdog notices these two.
    void hang_admin(Waiters& /*waiters*/) { plant("admin"); }
    void lose_link(Waiters& /*waiters*/) { plant("dead"); }

  protected:
    void hang_engines_now() const {
        const uapi::File other;
        uapi::Queue queue(other);
        queue.run(uapi::nop());
        plant("engines");
        EXPECT_NE(queue.wait_until(queue.submit(uapi::nop()), INT64_MAX), 0);
    }
    void SetUp() override {
        Health::SetUp();
        if (IsSkipped()) {
            return;
        }
        if ((uapi::File().info().features & ACCEL_FEATURE_SHARING) == 0) {
            GTEST_SKIP() << "this card does not report the progress of queues";
        }
        set_attribute("time_limit_ms", "400");
    }
    static void SetUpTestSuite() {
        std::printf("%-32s %-16s %-16s %-9s %-8s %-16s %-16s %s\n", "failure", "ioctl",
                    "ioctl, deadline", "poll", "eventfd", "io_uring", "later calls", "reason");
    }
    void print(const Endings& endings, accel_reason reason) const {
        std::string poll = (endings.poll & POLLHUP) != 0 ? "HUP " : "";
        poll += (endings.poll & POLLERR) != 0 ? "ERR" : "";
        std::printf("%-32s %-16s %-16s %-9s %-8llu %-16s %-16s %u\n", GetParam().name,
                    name(endings.without_deadline), name(endings.with_deadline), poll.c_str(),
                    static_cast<unsigned long long>(endings.signals), name(endings.uring),
                    name(GetParam().later), static_cast<unsigned int>(reason));
    }
    static const char* name(int error) { return error == 0 ? "0" : ::strerrorname_np(error); }

    /// The queue tells the reason, its file works, and the queue does too after a reset.
    static accel_reason expect_failed_queue(Waiters& waiters) {
        const accel_queue_query query = waiters.queue().query();
        EXPECT_EQ(query.state, std::uint32_t{ACCEL_QUEUE_ERROR});
        EXPECT_EQ(uapi::context_of(waiters.file()).reason, std::uint32_t{ACCEL_REASON_NONE});
        EXPECT_EQ(waiters.queue().wait(waiters.sequence()), GetParam().error);
        return static_cast<accel_reason>(query.reason);
    }
    /// Every later call of the file tells that it ended, and CONTEXT_QUERY why.
    accel_reason expect_ended_file(Waiters& waiters) const {
        const int later = GetParam().later;
        uapi::await("the end of the file", [&] {
            return uapi::context_of(waiters.file()).error == static_cast<std::uint32_t>(later);
        });
        accel_queue_query query{};
        query.handle = waiters.queue().handle();
        EXPECT_EQ(waiters.file().call(ACCEL_IOCTL_QUEUE_QUERY, query), later);
        EXPECT_EQ(waiters.queue().wait(waiters.sequence()), later);
        EXPECT_EQ(waiters.queue().notify(waiters.sequence()), later);
        return static_cast<accel_reason>(uapi::context_of(waiters.file()).reason);
    }
};

TEST_P(EveryWaiter, EndsAndLearnsTheReason) {
    const Failure& failure = GetParam();
    for (int i = 0; failure.too_often && i < 3; ++i) {
        hang_engines_now();
        uapi::await("the recovery", [&] { return state() == "running"; });
    }
    Waiters waiters(failure.job);
    (this->*failure.cause)(waiters);
    const Endings endings = waiters.finish();
    const accel_reason reason =
        failure.later == 0 ? expect_failed_queue(waiters) : expect_ended_file(waiters);
    print(endings, reason);
    EXPECT_EQ(reason, failure.reason);
    EXPECT_EQ(endings.without_deadline, failure.error);
    EXPECT_EQ(endings.with_deadline, failure.error);
    EXPECT_EQ(endings.uring, failure.error);
    EXPECT_EQ(endings.signals, 1U);
    EXPECT_FALSE(waiters.signaled_again());
    EXPECT_EQ(endings.poll, failure.later == 0 ? POLLERR : POLLERR | POLLHUP);
    if (failure.later == 0) {
        plant("none");
        ASSERT_EQ(waiters.queue().reset(), 0);
        EXPECT_EQ(waiters.queue().query().reason, std::uint32_t{ACCEL_REASON_NONE});
        waiters.queue().run(uapi::nop());
    }
}

INSTANTIATE_TEST_SUITE_P(
    Health, EveryWaiter,
    testing::Values(
        Failure{"QueueError", Job::bad, &EveryWaiter::run, EIO, ACCEL_REASON_ERROR},
        Failure{"QueueErrorWithoutEvent", Job::bad, &EveryWaiter::run_without_event, EIO,
                ACCEL_REASON_ERROR},
        Failure{"QueueErrorWithTwoEvents", Job::bad, &EveryWaiter::run_with_two_events, EIO,
                ACCEL_REASON_ERROR},
        Failure{"TimeLimit", Job::endless, &EveryWaiter::run, ETIME, ACCEL_REASON_TIME_LIMIT},
        Failure{"TimeLimitWithoutEvent", Job::endless, &EveryWaiter::run_without_event, ETIME,
                ACCEL_REASON_TIME_LIMIT},
        Failure{"NoProgress", Job::good, &EveryWaiter::hang, ETIME, ACCEL_REASON_NO_PROGRESS},
        Failure{"StoppedByAdministrator", Job::good, &EveryWaiter::stop, EIO, ACCEL_REASON_STOPPED},
        Failure{"ResetByAdministrator", Job::good, &EveryWaiter::reset, ESTALE, ACCEL_REASON_RESET,
                ESTALE},
        Failure{"EnginesHang", Job::good, &EveryWaiter::hang_engines, ESTALE, ACCEL_REASON_RECOVERY,
                ESTALE},
        Failure{"AdminQueueHangs", Job::good, &EveryWaiter::hang_admin, ESTALE,
                ACCEL_REASON_RECOVERY, ESTALE},
        // The waits end before the reset, which then does not end.
        Failure{"ResetDoesNotEnd", Job::good, &EveryWaiter::hang_reset, ESTALE, ACCEL_REASON_WEDGED,
                ENOTRECOVERABLE},
        Failure{"LinkIsLost", Job::good, &EveryWaiter::lose_link, ESTALE, ACCEL_REASON_WEDGED,
                ENOTRECOVERABLE},
        Failure{"EnginesHangTooOften", Job::good, &EveryWaiter::hang_engines, ENOTRECOVERABLE,
                ACCEL_REASON_WEDGED, ENOTRECOVERABLE, true},
        Failure{"Removal", Job::good, &EveryWaiter::remove, ENODEV, ACCEL_REASON_REMOVED, ENODEV},
        Failure{"Suspend", Job::good, &EveryWaiter::suspend, ESTALE, ACCEL_REASON_SUSPEND, ESTALE}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
