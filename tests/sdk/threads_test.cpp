// SPDX-License-Identifier: Apache-2.0
//
// The promises of the headers about threads; ThreadSanitizer checks them.
#include <atomic>
#include <barrier>
#include <mutex>
#include <optional>
#include <thread>

#include "fixture.hpp"

namespace accel::test {
namespace {

using namespace std::chrono_literals;

class ThreadsTest : public SdkTest {};

TEST_F(ThreadsTest, ManyWaitForJobsThatOneSubmits) {
    const Device card = open();
    Queue queue = card.create_queue({.entries = 8});
    constexpr int jobs_each = 60;
    auto results = card.allocate<int>({jobs_each});
    std::vector<Job> jobs(jobs_each);
    std::atomic<int> submitted{0};
    std::vector<std::jthread> waiters;
    waiters.reserve(4);
    for (int w = 0; w < 4; ++w) {
        waiters.emplace_back([&] {
            for (int i = 0; i < jobs_each; ++i) {
                while (submitted.load(std::memory_order_acquire) <= i) {
                    std::this_thread::yield();
                }
                jobs[static_cast<std::size_t>(i)].wait();
                EXPECT_EQ(results[static_cast<std::size_t>(i)], i + 1);
            }
        });
    }
    for (int i = 0; i < jobs_each; ++i) {
        // Only the job keeps this buffer alive, so a waiter frees it.
        auto value = card.allocate<int>({1});
        value[0] = i + 1;
        jobs[static_cast<std::size_t>(i)] =
            queue.submit(copy(results.slice(static_cast<std::uint64_t>(i), 1), value));
        submitted.store(i + 1, std::memory_order_release);
    }
    waiters.clear();
    jobs.clear();
    EXPECT_EQ(driver->buffers(), 1U);
}

TEST_F(ThreadsTest, EachThreadHasItsQueue) {
    const Device card = open();
    std::vector<std::jthread> threads;
    threads.reserve(4);
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&card, t] {
            Queue queue = card.create_queue({.entries = 4});
            auto buffer = card.allocate<int>({1});
            for (int i = 0; i < 50; ++i) {
                queue.submit(fill(buffer, t * 1000 + i)).wait();
                ASSERT_EQ(buffer[0], t * 1000 + i);
            }
        });
    }
}

TEST_F(ThreadsTest, AQueueIsSharedUnderALockOfTheCaller) {
    const Device card = open();
    Queue queue = card.create_queue({.entries = 8});
    std::mutex mutex;
    auto words = card.allocate<std::uint32_t>({std::uint64_t{4} * 50});
    {
        std::vector<std::jthread> threads;
        for (std::uint32_t t = 0; t < 4; ++t) {
            threads.emplace_back([&, t] {
                for (std::uint32_t i = 0; i < 50; ++i) {
                    const std::uint32_t at = t * 50 + i;
                    Job job;
                    {
                        const std::lock_guard lock(mutex);
                        job = queue.submit(fill(words.slice(at, 1), at + 1));
                    }
                    job.wait();
                }
            });
        }
    }
    for (std::uint32_t i = 0; i < words.size(); ++i) {
        ASSERT_EQ(words[i], i + 1);
    }
}

TEST_F(ThreadsTest, AClosedListIsSubmittedFromAnyThread) {
    const Device card = open();
    CommandList list = card.create_command_list();
    list.add(Fill{.dst = argument(0), .pattern = 3, .bytes = 4});
    list.close();
    std::vector<std::jthread> threads;
    threads.reserve(4);
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&] {
            Queue queue = card.create_queue();
            auto buffer = card.allocate<int>({1});
            for (int i = 0; i < 20; ++i) {
                buffer[0] = 0;
                queue.submit(list, {buffer}).wait();
                ASSERT_EQ(buffer[0], 3);
            }
        });
    }
}

// Starts threads that wait for `job`, runs `action`, and expects that each thread learns that the
// job was canceled.
template <typename Action>
void expect_canceled_waits(const Job& job, Action&& action) {
    constexpr int waiter_count = 3;
    std::atomic<int> canceled{0};
    std::barrier start(waiter_count + 1);
    {
        std::vector<std::jthread> waiters;
        waiters.reserve(waiter_count);
        for (int w = 0; w < waiter_count; ++w) {
            waiters.emplace_back([&] {
                start.arrive_and_wait();
                try {
                    job.wait();
                } catch (const Error& error) {
                    canceled += error.errc() == std::errc::operation_canceled ? 1 : 0;
                }
            });
        }
        start.arrive_and_wait();
        action();
    }
    EXPECT_EQ(canceled, waiter_count);
}

