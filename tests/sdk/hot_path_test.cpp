// SPDX-License-Identifier: Apache-2.0
//
// The hot path: submissions without a system call, an allocation or a needless doorbell write;
// rings that are full and rings that wrap; batches.
#include <cstdlib>
#include <new>

#include "fixture.hpp"

namespace {

// Counts the heap allocations of this thread while `counting` is set.
thread_local bool counting = false;
thread_local std::size_t allocations = 0;

void* allocate(std::size_t bytes, std::size_t alignment) {
    allocations += counting ? 1 : 0;
    const std::size_t length = (bytes + alignment - 1) / alignment * alignment;
    // NOLINTNEXTLINE(cppcoreguidelines-owning-memory): of operator new
    void* memory = std::aligned_alloc(alignment, length == 0 ? alignment : length);
    if (memory == nullptr) {
        throw std::bad_alloc();
    }
    return memory;
}

}  // namespace

// These replace the operators of the whole program.
// NOLINTBEGIN(cppcoreguidelines-owning-memory)
void* operator new(std::size_t bytes) {
    return allocate(bytes, __STDCPP_DEFAULT_NEW_ALIGNMENT__);
}
void* operator new(std::size_t bytes, std::align_val_t alignment) {
    return allocate(bytes, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept {
    std::free(memory);
}
void operator delete(void* memory, std::size_t /*bytes*/) noexcept {
    std::free(memory);
}
void operator delete(void* memory, std::align_val_t /*alignment*/) noexcept {
    std::free(memory);
}
void operator delete(void* memory, std::size_t /*bytes*/, std::align_val_t /*alignment*/) noexcept {
    std::free(memory);
}
// NOLINTEND(cppcoreguidelines-owning-memory)

namespace accel::test {
namespace {

using ::testing::Each;

class HotPathTest : public SdkTest {
  protected:
    HotPathTest() : card(open()) {}
    void TearDown() override { EXPECT_EQ(driver->buffers(), 0U); }

    Device card;
};

TEST_F(HotPathTest, SubmittingAndPollingNeverEnterTheKernel) {
    Queue queue = card.create_queue({.entries = 8, .spin = never_sleep});
    auto buffer = card.allocate<float>({16});
    const Command command = fill(buffer, 1.0f);
    const Command gemm = Gemm{.d = buffer, .a = buffer, .b = buffer, .m = 2, .n = 2, .k = 2};
    queue.submit(gemm).wait();  // allocates the memory for parameters
    const std::uint64_t before = driver->calls();
    for (int i = 0; i < 100; ++i) {
        queue.submit(command);
        queue.submit(gemm).wait();
        EXPECT_TRUE(queue.submit(Nop{}).wait(std::chrono::seconds(60)) == WaitResult::done);
    }
    EXPECT_EQ(driver->calls(), before);
}

TEST_F(HotPathTest, SubmittingAllocatesNothingOnceTheRingHasWrapped) {
    Queue queue = card.create_queue({.entries = 4, .spin = never_sleep});
    auto buffer = card.allocate<float>({16});
    CommandList list = card.create_command_list();
    for (std::uint32_t i = 0; i < 8; ++i) {
        list.add(Fill{.dst = argument(i), .bytes = 8});
    }
    list.close();
    const auto round = [&] {
        for (int i = 0; i < 8; ++i) {
            queue.submit(fill(buffer, 1.0f));
            queue.submit(Gemm{
                .d = buffer, .a = buffer, .b = buffer, .bias = buffer, .m = 2, .n = 2, .k = 2});
            queue.submit(list, {buffer, buffer, buffer, buffer, buffer, buffer, buffer, buffer});
            queue.submit(Nop{}).wait();
            Batch batch = queue.batch();
            batch.add(Nop{}).add(fill(buffer, 2.0f));
            batch.submit().wait();
        }
    };
    round();
    counting = true;
    allocations = 0;
    round();
    counting = false;
    EXPECT_EQ(allocations, 0U);
    auto proof = std::make_unique<int>(1);  // shows that the counter works
    counting = true;
    proof = std::make_unique<int>(2);
    counting = false;
    EXPECT_EQ(allocations, 1U);
}

TEST_F(HotPathTest, ABusyCardNeedsNoDoorbell) {
    Queue queue = card.create_queue({.entries = 64});
    Gate gate(card);
    queue.submit(gate.closed());
    EXPECT_EQ(queue.doorbells(), 1U);
    for (int i = 0; i < 50; ++i) {
        queue.submit(Nop{});
    }
    EXPECT_EQ(queue.doorbells(), 1U) << "the card had work all the time";
    EXPECT_EQ(queue.pending(), 51U);
    gate.open();
    queue.synchronize();
    EXPECT_EQ(queue.pending(), 0U);
    const QueueStats stats = queue.stats();
    EXPECT_EQ(stats.completed, 51U);
    EXPECT_EQ(stats.doorbells, 1U) << "the card's own count";
}

TEST_F(HotPathTest, AJobCostsAtMostOneDoorbellAndNoInterruptUnlessAThreadSleeps) {
    Queue queue = card.create_queue({.spin = never_sleep});
    for (std::uint64_t i = 1; i <= 20; ++i) {
        queue.submit(Nop{}).wait();
        // After a job the card may check the ring once more, and then needs no doorbell.
        EXPECT_LE(queue.doorbells(), i);
    }
    EXPECT_EQ(queue.stats().doorbells, queue.doorbells());
    EXPECT_EQ(queue.stats().interrupts, 0U) << "no thread armed one";
}

TEST_F(HotPathTest, ABatchCostsOneDoorbell) {
    Queue queue = card.create_queue({.entries = 32});
    auto buffer = card.allocate<std::uint32_t>({32});
    Batch batch = queue.batch();
    for (std::uint32_t i = 0; i < 32; ++i) {
        batch.add(fill(buffer.slice(i, 1), i));
    }
    EXPECT_EQ(batch.size(), 32U);
    EXPECT_EQ(queue.doorbells(), 0U);
    EXPECT_EQ(queue.pending(), 0U) << "nothing is published yet";
    batch.submit().wait();
    EXPECT_EQ(queue.doorbells(), 1U);
    for (std::uint32_t i = 0; i < 32; ++i) {
        EXPECT_EQ(buffer[i], i);
    }
}

TEST_F(HotPathTest, ADestroyedBatchLeavesNothing) {
    Queue queue = card.create_queue({.entries = 4});
    auto buffer = card.allocate<int>({4});
    {
        Batch batch = queue.batch();
        batch.add(fill(buffer, 1)).add(fill(buffer, 2));
        auto gone = card.allocate<int>({4});
        batch.add(fill(gone, 3));
    }
    EXPECT_EQ(driver->buffers(), 1U) << "the buffers of the batch are freed";
    queue.submit(Nop{}).wait();
    EXPECT_EQ(queue.stats().completed, 1U);
    EXPECT_THAT(buffer.span(), Each(0));
}

TEST_F(HotPathTest, AnExceptionWithinABatchLeavesTheQueueUnchanged) {
    Queue queue = card.create_queue({.entries = 4});
    auto buffer = card.allocate<int>({4});
    expect_says(error_of([&] {
                    Batch batch = queue.batch();
                    batch.add(fill(buffer, 1));
                    batch.add(copy(buffer.slice(0, 1), buffer));
                    batch.submit();
                }),
                "touches 16 bytes");
    queue.submit(fill(buffer.slice(0, 1), 9)).wait();
    EXPECT_EQ(queue.stats().completed, 1U);
    EXPECT_EQ(buffer[1], 0);
}

TEST_F(HotPathTest, BatchesAreChecked) {
    Queue queue = card.create_queue({.entries = 2});
    Batch batch = queue.batch();
    const auto busy = [&](auto&& action) {
        EXPECT_EQ(error_of(action).errc(), std::errc::device_or_resource_busy);
    };
    busy([&] { queue.submit(Nop{}); });
    busy([&] { static_cast<void>(queue.try_submit(Nop{})); });
    busy([&] { static_cast<void>(queue.batch()); });
    busy([&] { queue.reset(); });
    expect_says(error_of([&] { batch.submit(); }), "empty");
    batch.add(Nop{}).add(Nop{});
    expect_says(error_of([&] { batch.add(Nop{}); }), "ring of 2 commands");
    EXPECT_EQ(batch.size(), 2U);
    Batch moved = std::move(batch);
    expect_says(error_of([&] { batch.add(Nop{}); }), "moved from");  // NOLINT: intended
    moved.submit().wait();
    expect_says(error_of([&] { moved.add(Nop{}); }), "was submitted");
    expect_says(error_of([&] { moved.submit(); }), "was submitted");
    expect_says(error_of([&] { static_cast<void>(moved.size()); }), "was submitted");
    queue.submit(Nop{}).wait();
}

TEST_F(HotPathTest, ABatchWaitsForRoom) {
    Queue queue = card.create_queue({.entries = 4});
    Gate gate(card);
    queue.submit(gate.closed());
    queue.submit(Nop{});
    driver->before(ACCEL_IOCTL_QUEUE_WAIT, [&] { gate.open(); });  // once it sleeps for room
    Batch batch = queue.batch();
    for (int i = 0; i < 4; ++i) {
        batch.add(Nop{});
    }
    batch.submit().wait();
    EXPECT_EQ(queue.stats().completed, 6U);
    driver->before(ACCEL_IOCTL_QUEUE_WAIT, nullptr);
}

TEST_F(HotPathTest, TrySubmitRefusesAFullRingAndSubmitWaitsForRoom) {
    Queue queue = card.create_queue({.entries = 4});
    auto buffer = card.allocate<int>({1});
    Gate gate(card);
    queue.submit(gate.closed());
    for (int i = 0; i < 3; ++i) {
        EXPECT_TRUE(queue.try_submit(Nop{}).has_value());
    }
    EXPECT_FALSE(queue.try_submit(fill(buffer, 1)).has_value());
    EXPECT_EQ(queue.pending(), 4U);
    driver->before(ACCEL_IOCTL_QUEUE_WAIT, [&] { gate.open(); });  // once submit() sleeps
    queue.submit(fill(buffer, 2)).wait();
    driver->before(ACCEL_IOCTL_QUEUE_WAIT, nullptr);
    EXPECT_EQ(buffer[0], 2);
    EXPECT_EQ(queue.stats().completed, 5U);
}

TEST_F(HotPathTest, TrySubmitOfAListRefusesAFullRing) {
    Queue queue = card.create_queue({.entries = 2});
    CommandList list = card.create_command_list();
    list.add(Nop{});
    list.close();
    Gate gate(card);
    queue.submit(gate.closed());
    EXPECT_TRUE(queue.try_submit(list).has_value());
    EXPECT_FALSE(queue.try_submit(list).has_value());
    gate.open();
    queue.synchronize();
    EXPECT_TRUE(queue.try_submit(list, {}).has_value());
    queue.synchronize();
}

class WrapTest : public HotPathTest, public ::testing::WithParamInterface<std::uint32_t> {};

TEST_P(WrapTest, TheRingWrapsManyTimesAndLosesNothing) {
    Queue queue = card.create_queue({.entries = GetParam()});
    EXPECT_EQ(queue.entries(), GetParam());
    constexpr std::uint32_t rounds = 1000;
    auto buffer = card.allocate<std::uint32_t>({rounds});
    Job last;
    for (std::uint32_t i = 0; i < rounds; ++i) {
        last = queue.submit(fill(buffer.slice(i, 1), i + 1));
        EXPECT_EQ(last.sequence(), i + 1);
    }
    last.wait();
    for (std::uint32_t i = 0; i < rounds; ++i) {
        ASSERT_EQ(buffer[i], i + 1);
    }
    EXPECT_EQ(queue.stats().completed, rounds);
    EXPECT_EQ(queue.stats().doorbells, queue.doorbells());
    EXPECT_LE(queue.doorbells(), rounds);
}

INSTANTIATE_TEST_SUITE_P(Entries, WrapTest, ::testing::Values(2, 4, 64, 256));

TEST_F(HotPathTest, QueueOptionsAreChecked) {
    for (const std::uint32_t entries : {0U, 1U, 3U, 100U, 512U, 0x80000000U}) {
        const Error error =
            error_of([&] { static_cast<void>(card.create_queue({.entries = entries})); });
        EXPECT_EQ(error.errc(), std::errc::invalid_argument);
        expect_says(error, "power of two from 2 to 256", "not " + std::to_string(entries));
    }
}

TEST_F(HotPathTest, EveryPriorityIsAccepted) {
    for (const Priority priority :
         {Priority::low, Priority::normal, Priority::high, Priority::urgent}) {
        Queue queue = card.create_queue({.priority = priority});
        queue.submit(Nop{}).wait();
    }
}

TEST_F(HotPathTest, ExhaustedQueuesAreReported) {
    std::vector<Queue> queues;
    queues.reserve(8);
    for (int i = 0; i < 8; ++i) {
        queues.push_back(card.create_queue());
    }
    const Error error = error_of([&] { static_cast<void>(card.create_queue()); });
    EXPECT_EQ(error.errc(), std::errc::no_space_on_device);
    expect_says(error, "cannot create a queue on /dev/accel0", "all 8 queues of the card",
                "accelctl top");
}

TEST_F(HotPathTest, StatsCountTheWorkOfTheQueue) {
    Queue queue = card.create_queue();
    auto device = card.allocate_device<std::byte>({4096});
    auto host = card.allocate<std::byte>({4096});
    queue.submit(copy(device, host));
    queue.submit(copy(host, device)).wait();
    const QueueStats stats = queue.stats();
    EXPECT_EQ(stats.completed, 2U);
    EXPECT_EQ(stats.commands, 2U);
    EXPECT_GE(stats.host_bytes_read, 4096U);
    EXPECT_GE(stats.host_bytes_written, 4096U);
    EXPECT_EQ(stats.device_bytes_written, 4096U);
    EXPECT_EQ(stats.device_bytes_read, 4096U);
    EXPECT_GT(stats.dma_busy_ticks, 0U);
    EXPECT_EQ(stats.compute_busy_ticks, 0U);
}

}  // namespace
}  // namespace accel::test
