// SPDX-License-Identifier: Apache-2.0
//
// Resets through PCI Express, idle and under load; the card works after each of them.
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "card.hpp"

namespace accel::qtest {
namespace {

void function_reset(Machine& machine) {
    const std::uint32_t express = machine.function.capability(PCI_CAP_ID_EXP).value();
    machine.function.set_bits(express + PCI_EXP_DEVCTL, PCI_EXP_DEVCTL_BCR_FLR, 2);
}

void bus_reset(Machine& machine) {
    machine.port.set_bits(PCI_BRIDGE_CONTROL, PCI_BRIDGE_CTL_BUS_RESET, 2);
    machine.port.clear_bits(PCI_BRIDGE_CONTROL, PCI_BRIDGE_CTL_BUS_RESET, 2);
}

void machine_reset(Machine& machine) {
    machine.qemu.qmp("system_reset");
    machine.qemu.wait_event("RESET");
    // The reset clears the bus numbers, too.
    open_config_window(machine.qemu);
    machine.port.set(PCI_SECONDARY_BUS, 1, 1);
    machine.port.set(PCI_SUBORDINATE_BUS, 1, 1);
}

struct Kind {
    std::string name;
    std::function<void(Machine&)> reset;
};

void PrintTo(const Kind& kind, std::ostream* out) {
    *out << kind.name;
}

struct FunctionReset : testing::TestWithParam<Kind> {};

TEST_P(FunctionReset, ClearsRegistersCountersSettingsAndMessages) {
    Machine machine;
    Card card(machine);
    ASSERT_TRUE(card.wait_ready());
    const std::uint32_t cap = card.read32(ACCEL_REG_POWER_CAP);
    card.set_message(0, machine.allocate(1), 1);
    card.enable_messages(true);
    ASSERT_TRUE(works(card));
    card.write32(ACCEL_REG_POWER_CAP, card.read32(ACCEL_REG_POWER_CAP_MIN));
    ASSERT_NE(card.read32(ACCEL_REG_POWER_CAP), cap);
    ASSERT_NE(card.read64(ACCEL_REG_DOORBELLS), 0U);

    GetParam().reset(machine);
    EXPECT_EQ(machine.function.get(PCI_COMMAND, 2) & (PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER), 0U);
    EXPECT_EQ(machine.function.bar_address(ACCEL_BAR_REGISTERS), 0U);
    card.assign_addresses();
    ASSERT_TRUE(card.wait_ready());
    EXPECT_EQ(card.read32(ACCEL_REG_STATUS) & (ACCEL_STATUS_ENABLED | ACCEL_STATUS_FATAL), 0U);
    EXPECT_EQ(card.read32(ACCEL_REG_CONTROL), 0U);
    EXPECT_EQ(card.read64(ACCEL_REG_ADMIN_RING), 0U);
    EXPECT_EQ(card.read64(ACCEL_REG_EVENT_RING), 0U);
    EXPECT_EQ(card.read32(ACCEL_REG_POWER_CAP), cap);
    for (const std::uint32_t counter :
         {ACCEL_REG_COMMANDS, ACCEL_REG_DOORBELLS, ACCEL_REG_INTERRUPTS, ACCEL_REG_HOST_READ,
          ACCEL_REG_HOST_WRITTEN}) {
        EXPECT_EQ(card.read64(counter), 0U) << counter;
    }
    EXPECT_EQ(card.read32(ACCEL_MSIX_TABLE), 0U);
    EXPECT_EQ(card.read32(ACCEL_MSIX_TABLE + PCI_MSIX_ENTRY_VECTOR_CTRL),
              std::uint32_t{PCI_MSIX_ENTRY_CTRL_MASKBIT});
    const std::uint32_t messages = machine.function.capability(PCI_CAP_ID_MSIX).value();
    EXPECT_EQ(machine.function.get(messages + PCI_MSIX_FLAGS, 2) & PCI_MSIX_FLAGS_ENABLE, 0U);
}

TEST_P(FunctionReset, LeavesAWorkingCard) {
    Machine machine;
    Card card(machine);
    for (int round = 0; round < 3; ++round) {
        ASSERT_TRUE(works(card)) << round;
        GetParam().reset(machine);
        card.assign_addresses();
    }
    EXPECT_TRUE(works(card));
}

TEST_P(FunctionReset, EndsAllAccessesToTheHostUnderLoad) {
    Machine machine;
    Card card(machine);
    ASSERT_TRUE(card.bring_up());
    Context context(card, 0);
    ASSERT_EQ(context.create(), ACCEL_OK);
    constexpr std::uint64_t pages = 256;
    const std::uint64_t target = context.allocate(pages);
    Queue busy(context, 0);
    Queue waiting(context, 1);
    ASSERT_EQ(busy.create(), ACCEL_OK);
    ASSERT_EQ(waiting.create(), ACCEL_OK);
    waiting.submit(wait_for(target, ~0ULL));
    for (std::uint32_t i = 0; i < Queue::entries; ++i) {
        busy.enqueue(fill(target, 0x1111111111111111, 8, pages * ACCEL_PAGE_SIZE));
    }
    busy.ring_doorbell();
    ASSERT_TRUE(eventually([&] { return machine.qemu.read(target, 8) != 0; }));

    GetParam().reset(machine);
    card.assign_addresses();
    ASSERT_TRUE(card.wait_ready());
    // A READY card has no outstanding access: it must not overwrite these zeros.
    const std::vector<std::byte> zeros(pages * ACCEL_PAGE_SIZE);
    machine.qemu.write(target, zeros);
    ASSERT_TRUE(works(card));
    std::vector<std::byte> seen(zeros.size());
    machine.qemu.read(target, seen);
    EXPECT_EQ(seen, zeros);
}

INSTANTIATE_TEST_SUITE_P(PciExpress, FunctionReset,
                         testing::Values(Kind{"Flr", function_reset}, Kind{"Bus", bus_reset},
                                         Kind{"Machine", machine_reset}),
                         [](const auto& info) { return info.param.name; });

TEST(SoftReset, KeepsCountersSettingsAddressesAndMessages) {
    Machine machine;
    Card card(machine);
    const std::uint64_t message = machine.allocate(1);
    card.set_message(0, message, 7);
    card.enable_messages(true);
    ASSERT_TRUE(works(card));
    const std::uint32_t cap = card.read32(ACCEL_REG_POWER_CAP_MIN);
    card.write32(ACCEL_REG_POWER_CAP, cap);
    const std::uint64_t doorbells = card.read64(ACCEL_REG_DOORBELLS);
    card.write32(ACCEL_REG_CONTROL, ACCEL_CONTROL_RESET);
    ASSERT_TRUE(card.wait_ready());
    EXPECT_EQ(card.read32(ACCEL_REG_POWER_CAP), cap);
    EXPECT_EQ(card.read64(ACCEL_REG_DOORBELLS), doorbells);
    EXPECT_EQ(card.read32(ACCEL_MSIX_TABLE), static_cast<std::uint32_t>(message));
    EXPECT_EQ(card.read64(ACCEL_REG_ADMIN_RING), 0U);
    EXPECT_TRUE(works(card));
}

}  // namespace
}  // namespace accel::qtest
