// SPDX-License-Identifier: Apache-2.0
//
// Random accesses and commands. QEMU must survive each of them, which the end of each test checks,
// and the card must work after a reset. The parameter of a test is its seed, so that a failure can
// be repeated alone.
#include <gtest/gtest.h>

#include <random>

#include "card.hpp"

namespace accel::qtest {
namespace {

struct Fuzz : testing::TestWithParam<unsigned int> {
    std::mt19937_64 random{GetParam()};

    std::uint64_t below(std::uint64_t bound) { return random() % bound; }
    // Small numbers, numbers near powers of two, addresses in memory, and any others.
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
        EXPECT_TRUE(works(card));
    }
};

TEST_P(Fuzz, TheCardSurvivesRandomRegistersAndDoorbells) {
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
                // The identity, control, admin and event registers.
                machine.qemu.write(Card::registers + below(0x20) * 4 + (below(4) == 0 ? 0 : 0x100),
                                   number(), bytes < 4 ? 4 : bytes);
        }
    }
    expect_usable(machine, card);
}

TEST_P(Fuzz, TheCardSurvivesRandomConfigSpace) {
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

TEST_P(Fuzz, TheCardSurvivesRandomAdminCommands) {
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

TEST_P(Fuzz, TheCardSurvivesRandomCommands) {
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
        // The command failed, or runs for very long: both end with their queue.
        if (queue.completed() < sequence) {
            ASSERT_EQ(queue.destroy(), ACCEL_OK);
            ASSERT_EQ(queue.create(), ACCEL_OK);
        }
    }
    expect_usable(machine, card);
}

INSTANTIATE_TEST_SUITE_P(Seeds, Fuzz, testing::Range(1U, 5U));

}  // namespace
}  // namespace accel::qtest
