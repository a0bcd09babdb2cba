// SPDX-License-Identifier: Apache-2.0
//
// Hotplug of the card while the machine runs: idle, and with all its threads busy.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "card.hpp"

namespace accel::qtest {
namespace {

// The root port controls the slot and not ACPI, which needs code in a guest.
const std::vector<std::string> native_hotplug = {
    "-global", "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off"};

// Switches the power of the slot, as a hotplug driver does after its button was pressed.
void set_slot_power(Machine& machine, bool on) {
    const std::uint32_t slot = machine.port.capability(PCI_CAP_ID_EXP).value() + PCI_EXP_SLTCTL;
    const std::uint32_t indicator = on ? PCI_EXP_SLTCTL_PWR_IND_ON : PCI_EXP_SLTCTL_PWR_IND_OFF;
    const std::uint32_t power = on ? PCI_EXP_SLTCTL_PWR_ON : PCI_EXP_SLTCTL_PWR_OFF;
    const std::uint32_t others =
        machine.port.get(slot, 2) & ~std::uint32_t{PCI_EXP_SLTCTL_PIC | PCI_EXP_SLTCTL_PCC};
    machine.port.set(slot, others | indicator | power, 2);
}

void unplug(Machine& machine) {
    machine.qemu.qmp("device_del", {{"id", "card"}});
    set_slot_power(machine, false);
    // QEMU sends this after the last reference is dropped: the core is destroyed, its memory free.
    machine.qemu.wait_event("DEVICE_DELETED");
}

void plug(Machine& machine) {
    machine.qemu.qmp("device_add", {{"driver", "accel-pci"}, {"bus", "socket"}, {"id", "card"}});
    set_slot_power(machine, true);
}

bool present(Machine& machine) {
    return machine.function.get(PCI_VENDOR_ID, 2) == ACCEL_PCI_VENDOR;
}

void expect_working(Machine& machine) {
    Card card(machine);
    EXPECT_TRUE(works(card));
}

// Engines write, a queue waits, and a doorbell was just rung.
void make_busy(Machine& machine) {
    Card card(machine);
    ASSERT_TRUE(card.bring_up());
    card.set_message(0, machine.allocate(1), 1);
    card.enable_messages(true);
    Context context(card, 0);
    ASSERT_EQ(context.create(), ACCEL_OK);
    constexpr std::uint64_t pages = 256;
    const std::uint64_t target = context.allocate(pages);
    for (std::uint32_t id = 0; id < 4; ++id) {
        Queue queue(context, id);
        ASSERT_EQ(queue.create(), ACCEL_OK);
        for (std::uint32_t i = 0; i + 1 < Queue::entries; ++i) {
            queue.enqueue(fill(target, 0x1111111111111111, 8, pages * ACCEL_PAGE_SIZE));
            queue.arm(i + 1);
        }
        queue.submit(wait_for(target, ~0ULL));
    }
    ASSERT_TRUE(eventually([&] { return machine.qemu.read(target, 8) != 0; }));
}

TEST(Hotplug, AnIdleCardCanBeReplaced) {
    Machine machine("", native_hotplug);
    set_slot_power(machine, true);
    for (int round = 0; round < 3; ++round) {
        ASSERT_TRUE(present(machine));
        expect_working(machine);
        unplug(machine);
        ASSERT_FALSE(present(machine));
        plug(machine);
    }
    expect_working(machine);
}

TEST(Hotplug, ABusyCardCanBeReplaced) {
    Machine machine("", native_hotplug);
    set_slot_power(machine, true);
    for (int round = 0; round < 5; ++round) {
        make_busy(machine);
        unplug(machine);
        ASSERT_FALSE(present(machine));
        EXPECT_NE(machine.qemu.read(Card::registers, 4), std::uint64_t{ACCEL_MAGIC});
        plug(machine);
    }
    expect_working(machine);
}

TEST(Hotplug, ABusyCardBehindAnIommuIsRemovedUnderQemusLock) {
    std::vector<std::string> arguments = native_hotplug;
    arguments.insert(arguments.end(), {"-device", "intel-iommu"});
    Machine machine("", arguments);
    set_slot_power(machine, true);
    for (int round = 0; round < 5; ++round) {
        make_busy(machine);
        unplug(machine);
        plug(machine);
    }
    expect_working(machine);
}

TEST(Hotplug, QemuQuitsWhileTheCardIsBusy) {
    Machine machine;
    make_busy(machine);
}

TEST(Hotplug, ACardCanBeAddedToAnEmptySlot) {
    Machine machine("none", native_hotplug);
    ASSERT_FALSE(present(machine));
    plug(machine);
    ASSERT_TRUE(present(machine));
    expect_working(machine);
}

TEST(Hotplug, MigrationIsRefusedWithAReasonWhileACardIsPresent) {
    Machine machine("", native_hotplug);
    set_slot_power(machine, true);
    try {
        machine.qemu.qmp("migrate", {{"uri", "exec:cat >/dev/null"}});
        FAIL() << "the machine migrated with its card";
    } catch (const std::runtime_error& error) {
        EXPECT_NE(std::string(error.what()).find("accel-pci"), std::string::npos) << error.what();
        EXPECT_NE(std::string(error.what()).find("device_del"), std::string::npos) << error.what();
    }
    unplug(machine);
    machine.qemu.qmp("migrate", {{"uri", "exec:cat >/dev/null"}});
    std::string status;
    EXPECT_TRUE(eventually([&] {
        status = machine.qemu.qmp("query-migrate")["status"];
        return status == "completed" || status == "failed";
    }));
    // QEMU must not preload the card into the command that it runs for this.
    EXPECT_EQ(status, "completed") << machine.qemu.standard_error();
}

}  // namespace
}  // namespace accel::qtest
