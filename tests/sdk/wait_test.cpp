// SPDX-License-Identifier: Apache-2.0
//
// Waiting: polling and sleeping, time-outs, the first of several jobs, and poll() in the user's
// event loop.
#include <poll.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <thread>

#include "fixture.hpp"

namespace accel::test {
namespace {

using namespace std::chrono_literals;

class WaitTest : public SdkTest {
  protected:
    WaitTest() : SdkTest({{.serial = 1}, {.serial = 2}}) {}

    [[nodiscard]] std::uint64_t sleeps() { return driver->calls(ACCEL_IOCTL_QUEUE_WAIT); }
    [[nodiscard]] short poll(const Device& card, std::chrono::milliseconds timeout = 0ms) {
        pollfd entry{.fd = card.fd(), .events = POLLIN, .revents = 0};
        static_cast<void>(driver->poll({&entry, 1}, static_cast<int>(timeout.count())));
        return entry.revents;
    }
};

TEST_F(WaitTest, NeverSleepOnlyPolls) {
    const Device card = open();
    Queue queue = card.create_queue({.spin = never_sleep});
    EXPECT_EQ(queue.spin(), never_sleep);
    Gate gate(card);
    const Job job = queue.submit(gate.closed());
    std::jthread opener([&] {
        std::this_thread::sleep_for(5ms);
        gate.open();
    });
    job.wait();
    EXPECT_EQ(sleeps(), 0U);
    EXPECT_EQ(queue.stats().interrupts, 0U);
}

TEST_F(WaitTest, WithoutSpinAWaitSleepsOnceAndOneInterruptWakesIt) {
    const Device card = open();
    Queue queue = card.create_queue({.spin = 0ns});
    Gate gate(card);
    const Job job = queue.submit(gate.closed());
    driver->before(ACCEL_IOCTL_QUEUE_WAIT, [&] { gate.open(); });
    job.wait();
    driver->before(ACCEL_IOCTL_QUEUE_WAIT, nullptr);
    EXPECT_EQ(sleeps(), 1U);
    EXPECT_LE(queue.stats().interrupts, 1U);
}

TEST_F(WaitTest, ATimeoutBeyondNanosecondsIsForEver) {
    const Device card = open();
    Queue queue = card.create_queue({.spin = 0ns});
    Queue other = card.create_queue({.spin = 0ns});
    const std::function<bool(const Job&)> waits[] = {
        [](const Job& job) {
            return job.wait(std::chrono::nanoseconds::max()) == WaitResult::done;
        },
        [](const Job& job) {
            return job.wait(std::chrono::milliseconds::max()) == WaitResult::done;
        },
        [](const Job& job) { return job.wait(std::chrono::hours::max()) == WaitResult::done; },
        [](const Job& job) {
            return job.wait(std::chrono::hours(24 * 365 * 300)) == WaitResult::done;
        },
        [](const Job& job) {
            return job.wait(std::chrono::duration<double>(1e300)) == WaitResult::done;
        },
        [](const Job& job) {
            return wait_any({&job, 1}, std::chrono::seconds::max()).has_value();
        },
    };
    for (const auto& wait : waits) {
        Gate gate(card);
        const Job job = queue.submit(gate.closed());
        std::jthread opener([&] {
            std::this_thread::sleep_for(5ms);
            gate.open();
        });
        EXPECT_TRUE(wait(job));
    }
    queue.set_spin(std::chrono::seconds::max());
    EXPECT_EQ(queue.spin(), never_sleep);
    EXPECT_EQ(card.create_queue({.spin = std::chrono::hours::max()}).spin(), never_sleep);
    EXPECT_EQ(
        error_of([&] {
            static_cast<void>(other.uring_wait(other.submit(Nop{}), std::chrono::hours::max()));
        }).errc(),
        std::errc::invalid_argument);
}

TEST(Duration, ConvertsExactlyAndSaturates) {
    using std::chrono::duration;
    using std::chrono::nanoseconds;
    EXPECT_EQ(Duration(3ms).nanoseconds(), 3'000'000ns);
    EXPECT_EQ(Duration(-7s).nanoseconds(), -7'000'000'000ns);
    EXPECT_EQ(Duration(9'223'372'036s).nanoseconds(), 9'223'372'036'000'000'000ns);
    EXPECT_EQ(Duration(9'223'372'037s), Duration::forever());
    EXPECT_EQ(Duration(std::chrono::hours::min()).nanoseconds(), nanoseconds::min());
    EXPECT_EQ(Duration(duration<std::uint64_t, std::nano>(UINT64_MAX)), Duration::forever());
    EXPECT_EQ(Duration(duration<std::int64_t, std::pico>(2'999)).nanoseconds(), 2ns);
    EXPECT_EQ(Duration(duration<double>(0.25)).nanoseconds(), 250ms);
    EXPECT_EQ(Duration(duration<float>(9'223'372'000.0F * 1.0001F)), Duration::forever());
    EXPECT_EQ(Duration(duration<double>(-1e300)).nanoseconds(), nanoseconds::min());
    EXPECT_EQ(Duration(duration<double>(std::nan(""))).nanoseconds(), 0ns);
    static_assert(Duration(std::chrono::hours::max()) == Duration::forever());
}

TEST_F(WaitTest, TheSpinTimeCanBeChanged) {
    const Device card = open();
    Queue queue = card.create_queue();
    EXPECT_EQ(queue.spin(), default_spin);
    queue.set_spin(1ms);
    EXPECT_EQ(queue.spin(), 1ms);
}

TEST_F(WaitTest, AFinishedJobIsSeenWithoutTheKernel) {
    const Device card = open();
    Queue queue = card.create_queue({.spin = 0ns});
    const Job job = queue.submit(Nop{});
    while (!job.done()) {
    }
    job.wait();
    EXPECT_EQ(job.wait(0ns), WaitResult::done);
    EXPECT_EQ(sleeps(), 0U);
}

TEST_F(WaitTest, ATimeOutIsAValueAndTheJobContinues) {
    const Device card = open();
    for (const auto spin : {std::chrono::nanoseconds(0), default_spin, never_sleep}) {
        Queue queue = card.create_queue({.spin = spin});
        Gate gate(card);
        const Job job = queue.submit(gate.closed());
        const auto start = std::chrono::steady_clock::now();
        EXPECT_EQ(job.wait(3ms), WaitResult::timed_out);
        EXPECT_GE(std::chrono::steady_clock::now() - start, 3ms) << "not earlier";
        EXPECT_EQ(job.wait(0ns), WaitResult::timed_out);
        EXPECT_EQ(job.wait(-5ms), WaitResult::timed_out);
        EXPECT_FALSE(job.done());
        gate.open();
        EXPECT_EQ(job.wait(std::chrono::nanoseconds::max()), WaitResult::done);
    }
}

TEST_F(WaitTest, ATimeOutBeyondTheClockNeverPasses) {
    const Device card = open();
    Queue queue = card.create_queue();
    EXPECT_EQ(queue.submit(Nop{}).wait(std::chrono::nanoseconds::max() - 1ns), WaitResult::done);
}

TEST_F(WaitTest, SynchronizeWaitsForAllJobs) {
    const Device card = open();
    Queue queue = card.create_queue();
    queue.synchronize();  // without a job
    auto buffer = card.allocate<int>({1});
    for (int i = 1; i <= 20; ++i) {
        queue.submit(fill(buffer, i));
    }
    queue.synchronize();
    EXPECT_EQ(buffer[0], 20);
}

TEST_F(WaitTest, WaitAnyOfNoJobsReturnsNothing) {
    EXPECT_FALSE(wait_any({}).has_value());
}

TEST_F(WaitTest, WaitAnyFindsAFinishedJob) {
    const Device card = open();
    Queue first = card.create_queue({.spin = 0ns});
    Queue second = card.create_queue({.spin = 0ns});
    Gate gate(card);
    const Job blocked = first.submit(gate.closed());
    const Job quick = second.submit(Nop{});
    const std::vector<Job> jobs = {blocked, quick};
    EXPECT_EQ(wait_any(jobs), 1U);
    EXPECT_EQ(wait_any(std::vector<Job>{blocked, Job()}), 1U) << "an empty Job is over";
    gate.open();
    blocked.wait();
    EXPECT_EQ(wait_any(jobs), 0U);
}

TEST_F(WaitTest, WaitAnyOfOneQueueSleepsForTheFirst) {
    const Device card = open();
    Queue queue = card.create_queue({.spin = 0ns});
    Gate gate(card);
    const Job first = queue.submit(gate.closed());
    const Job second = queue.submit(Nop{});
    EXPECT_FALSE(wait_any(std::vector<Job>{second, first}, 2ms).has_value());
    driver->before(ACCEL_IOCTL_QUEUE_WAIT, [&] { gate.open(); });
    EXPECT_EQ(wait_any(std::vector<Job>{second, first}), 1U);
    driver->before(ACCEL_IOCTL_QUEUE_WAIT, nullptr);
    queue.synchronize();
}

// Jobs of two queues, of two devices, and of a driver without notifications.
class WaitAnyTest : public WaitTest, public ::testing::WithParamInterface<const char*> {};

TEST_P(WaitAnyTest, SleepsUntilOneIsOver) {
    const std::string what = GetParam();
    if (what == "without_notifications") {
        driver->set_capabilities(ACCEL_CAP_REGISTER | ACCEL_CAP_HOST_MEMORY);
        for (int i = 0; i < 100; ++i) {
            driver->fail(ACCEL_IOCTL_QUEUE_NOTIFY, EOPNOTSUPP);
        }
    }
    const Device card = open("/dev/accel0");
    const Device other = open(what == "two_devices" ? "/dev/accel1" : "/dev/accel0");
    Queue first = card.create_queue({.spin = 0ns});
    Queue second = other.create_queue({.spin = 0ns});
    Gate never(card);
    Gate gate(other);
    const std::vector<Job> jobs = {first.submit(never.closed()), second.submit(gate.closed())};
    EXPECT_FALSE(wait_any(jobs, 5ms).has_value());
    EXPECT_FALSE(wait_any(jobs, 0ns).has_value());
    std::jthread opener([&] {
        std::this_thread::sleep_for(5ms);
        gate.open();
    });
    EXPECT_EQ(wait_any(jobs), 1U);
    jobs[1].wait();
    EXPECT_FALSE(jobs[0].done());
    never.open();
    first.synchronize();
}

TEST_P(WaitAnyTest, AFailedJobIsOverAndItsWaitThrows) {
    const std::string what = GetParam();
    const Device card = open("/dev/accel0");
    const Device other = open(what == "two_devices" ? "/dev/accel1" : "/dev/accel0");
    Queue first = card.create_queue({.spin = 0ns});
    Queue second = other.create_queue({.spin = 0ns});
    Gate never(card);
    const std::vector<Job> jobs = {first.submit(never.closed()),
                                   second.submit(Fill{.dst = nowhere, .bytes = 4})};
    EXPECT_EQ(wait_any(jobs), 1U);
    EXPECT_EQ(error_of([&] { jobs[1].wait(); }).status(), CardStatus::fault_unmapped);
}

INSTANTIATE_TEST_SUITE_P(Of, WaitAnyTest,
                         ::testing::Values("two_queues", "two_devices", "without_notifications"),
                         [](const auto& info) { return std::string(info.param); });

TEST_F(WaitTest, WaitAnyNoticesACardThatIsGone) {
    const Device card = open("/dev/accel0");
    const Device other = open("/dev/accel1");
    Queue first = card.create_queue({.spin = 0ns});
    Queue second = other.create_queue({.spin = 0ns});
    Gate never(card);
    Gate gone(other);
    const std::vector<Job> jobs = {first.submit(never.closed()), second.submit(gone.closed())};
    driver->remove_card(1);
    EXPECT_EQ(wait_any(jobs), 1U);
    EXPECT_EQ(error_of([&] { jobs[1].wait(); }).errc(), std::errc::no_such_device);
}

TEST_F(WaitTest, WaitAnyRemovesItsNotifications) {
    const Device card = open();
    Queue first = card.create_queue({.spin = 0ns});
    Queue second = card.create_queue({.spin = 0ns});
    Gate gate(card);
    const std::vector<Job> jobs = {first.submit(gate.closed()), second.submit(gate.closed())};
    EXPECT_FALSE(wait_any(jobs, 1ms).has_value());
    gate.open();
    first.synchronize();
    second.synchronize();
    EXPECT_EQ(poll(card), 0) << "no waiter is left";
}

TEST_F(WaitTest, NotifyMakesPollReport) {
    const Device card = open();
    Queue queue = card.create_queue();
    Gate gate(card);
    const Job job = queue.submit(gate.closed());
    const Job behind = queue.submit(Nop{});
    EXPECT_EQ(poll(card), 0) << "no notification was requested";
    queue.notify(job);
    EXPECT_EQ(poll(card), 0) << "not finished";
    gate.open();
    EXPECT_NE(poll(card, 60s) & POLLIN, 0);
    job.wait();
    queue.notify(behind);
    EXPECT_NE(poll(card, 60s) & POLLIN, 0);
    queue.notify(Job());
    EXPECT_EQ(poll(card), 0) << "the notification was removed";
}

TEST_F(WaitTest, NotifyAndWaitAnyDoNotDisturbEachOther) {
    const Device card = open();
    Queue queue = card.create_queue({.spin = 0ns});
    Queue other = card.create_queue({.spin = 0ns});
    Gate first(card);
    Gate second(card);
    Gate never(card);
    const Job early = queue.submit(first.closed());
    const Job late = queue.submit(second.closed());
    const Job blocked = other.submit(never.closed());
    queue.notify(late);
    EXPECT_FALSE(wait_any(std::vector<Job>{early, blocked}, 1ms).has_value());
    first.open();
    EXPECT_EQ(wait_any(std::vector<Job>{early, blocked}), 0U);
    EXPECT_EQ(poll(card), 0) << "the user waits for the later job";
    second.open();
    EXPECT_NE(poll(card, 60s) & POLLIN, 0);
    // Until the user handles the notification, a wait for another job still sleeps and wakes.
    EXPECT_FALSE(wait_any(std::vector<Job>{blocked, other.submit(Nop{})}, 5ms).has_value());
    never.open();
    queue.synchronize();
    other.synchronize();
}

TEST_F(WaitTest, NotifyReportsAFailureAndACardThatIsGone) {
    const Device card = open();
    Queue queue = card.create_queue();
    const Job job = queue.submit(Fill{.dst = nowhere, .bytes = 4});
    queue.notify(job);
    EXPECT_NE(poll(card, 60s) & POLLERR, 0);
    EXPECT_TRUE(job.done());
    driver->remove_card();
    EXPECT_NE(poll(card) & POLLHUP, 0);
}

TEST_F(WaitTest, NotifyAcceptsOnlyJobsOfThisQueueSinceItsReset) {
    const Device card = open();
    Queue queue = card.create_queue();
    Queue other = card.create_queue();
    const Job foreign = other.submit(Nop{});
    expect_says(error_of([&] { queue.notify(foreign); }), "not of this queue");
    const Job old = queue.submit(Nop{});
    queue.reset();
    expect_says(error_of([&] { queue.notify(old); }), "last reset");
}

TEST_F(WaitTest, UringWaitHasThePayloadOfTheDriver) {
    const Device card = open();
    Queue queue = card.create_queue();
    Queue other = card.create_queue();
    static_cast<void>(queue.submit(Nop{}));
    const Job job = queue.submit(Nop{});
    const UringWait wait = queue.uring_wait(job, 1500ms);
    accel_uring_wait named{};
    std::memcpy(&named, wait.payload.data(), sizeof named);
    EXPECT_EQ(wait.fd, card.fd());
    EXPECT_EQ(wait.cmd_op, std::uint32_t{ACCEL_URING_WAIT});
    EXPECT_EQ(named.sequence, 2U);
    EXPECT_EQ(named.timeout_ms, 1500U);
    expect_says(error_of([&] { static_cast<void>(other.uring_wait(job)); }), "not of this queue");
    expect_says(error_of([&] { static_cast<void>(queue.uring_wait(Job())); }), "not of this queue");
    expect_says(error_of([&] { static_cast<void>(queue.uring_wait(job, 61s)); }), "60 seconds");
    queue.reset();
    expect_says(error_of([&] { static_cast<void>(queue.uring_wait(job)); }), "last reset");
}

}  // namespace
}  // namespace accel::test
