// SPDX-License-Identifier: Apache-2.0
//
// The card as a PCI Express endpoint: config space, BARs, registers, device memory, and its debug
// properties in QEMU.
#include <gtest/gtest.h>

#include "card.hpp"

namespace accel::qtest {
namespace {

TEST(ConfigSpace, IdentifiesTheCard) {
    Machine machine;
    EXPECT_EQ(machine.function.get(PCI_VENDOR_ID, 2), ACCEL_PCI_VENDOR);
    EXPECT_EQ(machine.function.get(PCI_DEVICE_ID, 2), ACCEL_PCI_DEVICE);
    EXPECT_EQ(machine.function.get(PCI_CLASS_DEVICE, 2), ACCEL_PCI_CLASS);
    EXPECT_EQ(machine.function.get(PCI_CLASS_REVISION, 1), 1U);
    EXPECT_EQ(machine.function.get(PCI_HEADER_TYPE, 1), std::uint32_t{PCI_HEADER_TYPE_NORMAL});
}

TEST(ConfigSpace, DescribesAnExpressEndpointWithFunctionReset) {
    Machine machine;
    const auto express = machine.function.capability(PCI_CAP_ID_EXP);
    ASSERT_TRUE(express);
    EXPECT_EQ((machine.function.get(*express + PCI_EXP_FLAGS, 2) & PCI_EXP_FLAGS_TYPE) >> 4,
              std::uint32_t{PCI_EXP_TYPE_ENDPOINT});
    EXPECT_NE(machine.function.get(*express + PCI_EXP_DEVCAP, 4) & PCI_EXP_DEVCAP_FLR, 0U);
}

TEST(ConfigSpace, HasPowerManagementErrorReportingAndMessages) {
    Machine machine;
    EXPECT_TRUE(machine.function.capability(PCI_CAP_ID_PM));
    EXPECT_TRUE(machine.function.capability(PCI_CAP_ID_MSIX));
    EXPECT_TRUE(machine.function.extended_capability(PCI_EXT_CAP_ID_ERR));
}

TEST(ConfigSpace, TheCardKeepsItsStateThroughD3) {
    Machine machine;
    Card card(machine);
    ASSERT_TRUE(card.bring_up());
    const std::uint32_t control = machine.function.capability(PCI_CAP_ID_PM).value() + PCI_PM_CTRL;
    machine.function.set_bits(control, 3, 2);
    EXPECT_EQ(machine.function.get(control, 2) & PCI_PM_CTRL_STATE_MASK, 3U);
    machine.function.clear_bits(control, PCI_PM_CTRL_STATE_MASK, 2);
    EXPECT_NE(card.read32(ACCEL_REG_STATUS) & ACCEL_STATUS_ENABLED, 0U);
}

TEST(ConfigSpace, SerialNumberEqualsThatOfTheRegisters) {
    Machine machine("serial=0x1122334455667788");
    Card card(machine);
    const auto serial = machine.function.extended_capability(PCI_EXT_CAP_ID_DSN);
    ASSERT_TRUE(serial);
    EXPECT_EQ(machine.function.get(*serial + 4, 4), 0x55667788U);
    EXPECT_EQ(machine.function.get(*serial + 8, 4), 0x11223344U);
    EXPECT_EQ(card.read64(ACCEL_REG_SERIAL), 0x1122334455667788U);
}

TEST(ConfigSpace, TheLinkFollowsTheProperties) {
    Machine machine("link-speed=8,link-width=4");
    const std::uint32_t express = machine.function.capability(PCI_CAP_ID_EXP).value();
    const std::uint32_t offered = machine.function.get(express + PCI_EXP_LNKCAP, 4);
    EXPECT_EQ(offered & PCI_EXP_LNKCAP_SLS, std::uint32_t{PCI_EXP_LNKCAP_SLS_8_0GB});
    EXPECT_EQ((offered & PCI_EXP_LNKCAP_MLW) >> 4, 4U);
    const std::uint32_t in_use = machine.function.get(express + PCI_EXP_LNKSTA, 2);
    EXPECT_EQ(in_use & PCI_EXP_LNKSTA_CLS, std::uint32_t{PCI_EXP_LNKSTA_CLS_8_0GB});
    EXPECT_EQ((in_use & PCI_EXP_LNKSTA_NLW) >> PCI_EXP_LNKSTA_NLW_SHIFT, 4U);
    EXPECT_EQ(machine.function.get(express + PCI_EXP_LNKCAP2, 4),
              std::uint32_t{PCI_EXP_LNKCAP2_SLS_2_5GB | PCI_EXP_LNKCAP2_SLS_5_0GB |
                            PCI_EXP_LNKCAP2_SLS_8_0GB});
    // The port reports the same link.
    const std::uint32_t other_end =
        machine.port.capability(PCI_CAP_ID_EXP).value() + PCI_EXP_LNKSTA;
    EXPECT_EQ(machine.port.get(other_end, 2) & (PCI_EXP_LNKSTA_CLS | PCI_EXP_LNKSTA_NLW),
              in_use & (PCI_EXP_LNKSTA_CLS | PCI_EXP_LNKSTA_NLW));
}

nlohmann::json property(Machine& machine, const std::string& name) {
    return machine.qemu.qmp("qom-get", {{"path", "/machine/peripheral/card"}, {"property", name}});
}

void set_property(Machine& machine, const std::string& name, const nlohmann::json& value) {
    machine.qemu.qmp("qom-set",
                     {{"path", "/machine/peripheral/card"}, {"property", name}, {"value", value}});
}

TEST(DebugProperties, TheLinkCanBeTrainedBelowItsCapability) {
    Machine machine("link-speed=16,link-width=8,trained-width=4");
    const std::uint32_t state =
        machine.function.capability(PCI_CAP_ID_EXP).value() + PCI_EXP_LNKSTA;
    const auto lanes = [&] {
        return (machine.function.get(state, 2) & PCI_EXP_LNKSTA_NLW) >> PCI_EXP_LNKSTA_NLW_SHIFT;
    };
    EXPECT_EQ(lanes(), 4U);
    set_property(machine, "trained-width", 1);
    set_property(machine, "trained-speed", "2_5");
    EXPECT_EQ(lanes(), 1U);
    EXPECT_EQ(machine.function.get(state, 2) & PCI_EXP_LNKSTA_CLS,
              std::uint32_t{PCI_EXP_LNKSTA_CLS_2_5GB});
    set_property(machine, "trained-width", 32);  // above the capability
    EXPECT_EQ(lanes(), 8U);
    EXPECT_EQ(property(machine, "trained-width"), 8);
    EXPECT_EQ(property(machine, "trained-speed"), "2_5");
}

TEST(DebugProperties, SensorsEqualTheRegisters) {
    Machine machine;
    Card card(machine);
    set_property(machine, "ambient", 20000);
    EXPECT_EQ(property(machine, "ambient"), 20000);
    EXPECT_NEAR(property(machine, "temperature").get<double>(), card.read32(ACCEL_REG_TEMPERATURE),
                50);
    EXPECT_EQ(property(machine, "power"), card.read32(ACCEL_REG_POWER));
    EXPECT_EQ(property(machine, "core-clock"), card.read32(ACCEL_REG_CORE_CLOCK));
}

TEST(DebugProperties, ADeadCardReadsAsAllOnesAndIgnoresWrites) {
    Machine machine;
    Card card(machine);
    ASSERT_TRUE(card.bring_up());
    set_property(machine, "defect", "dead");
    EXPECT_EQ(card.read32(ACCEL_REG_MAGIC), ~0U);
    EXPECT_EQ(card.read32(ACCEL_REG_STATUS), ~0U);
    card.write32(ACCEL_REG_CONTROL, ACCEL_CONTROL_RESET);
    EXPECT_EQ(property(machine, "defect"), "dead");
    set_property(machine, "defect", "none");
    EXPECT_EQ(card.read32(ACCEL_REG_MAGIC), std::uint32_t{ACCEL_MAGIC});
    EXPECT_NE(card.read32(ACCEL_REG_STATUS) & ACCEL_STATUS_ENABLED, 0U);  // it ignored the reset
}

TEST(DebugProperties, AFunctionResetRepairsDefects) {
    Machine machine;
    const std::uint32_t control =
        machine.function.capability(PCI_CAP_ID_EXP).value() + PCI_EXP_DEVCTL;
    for (const char* const defect : {"engines", "admin", "events", "progress", "duplicates"}) {
        set_property(machine, "defect", defect);
        EXPECT_EQ(property(machine, "defect"), defect);
        machine.function.set_bits(control, PCI_EXP_DEVCTL_BCR_FLR, 2);
        EXPECT_EQ(property(machine, "defect"), "none");
    }
}

TEST(DebugProperties, InvalidValuesAreRefused) {
    Machine machine;
    for (const auto& [name, value] : {std::pair<std::string, nlohmann::json>{"defect", "tired"},
                                      {"trained-width", 3},
                                      {"trained-speed", "7"},
                                      {"ambient", 1000000}}) {
        EXPECT_THROW(set_property(machine, name, value), std::runtime_error) << name;
    }
}

TEST(ConfigSpace, AnInjectedErrorIsReportedUntilItIsCleared) {
    Machine machine;
    const std::uint32_t errors = machine.function.extended_capability(PCI_EXT_CAP_ID_ERR).value();
    const std::uint32_t express = machine.function.capability(PCI_CAP_ID_EXP).value();
    machine.function.set_bits(express + PCI_EXP_DEVCTL, PCI_EXP_DEVCTL_NFERE | PCI_EXP_DEVCTL_FERE,
                              2);
    machine.qemu.qmp("human-monitor-command",
                     {{"command-line", "pcie_aer_inject_error card COMP_TIME"}});
    const std::uint32_t status = errors + PCI_ERR_UNCOR_STATUS;
    EXPECT_EQ(machine.function.get(status, 4), std::uint32_t{PCI_ERR_UNC_COMP_TIME});
    machine.function.set(status, PCI_ERR_UNC_COMP_TIME, 4);
    EXPECT_EQ(machine.function.get(status, 4), 0U);
}

TEST(ConfigSpace, TheSecondErrorFollowsWhenTheFirstIsCleared) {
    Machine machine;
    const std::uint32_t errors = machine.function.extended_capability(PCI_EXT_CAP_ID_ERR).value();
    constexpr std::uint32_t record_several_headers = 1U << 10;
    machine.function.set_bits(errors + PCI_ERR_CAP, record_several_headers, 4);
    for (const char* header : {"0x11", "0x22"}) {
        machine.qemu.qmp("human-monitor-command",
                         {{"command-line", std::string("pcie_aer_inject_error card POISON_TLP ") +
                                               header + " 0 0 0"}});
    }
    EXPECT_EQ(machine.function.get(errors + PCI_ERR_HEADER_LOG, 4), 0x11000000U);
    machine.function.set(errors + PCI_ERR_UNCOR_STATUS, PCI_ERR_UNC_POISON_TLP, 4);
    EXPECT_EQ(machine.function.get(errors + PCI_ERR_HEADER_LOG, 4), 0x22000000U);
    EXPECT_EQ(machine.function.get(errors + PCI_ERR_UNCOR_STATUS, 4),
              std::uint32_t{PCI_ERR_UNC_POISON_TLP});
}

TEST(Bars, HaveTheTypesAndSizesOfTheDataSheet) {
    Machine machine("queues=5,memory-size=4M");
    constexpr std::uint32_t wide = PCI_BASE_ADDRESS_MEM_TYPE_64;
    const auto registers = machine.function.probe_bar(ACCEL_BAR_REGISTERS);
    EXPECT_EQ(registers.flags, wide);
    EXPECT_EQ(registers.size, std::uint64_t{ACCEL_REGISTERS_SIZE});
    const auto doorbells = machine.function.probe_bar(ACCEL_BAR_DOORBELLS);
    EXPECT_EQ(doorbells.flags, wide);
    EXPECT_EQ(doorbells.size, std::uint64_t{8} * ACCEL_DOORBELL_STRIDE);
    const auto memory = machine.function.probe_bar(ACCEL_BAR_MEMORY);
    EXPECT_EQ(memory.flags, wide | PCI_BASE_ADDRESS_MEM_PREFETCH);
    EXPECT_EQ(memory.size, 4U << 20);
}

TEST(Bars, TheMessageTableHasTheOffsetOfTheDataSheet) {
    Machine machine("queues=5");
    const std::uint32_t messages = machine.function.capability(PCI_CAP_ID_MSIX).value();
    EXPECT_EQ(machine.function.get(messages + PCI_MSIX_TABLE, 4),
              std::uint32_t{ACCEL_MSIX_TABLE | ACCEL_BAR_REGISTERS});
    EXPECT_EQ(machine.function.get(messages + PCI_MSIX_PBA, 4),
              std::uint32_t{ACCEL_MSIX_PBA | ACCEL_BAR_REGISTERS});
    EXPECT_EQ((machine.function.get(messages + PCI_MSIX_FLAGS, 2) & PCI_MSIX_FLAGS_QSIZE) + 1, 6U);
}

TEST(Registers, FollowTheProperties) {
    Machine machine("queues=5,contexts=7,vectors=3,memory-size=8M");
    Card card(machine);
    EXPECT_EQ(card.read32(ACCEL_REG_MAGIC), std::uint32_t{ACCEL_MAGIC});
    EXPECT_EQ(card.read32(ACCEL_REG_VERSION), std::uint32_t{ACCEL_VERSION});
    EXPECT_EQ(card.read32(ACCEL_REG_QUEUES), 5U);
    EXPECT_EQ(card.read32(ACCEL_REG_CONTEXTS), 7U);
    EXPECT_EQ(card.read32(ACCEL_REG_VECTORS), 3U);
    EXPECT_EQ(card.read64(ACCEL_REG_MEMORY_SIZE), 8U << 20);
    EXPECT_EQ(card.read32(ACCEL_REG_VA_BITS), std::uint32_t{ACCEL_VA_BITS});
    EXPECT_GE(card.read32(ACCEL_REG_RING_ENTRIES), std::uint32_t{ACCEL_RING_ENTRIES_MIN});
}

TEST(Registers, WideRegistersCanBeReadByHalves) {
    Machine machine("serial=0x1122334455667788");
    Card card(machine);
    EXPECT_EQ(card.read32(ACCEL_REG_SERIAL), 0x55667788U);
    EXPECT_EQ(card.read32(ACCEL_REG_SERIAL + 4), 0x11223344U);
}

TEST(Registers, TheClockRuns) {
    Machine machine;
    Card card(machine);
    const std::uint64_t before = card.read64(ACCEL_REG_CLOCK);
    EXPECT_TRUE(eventually([&] { return card.read64(ACCEL_REG_CLOCK) > before; }));
}

TEST(Registers, UndefinedAccessesReadZeroAndHaveNoEffect) {
    Machine machine;
    Card card(machine);
    ASSERT_TRUE(card.wait_ready());
    Qemu& qemu = machine.qemu;
    EXPECT_EQ(qemu.read(Card::registers + ACCEL_REG_MAGIC, 1), 0U);
    EXPECT_EQ(qemu.read(Card::registers + ACCEL_REG_MAGIC, 2), 0U);
    for (const std::uint64_t hole : {0xff8U, 0x1000U, 0x4000U, 0x7ff8U, 0xfff8U}) {
        qemu.write(Card::registers + hole, ~0ULL, 8);
        EXPECT_EQ(qemu.read(Card::registers + hole, 8), 0U) << hole;
    }
    card.write64(ACCEL_REG_ADMIN_RING, 0x123000);
    qemu.write(Card::registers + ACCEL_REG_ADMIN_RING, 0xff, 1);
    qemu.write(Card::registers + ACCEL_REG_ADMIN_RING, 0xffff, 2);
    EXPECT_EQ(card.read64(ACCEL_REG_ADMIN_RING), 0x123000U);
    card.write32(ACCEL_REG_MAGIC, 0);
    EXPECT_EQ(card.read32(ACCEL_REG_MAGIC), std::uint32_t{ACCEL_MAGIC});
}

TEST(Doorbells, ReadZero) {
    Machine machine;
    Card card(machine);
    EXPECT_EQ(machine.qemu.read(Card::doorbells, 4), 0U);
}

TEST(DeviceMemory, KeepsItsFirstAndItsLastByte) {
    Machine machine("memory-size=16M");
    Card card(machine);
    Qemu& qemu = machine.qemu;
    constexpr std::uint64_t last = Card::memory + (16U << 20) - 8;
    qemu.write(Card::memory, 0x0123456789abcdef, 8);
    qemu.write(last, 0xfedcba9876543210, 8);
    qemu.write(Card::memory + 1, 0x55, 1);
    EXPECT_EQ(qemu.read(Card::memory, 8), 0x0123456789ab55efU);
    EXPECT_EQ(qemu.read(last, 8), 0xfedcba9876543210U);
    EXPECT_EQ(qemu.read(last + 4, 2), 0xba98U);
}

TEST(DeviceMemory, OfAGigabyteIsAllocatedOnUse) {
    Machine machine("memory-size=1G");
    Card card(machine);
    machine.qemu.write(Card::memory + (1U << 30) - 8, 42, 8);
    EXPECT_EQ(machine.qemu.read(Card::memory + (1U << 30) - 8, 8), 42U);
}

}  // namespace
}  // namespace accel::qtest
