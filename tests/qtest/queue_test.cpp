// SPDX-License-Identifier: Apache-2.0
//
// Commands over QEMU's bus: their DMA reaches host and device memory. The tests of the core cover
// the results of the commands.
#include "card_fixture.hpp"

namespace accel::qtest {
namespace {

struct Commands : CardTest {
    Commands() : CardTest(3, 2) {}
};

TEST_F(Commands, ANopCompletesAndWritesItsRecord) {
    const std::uint64_t record = context.allocate(1);
    const std::uint64_t sequence = queue.submit(test::with_record(nop(), record));
    ASSERT_TRUE(queue.wait(sequence));
    const auto written = machine.load<accel_completion_record>(record);
    EXPECT_EQ(written.sequence, sequence);
    EXPECT_EQ(written.status, std::uint32_t{ACCEL_OK});
    EXPECT_LE(written.start, written.end);
}

TEST_F(Commands, CopyMovesBytesToDeviceMemoryAndBack) {
    constexpr std::uint64_t bytes = 2 * ACCEL_PAGE_SIZE;
    const std::uint64_t from = context.allocate(2);
    const std::uint64_t to = context.allocate(2);
    context.map_memory(0x10000, 2);
    std::vector<std::byte> data(bytes);
    for (std::size_t i = 0; i < data.size(); ++i) {
        data[i] = static_cast<std::byte>(i * 7 + i / 256);
    }
    machine.qemu.write(from, data);

    queue.enqueue(copy(Context::memory_base + 0x10000, from, bytes));
    ASSERT_TRUE(queue.wait(queue.submit(copy(to, Context::memory_base + 0x10000, bytes))));

    std::vector<std::byte> seen(bytes);
    machine.qemu.read(Card::memory + 0x10000, seen);
    EXPECT_EQ(seen, data) << "through the BAR";
    machine.qemu.read(to, seen);
    EXPECT_EQ(seen, data) << "back in host memory";
}

TEST_F(Commands, CopyReadsBytesThatTheHostWroteThroughTheBar) {
    const std::uint64_t to = context.allocate(1);
    context.map_memory(0, 1);
    machine.qemu.write(Card::memory + 64, 0x1122334455667788, 8);
    ASSERT_TRUE(queue.wait(queue.submit(copy(to, Context::memory_base + 64, 8))));
    EXPECT_EQ(machine.qemu.read(to, 8), 0x1122334455667788U);
}

TEST_F(Commands, FillWritesOnlyItsRange) {
    const std::uint64_t to = context.allocate(1);
    ASSERT_TRUE(queue.wait(queue.submit(fill(to + 8, 0xaaaaaaaaaaaaaaaa, 8, 16))));
    EXPECT_EQ(machine.qemu.read(to, 8), 0U);
    EXPECT_EQ(machine.qemu.read(to + 8, 8), 0xaaaaaaaaaaaaaaaaU);
    EXPECT_EQ(machine.qemu.read(to + 16, 8), 0xaaaaaaaaaaaaaaaaU);
    EXPECT_EQ(machine.qemu.read(to + 24, 8), 0U);
}

TEST_F(Commands, AddressesAboveFourGigabytesAreReached) {
    // The BAR of device memory is far above.
    context.map_bus(Card::memory + 0x20000, 1);
    ASSERT_TRUE(queue.wait(queue.submit(fill(Card::memory + 0x20000, 0x77, 8, 8))));
    EXPECT_EQ(machine.qemu.read(Card::memory + 0x20000, 8), 0x77U);
}

TEST_F(Commands, TheRingWrapsManyTimes) {
    std::uint64_t last = 0;
    for (std::uint32_t i = 0; i < 5 * Queue::entries; ++i) {
        last = queue.submit(nop());
        ASSERT_TRUE(queue.wait(last)) << i;
    }
    EXPECT_EQ(queue.completed(), last);
    EXPECT_EQ(queue.state().state, std::uint32_t{ACCEL_QUEUE_RUNNING});
}

TEST_F(Commands, AWordOfTheHostReleasesAWaitAtTheNextDoorbell) {
    const std::uint64_t word = context.allocate(1);
    const std::uint64_t sequence = queue.submit(wait_for(word, 5));
    machine.qemu.write(word, 5, 8);
    queue.ring_doorbell();
    EXPECT_TRUE(queue.wait(sequence));
}

TEST_F(Commands, AFaultStopsTheQueueAndRaisesAnEvent) {
    constexpr std::uint64_t nowhere = 0x123456789000;
    const std::uint64_t sequence = queue.submit(fill(nowhere, 0, 8, 8));
    ASSERT_TRUE(queue.wait_error());
    const accel_queue_status state = queue.state();
    EXPECT_EQ(state.error, std::uint32_t{ACCEL_FAULT_UNMAPPED});
    EXPECT_EQ(state.error_sequence, sequence);
    EXPECT_EQ(state.error_address, nowhere);
    std::vector<accel_event> events;
    ASSERT_TRUE(eventually([&] { return !(events = card.events()).empty(); }));
    EXPECT_EQ(events.front().type, std::uint32_t{ACCEL_EVENT_QUEUE_ERROR});
    EXPECT_EQ(events.front().context, context.id);
    EXPECT_EQ(events.front().queue, queue.id);
}

TEST_F(Commands, ADoorbellOfNoQueueRaisesAnEvent) {
    card.ring_doorbell(40, 1);
    std::vector<accel_event> events;
    ASSERT_TRUE(eventually([&] { return !(events = card.events()).empty(); }));
    EXPECT_EQ(events.front().type, std::uint32_t{ACCEL_EVENT_BAD_DOORBELL});
}

}  // namespace
}  // namespace accel::qtest
