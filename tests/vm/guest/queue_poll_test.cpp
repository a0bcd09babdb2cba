// SPDX-License-Identifier: Apache-2.0
//
// NOTIFY and poll(): the reported events, their time and their duration.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/epoll.h>

#include <atomic>
#include <cerrno>
#include <thread>

#include "commands.hpp"
#include "sanity.hpp"

namespace {

class Poll : public testing::Test {
  protected:
    /// The events that poll() reports at once.
    [[nodiscard]] int poll() const { return file_.poll(std::chrono::milliseconds(0)); }
    /// The events that poll() reports when it may sleep.
    [[nodiscard]] int sleep() const { return file_.poll(); }

    std::uint64_t submit_gated(std::uint64_t value = 1) {
        return queue_.submit(uapi::wait_for(gate_.address(), value));
    }

    uapi::File file_;
    uapi::Queue queue_{file_};
    uapi::Semaphore gate_{file_};
};

TEST_F(Poll, ReportsNothingWithoutANotification) {
    queue_.run(uapi::nop());
    EXPECT_EQ(poll(), 0);
    EXPECT_EQ(queue_.run_to_error(uapi::fill(16, 1, 4)).error,
              static_cast<std::uint32_t>(ACCEL_FAULT_UNMAPPED));
    EXPECT_EQ(poll(), 0);
}

TEST_F(Poll, ReportsACompleteCommandUntilTheNextNotification) {
    const std::uint64_t sequence = submit_gated();
    ASSERT_EQ(queue_.notify(sequence), 0);
    EXPECT_EQ(file_.poll(std::chrono::milliseconds(5)), 0);
    gate_.set(1);
    EXPECT_EQ(sleep(), POLLIN);
    EXPECT_EQ(poll(), POLLIN);
    ASSERT_EQ(queue_.notify(sequence + 1), 0);
    EXPECT_EQ(poll(), 0);
    queue_.run(uapi::nop());
    EXPECT_EQ(poll(), POLLIN);
    ASSERT_EQ(queue_.notify(0), 0);
    EXPECT_EQ(poll(), 0);
    // A command that completed long ago is due at once.
    ASSERT_EQ(queue_.notify(1), 0);
    EXPECT_EQ(poll(), POLLIN);
}

TEST_F(Poll, IsWokenByTheCard) {
    for (std::uint64_t round = 1; round <= 20; ++round) {
        const std::uint64_t sequence = submit_gated(round);
        ASSERT_EQ(queue_.notify(sequence), 0);
        std::jthread opener([&] {
            uapi::await("arming", [&] { return queue_.status().arm == sequence; });
            gate_.set(round);
        });
        EXPECT_EQ(sleep(), POLLIN);
        opener.join();
    }
}

TEST_F(Poll, IsWokenByANotificationForACompleteCommand) {
    queue_.run(uapi::nop());
    std::atomic<bool> polling = false;
    std::jthread notifier([&] {
        uapi::await("polling", [&] { return polling.load(); });
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
        EXPECT_EQ(queue_.notify(1), 0);
    });
    polling = true;
    EXPECT_EQ(sleep(), POLLIN);
    notifier.join();
}

TEST_F(Poll, ReportsTheErrorOfAQueueThatHasANotification) {
    ASSERT_EQ(queue_.notify(1), 0);
    queue_.submit(uapi::fill(16, 1, 4));
    EXPECT_EQ(sleep(), POLLERR);
    EXPECT_EQ(poll(), POLLERR);
    ASSERT_EQ(queue_.reset(), 0);
    EXPECT_EQ(poll(), 0);
    queue_.run(uapi::nop());
    // The reset has ended the notification.
    EXPECT_EQ(poll(), 0);
}

TEST_F(Poll, ReportsBothACommandAndAnErrorOfTwoQueues) {
    uapi::Queue other(file_);
    queue_.run(uapi::nop());
    ASSERT_EQ(queue_.notify(1), 0);
    ASSERT_EQ(other.notify(1), 0);
    EXPECT_EQ(other.run_to_error(uapi::fill(16, 1, 4)).error_sequence, 1U);
    EXPECT_EQ(poll(), POLLIN | POLLERR);
    EXPECT_EQ(other.destroy(), 0);
    EXPECT_EQ(poll(), POLLIN);
}

TEST_F(Poll, OfAFileReportsNothingOfAnother) {
    const uapi::File other;
    uapi::Queue busy(other);
    ASSERT_EQ(busy.notify(1), 0);
    busy.run(uapi::nop());
    EXPECT_EQ(poll(), 0);
}

TEST_F(Poll, ThroughEpollIsLevelTriggered) {
    const uapi::Descriptor epoll(::epoll_create1(EPOLL_CLOEXEC));
    epoll_event event{.events = EPOLLIN, .data = {.u64 = 42}};
    ASSERT_EQ(::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, file_.fd(), &event), 0);
    const auto wait = [&](std::chrono::milliseconds time) {
        const std::int64_t deadline = uapi::deadline_in(time);
        epoll_event ready{};
        const int count = ::epoll_wait(epoll.get(), &ready, 1, static_cast<int>(time.count()));
        const bool late = time.count() > 0 && uapi::deadline_in({}) >= deadline;
        return count == 1 && !late ? ready.events : 0U;
    };
    constexpr std::chrono::milliseconds now{0};
    for (std::uint64_t round = 1; round <= 5; ++round) {
        ASSERT_EQ(queue_.notify(submit_gated(round)), 0);
        EXPECT_EQ(wait(now), 0U);
        gate_.set(round);
        EXPECT_EQ(wait(uapi::time_limit), static_cast<std::uint32_t>(EPOLLIN));
        EXPECT_EQ(wait(now), static_cast<std::uint32_t>(EPOLLIN));
    }
}

TEST_F(Poll, SleepsBesideWaits) {
    const std::uint64_t early = submit_gated(1);
    const std::uint64_t late = submit_gated(2);
    // Both kinds of sleepers share the arm word; the lower target comes first.
    ASSERT_EQ(queue_.notify(late), 0);
    std::atomic<int> polled = 0;
    std::atomic<int> waited = -1;
    std::jthread poller([&] { polled = sleep(); });
    std::jthread waiter([&] { waited = queue_.wait(early); });
    uapi::await("arming", [&] { return queue_.status().arm == early; });
    gate_.set(1);
    waiter.join();
    EXPECT_EQ(waited, 0);
    EXPECT_EQ(polled, 0);
    gate_.set(2);
    poller.join();
    EXPECT_EQ(polled, POLLIN);
}

}  // namespace