// The waiters sleep, poll or are about to enter the kernel when the queue is reset. None may wait
// for a job of the restarted queue.
TEST_F(ThreadsTest, AResetWakesEveryWaiter) {
    const Device card = open();
    for (const auto spin : {std::chrono::nanoseconds(0), default_spin, never_sleep}) {
        Queue queue = card.create_queue({.spin = spin});
        for (int round = 0; round < 10; ++round) {
            Gate gate(card);
            expect_canceled_waits(queue.submit(gate.closed()), [&] {
                queue.reset();
                queue.submit(Nop{}).wait();
            });
        }
    }
}

TEST_F(ThreadsTest, AResetJustBeforeAWaiterEntersTheKernelIsNotMissed) {
    const Device card = open();
    Queue queue = card.create_queue({.spin = 0ns});
    Gate gate(card);
    const Job job = queue.submit(gate.closed());
    std::atomic<bool> entered{false};
    std::atomic<bool> go{false};
    driver->before(ACCEL_IOCTL_QUEUE_WAIT, [&] {
        entered = true;
        while (!go) {
            std::this_thread::yield();
        }
    });
    std::jthread waiter(
        [&] { EXPECT_EQ(error_of([&] { job.wait(); }).errc(), std::errc::operation_canceled); });
    while (!entered) {
        std::this_thread::yield();
    }
    // The waiter enters the kernel only after the first reset, which finds no sleeping thread.
    std::jthread releaser([&] {
        while (driver->calls(ACCEL_IOCTL_QUEUE_RESET) == 0) {
            std::this_thread::yield();
        }
        std::this_thread::sleep_for(2ms);
        go = true;
    });
    queue.reset();
    waiter.join();
    releaser.join();
    driver->before(ACCEL_IOCTL_QUEUE_WAIT, nullptr);
    EXPECT_GE(driver->calls(ACCEL_IOCTL_QUEUE_RESET), 2U);
    queue.submit(Nop{}).wait();
}

TEST_F(ThreadsTest, DestroyingAQueueWakesEveryWaiter) {
    const Device card = open();
    for (const auto spin : {std::chrono::nanoseconds(0), never_sleep}) {
        std::optional<Queue> queue = card.create_queue({.spin = spin});
        Gate gate(card);
        expect_canceled_waits(queue->submit(gate.closed()), [&] { queue.reset(); });
    }
}

TEST_F(ThreadsTest, AResetEndsAWaitAnyOfSeveralQueues) {
    const Device card = open();
    Queue first = card.create_queue({.spin = 0ns});
    Queue second = card.create_queue({.spin = 0ns});
    Gate gate(card);
    const std::vector<Job> jobs = {first.submit(gate.closed()), second.submit(gate.closed())};
    std::jthread waiter([&] {
        const auto over = wait_any(jobs);
        EXPECT_EQ(over, 1U);
    });
    std::this_thread::sleep_for(3ms);
    second.reset();
    waiter.join();
    gate.open();
    first.synchronize();
}

TEST_F(ThreadsTest, SeveralThreadsWaitForAnyOfTheSameJobs) {
    const Device card = open();
    Queue first = card.create_queue({.spin = 0ns});
    Queue second = card.create_queue({.spin = 0ns});
    Gate gate(card);
    Gate never(card);
    const std::vector<Job> jobs = {first.submit(never.closed()), second.submit(gate.closed())};
    {
        std::vector<std::jthread> waiters;
        waiters.reserve(3);
        for (int w = 0; w < 3; ++w) {
            waiters.emplace_back([&] { EXPECT_EQ(wait_any(jobs), 1U); });
        }
        std::this_thread::sleep_for(2ms);
        gate.open();
    }
    never.open();
    first.synchronize();
}

TEST_F(ThreadsTest, SemaphoresAreSetByOneThreadAndSeenByAnother) {
    const Device card = open();
    Semaphore ready = card.create_semaphore();
    auto buffer = card.allocate<int>({1});
    std::jthread writer([&] {
        buffer[0] = 17;
        ready.set(1);
    });
    Queue queue = card.create_queue();
    auto result = card.allocate<int>({1});
    queue.submit(ready.wait(1));
    queue.submit(copy(result, buffer)).wait();
    EXPECT_EQ(result[0], 17);
}

}  // namespace
}  // namespace accel::test
