// SPDX-License-Identifier: Apache-2.0
//
// Rings that wrap, doorbells that are needed and doorbells that are not.
#include <gtest/gtest.h>

#include <cerrno>
#include <random>
#include <vector>

#include "commands.hpp"
#include "health.hpp"

namespace {

/// Until the card has said that it sleeps and wants a doorbell for the next command.
void await_idle(const bench::Queue& queue) {
    bench::await("the card to rest", [&] { return queue.status().event_index == queue.tail(); });
}

TEST(Ring, WrapsManyTimes) {
    const bench::File file;
    for (const std::uint32_t entries : {2U, 8U}) {
        bench::Queue queue(file, entries);
        const bench::Semaphore counter(file);
        constexpr std::uint64_t rounds = 1000;
        for (std::uint64_t i = 1; i <= rounds; ++i) {
            // Out of order or lost, one would be seen here: each waits for the one before.
            queue.submit(i % 2 == 0 ? bench::wait_for(counter.address(), i - 1)
                                    : bench::signal(counter.address(), i));
        }
        EXPECT_EQ(queue.wait(rounds), 0);
        EXPECT_EQ(counter.value(), rounds - 1);
        EXPECT_EQ(queue.query().commands, rounds);
    }
}

TEST(Ring, TakesABatchWithOneDoorbell) {
    const bench::File file;
    bench::Queue queue(file, 64);
    for (int i = 0; i < 64; ++i) {
        queue.place(bench::nop());
    }
    queue.publish();
    EXPECT_EQ(queue.wait(64), 0);
    EXPECT_EQ(queue.query().doorbells, 1U);
}

TEST(Doorbell, IsRungOnceForEachTimeTheQueueWasIdle) {
    const bench::File file;
    bench::Queue queue(file, 4);
    for (std::uint64_t i = 1; i <= 50; ++i) {
        queue.run(bench::nop());
        await_idle(queue);
        EXPECT_EQ(queue.query().doorbells, i);
    }
}

TEST(Doorbell, IsNotNeededWhileTheQueueIsBusy) {
    const bench::File file;
    bench::Queue queue(file, 64);
    const bench::Semaphore gate(file);
    queue.submit(bench::wait_for(gate.address(), 1));
    for (int i = 0; i < 63; ++i) {
        queue.submit(bench::nop());
    }
    gate.set(1);
    EXPECT_EQ(queue.wait(64), 0);
    EXPECT_EQ(queue.query().doorbells, 1U);
}

TEST(Doorbell, MayBeRungInAStormWithAnyValue) {
    const bench::File file;
    bench::Queue queue(file, 8);
    bench::Queue neighbour(file, 8);
    std::minstd_rand random(7);
    constexpr std::uint64_t storm = 2000;
    for (std::uint64_t i = 0; i < storm; ++i) {
        queue.ring_doorbell(static_cast<std::uint32_t>(random()));
    }
    // Whatever was written, there was no command: nothing ran and nothing failed.
    EXPECT_EQ(queue.query().state, static_cast<std::uint32_t>(ACCEL_QUEUE_RUNNING));
    EXPECT_EQ(queue.query().completed, 0U);
    EXPECT_EQ(queue.query().doorbells, storm);
    EXPECT_EQ(neighbour.query().doorbells, 0U);
    queue.run(bench::nop());
    neighbour.run(bench::nop());
}

TEST(Doorbell, OfATailThatCannotBeStopsTheQueue) {
    const bench::File file;
    bench::Queue queue(file, 8);
    for (const std::uint64_t tail : {std::uint64_t{11}, ~std::uint64_t{0}, std::uint64_t{1}}) {
        queue.run(bench::nop());
        queue.run(bench::nop());
        queue.status().tail = tail;
        queue.ring_doorbell(static_cast<std::uint32_t>(tail));
        EXPECT_EQ(queue.wait(3), EIO) << tail;
        EXPECT_EQ(queue.query().error, static_cast<std::uint32_t>(ACCEL_BAD_DOORBELL)) << tail;
        EXPECT_EQ(queue.query().completed, 2U);
        ASSERT_EQ(queue.reset(), 0);
    }
    queue.run(bench::nop());
}

}  // namespace
