// SPDX-License-Identifier: Apache-2.0
//
// A bus that refuses, addresses that no sane driver would give, and plain noise. QEMU must come
// through all of it (the end of each test sees to that), and the card must work after a reset.
#include <gtest/gtest.h>

#include <random>
#include <string>

#include "card.hpp"

namespace accel::qtest {
namespace {

struct Bus : testing::Test {
    Machine machine;
    Card card{machine};
    bool enabled = card.bring_up();
    Context context{card, 0};
    Queue queue{context, 0};

    void SetUp() override {
        ASSERT_TRUE(enabled);
        ASSERT_EQ(context.create(), ACCEL_OK);
        ASSERT_EQ(queue.create(), ACCEL_OK);
    }

    // The queue stops with BUS_ERROR at a command that touches this mapped address.
    void expect_refused(const accel_command& command) {
        queue.submit(command);
        ASSERT_TRUE(queue.wait_error());
        EXPECT_EQ(queue.state().error, std::uint32_t{ACCEL_BUS_ERROR});
    }
};

TEST_F(Bus, AddressWithNothingBehindItIsABusError) {
    constexpr std::uint64_t nothing = 0x4000000000;
    context.map_bus(nothing, 1);
    expect_refused(fill(nothing, 0, 8, 64));
}

TEST_F(Bus, PageTableWithNothingBehindItIsABusError) {
    // Root entry 1 points at a table that is not there.
    machine.qemu.write(context.root + 8, 0x4000000000 | ACCEL_PTE_VALID, 8);
    expect_refused(fill(std::uint64_t{1} << 39, 0, 8, 64));
}

TEST_F(Bus, OwnRegistersAreOutOfReachOfDma) {
    const std::uint32_t cap = card.read32(ACCEL_REG_POWER_CAP);
    context.map_bus(Card::registers, 1);
    expect_refused(fill(Card::registers + ACCEL_REG_POWER_CAP - 4, 0, 8, 8));
    EXPECT_EQ(card.read32(ACCEL_REG_POWER_CAP), cap);
}

TEST_F(Bus, OwnRegistersAreNotReadByDma) {
    const std::uint64_t to = context.allocate(1);
    context.map_bus(Card::registers, 1);
    expect_refused(copy(to, Card::registers, 4096));
    EXPECT_EQ(machine.qemu.read(to, 4), 0U);
}

TEST_F(Bus, OwnRegistersAreOutOfReachOfSingleWords) {
    context.map_bus(Card::registers, 1);
    accel_command signal{};
    signal.opcode = ACCEL_OP_SIGNAL;
    signal.semaphore.address = Card::registers + ACCEL_REG_ADMIN_RING;
    signal.semaphore.value = 1;
    expect_refused(signal);
}

TEST_F(Bus, OwnDoorbellsAndMessageTableAreOutOfReachOfDma) {
    const std::uint64_t doorbells = card.read64(ACCEL_REG_DOORBELLS);
    context.map_bus(Card::doorbells, 1);
    expect_refused(fill(Card::doorbells, 1, 8, 8));
    EXPECT_EQ(card.read64(ACCEL_REG_DOORBELLS), doorbells + 1)
        << "ours, that submitted the command";

    context.map_bus(Card::registers + ACCEL_MSIX_TABLE, 1);
    Queue other(context, 1);
    ASSERT_EQ(other.create(), ACCEL_OK);
    other.submit(fill(Card::registers + ACCEL_MSIX_TABLE, ~0ULL, 8, 64));
    ASSERT_TRUE(other.wait_error());
    EXPECT_EQ(card.read32(ACCEL_MSIX_TABLE), 0U);
}

TEST_F(Bus, OwnDeviceMemoryIsMemoryLikeAnyOther) {
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
    // Not even the status page can be reached, so there is nothing to wait for but the card itself.
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

TEST(Hostile, AdminRingOnOwnRegistersIsFatalAndAResetHelps) {
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

TEST(Hostile, MessageAimedAtOwnRegistersDoesNotComeBack) {
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

// ---- Noise. Each round is one seed, so a failure can be run again alone. ----

struct Noise : testing::TestWithParam<unsigned int> {
    std::mt19937_64 random{GetParam()};

    std::uint64_t below(std::uint64_t bound) { return random() % bound; }
    // Numbers near powers of two are where mistakes live.
    std::uint64_t number() {
        switch (below(4)) {
            case 0:
                return below(16);
            case 1:
                return (std::uint64_t{1} << below(64)) + below(3) - 1;
            case 2:
                return 0x1000000 + below(16) * ACCEL_PAGE_SIZE;
            default:
                return random();
        }
    }

    void expect_usable(Machine& machine, Card& card) {
        const std::uint32_t express = machine.function.capability(PCI_CAP_ID_EXP).value();
        machine.function.set_bits(express + PCI_EXP_DEVCTL, PCI_EXP_DEVCTL_BCR_FLR, 2);
        card.assign_addresses();
        ASSERT_TRUE(card.bring_up());
        Context context(card, 0);
        ASSERT_EQ(context.create(), ACCEL_OK);
        Queue queue(context, 0);
        ASSERT_EQ(queue.create(), ACCEL_OK);
        EXPECT_TRUE(queue.wait(queue.submit(nop())));
    }
};

TEST_P(Noise, OnRegistersAndDoorbells) {
    Machine machine("queues=8,contexts=4");
    Card card(machine);
    ASSERT_TRUE(card.bring_up());
    for (int i = 0; i < 1500; ++i) {
        const unsigned int bytes = 1U << below(4);
        switch (below(6)) {
            case 0:
                (void)machine.qemu.read(Card::registers + below(ACCEL_REGISTERS_SIZE - 8), bytes);
                break;
            case 1:
                machine.qemu.write(Card::registers + below(ACCEL_REGISTERS_SIZE - 8), number(),
                                   bytes);
                break;
            case 2:
                machine.qemu.write(Card::doorbells + below(8 * ACCEL_DOORBELL_STRIDE - 8), number(),
                                   bytes);
                break;
            case 3:
                card.ring_doorbell(static_cast<std::uint32_t>(below(8)),
                                   static_cast<std::uint32_t>(number()));
                break;
            default:
                // Where the registers that matter are.
                machine.qemu.write(Card::registers + below(0x20) * 4 + (below(4) == 0 ? 0 : 0x100),
                                   number(), bytes < 4 ? 4 : bytes);
        }
    }
    expect_usable(machine, card);
}

TEST_P(Noise, OnConfigSpace) {
    Machine machine;
    Card card(machine);
    ASSERT_TRUE(card.bring_up());
    for (int i = 0; i < 1000; ++i) {
        const unsigned int bytes = 1U << below(3);
        const auto offset =
            static_cast<std::uint32_t>(below(below(2) == 0 ? 0x100 : 0x200) & ~(bytes - 1));
        machine.function.set(offset, static_cast<std::uint32_t>(number()), bytes);
        (void)machine.function.get(offset, bytes);
        (void)card.read32(ACCEL_REG_STATUS);
    }
    expect_usable(machine, card);
}

TEST_P(Noise, InTheAdminRing) {
    Machine machine("queues=8,contexts=4");
    Card card(machine);
    for (int round = 0; round < 20; ++round) {
        ASSERT_TRUE(card.bring_up());
        for (int i = 0; i < 8; ++i) {
            accel_admin_command command{};
            command.opcode = static_cast<__u8>(below(10));
            command.id = static_cast<__u32>(below(10));
            for (__le64& word : command.words) {
                word = below(2) == 0 ? 0 : number();
            }
            (void)card.execute(command);
        }
        card.ring_doorbell(static_cast<std::uint32_t>(below(8)), 1);
        card.write32(ACCEL_REG_CONTROL, ACCEL_CONTROL_RESET);
    }
    expect_usable(machine, card);
}

TEST_P(Noise, InTheRingOfAQueue) {
    Machine machine("queues=8,contexts=4");
    Card card(machine);
    ASSERT_TRUE(card.bring_up());
    Context context(card, 0);
    ASSERT_EQ(context.create(), ACCEL_OK);
    const std::uint64_t area = context.allocate(16);
    context.map_memory(0, 16);
    Queue queue(context, 0);
    ASSERT_EQ(queue.create(), ACCEL_OK);
    constexpr __u8 opcodes[] = {
        ACCEL_OP_NOP,  ACCEL_OP_CALL,        ACCEL_OP_SIGNAL,  ACCEL_OP_COPY,   ACCEL_OP_FILL,
        ACCEL_OP_GEMM, ACCEL_OP_ELEMENTWISE, ACCEL_OP_SOFTMAX, ACCEL_OP_REDUCE, ACCEL_OP_WAIT,
        0xff};
    for (int i = 0; i < 300; ++i) {
        accel_command command{};
        command.opcode = opcodes[below(std::size(opcodes))];
        command.variant = static_cast<__u16>(below(4) == 0 ? number() : 1U << below(4));
        for (__le64& word : command.words) {
            word = below(2) == 0 ? area + below(0x10000) : number();
        }
        machine.qemu.write(area + (below(0x10000) & ~7ULL), number(), 8);
        const std::uint64_t sequence = queue.submit(command);
        for (int look = 0; look < 20 && queue.completed() < sequence; ++look) {
        }
        // One that failed, and one that would run for a year: both end with their queue.
        if (queue.completed() < sequence) {
            ASSERT_EQ(queue.destroy(), ACCEL_OK);
            ASSERT_EQ(queue.create(), ACCEL_OK);
        }
    }
    expect_usable(machine, card);
}

INSTANTIATE_TEST_SUITE_P(Seeds, Noise, testing::Range(1U, 5U));

}  // namespace
}  // namespace accel::qtest
