// SPDX-License-Identifier: Apache-2.0
//
// Queues: ring, doorbell, shadow doorbell, completion, records, interrupts and errors.
#include <array>
#include <cstddef>
#include <thread>

#include "card_fixture.hpp"

namespace accel::test {
namespace {

class QueueTest : public CardTest {};

TEST_F(QueueTest, TheSmallestRingWrapsManyTimes) {
    Queue small(space, 1, {.entries = ACCEL_RING_ENTRIES_MIN});
    for (std::uint64_t i = 1; i <= 1000; ++i) {
        ASSERT_EQ(small.submit(nop()), i);
        ASSERT_EQ(small.wait(i), ACCEL_OK);
    }
    EXPECT_EQ(small.completed(), 1000U);
    EXPECT_EQ(host.query(1).commands, 1000U);
    EXPECT_GE(host.read64(ACCEL_REG_COMMANDS), 1000U);
}

TEST_F(QueueTest, AFullRingRunsInOrder) {
    const std::uint64_t words = space.allocate(page_size);
    for (std::uint64_t round = 0; round < 3; ++round) {
        for (std::uint64_t i = 0; i < 64; ++i) {
            queue.enqueue(i % 2 == 0 ? fill(words, i, 8, 8) : copy(words + 8 + i * 8, words, 8));
        }
        queue.ring_doorbell();
        ASSERT_EQ(queue.wait(queue.tail()), ACCEL_OK);
        for (std::uint64_t i = 1; i < 64; i += 2) {
            EXPECT_EQ(space.load<std::uint64_t>(words + 8 + i * 8, 1)[0], i - 1);
        }
    }
}

TEST_F(QueueTest, RingAndStatusPageMayHaveAnyLayout) {
    std::uint32_t id = 1;
    for (const Layout layout : layouts) {
        Queue other(space, id++, {.entries = 128, .layout = layout});
        for (int i = 0; i < 300; ++i) {
            ASSERT_EQ(other.run(nop()), ACCEL_OK);
        }
    }
}

TEST_F(QueueTest, TheValueOfADoorbellIsOnlyAHint) {
    queue.enqueue(nop());
    host.doorbell(queue.id(), 0xdeadbeef);
    EXPECT_EQ(queue.wait(1), ACCEL_OK);
    host.doorbell(queue.id(), 0);  // no new command: no effect
    EXPECT_EQ(queue.run(nop()), ACCEL_OK);
}

TEST_F(QueueTest, TheEventIndexIsTheTailThatTheCardReached) {
    EXPECT_EQ(queue.event_index(), 0U);
    EXPECT_EQ(queue.run(nop()), ACCEL_OK);
    EXPECT_TRUE(eventually([&] { return queue.event_index() == 1; }));
    queue.enqueue(nop());
    queue.enqueue(nop());
    queue.ring_doorbell();
    EXPECT_EQ(queue.wait(3), ACCEL_OK);
    EXPECT_TRUE(eventually([&] { return queue.event_index() == 3; }));
}

TEST_F(QueueTest, ABusyQueueNeedsNoDoorbell) {
    ACCEL_NEEDS_THREADS(host);
    const std::uint64_t page = space.allocate(page_size);
    Stall stall(space, page);
    queue.submit(fill(page, 1, 1, 1));
    ASSERT_TRUE(stall.wait_until_stalled());
    const std::uint64_t rung = host.read64(ACCEL_REG_DOORBELLS);
    for (int i = 0; i < 10; ++i) {
        const std::uint64_t before = queue.tail();
        queue.enqueue(nop());
        queue.ring_doorbell_if_needed(before);
    }
    EXPECT_EQ(host.read64(ACCEL_REG_DOORBELLS), rung);
    stall.release();
    EXPECT_EQ(queue.wait(11), ACCEL_OK);
}

TEST_F(QueueTest, CommandsAreCopiedBeforeTheyRun) {
    // The second command overwrites the slot of the third, which was published with it.
    const std::uint64_t out = space.allocate(page_size);
    const std::uint64_t other = space.allocate(page_size);
    space.store_one(other, fill(out, 0x22, 1, 1));
    queue.enqueue(nop());
    queue.enqueue(copy(queue.ring_address() + std::uint64_t{2} * ACCEL_COMMAND_SIZE, other,
                       ACCEL_COMMAND_SIZE));
    queue.enqueue(fill(out, 0x11, 1, 1));
    queue.ring_doorbell();
    ASSERT_EQ(queue.wait(3), ACCEL_OK);
    // The card may run either version of the third command, but not a mix of both.
    EXPECT_TRUE(space.load<std::uint8_t>(out, 1)[0] == 0x11 ||
                space.load<std::uint8_t>(out, 1)[0] == 0x22);
}

TEST_F(QueueTest, RecordsHoldSequenceAndTimes) {
    const std::uint64_t record = space.allocate(page_size);
    const std::uint64_t page = space.allocate(page_size);
    const std::uint64_t before = host.clock();
    EXPECT_EQ(queue.run(with_record(nop(), record)), ACCEL_OK);
    EXPECT_EQ(queue.run(with_record(fill(page, 1, 1, page_size), record + 32)), ACCEL_OK);
    const std::uint64_t after = host.clock();
    const auto records = space.load<accel_completion_record>(record, 2);
    std::uint64_t last = before;
    for (std::uint64_t i = 0; i < 2; ++i) {
        EXPECT_EQ(records[i].sequence, i + 1);
        EXPECT_EQ(records[i].status, ACCEL_OK);
        EXPECT_EQ(records[i].list_index, ACCEL_NO_LIST_INDEX);
        EXPECT_GE(records[i].start, last);
        EXPECT_GE(records[i].end, records[i].start);
        last = records[i].end;
    }
    EXPECT_LE(last, after);
}

TEST_F(QueueTest, TheRecordOfAFailedCommandHoldsTheError) {
    const std::uint64_t record = space.allocate(page_size);
    expect_error(ACCEL_FAULT_UNMAPPED, with_record(copy(0, 0, 1), record));
    EXPECT_EQ(space.load<accel_completion_record>(record, 1)[0].status, ACCEL_FAULT_UNMAPPED);
}

TEST_F(QueueTest, RecordsThatCannotBeWrittenFailTheCommand) {
    const std::uint64_t hole = space.reserve(page_size);
    expect_fault(ACCEL_FAULT_UNMAPPED, hole, with_record(nop(), hole));
    const std::uint64_t forbidden = space.allocate(page_size, Layout::host, 0, pte_read_only);
    expect_fault(ACCEL_FAULT_WRITE, forbidden, with_record(nop(), forbidden));
    expect_error(ACCEL_BAD_ALIGNMENT, with_record(nop(), hole + 16));
}

TEST_F(QueueTest, BadHeadersAreRefused) {
    const auto refuse = [&](accel_status status, auto change) {
        accel_command command = nop();
        change(command);
        const accel_event event = expect_error(status, command);
        EXPECT_EQ(event.opcode, command.opcode);
        EXPECT_EQ(event.list_index, ACCEL_NO_LIST_INDEX);
        EXPECT_EQ(event.address, 0U);
    };
    for (const std::uint8_t opcode : {0x04, 0x0f, 0x13, 0x1f, 0x2a, 0xff}) {
        refuse(ACCEL_BAD_OPCODE, [&](auto& c) { c.opcode = opcode; });
    }
    refuse(ACCEL_BAD_FIELD, [](auto& c) { c.flags = 2; });
    refuse(ACCEL_BAD_FIELD, [](auto& c) { c.flags = 0x80; });
    refuse(ACCEL_BAD_FIELD, [](auto& c) { c.variant = 1; });
    refuse(ACCEL_BAD_FIELD, [](auto& c) { c.reserved = 1; });
    refuse(ACCEL_BAD_FIELD, [](auto& c) { c.record = 32; });
    for (unsigned i = 0; i < 6; ++i) {
        refuse(ACCEL_BAD_FIELD, [&](auto& c) { c.words[i] = 1; });
    }
}

TEST_F(QueueTest, TensorParametersAreChecked) {
    const std::uint64_t params = space.allocate(page_size);
    const std::uint64_t data = space.allocate(page_size);
    accel_reduce p{};
    p.type = ACCEL_TYPE_F32;
    p.outer = p.n = p.inner = 1;
    space.store_one(params, p);
    const Operands operands{.dst = data, .src0 = data};
    const auto command = [&](std::uint64_t at, std::uint32_t size) {
        return tensor(ACCEL_OP_SOFTMAX, operands, at, size);
    };
    EXPECT_EQ(queue.run(command(params, sizeof p)), ACCEL_OK);
    EXPECT_EQ(queue.run(command(params, 256)), ACCEL_OK);
    expect_error(ACCEL_BAD_SIZE, command(params, sizeof p - 1));
    expect_error(ACCEL_BAD_SIZE, command(params, 0));
    expect_error(ACCEL_BAD_SIZE, command(params, 257));
    expect_error(ACCEL_BAD_SIZE, command(params, 0xffffffff));
    expect_error(ACCEL_BAD_ALIGNMENT, command(params + 8, sizeof p));
    auto bad = command(params, sizeof p);
    bad.tensor.reserved = 1;
    expect_error(ACCEL_BAD_FIELD, bad);
    const std::uint64_t hole = space.reserve(page_size);
    expect_fault(ACCEL_FAULT_UNMAPPED, hole, command(hole, sizeof p));
    // Bytes beyond the fields that the card knows must be zero.
    space.store_one<std::uint8_t>(params + 200, 1);
    EXPECT_EQ(queue.run(command(params, 200)), ACCEL_OK);
    expect_error(ACCEL_BAD_FIELD, command(params, 201));
}

TEST_F(QueueTest, AnErrorStopsTheQueueUntilItIsReset) {
    const std::uint64_t vector0 = host.interrupts(0);
    const std::uint64_t vector1 = host.interrupts(1);
    EXPECT_EQ(queue.run(nop()), ACCEL_OK);
    queue.enqueue(copy(0x5000, 0, 1));
    queue.enqueue(nop());
    queue.ring_doorbell();
    EXPECT_EQ(queue.wait(2), ACCEL_FAULT_UNMAPPED);
    EXPECT_TRUE(eventually([&] { return host.interrupts(1) == vector1 + 1; }));
    EXPECT_GE(host.interrupts(0), vector0 + 1);
    EXPECT_EQ(queue.completed(), 1U);
    queue.ring_doorbell();
    Queue other(space, 1);  // it still runs, and the stopped queue does not
    for (int i = 0; i < 100; ++i) {
        ASSERT_EQ(other.run(nop()), ACCEL_OK);
    }
    EXPECT_EQ(queue.completed(), 1U);
    EXPECT_EQ(queue.reset(), ACCEL_OK);
    const accel_queue_status page = queue.status();
    EXPECT_EQ(page.state, ACCEL_QUEUE_RUNNING);
    EXPECT_EQ(page.completed + page.error + page.error_sequence + page.event_index, 0U);
    EXPECT_EQ(queue.run(nop()), ACCEL_OK);
    EXPECT_EQ(queue.completed(), 1U);
}

TEST_F(QueueTest, AnErrorInterruptsASharedVectorZeroOnlyOnce) {
    Queue other(space, 1, {.vector = 0});
    EXPECT_TRUE(host.settled(0));
    const std::uint64_t before = host.read64(ACCEL_REG_INTERRUPTS);
    EXPECT_EQ(other.run(copy(0, 0, 1)), ACCEL_FAULT_UNMAPPED);
    const accel_queue_stats stats = host.query(1);  // one more interrupt: its completion
    EXPECT_EQ(stats.interrupts, 1U);
    EXPECT_TRUE(eventually([&] { return host.read64(ACCEL_REG_INTERRUPTS) == before + 2; }));
}

TEST_F(QueueTest, ATailBeyondTheRingOrBehindStopsTheQueue) {
    for (const std::uint64_t tail :
         {std::uint64_t{66 + 1}, std::uint64_t{1}, UINT64_MAX, std::uint64_t{1} << 32}) {
        EXPECT_EQ(queue.run(nop()), ACCEL_OK);
        EXPECT_EQ(queue.run(nop()), ACCEL_OK);
        queue.set_tail(tail);
        queue.ring_doorbell();
        EXPECT_TRUE(eventually([&] { return queue.state() == ACCEL_QUEUE_ERROR; }));
        const accel_queue_status page = queue.status();
        EXPECT_EQ(page.error, ACCEL_BAD_DOORBELL);
        EXPECT_EQ(page.error_sequence, 3U);
        EXPECT_EQ(page.completed, 2U);
        const auto event = host.next_event();
        ASSERT_TRUE(event);
        EXPECT_EQ(event->status, ACCEL_BAD_DOORBELL);
        EXPECT_EQ(event->type, ACCEL_EVENT_QUEUE_ERROR);
        EXPECT_EQ(queue.reset(), ACCEL_OK);
    }
}

TEST_F(QueueTest, AnUnwritableStatusPageIsReportedByTheEventAlone) {
    EXPECT_EQ(queue.run(nop()), ACCEL_OK);
    EXPECT_TRUE(eventually([&] { return queue.event_index() == 1; }));
    space.protect(queue.status_address(), page_size, pte_read_only);
    EXPECT_EQ(space.invalidate(queue.status_address(), page_size), ACCEL_OK);
    queue.enqueue(nop());
    queue.ring_doorbell();
    const auto event = host.next_event();
    ASSERT_TRUE(event);
    EXPECT_EQ(event->status, ACCEL_FAULT_WRITE);
    EXPECT_EQ(event->address, queue.status_address());
    EXPECT_EQ(event->command_sequence, 2U);
    EXPECT_EQ(queue.state(), ACCEL_QUEUE_RUNNING);
    space.protect(queue.status_address(), page_size, pte_read_write);
    EXPECT_EQ(queue.reset(), ACCEL_OK);
    EXPECT_EQ(queue.run(nop()), ACCEL_OK);
}

TEST_F(QueueTest, AnUnmappedRingOrStatusPageIsAFault) {
    for (const bool ring : {true, false}) {
        const std::uint64_t address = ring ? queue.ring_address() : queue.status_address();
        const Location location = space.locate(address);
        queue.enqueue(nop());
        space.unmap(address, page_size);
        EXPECT_EQ(space.invalidate(0, 0), ACCEL_OK);
        queue.ring_doorbell();
        const auto event = host.next_event();
        ASSERT_TRUE(event);
        EXPECT_EQ(event->status, ACCEL_FAULT_UNMAPPED);
        EXPECT_EQ(event->address / page_size, address / page_size);
        space.map(address, location, page_size);
        EXPECT_EQ(queue.reset(), ACCEL_OK);
        EXPECT_EQ(queue.run(nop()), ACCEL_OK);
        EXPECT_EQ(queue.reset(), ACCEL_OK);
    }
}

// The card clears the page: a host that set `tail` back while the queue runs would cause an error.
TEST_F(QueueTest, AResetClearsTheHostsWordsOfTheStatusPage) {
    for (int i = 0; i < 200; ++i) {
        EXPECT_EQ(queue.run(nop()), ACCEL_OK);
        queue.arm(77);
        EXPECT_EQ(queue.reset(), ACCEL_OK);
        const accel_queue_status page = queue.status();
        EXPECT_EQ(page.tail, 0U);
        EXPECT_EQ(page.arm, 0U);
        EXPECT_EQ(page.state, ACCEL_QUEUE_RUNNING);
    }
    EXPECT_FALSE(host.event_pending());
}

TEST_F(QueueTest, AnArmedQueueInterruptsOnce) {
    const auto raised = [&] { return host.query(queue.id()).interrupts; };
    EXPECT_EQ(queue.run(nop()), ACCEL_OK);
    EXPECT_EQ(raised(), 0U);
    queue.arm(3);
    EXPECT_EQ(queue.run(nop()), ACCEL_OK);
    EXPECT_EQ(raised(), 0U);
    EXPECT_EQ(queue.run(nop()), ACCEL_OK);
    EXPECT_EQ(raised(), 1U);
    EXPECT_EQ(queue.run(nop()), ACCEL_OK);
    EXPECT_EQ(raised(), 1U);
    queue.arm(2);  // already completed
    EXPECT_EQ(queue.run(nop()), ACCEL_OK);
    EXPECT_EQ(raised(), 1U);
    EXPECT_EQ(host.interrupts(1), 1U);
}

// Two threads drive a queue each, and ring only the doorbells that the card asks for.
TEST_F(QueueTest, NoNeededDoorbellIsMissedUnderStress) {
    constexpr std::uint64_t command_count = 6000;
    Queue other(space, 1, {.entries = 4});
    const auto drive = [](Queue& q, std::uint64_t seed) {
        Random random(seed);
        std::uint64_t submitted = 0;
        while (submitted < command_count) {
            const std::uint64_t room = (seed == 1 ? 64 : 4) - (q.tail() - q.completed());
            const std::uint64_t now = std::min(room, 1 + random.below(4));
            const std::uint64_t before = q.tail();
            for (std::uint64_t i = 0; i < now; ++i) {
                q.enqueue(nop());
            }
            q.ring_doorbell_if_needed(before);
            submitted += now;
            if (random.below(3) == 0 && q.wait(q.tail()) != ACCEL_OK) {
                break;
            }
        }
        return q.wait(q.tail()) == ACCEL_OK;
    };
    bool first = false;
    std::thread thread([&] { first = drive(queue, 1); });
    EXPECT_TRUE(drive(other, 2));
    thread.join();
    EXPECT_TRUE(first);
}

// Each thread arms the interrupt, checks the completion once more, and waits for the interrupt.
TEST_F(QueueTest, NoInterruptIsLostUnderStress) {
    Queue other(space, 1, {.vector = 2});
    const auto drive = [&](Queue& q, unsigned vector, std::uint64_t seed) {
        Random random(seed);
        for (int i = 0; i < 3000; ++i) {
            const std::uint64_t before = q.tail();
            for (std::uint64_t n = 1 + random.below(5); n > 0; --n) {
                q.enqueue(nop());
            }
            q.ring_doorbell_if_needed(before);
            const std::uint64_t wanted = before + 1 + random.below(q.tail() - before);
            for (std::uint64_t spin = random.below(2000); spin > 0; --spin) {
                asm volatile("");
            }
            const std::uint64_t seen = host.interrupts(vector);
            q.arm(wanted);
            if (q.completed() < wanted &&
                !eventually([&] { return host.interrupts(vector) != seen; })) {
                return false;
            }
            // An interrupt of an earlier arm may be late, so the completion is checked again.
            if (q.wait(q.tail()) != ACCEL_OK) {
                return false;
            }
        }
        return true;
    };
    bool first = false;
    std::thread thread([&] { first = drive(queue, 1, 1); });
    EXPECT_TRUE(drive(other, 2, 2));
    thread.join();
    EXPECT_TRUE(first);
}

TEST_F(QueueTest, CountersCountEveryByteOnTheBus) {
    const std::uint64_t in_host = space.allocate(page_size);
    const std::uint64_t device = space.allocate(page_size, Layout::device);
    EXPECT_EQ(queue.run(copy(device, in_host, 64)), ACCEL_OK);  // fills the cache of translations
    const auto settle = [&] {
        return eventually([&] { return queue.event_index() == queue.tail(); });
    };
    ASSERT_TRUE(settle());
    (void)host.query(queue.id());  // waits until no engine is between two counters
    const auto counters = [&] {
        return std::array{host.read64(ACCEL_REG_HOST_READ),   host.read64(ACCEL_REG_HOST_WRITTEN),
                          host.read64(ACCEL_REG_MEMORY_READ), host.read64(ACCEL_REG_MEMORY_WRITTEN),
                          host.read64(ACCEL_REG_TLB_MISSES),  host.read64(ACCEL_REG_COMMANDS)};
    };
    const auto before = counters();
    EXPECT_EQ(queue.run(copy(device, in_host, 1000)), ACCEL_OK);
    ASSERT_TRUE(settle());
    // Reads: tail, command, operand, arm, tail, tail. Writes: completed, event_index.
    const std::array<std::uint64_t, 6> expected{8 + 64 + 1000 + 8 + 8 + 8, 16, 0, 1000, 0, 1};
    ASSERT_TRUE(
        eventually([&] { return host.read64(ACCEL_REG_HOST_READ) >= before[0] + expected[0]; }));
    const auto after = counters();
    for (std::size_t i = 0; i < expected.size(); ++i) {
        EXPECT_EQ(after[i] - before[i], expected[i]) << i;
    }
}

}  // namespace
}  // namespace accel::test
