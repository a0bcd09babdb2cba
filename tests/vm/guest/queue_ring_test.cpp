// SPDX-License-Identifier: Apache-2.0
//
// Rings that wrap around, and the doorbells that the card needs and does not need.
#include <gtest/gtest.h>

#include <cerrno>
#include <random>
#include <vector>

#include "commands.hpp"
#include "sanity.hpp"

namespace {

/// Waits until the card is idle and asks for a doorbell for the next command.
void await_idle(const uapi::Queue& queue) {
    uapi::await("the card to be idle", [&] { return queue.status().event_index == queue.tail(); });
}

TEST(Ring, WrapsManyTimes) {
    const uapi::File file;
    for (const std::uint32_t entries : {2U, 8U}) {
        uapi::Queue queue(file, entries);
        const uapi::Semaphore counter(file);
        constexpr std::uint64_t rounds = 1000;
        for (std::uint64_t i = 1; i <= rounds; ++i) {
            // Each command waits for the previous one: a lost or reordered one would be found.
            queue.submit(i % 2 == 0 ? uapi::wait_for(counter.address(), i - 1)
                                    : uapi::signal(counter.address(), i));
        }
        EXPECT_EQ(queue.wait(rounds), 0);
        EXPECT_EQ(counter.value(), rounds - 1);
        EXPECT_EQ(queue.query().commands, rounds);
    }
}

TEST(Ring, NeedsOneDoorbellForABatch) {
    const uapi::File file;
    uapi::Queue queue(file, 64);
    for (int i = 0; i < 64; ++i) {
        queue.enqueue(uapi::nop());
    }
    queue.publish();
    EXPECT_EQ(queue.wait(64), 0);
    EXPECT_EQ(queue.query().doorbells, 1U);
}

// The memory of a queue ends with the queue; a mapping that remains shows the last status.
TEST(Ring, EndsWithTheQueueButTheStatusStays) {
    const uapi::File file;
    uapi::Queue queue(file, 256);
    for (int i = 0; i < 300; ++i) {
        queue.run(uapi::nop());
    }
    ASSERT_EQ(queue.destroy(), 0);
    EXPECT_EQ(queue.status().completed, 300U);
    EXPECT_EQ(queue.ring()[0].opcode, 0U);
    queue.ring()[0] = uapi::nop();
    queue.status().tail = 400;
    EXPECT_EQ(queue.status().completed, 300U);
    // A new queue does not get the old pages while the mapping exists.
    uapi::Queue other(file, 256);
    other.run(uapi::nop());
    EXPECT_EQ(queue.status().completed, 300U);
}

TEST(Ring, OfEveryLengthIsUsableToItsEnd) {
    const uapi::File file;
    const std::uint32_t longest = file.info().ring_entries;
    for (std::uint32_t entries = 2; entries <= longest; entries *= 8) {
        uapi::Queue queue(file, entries);
        for (std::uint32_t i = 0; i < entries; ++i) {
            queue.enqueue(uapi::nop());
        }
        queue.publish();
        ASSERT_EQ(queue.wait(entries), 0) << entries;
    }
}

TEST(Doorbell, IsRungOncePerIdlePeriod) {
    const uapi::File file;
    uapi::Queue queue(file, 4);
    for (std::uint64_t i = 1; i <= 50; ++i) {
        queue.run(uapi::nop());
        await_idle(queue);
        EXPECT_EQ(queue.query().doorbells, i);
    }
}

TEST(Doorbell, IsNotNeededWhileTheQueueIsBusy) {
    const uapi::File file;
    uapi::Queue queue(file, 64);
    const uapi::Semaphore gate(file);
    queue.submit(uapi::wait_for(gate.address(), 1));
    for (int i = 0; i < 63; ++i) {
        queue.submit(uapi::nop());
    }
    gate.set(1);
    EXPECT_EQ(queue.wait(64), 0);
    EXPECT_EQ(queue.query().doorbells, 1U);
}

TEST(Doorbell, ToleratesAStormOfArbitraryValues) {
    const uapi::File file;
    uapi::Queue queue(file, 8);
    uapi::Queue neighbor(file, 8);
    std::minstd_rand random(7);
    constexpr std::uint64_t storm = 2000;
    for (std::uint64_t i = 0; i < storm; ++i) {
        queue.ring_doorbell(static_cast<std::uint32_t>(random()));
    }
    // There was no command, so nothing ran and nothing failed.
    EXPECT_EQ(queue.query().state, static_cast<std::uint32_t>(ACCEL_QUEUE_RUNNING));
    EXPECT_EQ(queue.query().completed, 0U);
    EXPECT_EQ(queue.query().doorbells, storm);
    EXPECT_EQ(neighbor.query().doorbells, 0U);
    queue.run(uapi::nop());
    neighbor.run(uapi::nop());
}

TEST(Doorbell, WithAnImpossibleTailStopsTheQueue) {
    const uapi::File file;
    uapi::Queue queue(file, 8);
    for (const std::uint64_t tail : {std::uint64_t{11}, ~std::uint64_t{0}, std::uint64_t{1}}) {
        queue.run(uapi::nop());
        queue.run(uapi::nop());
        queue.status().tail = tail;
        queue.ring_doorbell(static_cast<std::uint32_t>(tail));
        EXPECT_EQ(queue.wait(3), EIO) << tail;
        EXPECT_EQ(queue.query().error, static_cast<std::uint32_t>(ACCEL_BAD_DOORBELL)) << tail;
        EXPECT_EQ(queue.query().completed, 2U);
        ASSERT_EQ(queue.reset(), 0);
    }
    queue.run(uapi::nop());
}

}  // namespace
