// SPDX-License-Identifier: Apache-2.0
//
// Coroutines and futures: jobs and tasks, time-outs, errors, and the end of the loop.
#include "accel/coroutine.hpp"

#include <memory>
#include <thread>
#include <vector>

#include "fixture.hpp"

namespace accel::test {
namespace {

using namespace std::chrono_literals;

class CoroutineTest : public SdkTest {
  protected:
    CoroutineTest() : card(open()), queue(card.create_queue()) {}
    void TearDown() override { EXPECT_EQ(driver->buffers(), 0U); }

    Device card;
    Queue queue;
};

Task<int> add(Queue& queue, Buffer<int>& word, int value) {
    co_await queue.submit(fill(word, value));
    co_return word[0];
}

Task<> sum(Queue& queue, Buffer<int>& word, int& result, std::thread::id& thread) {
    for (int i = 1; i <= 10; ++i) {
        result += co_await add(queue, word, i);
    }
    thread = std::this_thread::get_id();
}

TEST_F(CoroutineTest, ATaskAwaitsJobsAndTasksOnTheThreadOfItsLoop) {
    EventLoop loop;
    auto word = card.allocate<int>({1});
    int result = 0;
    std::thread::id thread;
    std::future<void> done = spawn(loop, sum(queue, word, result, thread));
    EXPECT_EQ(result, 0) << "it starts on the loop";
    while (loop.pending() != 0) {
        loop.run_once();
    }
    done.get();
    EXPECT_EQ(result, 55);
    EXPECT_EQ(thread, std::this_thread::get_id());
}

TEST_F(CoroutineTest, TheResultOfASpawnedTaskIsAFuture) {
    EventLoop loop = EventLoop::with_thread();
    auto word = card.allocate<int>({1});
    EXPECT_EQ(spawn(loop, add(queue, word, 42)).get(), 42);
}

Task<std::unique_ptr<int>> failing(Queue& queue) {
    co_await queue.submit(Fill{.dst = nowhere, .bytes = 4});
    co_return std::make_unique<int>(1);
}

Task<int> catching(Queue& queue) {
    int status = 0;
    try {
        static_cast<void>(co_await failing(queue));
    } catch (const Error& error) {
        status = static_cast<int>(error.status());
    }
    queue.reset();
    co_await queue.submit(Nop{});
    co_return status;
}

TEST_F(CoroutineTest, AnErrorIsThrownByCoAwait) {
    EventLoop loop = EventLoop::with_thread();
    auto failed = spawn(loop, failing(queue));
    EXPECT_EQ(error_of([&] { failed.get(); }).status(), CardStatus::fault_unmapped);
    queue.reset();
    EXPECT_EQ(spawn(loop, catching(queue)).get(), static_cast<int>(CardStatus::fault_unmapped));
}

Task<> with_deadlines(Job job, Gate& gate) {
    const auto now = std::chrono::steady_clock::now();
    EXPECT_EQ(co_await with_timeout(job, 2ms), WaitResult::timed_out);
    EXPECT_EQ(co_await with_deadline(job, now + 4ms), WaitResult::timed_out);
    EXPECT_EQ(co_await with_deadline(job, now - 4ms), WaitResult::timed_out);
    EXPECT_FALSE(job.done());
    gate.open();
    EXPECT_EQ(co_await with_deadline(job, std::chrono::steady_clock::time_point::max()),
              WaitResult::done);
    EXPECT_EQ(co_await with_timeout(job, 0ms), WaitResult::done);
}

TEST_F(CoroutineTest, ATimeoutIsAValueAndTheJobContinues) {
    EventLoop loop = EventLoop::with_thread();
    Gate gate(card);
    spawn(loop, with_deadlines(queue.submit(gate.closed()), gate)).get();
}

Task<> keeping(Job job, std::shared_ptr<int> kept) {
    co_await job;
    ++*kept;
}

TEST_F(CoroutineTest, TheEndOfTheLoopEndsItsTasks) {
    Gate gate(card);
    const Job job = queue.submit(gate.closed());
    auto kept = std::make_shared<int>(0);
    std::future<void> waiting;
    std::future<void> not_started;
    {
        EventLoop loop;
        waiting = spawn(loop, keeping(job, kept));
        loop.run_once();
        not_started = spawn(loop, keeping(job, kept));
    }
    EXPECT_EQ(error_of([&] { waiting.get(); }).errc(), std::errc::operation_canceled);
    EXPECT_THROW(not_started.get(), std::future_error);
    EXPECT_EQ(kept.use_count(), 1) << "the coroutines are destroyed";
    EXPECT_EQ(*kept, 0);
    gate.open();
    job.wait();
}

TEST_F(CoroutineTest, ATaskThatNeverStartsIsDestroyed) {
    auto kept = std::make_shared<int>(0);
    {
        const Task<> task = keeping(Job(), kept);
        EXPECT_EQ(kept.use_count(), 2);
    }
    EXPECT_EQ(kept.use_count(), 1);
}

TEST_F(CoroutineTest, AFutureHasTheEndOfTheJob) {
    EventLoop loop = EventLoop::with_thread();
    Gate gate(card);
    std::future<void> done = as_future(loop, queue.submit(gate.closed()));
    EXPECT_EQ(done.wait_for(2ms), std::future_status::timeout);
    gate.open();
    done.get();
    std::future<void> failed = as_future(loop, queue.submit(Fill{.dst = nowhere, .bytes = 4}));
    EXPECT_EQ(error_of([&] { failed.get(); }).status(), CardStatus::fault_unmapped);
    queue.reset();
    Gate never(card);
    std::future<void> canceled = as_future(loop, queue.submit(never.closed()));
    loop = EventLoop();
    EXPECT_EQ(error_of([&] { canceled.get(); }).errc(), std::errc::operation_canceled);
    never.open();
    queue.synchronize();
}

// A coroutine type of another library.
struct Foreign {
    struct promise_type {
        Foreign get_return_object() { return {}; }
        std::suspend_never initial_suspend() noexcept { return {}; }
        std::suspend_never final_suspend() noexcept { return {}; }
        void return_void() noexcept {}
        void unhandled_exception() noexcept { std::terminate(); }
    };
};

Foreign foreign(const EventLoop& loop, Job job, std::thread::id& thread) {
    co_await resume_on(loop, job);
    thread = std::this_thread::get_id();
}

TEST_F(CoroutineTest, ACoroutineOfAnyTypeResumesOnALoop) {
    EventLoop loop;
    std::thread::id thread;
    std::jthread([&] { foreign(loop, queue.submit(Nop{}), thread); }).join();
    EXPECT_EQ(thread, std::thread::id());
    loop.run_once();
    EXPECT_EQ(thread, std::this_thread::get_id());
}

Task<> loop_of_jobs(Queue& queue, int jobs, int& done) {
    for (int i = 0; i < jobs; ++i) {
        co_await queue.submit(Nop{});
        ++done;
    }
}

TEST_F(CoroutineTest, ManyTasksShareALoop) {
    EventLoop loop = EventLoop::with_thread();
    std::vector<Queue> queues;
    std::vector<std::future<void>> futures;
    std::vector<int> done(4);
    queues.reserve(done.size());
    for (int& count : done) {
        queues.push_back(card.create_queue({.entries = 4}));
        futures.push_back(spawn(loop, loop_of_jobs(queues.back(), 30, count)));
    }
    for (std::future<void>& future : futures) {
        future.get();
    }
    EXPECT_THAT(done, ::testing::Each(30));
}

}  // namespace
}  // namespace accel::test
