// SPDX-License-Identifier: Apache-2.0
//
// The wait ioctl: deadlines, signals, many sleepers, and queues that are reset or destroyed.
#include <gtest/gtest.h>
#include <pthread.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <limits>
#include <memory>
#include <thread>
#include <vector>

#include "commands.hpp"
#include "sanity.hpp"

namespace {

/// A queue whose first command waits for a semaphore, the gate.
class Wait : public testing::Test {
  protected:
    std::uint64_t submit_gated(std::uint64_t value = 1) {
        return queue_.submit(uapi::wait_for(gate_.address(), value));
    }

    /// Waits until a thread sleeps for this sequence number.
    void await_sleeper(std::uint64_t sequence) const {
        uapi::await("arming", [&] { return queue_.status().arm == sequence; });
    }

    uapi::File file_;
    uapi::Queue queue_{file_};
    uapi::Semaphore gate_{file_};
};

TEST_F(Wait, WithADeadlineInThePastDoesNotSleep) {
    const std::uint64_t sequence = submit_gated();
    for (const std::int64_t past : {std::int64_t{0}, std::int64_t{1}, std::int64_t{-1},
                                    std::numeric_limits<std::int64_t>::min()}) {
        EXPECT_EQ(queue_.wait_until(sequence, past), ETIMEDOUT) << past;
        EXPECT_EQ(queue_.wait_until(0, past), 0) << past;
    }
    gate_.set(1);
    EXPECT_EQ(queue_.wait(sequence), 0);
    EXPECT_EQ(queue_.wait_until(sequence, 0), 0);
}

TEST_F(Wait, TimesOutAtItsDeadlineAndNotBefore) {
    const std::uint64_t sequence = submit_gated();
    const std::int64_t deadline = uapi::deadline_in(std::chrono::milliseconds(20));
    EXPECT_EQ(queue_.wait_until(sequence, deadline), ETIMEDOUT);
    EXPECT_GE(uapi::deadline_in({}), deadline);
    gate_.set(1);
    EXPECT_EQ(queue_.wait_until(sequence, std::numeric_limits<std::int64_t>::max()), 0);
}

TEST_F(Wait, ReportsTheNewestCompleteSequence) {
    for (int i = 0; i < 10; ++i) {
        queue_.run(uapi::nop());
    }
    accel_queue_wait wait{};
    wait.handle = queue_.handle();
    wait.sequence = 3;
    EXPECT_EQ(file_.call(ACCEL_IOCTL_QUEUE_WAIT, wait), 0);
    EXPECT_EQ(wait.completed, 10U);
}

TEST_F(Wait, ForACommandThatWasNeverSubmittedTimesOut) {
    queue_.run(uapi::nop());
    for (const std::uint64_t never : {std::uint64_t{2}, ~std::uint64_t{0}}) {
        EXPECT_EQ(queue_.wait_until(never, uapi::deadline_in(std::chrono::milliseconds(2))),
                  ETIMEDOUT);
    }
    EXPECT_EQ(queue_.wait(1), 0);
}

std::atomic<int> signals_taken = 0;

/// Counts SIGUSR1, with or without SA_RESTART.
class Handler {
  public:
    explicit Handler(int flags) {
        signals_taken = 0;
        struct sigaction action {};
        action.sa_handler = [](int) { ++signals_taken; };
        action.sa_flags = flags;
        ::sigaction(SIGUSR1, &action, &before_);
    }
    Handler(const Handler&) = delete;
    Handler& operator=(const Handler&) = delete;
    Handler(Handler&&) = delete;
    Handler& operator=(Handler&&) = delete;
    ~Handler() { ::sigaction(SIGUSR1, &before_, nullptr); }

