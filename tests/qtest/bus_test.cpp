// SPDX-License-Identifier: Apache-2.0
//
// Accesses that the bus refuses, and addresses that point back at the card. QEMU must survive them,
// which the end of each test checks.
#include <gtest/gtest.h>

#include "card_fixture.hpp"

namespace accel::qtest {
namespace {

struct Bus : CardTest {
    // The queue stops with BUS_ERROR at this command, which accesses a mapped address.
    void expect_refused(const accel_command& command) {
        queue.submit(command);
        ASSERT_TRUE(queue.wait_error());
        EXPECT_EQ(queue.state().error, std::uint32_t{ACCEL_BUS_ERROR});
    }
};

TEST_F(Bus, AnAddressWithoutMemoryIsABusError) {
    constexpr std::uint64_t nothing = 0x4000000000;
    context.map_bus(nothing, 1);
    expect_refused(fill(nothing, 0, 8, 64));
}

TEST_F(Bus, APageTableWithoutMemoryIsABusError) {
    // Root entry 1 points at a table outside of memory.
    machine.qemu.write(context.root + 8, 0x4000000000 | ACCEL_PTE_VALID, 8);
    expect_refused(fill(std::uint64_t{1} << 39, 0, 8, 64));
}

TEST_F(Bus, TheCardCannotWriteItsRegisters) {
    const std::uint32_t cap = card.read32(ACCEL_REG_POWER_CAP);
    context.map_bus(Card::registers, 1);
    expect_refused(fill(Card::registers + ACCEL_REG_POWER_CAP - 4, 0, 8, 8));
    EXPECT_EQ(card.read32(ACCEL_REG_POWER_CAP), cap);
}

TEST_F(Bus, TheCardCannotReadItsRegisters) {
    const std::uint64_t to = context.allocate(1);
    context.map_bus(Card::registers, 1);
    expect_refused(copy(to, Card::registers, 4096));
    EXPECT_EQ(machine.qemu.read(to, 4), 0U);
}

TEST_F(Bus, TheCardCannotSignalItsRegisters) {
    context.map_bus(Card::registers, 1);
    expect_refused(test::signal(Card::registers + ACCEL_REG_ADMIN_RING, 1));
}

TEST_F(Bus, TheCardCannotWriteItsDoorbellsAndMessageTable) {
    const std::uint64_t doorbells = card.read64(ACCEL_REG_DOORBELLS);
    context.map_bus(Card::doorbells, 1);
    expect_refused(fill(Card::doorbells, 1, 8, 8));
    EXPECT_EQ(card.read64(ACCEL_REG_DOORBELLS), doorbells + 1)
        << "only the doorbell of the submission counts";

    context.map_bus(Card::registers + ACCEL_MSIX_TABLE, 1);
    Queue other(context, 1);
    ASSERT_EQ(other.create(), ACCEL_OK);
    other.submit(fill(Card::registers + ACCEL_MSIX_TABLE, ~0ULL, 8, 64));
    ASSERT_TRUE(other.wait_error());
    EXPECT_EQ(card.read32(ACCEL_MSIX_TABLE), 0U);
}

TEST_F(Bus, TheCardCanReadItsDeviceMemoryOverTheBus) {
    context.map_bus(Card::memory, 1);
    context.map_memory(0, 1);
    machine.qemu.write(Card::memory, 0xabcd, 8);
    ASSERT_TRUE(queue.wait(queue.submit(copy(Context::memory_base + 2048, Card::memory, 1024))));
    EXPECT_EQ(machine.qemu.read(Card::memory + 2048, 8), 0xabcdU);
}

TEST_F(Bus, WithoutBusMasteringNothingIsReadOrWritten) {
    const std::uint64_t to = context.allocate(1);
    machine.function.clear_bits(PCI_COMMAND, PCI_COMMAND_MASTER, 2);
    queue.submit(fill(to, ~0ULL, 8, 8));
    // The card cannot write the status page either, so the test cannot wait for it.
    for (int i = 0; i < 50; ++i) {
        (void)card.read32(ACCEL_REG_STATUS);
    }
    EXPECT_EQ(machine.qemu.read(to, 8), 0U);
    EXPECT_EQ(queue.completed(), 0U);
    EXPECT_EQ(card.read32(ACCEL_REG_MAGIC), std::uint32_t{ACCEL_MAGIC});

    card.write32(ACCEL_REG_CONTROL, ACCEL_CONTROL_RESET);
    ASSERT_TRUE(card.wait_ready());
    machine.function.set_bits(PCI_COMMAND, PCI_COMMAND_MASTER, 2);
    ASSERT_TRUE(card.bring_up());
    ASSERT_EQ(context.create(), ACCEL_OK);
    Queue again(context, 0);
    ASSERT_EQ(again.create(), ACCEL_OK);
    EXPECT_TRUE(again.wait(again.submit(fill(to, 0x33, 8, 8))));
    EXPECT_EQ(machine.qemu.read(to, 8), 0x33U);
}

TEST(AdminQueue, ARingInTheCardsRegistersIsFatalUntilAReset) {
    Machine machine;
    Card card(machine);
    ASSERT_TRUE(card.wait_ready());
    card.write64(ACCEL_REG_ADMIN_RING, Card::registers);
    card.write64(ACCEL_REG_ADMIN_RESULTS, Card::registers);
    card.write32(ACCEL_REG_ADMIN_ENTRIES, 2);
    card.write64(ACCEL_REG_EVENT_RING, Card::doorbells);
    card.write32(ACCEL_REG_EVENT_ENTRIES, 2);
    card.write32(ACCEL_REG_CONTROL, ACCEL_CONTROL_ENABLE);
    card.write32(ACCEL_REG_ADMIN_DOORBELL, 1);
    EXPECT_TRUE(
        eventually([&] { return (card.read32(ACCEL_REG_STATUS) & ACCEL_STATUS_FATAL) != 0; }));
    card.write32(ACCEL_REG_CONTROL, ACCEL_CONTROL_RESET);
    EXPECT_TRUE(card.bring_up());
}

TEST(Messages, AMessageToTheCardsDoorbellsIsIgnored) {
    Machine machine;
    Card card(machine);
    card.set_message(0, Card::doorbells, 1);
    card.enable_messages(true);
    ASSERT_TRUE(card.bring_up());
    Context context(card, 0);
    ASSERT_EQ(context.create(), ACCEL_OK);
    EXPECT_TRUE(eventually([&] { return card.read64(ACCEL_REG_INTERRUPTS) != 0; }));
    EXPECT_EQ(card.read64(ACCEL_REG_DOORBELLS), 0U);
}

}  // namespace
}  // namespace accel::qtest
