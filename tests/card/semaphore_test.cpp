// SPDX-License-Identifier: Apache-2.0
//
// WAIT and SIGNAL between queues, contexts and the host; a waiting queue occupies no engine.
#include <algorithm>
#include <thread>

#include "card_fixture.hpp"
#include "ordering.hpp"

namespace accel::test {
namespace {

class Semaphore : public CardTest {
  protected:
    std::uint64_t word = space.allocate(page_size);
    std::uint64_t device_word = space.allocate(page_size, Layout::device);
};

TEST_F(Semaphore, AReachedValueDoesNotBlock) {
    space.store_one<std::uint64_t>(word, 5);
    EXPECT_EQ(queue.run(wait_for(word, 5)), ACCEL_OK);
    EXPECT_EQ(queue.run(wait_for(word, 4)), ACCEL_OK);
    EXPECT_EQ(queue.run(wait_for(word, 0)), ACCEL_OK);
    space.store_one<std::uint64_t>(word, UINT64_MAX);  // the comparison is unsigned
    EXPECT_EQ(queue.run(wait_for(word, std::uint64_t{1} << 63)), ACCEL_OK);
}

TEST_F(Semaphore, ASignalOfAnotherQueueEndsTheWait) {
    Queue other(space, 1);
    for (const std::uint64_t address : {word, device_word}) {
        for (std::uint64_t value = 1; value <= 50; ++value) {
            const std::uint64_t sequence = queue.submit(wait_for(address, value));
            EXPECT_EQ(other.run(signal(address, value)), ACCEL_OK);
            ASSERT_EQ(queue.wait(sequence), ACCEL_OK);
        }
    }
}

TEST_F(Semaphore, TheHostMaySignalByWriting) {
    for (const bool ring : {true, false}) {
        for (const std::uint64_t address : {word, device_word}) {
            const std::uint64_t sequence = queue.submit(wait_for(address, ring ? 1 : 2));
            EXPECT_LT(queue.completed(), sequence);
            card::store_word(space.at(address), ring ? 1 : 2);
            if (ring) {
                queue.ring_doorbell();
            }
            EXPECT_EQ(queue.wait(sequence), ACCEL_OK);
        }
    }
}

TEST_F(Semaphore, AWaitingQueueOccupiesNoEngine) {
    // More queues wait than there are engines, and both engines still work.
    std::vector<std::unique_ptr<Queue>> waiting;
    for (std::uint32_t id = 1; id <= 8; ++id) {
        waiting.push_back(std::make_unique<Queue>(space, id));
        waiting.back()->submit(wait_for(word, 1));
    }
    accel_reduce p{};
    p.type = ACCEL_TYPE_F32;
    p.outer = p.n = p.inner = 1;
    for (int i = 0; i < 20; ++i) {
        EXPECT_EQ(queue.run(fill(word + 64, 1, 1, 1)), ACCEL_OK);
        EXPECT_EQ(
            queue.run(tensor_command(ACCEL_OP_SOFTMAX, {.dst = word + 128, .src0 = word + 128}, p)),
            ACCEL_OK);
    }
    EXPECT_EQ(queue.run(signal(word, 1)), ACCEL_OK);
    for (auto& other : waiting) {
        EXPECT_EQ(other->wait(1), ACCEL_OK);
    }
}

TEST_F(Semaphore, ASignalFollowsTheWritesBeforeIt) {
    Queue other(space, 1);
    const std::uint64_t data = space.allocate(64 * page_size, Layout::scattered);
    const std::uint64_t copied = space.allocate(64 * page_size, Layout::scattered);
    for (std::uint64_t round = 1; round <= 20; ++round) {
        const std::uint64_t last = other.tail() + 2;
        other.submit(wait_for(word, round));
        other.submit(copy(copied, data, 64 * page_size));
        queue.submit(fill(data, round, 1, 64 * page_size));
        queue.submit(signal(word, round));
        ASSERT_EQ(other.wait(last), ACCEL_OK);
        const auto bytes = space.load<std::uint8_t>(copied, 64 * page_size);
        ASSERT_TRUE(std::ranges::all_of(bytes, [&](std::uint8_t b) { return b == round; }));
    }
}

TEST_F(Semaphore, TwoQueuesCanAlternate) {
    Queue other(space, 1, {.entries = 1024});
    Queue first(space, 2, {.entries = 1024});
    for (std::uint64_t i = 1; i <= 400; ++i) {
        first.enqueue(signal(word, i));
        first.enqueue(wait_for(word + 8, i));
        other.enqueue(wait_for(word, i));
        other.enqueue(signal(word + 8, i));
    }
    first.ring_doorbell();
    other.ring_doorbell();
    EXPECT_EQ(first.wait(800), ACCEL_OK);
    EXPECT_EQ(other.wait(800), ACCEL_OK);
}

TEST_F(Semaphore, ContextsCanSynchronizeThroughASharedPage) {
    AddressSpace other(host, 1);
    Queue foreign(other, 1);
    const std::uint64_t address = 0x7000'0000'0000;
    other.map(address, space.locate(word), page_size);
    const std::uint64_t sequence = foreign.submit(wait_for(address, 3));
    EXPECT_EQ(queue.run(signal(word, 3)), ACCEL_OK);
    EXPECT_EQ(foreign.wait(sequence), ACCEL_OK);
}

TEST_F(Semaphore, BadSemaphoresAreRefused) {
    for (const bool waits : {true, false}) {
        const auto make = [&](std::uint64_t address) {
            return waits ? wait_for(address, 1) : signal(address, 1);
        };
        for (const std::uint64_t offset : {1, 4, 7}) {
            expect_error(ACCEL_BAD_ALIGNMENT, make(word + offset));
        }
        for (unsigned i = 0; i < 4; ++i) {
            accel_command bad = make(word);
            bad.semaphore.reserved[i] = 1;
            expect_error(ACCEL_BAD_FIELD, bad);
        }
        const std::uint64_t hole = space.reserve(page_size);
        expect_fault(ACCEL_FAULT_UNMAPPED, hole, make(hole));
    }
    const std::uint64_t read_only = space.allocate(page_size, Layout::host, 0, pte_read_only);
    expect_fault(ACCEL_FAULT_WRITE, read_only, signal(read_only, 1));
    const std::uint64_t write_only = space.allocate(page_size, Layout::host, 0, pte_write_only);
    expect_fault(ACCEL_FAULT_READ, write_only, wait_for(write_only, 1));
}

TEST_F(Semaphore, AWordUnmappedDuringTheWaitIsAFault) {
    queue.submit(wait_for(word, 1));
    const Location location = space.locate(word);
    space.unmap(word, page_size);
    EXPECT_EQ(space.invalidate(word, page_size), ACCEL_OK);
    EXPECT_EQ(queue.wait(1), ACCEL_FAULT_UNMAPPED);
    space.map(word, location, page_size);
}

TEST_F(Semaphore, AWaitingQueueCanBeResetAndDestroyed) {
    queue.submit(wait_for(word, 1));
    EXPECT_EQ(queue.reset(), ACCEL_OK);
    EXPECT_EQ(queue.run(nop()), ACCEL_OK);
    queue.submit(wait_for(word, 1));
    EXPECT_EQ(queue.destroy(), ACCEL_OK);
    // No queue polls the page any more.
    host.memory().watch(space.locate(word).address);
    Queue other(space, 1);
    for (int i = 0; i < 100; ++i) {
        EXPECT_EQ(other.run(signal(device_word, 1)), ACCEL_OK);
    }
    EXPECT_EQ(host.memory().trespasses(), 0U);
}

TEST_F(Semaphore, ManyQueuesAndManyWordsUnderStress) {
    constexpr std::uint64_t queue_count = 8;
    constexpr std::uint64_t round_count = 150;
    // A chain of queues: each waits for the word of the one before, and then signals its own.
    std::vector<std::unique_ptr<Queue>> queues;
    for (std::uint32_t id = 0; id < queue_count; ++id) {
        queues.push_back(std::make_unique<Queue>(
            space, id + 1, QueueOptions{.entries = 512, .priority = id % ACCEL_PRIORITIES}));
    }
    for (std::uint64_t round = 1; round <= round_count; ++round) {
        for (std::uint64_t i = 0; i < queue_count; ++i) {
            if (i != 0) {
                queues[i]->submit(wait_for(word + 8 * (i - 1), round));
            }
            queues[i]->submit(signal(word + 8 * i, round));
        }
    }
    for (auto& each : queues) {
        ASSERT_EQ(each->wait(each->tail()), ACCEL_OK);
    }
    EXPECT_EQ(space.load<std::uint64_t>(word, queue_count),
              std::vector<std::uint64_t>(queue_count, round_count));
}

}  // namespace
}  // namespace accel::test