  private:
    struct sigaction before_ {};
};

TEST_F(Wait, IsInterruptedByASignal) {
    const Handler handler(0);
    const std::uint64_t sequence = submit_gated();
    std::atomic<int> result = -1;
    std::jthread sleeper([&] { result = queue_.wait(sequence); });
    await_sleeper(sequence);
    ::pthread_kill(sleeper.native_handle(), SIGUSR1);
    sleeper.join();
    EXPECT_EQ(result, EINTR);
    EXPECT_EQ(signals_taken, 1);
    // Nothing else changed; the next call waits again.
    gate_.set(1);
    EXPECT_EQ(queue_.wait(sequence), 0);
}

TEST_F(Wait, IsRestartedAfterASignalWithSaRestart) {
    const Handler handler(SA_RESTART);
    const std::uint64_t sequence = submit_gated();
    std::atomic<int> result = -1;
    std::jthread sleeper([&] { result = queue_.wait(sequence); });
    for (int i = 1; i <= 5; ++i) {
        queue_.status().arm = 0;
        // The restarted call arms the queue again.
        ::pthread_kill(sleeper.native_handle(), SIGUSR1);
        uapi::await("the signal", [&] { return signals_taken == i; });
        await_sleeper(sequence);
    }
    EXPECT_EQ(result, -1);
    gate_.set(1);
    sleeper.join();
    EXPECT_EQ(result, 0);
}

// Sixteen sleepers wait for different commands, which complete one by one.
TEST_F(Wait, OfManyThreadsWakesAllOfThem) {
    constexpr std::uint64_t threads = 16;
    for (std::uint64_t round = 0; round < 10; ++round) {
        const std::uint64_t first = round * threads;
        for (std::uint64_t i = 1; i <= threads; ++i) {
            submit_gated(first + i);
        }
        std::atomic<std::uint64_t> awake = 0;
        std::atomic<int> failed = 0;
        std::vector<std::jthread> sleepers;
        for (std::uint64_t i = threads; i >= 1; --i) {
            sleepers.emplace_back([&, i] {
                const int error = queue_.wait(first + i);
                // A waiter is never woken before its command completes.
                failed += error != 0 || gate_.value() < first + i ? 1 : 0;
                ++awake;
            });
        }
        for (std::uint64_t i = 1; i <= threads; ++i) {
            gate_.set(first + i);
            if (round % 2 == 0) {
                // One after the other in some rounds, all at once in others.
                uapi::await("the sleeper to wake", [&] { return awake == i; });
            }
        }
        for (std::jthread& sleeper : sleepers) {
            sleeper.join();
        }
        EXPECT_EQ(failed, 0);
    }
}

// One thread sleeps for the second command. Another one waits for the first command, which
// completes at that moment: it does not sleep, and must not leave its target in the card's arm
// word.
TEST_F(Wait, ThatNeedsNoSleepDoesNotDisarmASleeper) {
    constexpr std::uint64_t rounds = 400;
    std::atomic<std::uint64_t> woken = 0;
    std::jthread sleeper([&] {
        while (woken < rounds && queue_.wait(2 * (woken + 1)) == 0) {
            ++woken;
        }
    });
    for (std::uint64_t round = 0; round < rounds; ++round) {
        const std::uint64_t first = submit_gated(2 * round + 1);
        const std::uint64_t second = submit_gated(2 * round + 2);
        await_sleeper(second);
        gate_.set(first);
        // The card checks the gate now.
        queue_.ring_doorbell(static_cast<std::uint32_t>(second));
        for (std::uint64_t delay = 0; delay < round % 50 * 40; ++delay) {
            asm volatile("pause");
        }
        ASSERT_EQ(queue_.wait(first), 0);
        gate_.set(second);
        queue_.ring_doorbell(static_cast<std::uint32_t>(second));
        uapi::await("the sleeper to wake", [&] { return woken == round + 1; });
    }
}

TEST_F(Wait, OfAQueueThatIsResetIsCanceled) {
    const std::uint64_t sequence = submit_gated();
    std::atomic<int> result = -1;
    std::jthread sleeper([&] { result = queue_.wait(sequence); });
    await_sleeper(sequence);
    EXPECT_EQ(queue_.reset(), 0);
    sleeper.join();
    EXPECT_EQ(result, ECANCELED);
    queue_.run(uapi::nop());
    EXPECT_EQ(queue_.tail(), 1U);
}

TEST_F(Wait, OfAQueueThatIsDestroyedIsCanceled) {
    for (int round = 0; round < 20; ++round) {
        uapi::Queue queue(file_, 4);
        const std::uint64_t sequence = queue.submit(uapi::wait_for(gate_.address(), 1));
        std::array<std::atomic<int>, 3> results{-1, -1, -1};
        std::vector<std::jthread> sleepers;
        sleepers.reserve(results.size());
        for (auto& result : results) {
            sleepers.emplace_back([&] { result = queue.wait(sequence); });
        }
        uapi::await("arming", [&] { return queue.status().arm == sequence; });
        // Not Queue::destroy(), which clears the handle while sleepers read it.
        accel_queue_destroy destroy{.size = 0, .handle = queue.handle()};
        EXPECT_EQ(file_.call(ACCEL_IOCTL_QUEUE_DESTROY, destroy), 0);
        for (std::jthread& sleeper : sleepers) {
            sleeper.join();
        }
        for (const auto& result : results) {
            // A waiter that came too late to sleep found no queue.
            EXPECT_TRUE(result == ECANCELED || result == ENOENT) << result;
        }
    }
    uapi::expect_working_card();
}

TEST_F(Wait, ForACommandBeforeTheOneThatFailedSucceeds) {
    queue_.run(uapi::nop());
    const accel_queue_query failure = queue_.run_to_error(uapi::fill(16, 1, 4));
    EXPECT_EQ(failure.error_sequence, 2U);
    EXPECT_EQ(queue_.wait(1), 0);
    EXPECT_EQ(queue_.wait(2), EIO);
    EXPECT_EQ(queue_.wait(3), EIO);
    EXPECT_EQ(queue_.wait_until(2, 0), EIO);
}

}  // namespace
