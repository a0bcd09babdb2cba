// SPDX-License-Identifier: Apache-2.0
//
// The results of probe: node, limits, BARs, interrupt vectors; and the effects of an interrupt.
#include <gtest/gtest.h>

#include <filesystem>
#include <thread>

#include "card.hpp"
#include "commands.hpp"
#include "sanity.hpp"

namespace {

namespace fs = std::filesystem;

TEST(Probe, BindsTheDriverAndCreatesTheNode) {
    const uapi::Card card;
    EXPECT_EQ(fs::read_symlink(card.folder() / "driver").filename(), "accel");
    EXPECT_TRUE(fs::is_character_file(card.node())) << card.node();
    EXPECT_EQ(uapi::read_file(card.folder() / "class").substr(0, 6), "0x1200");
    uapi::expect_working_card();
}

TEST(Probe, ReportsTheSameIdentityAsPci) {
    const uapi::Card card;
    const accel_info info = uapi::File().info();
    char address[32];
    std::snprintf(address, sizeof(address), "%04x:%02x:%02x.%x", info.pci_domain, info.pci_bus,
                  info.pci_device, info.pci_function);
    EXPECT_EQ(address, card.address());
    EXPECT_EQ(card.serial(), info.serial);
    EXPECT_EQ(std::stoi(uapi::read_file(card.folder() / "numa_node")), info.numa_node);
    EXPECT_EQ(card.bar(ACCEL_BAR_REGISTERS).bytes, ACCEL_REGISTERS_SIZE);
    EXPECT_GE(card.bar(ACCEL_BAR_DOORBELLS).bytes, info.queues * ACCEL_DOORBELL_STRIDE);
    EXPECT_GE(card.bar(ACCEL_BAR_MEMORY).bytes, info.memory_size);
}

TEST(Probe, ReportsUsableLimits) {
    const uapi::File file;
    const accel_info info = file.info();
    EXPECT_EQ(info.hw_version >> 16, ACCEL_VERSION_MAJOR);
    EXPECT_EQ(info.va_bits, ACCEL_VA_BITS);
    EXPECT_EQ(info.memory_free, info.memory_size);
    EXPECT_GT(info.clock_hz, 0U);
    EXPECT_GT(info.engines & 0xff, 0U);
    EXPECT_GT(info.engines >> 8, 0U);
    EXPECT_EQ(info.capabilities & (ACCEL_CAP_REGISTER | ACCEL_CAP_POLL),
              ACCEL_CAP_REGISTER | ACCEL_CAP_POLL);
    uapi::Queue longest(file, info.ring_entries, ACCEL_PRIORITIES - 1);
    longest.run(uapi::nop());
    uapi::Queue shortest(file, ACCEL_RING_ENTRIES_MIN);
    shortest.run(uapi::nop());
}

// The caching of mapped pages follows the memory type of the whole BAR, even if the driver requests
// another one for each page.
TEST(Probe, MapsDeviceMemoryWriteCombining) {
    const uapi::Bar memory = uapi::Card().bar(ACCEL_BAR_MEMORY);
    char range[64];
    std::snprintf(range, sizeof(range), "[mem 0x%016lx-0x%016lx] write-combining", memory.start,
                  memory.start + memory.bytes);
    EXPECT_NE(uapi::read_file("/sys/kernel/debug/x86/pat_memtype_list").find(range),
              std::string::npos)
        << "there is no " << range;
}

TEST(Probe, GivesEachVectorAnInterruptLine) {
    const accel_info info = uapi::File().info();
    const fs::path lines = uapi::Card().folder() / "msi_irqs";
    EXPECT_EQ(std::distance(fs::directory_iterator(lines), {}), info.vectors);
    EXPECT_EQ(uapi::Card::interrupt_lines(uapi::Card().name() + "-events"), 1);
    EXPECT_EQ(uapi::Card::interrupt_lines(uapi::Card().name() + "-vector"), info.vectors - 1);
}

TEST(Probe, UsesNoMoreVectorsThanProcessorsCanServe) {
    for (std::size_t i = 0; i < uapi::Card::count(); ++i) {
        const accel_info info = uapi::File(uapi::Card(i).node()).info();
        EXPECT_GE(info.vectors, 1U);
        EXPECT_LE(info.vectors, std::thread::hardware_concurrency() + 1);
    }
}

// The command is blocked until the waiter has armed the queue, so that only an interrupt can wake
// it.
TEST(Interrupt, WakesASleepingWaiter) {
    const uapi::File file;
    uapi::Queue queue(file);
    const uapi::Semaphore gate(file);
    // With a single vector, queues and events share it.
    const std::string line =
        file.info().vectors > 1 ? uapi::Card().name() + "-vector" : uapi::Card().name() + "-events";
    const std::uint64_t before = uapi::Card::interrupts(line);
    const std::uint64_t sequence = queue.submit(uapi::wait_for(gate.address(), 1));

    std::jthread opener([&] {
        uapi::await("arming", [&] { return queue.status().arm == sequence; });
        gate.set(1);
    });
    EXPECT_EQ(queue.wait(sequence), 0);
    opener.join();
    EXPECT_GT(uapi::Card::interrupts(line), before);
    EXPECT_GE(queue.query().interrupts, 1U);
}

TEST(Interrupt, IsNotRaisedForAJobWithoutASleeper) {
    const uapi::File file;
    uapi::Queue queue(file, 128);
    for (int i = 0; i < 100; ++i) {
        queue.submit(uapi::nop());
    }
    uapi::await("completion", [&] { return queue.status().completed == queue.tail(); });
    EXPECT_EQ(queue.query().interrupts, 0U);
}

}  // namespace
