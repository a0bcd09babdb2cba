// SPDX-License-Identifier: Apache-2.0
//
// Event loops: callbacks of jobs on the caller's thread and on one of the library, time-outs,
// failures, the end of a loop, and foreign event loops.
#include "accel/event_loop.hpp"

#include <poll.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "fixture.hpp"

namespace accel::test {
namespace {

using namespace std::chrono_literals;

class EventLoopTest : public SdkTest {
  protected:
    EventLoopTest() : SdkTest({{.serial = 1}, {.serial = 2}}) {}
};

TEST_F(EventLoopTest, ACallbackRunsOnTheThreadThatPumpsAfterItsJob) {
    const Device card = open();
    Queue queue = card.create_queue();
    EventLoop loop;
    Gate gate(card);
    auto buffer = card.allocate<int>({1});
    queue.submit(gate.closed());
    std::optional<std::thread::id> thread;
    queue.submit(fill(buffer, 7)).then(loop, [&](const JobResult& result) {
        EXPECT_TRUE(result.ok());
        EXPECT_EQ(buffer[0], 7);
        thread = std::this_thread::get_id();
    });
    EXPECT_EQ(loop.pending(), 1U);
    EXPECT_EQ(loop.run_once(2ms), 0U) << "the job is not over";
    std::jthread opener([&] {
        std::this_thread::sleep_for(3ms);
        gate.open();
    });
    EXPECT_EQ(loop.run_once(), 1U);
    EXPECT_EQ(thread, std::this_thread::get_id());
    EXPECT_EQ(loop.pending(), 0U);
}

TEST_F(EventLoopTest, AFinishedJobAndNoJobCallBackAtOnce) {
    const Device card = open();
    Queue queue = card.create_queue();
    EventLoop loop;
    const Job job = queue.submit(Nop{});
    job.wait();
    int calls = 0;
    const auto count = [&](const JobResult& result) { calls += result.ok() ? 1 : 0; };
    job.then(loop, count);
    Job().then(loop, count);
    EXPECT_EQ(loop.run_once(0ms), 2U);
    EXPECT_EQ(calls, 2);
}

TEST_F(EventLoopTest, CallbacksOfAQueueRunInTheOrderOfItsJobs) {
    const Device card = open();
    Queue queue = card.create_queue();
    EventLoop loop;
    Gate gate(card);
    std::vector<Job> jobs{queue.submit(gate.closed())};
    for (int i = 0; i < 20; ++i) {
        jobs.push_back(queue.submit(Nop{}));
    }
    std::vector<std::uint64_t> order;
    for (const std::size_t i : {7U, 3U, 20U, 3U, 11U, 0U}) {
        jobs[i].then(loop, [&, i](const JobResult&) { order.push_back(i); });
    }
    gate.open();
    while (loop.pending() != 0) {
        loop.run_once();
    }
    EXPECT_EQ(order, (std::vector<std::uint64_t>{0, 3, 3, 7, 11, 20}));
}

TEST_F(EventLoopTest, ACallbackMaySubmitAndWaitAndAddCallbacks) {
    const Device card = open();
    Queue queue = card.create_queue();
    EventLoop loop;
    int left = 10;
    UniqueFunction<void(const JobResult&)> next;
    const std::function<void()> submit = [&] {
        queue.submit(Nop{}).then(loop, [&](const JobResult& result) {
            result.check();
            queue.submit(Nop{}).wait();
            if (--left > 0) {
                submit();
            } else {
                loop.stop();
            }
        });
    };
    submit();
    loop.run();
    EXPECT_EQ(left, 0);
}

TEST_F(EventLoopTest, ACallbackOwnsWhatCannotBeCopied) {
    const Device card = open();
    Queue queue = card.create_queue();
    EventLoop loop;
    auto buffer = card.allocate<int>({1});
    int seen = 0;
    const Job job = queue.submit(fill(buffer, 5));
    job.then(loop, [&seen, buffer = std::move(buffer)](const JobResult&) { seen = buffer[0]; });
    loop.run_once();
    EXPECT_EQ(seen, 5);
    EXPECT_EQ(driver->buffers(), 0U);
}

TEST_F(EventLoopTest, AFailureIsTheErrorThatWaitThrows) {
    const Device card = open();
    Queue queue = card.create_queue();
    EventLoop loop;
    std::vector<Error> errors;
    const auto keep = [&](const JobResult& result) {
        EXPECT_FALSE(result.ok());
        errors.push_back(result.error().value());
    };
    queue.submit(Fill{.dst = nowhere, .bytes = 4}).then(loop, keep);
    queue.submit(Nop{}).then(loop, keep);
    while (loop.pending() != 0) {
        loop.run_once();
    }
    ASSERT_EQ(errors.size(), 2U);
    EXPECT_EQ(errors[0].status(), CardStatus::fault_unmapped);
    expect_says(errors[0], "job 1 failed at", "FILL");
    expect_says(errors[1], "job 2 did not run");
}

TEST_F(EventLoopTest, AResetAndTheEndOfAQueueCallBackAtOnce) {
    const Device card = open();
    std::optional<Queue> queue = card.create_queue();
    EventLoop loop;
    Gate gate(card);
    std::vector<std::errc> errors;
    const auto keep = [&](const JobResult& result) {
        errors.push_back(result.error().value().errc());
    };
    queue->submit(gate.closed()).then(loop, keep);
    std::jthread resetter([&] {
        std::this_thread::sleep_for(3ms);
        queue->reset();
    });
    loop.run_once();
    resetter.join();
    queue->submit(gate.closed()).then(loop, keep);
    queue.reset();
    loop.run_once();
    EXPECT_THAT(errors, ::testing::ElementsAre(std::errc::operation_canceled,
                                               std::errc::operation_canceled));
}

TEST_F(EventLoopTest, ACardThatIsGoneCallsBackWithTheReason) {
    const Device card = open("/dev/accel0");
    const Device other = open("/dev/accel1");
    Queue first = card.create_queue();
    Queue second = other.create_queue();
    EventLoop loop;
    Gate gate(card);
    Gate gone(other);
    std::optional<Error> error;
    int calls = 0;
    first.submit(gate.closed()).then(loop, [&](const JobResult&) { ++calls; });
    second.submit(gone.closed()).then(loop, [&](const JobResult& r) { error = r.error(); });
    EXPECT_EQ(loop.run_once(1ms), 0U);
    std::jthread remover([&] {
        std::this_thread::sleep_for(3ms);
        driver->remove_card(1);
    });
    loop.run_once();
    ASSERT_TRUE(error.has_value());
    EXPECT_EQ(error->errc(), std::errc::no_such_device);
    EXPECT_EQ(error->reason(), Reason::removed);
    EXPECT_EQ(calls, 0);
    gate.open();
    loop.run_once();
    EXPECT_EQ(calls, 1);
}

TEST_F(EventLoopTest, WithoutNotificationsOfTheDriverCallbacksStillRun) {
    for (int i = 0; i < 100; ++i) {
        driver->fail(ACCEL_IOCTL_QUEUE_NOTIFY, EOPNOTSUPP);
    }
    const Device card = open();
    Queue queue = card.create_queue();
    EventLoop loop;
    Gate gate(card);
    bool done = false;
    queue.submit(gate.closed()).then(loop, [&](const JobResult& result) { done = result.ok(); });
    EXPECT_EQ(loop.run_once(3ms), 0U);
    gate.open();
    loop.run_once();
    EXPECT_TRUE(done);
}

TEST_F(EventLoopTest, ATimeoutCallsBackAndTheJobContinues) {
    const Device card = open();
    Queue queue = card.create_queue();
    EventLoop loop;
    Gate gate(card);
    const Job job = queue.submit(gate.closed());
    int timed_out = 0;
    int done = 0;
    const auto count = [&](const JobResult& result) {
        timed_out += result.timed_out() ? 1 : 0;
        done += result.ok() ? 1 : 0;
    };
    loop.when_done(job, count, 2ms);
    loop.when_done(job, count, 0ms);
    loop.when_done(job, count, std::chrono::hours::max());
    while (timed_out < 2) {
        loop.run_once();
    }
    EXPECT_FALSE(job.done());
    gate.open();
    loop.run_once();
    EXPECT_EQ(done, 1);
    loop.when_done(job, count, 0ms);
    loop.run_once();
    EXPECT_EQ(done, 2) << "a job that is over has not timed out";
}

TEST_F(EventLoopTest, PostedFunctionsRunInOrderAndAfterTheirDelay) {
    EventLoop loop;
    std::vector<int> order;
    const auto start = std::chrono::steady_clock::now();
    loop.post_after(4ms, [&] {
        EXPECT_GE(std::chrono::steady_clock::now() - start, 4ms);
        order.push_back(3);
        loop.stop();
    });
    loop.post([&] { order.push_back(1); });
    loop.post([&] { order.push_back(2); });
    loop.run();
    EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
}

TEST_F(EventLoopTest, AnotherThreadWakesASleepingLoop) {
    const Device card = open();
    Queue queue = card.create_queue();
    EventLoop loop;
    std::jthread poster([&] {
        std::this_thread::sleep_for(3ms);
        loop.post([] {});
        std::this_thread::sleep_for(3ms);
        queue.submit(Nop{}).then(loop, [](const JobResult&) {});
    });
    EXPECT_EQ(loop.run_once(), 1U);
    EXPECT_EQ(loop.run_once(), 1U);
    poster.join();
    loop.stop();
    loop.run();  // returns at once
    EXPECT_EQ(loop.run_once(0ms), 0U);
}

TEST_F(EventLoopTest, AThreadOfTheLibraryRunsCallbacks) {
    const Device card = open();
    Queue queue = card.create_queue();
    std::atomic<int> calls{0};
    {
        EventLoop loop = EventLoop::with_thread();
        for (int i = 0; i < 50; ++i) {
            queue.submit(Nop{}).then(loop, [&](const JobResult& result) {
                EXPECT_TRUE(result.ok());
                ++calls;
                calls.notify_one();
            });
        }
        for (int seen = calls; seen < 50; seen = calls) {
            calls.wait(seen);
        }
    }
    EXPECT_EQ(calls, 50);
}

TEST_F(EventLoopTest, TheEndOfALoopCancelsItsCallbacksAndNotItsJobs) {
    for (const bool own_thread : {false, true}) {
        const Device card = open();
        Queue queue = card.create_queue();
        Gate gate(card);
        const Job job = queue.submit(gate.closed());
        std::vector<std::errc> errors;
        auto kept = std::make_shared<int>(0);
        {
            EventLoop loop = own_thread ? EventLoop::with_thread() : EventLoop();
            job.then(loop, [&](const JobResult& result) {
                errors.push_back(result.error().value().errc());
                expect_says(*result.error(), "the event loop ended", "keep the loop");
                // A callback learns that it cannot continue here.
                EXPECT_EQ(error_of([&] { job.then(loop, [](const JobResult&) {}); }).errc(),
                          std::errc::operation_canceled);
            });
            loop.post_after(1h, [kept] { FAIL() << "it was due too early"; });
        }
        EXPECT_THAT(errors, ::testing::ElementsAre(std::errc::operation_canceled));
        EXPECT_EQ(kept.use_count(), 1);
        gate.open();
        job.wait();
    }
}

TEST_F(EventLoopTest, ACallbackMayDestroyItsLoop) {
    auto pumped = std::make_unique<EventLoop>();
    EventLoop* const raw = pumped.get();
    pumped->post([&] { pumped.reset(); });
    raw->run();
    EXPECT_EQ(pumped, nullptr);

    std::atomic<bool> destroyed{false};
    auto threaded = std::make_shared<EventLoop>(EventLoop::with_thread());
    EventLoop& loop = *threaded;
    loop.post([&destroyed, owner = std::move(threaded)]() mutable {
        owner.reset();
        destroyed = true;
        destroyed.notify_one();
    });
    destroyed.wait(false);
}

TEST_F(EventLoopTest, AnExceptionLeavesRunOnceAndTheOthersStay) {
    EventLoop loop;
    int calls = 0;
    loop.post([] { throw std::runtime_error("of a callback"); });
    loop.post([&] { ++calls; });
    EXPECT_THROW(loop.run_once(), std::runtime_error);
    EXPECT_EQ(calls, 0);
    EXPECT_EQ(loop.run_once(), 1U);
    EXPECT_EQ(calls, 1);
}

TEST_F(EventLoopTest, OneThreadAtATimeRunsALoop) {
    EventLoop loop;
    loop.post([&] {
        expect_says(error_of([&] { loop.run_once(); }), "a callback runs the event loop");
        std::jthread other([&] {
            EXPECT_EQ(error_of([&] { loop.run_once(); }).errc(),
                      std::errc::device_or_resource_busy);
        });
    });
    loop.run_once();
}

TEST_F(EventLoopTest, TheFileDescriptorReportsWhatIsDue) {
    EventLoop loop;
    pollfd entry{.fd = loop.fd(), .events = POLLIN, .revents = 0};
    EXPECT_EQ(::poll(&entry, 1, 0), 0);
    int calls = 0;
    loop.post([&] { ++calls; });
    EXPECT_EQ(::poll(&entry, 1, 60'000), 1);
    loop.run_once(0ms);
    EXPECT_EQ(::poll(&entry, 1, 0), 0);
    loop.post_after(2ms, [&] { ++calls; });
    loop.run_once(0ms);
    EXPECT_EQ(::poll(&entry, 1, 60'000), 1);
    while (calls < 2) {
        loop.run_once(0ms);
    }
    EXPECT_EQ(::poll(&entry, 1, 0), 0);
}

TEST_F(EventLoopTest, TheFileDescriptorReportsJobsFailuresAndLostCards) {
    const Device card = open("/dev/accel0");
    const Device other = open("/dev/accel1");
    Queue queue = card.create_queue();
    Queue second = other.create_queue();
    EventLoop loop;
    std::vector<std::string> calls;
    const auto pump = [&](const char* what) {
        return [&, what](const JobResult&) { calls.emplace_back(what); };
    };
    const auto poll_until = [&](std::size_t count) {
        while (calls.size() < count) {
            pollfd entry{.fd = loop.fd(), .events = POLLIN, .revents = 0};
            ASSERT_EQ(::poll(&entry, 1, 60'000), 1);
            loop.run_once(0ms);
        }
    };
    Gate gate(card);
    Gate never(other);
    queue.submit(gate.closed()).then(loop, pump("done"));
    second.submit(never.closed()).then(loop, pump("gone"));
    EXPECT_EQ(loop.run_once(0ms), 0U);
    gate.open();
    poll_until(1);
    driver->remove_card(1);
    poll_until(2);
    queue.submit(Fill{.dst = nowhere, .bytes = 4}).then(loop, pump("failed"));
    poll_until(3);
    queue.reset();
    Gate closed(card);
    queue.submit(closed.closed()).then(loop, pump("reset"));
    queue.reset();
    poll_until(4);
    EXPECT_THAT(calls, ::testing::ElementsAre("done", "gone", "failed", "reset"));
}

TEST_F(EventLoopTest, AMovedFromLoopSaysSo) {
    EventLoop loop;
    EventLoop other = std::move(loop);
    // NOLINTNEXTLINE(bugprone-use-after-move,clang-analyzer-cplusplus.Move)
    expect_says(error_of([&] { loop.stop(); }), "EventLoop was moved from");
    loop = std::move(other);
    loop.stop();
}

// Each thread submits to its own queue, and all callbacks run on one loop.
TEST_F(EventLoopTest, ManyThreadsAddCallbacksToOneLoop) {
    const Device card = open("/dev/accel0");
    const Device other = open("/dev/accel1");
    std::atomic<int> calls{0};
    {
        EventLoop loop = EventLoop::with_thread();
        std::vector<std::jthread> threads;
        threads.reserve(4);
        for (int t = 0; t < 4; ++t) {
            threads.emplace_back([&, t] {
                Queue queue = (t % 2 == 0 ? card : other).create_queue({.entries = 8});
                for (int i = 0; i < 50; ++i) {
                    queue.submit(Nop{}).then(loop, [&](const JobResult& result) {
                        EXPECT_TRUE(result.ok());
                        ++calls;
                    });
                }
                queue.synchronize();
            });
        }
        threads.clear();
        while (loop.pending() != 0) {
            std::this_thread::yield();
        }
    }
    EXPECT_EQ(calls, 200);
}

}  // namespace
}  // namespace accel::test
