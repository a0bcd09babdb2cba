// SPDX-License-Identifier: Apache-2.0
//
// The card behind an IOMMU: translated accesses reach memory, and refused ones are bus errors. A
// fault tests QEMU's locks: the emulated IOMMU interrupts, and asserts that its caller holds them.
#include <gtest/gtest.h>

#include "card.hpp"

namespace accel::qtest {
namespace {

// Intel's IOMMU with translation enabled: legacy mode, 39 bits, pages of 1 GiB. The card is
// 01:00.0.
class Iommu {
  public:
    explicit Iommu(Machine& machine)
        : machine_(machine), roots_(machine.allocate(1)), pages_(machine.allocate(1)) {
        const std::uint64_t contexts = machine.allocate(1);
        machine.qemu.write(roots_ + std::uint64_t{16} * 1, contexts | present, 8);
        machine.qemu.write(contexts, pages_ | present, 8);
        machine.qemu.write(contexts + 8, domain | width_39_bits, 8);
        // A fault raises an interrupt.
        machine.qemu.write(base + fault_event_data, 0x30, 4);
        machine.qemu.write(base + fault_event_address, 0xfee00000, 4);
        machine.qemu.write(base + fault_event_control, 0, 4);
        machine.qemu.write(base + root_table, roots_, 8);
        machine.qemu.write(base + global_command, set_root_table, 4);
        machine.qemu.write(base + global_command, enable_translation, 4);
    }

    // Maps gigabyte `from` of the card's addresses to gigabyte `to` of the machine's.
    void map_gigabyte(std::uint64_t from, std::uint64_t to) {
        machine_.qemu.write(pages_ + 8 * from, to << 30 | read_write | large_page, 8);
    }
    void turn_off() { machine_.qemu.write(base + global_command, 0, 4); }
    // The requester and the address of the first recorded fault.
    [[nodiscard]] std::uint64_t fault_source() {
        return machine_.qemu.read(base + fault_record + 8, 4) & 0xffff;
    }
    [[nodiscard]] std::uint64_t fault_address() {
        return machine_.qemu.read(base + fault_record, 8);
    }

    static constexpr std::uint64_t card = 0x100;

  private:
    static constexpr std::uint64_t base = 0xfed90000;
    static constexpr std::uint64_t global_command = 0x18;
    static constexpr std::uint64_t root_table = 0x20;
    static constexpr std::uint64_t fault_event_control = 0x38;
    static constexpr std::uint64_t fault_event_data = 0x3c;
    static constexpr std::uint64_t fault_event_address = 0x40;
    static constexpr std::uint64_t fault_record = 0x220;
    static constexpr std::uint64_t set_root_table = 1U << 30;
    static constexpr std::uint64_t enable_translation = 1U << 31;
    static constexpr std::uint64_t present = 1;
    static constexpr std::uint64_t domain = 1U << 8;
    static constexpr std::uint64_t width_39_bits = 1;
    static constexpr std::uint64_t read_write = 3;
    static constexpr std::uint64_t large_page = 1U << 7;

    Machine& machine_;
    std::uint64_t roots_;
    std::uint64_t pages_;
};

struct BehindIommu : testing::Test {
    Machine machine{"", {"-device", "intel-iommu"}};
    Card card{machine};
    Iommu iommu{machine};
};

TEST_F(BehindIommu, TranslatedCopiesAndSignalsReachMemory) {
    iommu.map_gigabyte(0, 0);
    iommu.map_gigabyte(5, 0);
    ASSERT_TRUE(card.bring_up());
    Context context(card, 0);
    ASSERT_EQ(context.create(), ACCEL_OK);
    Queue queue(context, 0);
    ASSERT_EQ(queue.create(), ACCEL_OK);
    const std::uint64_t target = machine.allocate(1);
    const std::uint64_t alias = (std::uint64_t{5} << 30) + target;
    context.map_bus(alias, 1);
    queue.enqueue(fill(alias, 0x4242424242424242, 8, 64));
    ASSERT_TRUE(queue.wait(queue.submit(test::signal(alias + 64, 7))));
    EXPECT_EQ(machine.qemu.read(target, 8), 0x4242424242424242U);
    EXPECT_EQ(machine.qemu.read(target + 64, 8), 7U);
}

TEST_F(BehindIommu, ARefusedOperandStopsOnlyItsQueue) {
    iommu.map_gigabyte(0, 0);
    ASSERT_TRUE(card.bring_up());
    Context context(card, 0);
    ASSERT_EQ(context.create(), ACCEL_OK);
    Queue queue(context, 0);
    Queue other(context, 1);
    ASSERT_EQ(queue.create(), ACCEL_OK);
    ASSERT_EQ(other.create(), ACCEL_OK);
    constexpr std::uint64_t refused = std::uint64_t{6} << 30;
    context.map_bus(refused, 1);
    queue.submit(fill(refused, 0, 8, 64));
    ASSERT_TRUE(queue.wait_error());
    EXPECT_EQ(queue.state().error, std::uint32_t{ACCEL_BUS_ERROR});
    EXPECT_EQ(iommu.fault_source(), Iommu::card);
    EXPECT_EQ(iommu.fault_address(), refused);
    EXPECT_TRUE(other.wait(other.submit(nop())));
}

TEST_F(BehindIommu, ARefusedAdminRingIsFatalUntilAReset) {
    ASSERT_TRUE(card.bring_up());
    Context context(card, 0);
    EXPECT_EQ(context.create(), ACCEL_INTERNAL) << "the result cannot be written";
    EXPECT_NE(card.read32(ACCEL_REG_STATUS) & ACCEL_STATUS_FATAL, 0U);
    EXPECT_EQ(iommu.fault_source(), Iommu::card);

    iommu.turn_off();
    card.write32(ACCEL_REG_CONTROL, ACCEL_CONTROL_RESET);
    ASSERT_TRUE(card.bring_up());
    EXPECT_EQ(context.create(), ACCEL_OK);
}

}  // namespace
}  // namespace accel::qtest
