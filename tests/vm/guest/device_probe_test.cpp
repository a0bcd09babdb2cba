// SPDX-License-Identifier: Apache-2.0
//
// What probe made of the card: node, limits, BARs, vectors; and what an interrupt does.
#include <gtest/gtest.h>

#include <filesystem>
#include <thread>

#include "card.hpp"
#include "commands.hpp"
#include "health.hpp"

namespace {

namespace fs = std::filesystem;

TEST(Probe, BindsTheDriverAndMakesTheNode) {
    const bench::Card card;
    EXPECT_EQ(fs::read_symlink(card.folder() / "driver").filename(), "accel");
    EXPECT_TRUE(fs::is_character_file(card.node())) << card.node();
    EXPECT_EQ(bench::read_file(card.folder() / "class").substr(0, 6), "0x1200");
    bench::expect_healthy();
}

TEST(Probe, TellsWhatPciTells) {
    const bench::Card card;
    const accel_info info = bench::File().info();
    char address[32];
    std::snprintf(address, sizeof(address), "%04x:%02x:%02x.%x", info.pci_domain, info.pci_bus,
                  info.pci_device, info.pci_function);
    EXPECT_EQ(address, card.address());
    EXPECT_EQ(card.serial(), info.serial);
    EXPECT_EQ(std::stoi(bench::read_file(card.folder() / "numa_node")), info.numa_node);
    EXPECT_EQ(card.bar(ACCEL_BAR_REGISTERS).bytes, ACCEL_REGISTERS_SIZE);
    EXPECT_GE(card.bar(ACCEL_BAR_DOORBELLS).bytes, info.queues * ACCEL_DOORBELL_STRIDE);
    EXPECT_GE(card.bar(ACCEL_BAR_MEMORY).bytes, info.memory_size);
}

TEST(Probe, TellsLimitsThatCanBeUsed) {
    const bench::File file;
    const accel_info info = file.info();
    EXPECT_EQ(info.hw_version >> 16, ACCEL_VERSION_MAJOR);
    EXPECT_EQ(info.va_bits, ACCEL_VA_BITS);
    EXPECT_EQ(info.memory_free, info.memory_size);
    EXPECT_GT(info.clock_hz, 0U);
    EXPECT_GT(info.engines & 0xff, 0U);
    EXPECT_GT(info.engines >> 8, 0U);
    EXPECT_EQ(info.capabilities & (ACCEL_CAP_REGISTER | ACCEL_CAP_POLL),
              ACCEL_CAP_REGISTER | ACCEL_CAP_POLL);
    bench::Queue longest(file, info.ring_entries, ACCEL_PRIORITIES - 1);
    longest.run(bench::nop());
    bench::Queue shortest(file, ACCEL_RING_ENTRIES_MIN);
    shortest.run(bench::nop());
}

// What is mapped of device memory follows what the kernel knows about the whole of it, whatever
// the driver asks for page by page.
TEST(Probe, MakesDeviceMemoryWriteCombining) {
    const bench::Bar memory = bench::Card().bar(ACCEL_BAR_MEMORY);
    char range[64];
    std::snprintf(range, sizeof(range), "[mem 0x%016lx-0x%016lx] write-combining", memory.start,
                  memory.start + memory.bytes);
    EXPECT_NE(bench::read_file("/sys/kernel/debug/x86/pat_memtype_list").find(range),
              std::string::npos)
        << "there is no " << range;
}

TEST(Probe, GivesEachVectorAnInterruptLine) {
    const accel_info info = bench::File().info();
    const fs::path lines = bench::Card().folder() / "msi_irqs";
    EXPECT_EQ(std::distance(fs::directory_iterator(lines), {}), info.vectors);
    EXPECT_EQ(bench::Card::interrupt_lines(bench::Card().name() + "-events"), 1);
    EXPECT_EQ(bench::Card::interrupt_lines(bench::Card().name() + "-vector"), info.vectors - 1);
}

// A command that is held back until the waiter must have armed, so that only an interrupt can
// wake it.
TEST(Interrupt, EndsAWaitThatSleeps) {
    const bench::File file;
    bench::Queue queue(file);
    const bench::Semaphore gate(file);
    // With a single vector, queues interrupt where events do.
    const std::string line = file.info().vectors > 1 ? bench::Card().name() + "-vector"
                                                     : bench::Card().name() + "-events";
    const std::uint64_t before = bench::Card::interrupts(line);
    const std::uint64_t sequence = queue.submit(bench::wait_for(gate.address(), 1));

    std::jthread opener([&] {
        bench::await("arming", [&] { return queue.status().arm == sequence; });
        gate.set(1);
    });
    EXPECT_EQ(queue.wait(sequence), 0);
    opener.join();
    EXPECT_GT(bench::Card::interrupts(line), before);
    EXPECT_GE(queue.query().interrupts, 1U);
}

TEST(Interrupt, IsNotTakenForAJobThatNobodySleepsOn) {
    const bench::File file;
    bench::Queue queue(file, 128);
    for (int i = 0; i < 100; ++i) {
        queue.submit(bench::nop());
    }
    bench::await("completion", [&] { return queue.status().completed == queue.tail(); });
    EXPECT_EQ(queue.query().interrupts, 0U);
}

}  // namespace
