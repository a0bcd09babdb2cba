// SPDX-License-Identifier: Apache-2.0
//
// Lifetimes: jobs keep their buffers and lists alive, and all objects of a device keep it open.
// Also moved-from objects, and objects whose creation fails half-way.
#include <new>

#include "fixture.hpp"

namespace accel::test {
namespace {

using ::testing::Each;

class LifetimeTest : public SdkTest {};

TEST_F(LifetimeTest, ABufferDestroyedInFlightLivesUntilAWaitSeesTheJobFinished) {
    const Device card = open();
    Queue queue = card.create_queue();
    auto result = card.allocate<int>({4});
    Gate gate(card);
    queue.submit(gate.closed());
    Job job;
    {
        auto buffer = card.allocate<int>({4});
        queue.submit(fill(buffer, 6));
        job = queue.submit(copy(result, buffer));
    }
    EXPECT_EQ(driver->buffers(), 3U) << "the job keeps it alive";
    gate.open();
    job.wait();
    EXPECT_THAT(result.span(), Each(6));
    EXPECT_EQ(driver->buffers(), 2U) << "a wait that sees the job finished frees it";
}

TEST_F(LifetimeTest, DoneFreesBuffersToo) {
    const Device card = open();
    Queue queue = card.create_queue();
    const Job job = queue.submit(fill(card.allocate<int>({4}), 6));
    while (!job.done()) {
    }
    EXPECT_EQ(driver->buffers(), 0U);
}

TEST_F(LifetimeTest, AListAndItsBuffersLiveUntilTheJobIsFinished) {
    const Device card = open();
    Queue queue = card.create_queue();
    auto result = card.allocate<int>({4});
    Gate gate(card);
    queue.submit(gate.closed());
    Job job;
    {
        auto constant = card.allocate<int>({4});
        constant.fill(5);
        CommandList list = card.create_command_list();
        list.add(Copy{.dst = argument(0), .src = constant, .bytes = 16});
        list.close();
        job = queue.submit(list, {result});
    }
    gate.open();
    job.wait();
    EXPECT_THAT(result.span(), Each(5));
    EXPECT_EQ(driver->buffers(), 2U);
}

TEST_F(LifetimeTest, AParameterBlockIsNotReusedWhileItsJobIsInFlight) {
    const Device card = open();
    Queue queue = card.create_queue({.entries = 4});
    auto source = card.allocate<float>({8});
    source.fill(1);
    std::vector<Buffer<float>> results;
    Gate gate(card);
    queue.submit(gate.closed());
    for (std::uint32_t i = 1; i <= 3; ++i) {
        results.push_back(card.allocate<float>({1}));
        queue.submit(Reduce{.dst = results.back(), .src = source, .outer = 1, .n = i});
    }
    gate.open();
    queue.synchronize();
    EXPECT_EQ(results[0][0], 1.0f);
    EXPECT_EQ(results[1][0], 2.0f);
    EXPECT_EQ(results[2][0], 3.0f);
}

TEST_F(LifetimeTest, ObjectsKeepTheirDeviceOpen) {
    std::optional<Queue> queue;
    std::optional<Buffer<int>> buffer;
    {
        const Device card = open();
        queue = card.create_queue();
        buffer = card.allocate<int>({4});
    }
    queue->submit(fill(*buffer, 3)).wait();
    EXPECT_THAT(buffer->span(), Each(3));
    queue.reset();
    EXPECT_GT(driver->alive(), 0U);
    buffer.reset();
    EXPECT_EQ(driver->alive(), 0U);
}

TEST_F(LifetimeTest, AJobOutlivesItsQueueAndDevice) {
    Job finished;
    Job canceled;
    {
        const Device card = open();
        Queue queue = card.create_queue();
        finished = queue.submit(Nop{});
        finished.wait();
        Gate gate(card);
        canceled = queue.submit(gate.closed());
    }
    EXPECT_TRUE(finished.done());
    finished.wait();
    EXPECT_TRUE(canceled.done()) << "destroying a busy queue cancels";
    const Error error = error_of([&] { canceled.wait(); });
    EXPECT_EQ(error.errc(), std::errc::operation_canceled);
    EXPECT_GT(driver->alive(), 0U) << "the job keeps the status page mapped";
    finished = {};
    canceled = {};
    EXPECT_EQ(driver->alive(), 0U);
}

TEST_F(LifetimeTest, AFailedJobOutlivesItsQueue) {
    Job job;
    {
        const Device card = open();
        Queue queue = card.create_queue();
        job = queue.submit(Fill{.dst = nowhere, .bytes = 4});
        while (!job.done()) {
        }
    }
    const Error error = error_of([&] { job.wait(); });
    EXPECT_EQ(error.status(), CardStatus::fault_unmapped);
    EXPECT_EQ(error.failure()->sequence, 1U);
    job = {};
}

TEST_F(LifetimeTest, DestroyingABusyQueueFreesTheBuffersOfItsJobs) {
    const Device card = open();
    {
        Queue queue = card.create_queue();
        Gate gate(card);
        queue.submit(gate.closed());
        queue.submit(fill(card.allocate<int>({4}), 6));
    }
    EXPECT_EQ(driver->buffers(), 0U);
}

TEST_F(LifetimeTest, ABatchMayOutliveItsQueue) {
    const Device card = open();
    std::optional<Queue> queue = card.create_queue();
    Batch batch = queue->batch();
    batch.add(Nop{});
    queue.reset();
    EXPECT_EQ(error_of([&] { batch.add(Nop{}); }).errc(), std::errc::operation_canceled);
    EXPECT_EQ(error_of([&] { batch.submit(); }).errc(), std::errc::operation_canceled);
}

TEST_F(LifetimeTest, MovedFromObjectsThrow) {
    Device card = open();
    const Device other = std::move(card);
    Queue queue = other.create_queue();
    Semaphore semaphore = other.create_semaphore(1);
    Queue taken = std::move(queue);
    const Semaphore moved = std::move(semaphore);
    const auto says = [](const char* type, auto&& action) {
        const Error error = error_of(action);
        EXPECT_EQ(error.errc(), std::errc::invalid_argument);
        expect_says(error, type, "moved from");
    };
    // NOLINTBEGIN(bugprone-use-after-move,clang-analyzer-cplusplus.Move): intended
    says("Device", [&] { static_cast<void>(card.info()); });
    says("Device", [&] { static_cast<void>(card.fd()); });
    says("Device", [&] { static_cast<void>(card.allocate<int>({1})); });
    says("Device", [&] { static_cast<void>(card.create_queue()); });
    says("Device", [&] { static_cast<void>(card.create_command_list()); });
    says("Device", [&] { static_cast<void>(card.create_semaphore()); });
    says("Queue", [&] { queue.submit(Nop{}); });
    says("Queue", [&] { static_cast<void>(queue.try_submit(Nop{})); });
    says("Queue", [&] { static_cast<void>(queue.batch()); });
    says("Queue", [&] { queue.synchronize(); });
    says("Queue", [&] { queue.reset(); });
    says("Queue", [&] { queue.ring_doorbell(); });
    says("Queue", [&] { queue.notify(Job()); });
    says("Queue", [&] { queue.set_spin(never_sleep); });
    says("Queue", [&] { static_cast<void>(queue.spin()); });
    says("Queue", [&] { static_cast<void>(queue.entries()); });
    says("Queue", [&] { static_cast<void>(queue.pending()); });
    says("Queue", [&] { static_cast<void>(queue.doorbells()); });
    says("Queue", [&] { static_cast<void>(queue.stats()); });
    says("Queue", [&] { static_cast<void>(queue.failure()); });
    says("Semaphore", [&] { static_cast<void>(semaphore.value()); });
    says("Semaphore", [&] { semaphore.set(1); });
    // NOLINTEND(bugprone-use-after-move,clang-analyzer-cplusplus.Move)
    taken.submit(moved.wait(1)).wait();
}

TEST_F(LifetimeTest, AssigningAQueueEndsTheOldOne) {
    const Device card = open();
    Queue queue = card.create_queue();
    Gate gate(card);
    const Job job = queue.submit(gate.closed());
    queue = card.create_queue();
    EXPECT_EQ(error_of([&] { job.wait(); }).errc(), std::errc::operation_canceled);
    queue.submit(Nop{}).wait();
    Queue& same = queue;
    queue = std::move(same);
    queue.submit(Nop{}).wait();
}

TEST_F(LifetimeTest, AQueueWhoseMappingFailsIsDestroyed) {
    const Device card = open();
    for (int fails_at = 0; fails_at < 2; ++fails_at) {  // the queue's pages, then the doorbell
        for (int i = 0; i < fails_at; ++i) {
            driver->fail_mmap(0);
        }
        driver->fail_mmap(ENOMEM);
        const std::size_t before = driver->alive();
        EXPECT_EQ(error_of([&] { static_cast<void>(card.create_queue()); }).errc(),
                  std::errc::not_enough_memory);
        EXPECT_EQ(driver->alive(), before);
    }
}

TEST_F(LifetimeTest, ASubmissionWithoutMemoryForParametersLeavesTheQueueUnchanged) {
    const Device card = open();
    Queue queue = card.create_queue();
    auto buffer = card.allocate<float>({4});
    const Gemm gemm{.d = buffer, .a = buffer, .b = buffer, .m = 2, .n = 2, .k = 0};
    driver->fail(ACCEL_IOCTL_BUFFER_CREATE, ENOMEM);
    EXPECT_EQ(error_of([&] { queue.submit(gemm); }).errc(), std::errc::not_enough_memory);
    EXPECT_EQ(queue.pending(), 0U);
    const Job job = queue.submit(gemm);
    EXPECT_EQ(job.sequence(), 1U);
    job.wait();
}

TEST_F(LifetimeTest, AnUploadThatFailsLeaksNothing) {
    const Device card = open();
    Queue queue = card.create_queue();
    const auto read_only =
        card.allocate<int>({4}, {.placement = Placement::device, .access = Access::read});
    const std::vector<int> values(4);
    EXPECT_THROW(upload(card, queue, read_only, values), Error);
    EXPECT_EQ(driver->buffers(), 1U);
    queue.submit(Nop{}).wait();
}

TEST_F(LifetimeTest, DestructorsDoNotThrowWhenTheKernelFails) {
    {
        const Device card = open();
        const auto buffer = card.allocate<int>({4});
        Queue queue = card.create_queue();
        queue.submit(Nop{}).wait();
        driver->remove_card();
    }
    {
        driver->fail(ACCEL_IOCTL_BUFFER_DESTROY, EIO);
        driver->fail(ACCEL_IOCTL_QUEUE_DESTROY, EIO);
        const Device card = open();
        const auto buffer = card.allocate<int>({4});
        Queue queue = card.create_queue();
    }
}

TEST_F(LifetimeTest, NoJobIsDone) {
    const Job none;
    EXPECT_TRUE(none.done());
    EXPECT_EQ(none.sequence(), 0U);
    none.wait();
    EXPECT_EQ(none.wait(std::chrono::nanoseconds(0)), WaitResult::done);
}

}  // namespace
}  // namespace accel::test
