// SPDX-License-Identifier: Apache-2.0
//
// Function level reset under load, suspend and resume, unloading and loading the module.
#include <gtest/gtest.h>
#include <poll.h>

#include <cerrno>
#include <filesystem>
#include <memory>
#include <thread>
#include <vector>

#include "card.hpp"
#include "commands.hpp"
#include "health.hpp"
#include "old_file.hpp"
#include "process.hpp"

namespace {

TEST(Reset, EndsOldFilesWithEstaleAndNewOnesWork) {
    const bench::Card card;
    bench::OldFile old;
    const std::uint64_t generation = old.file().info().generation;
    card.reset();
    old.expect_every_call(ESTALE);
    EXPECT_EQ(old.file().poll(), POLLHUP | POLLERR);
    EXPECT_EQ(bench::File().info().generation, generation + 1);
    bench::expect_healthy();
}

TEST(Reset, GivesEverythingBackThatOldFilesHad) {
    const bench::Capacity before = bench::Capacity::measure();
    const bench::OldFile old;
    bench::Card().reset();
    EXPECT_EQ(bench::Capacity::measure(), before);
}

TEST(Reset, LeavesMappingsThatGoNowhere) {
    bench::OldFile old;
    bench::Card().reset();
    const bench::File file;
    const bench::Buffer memory(file, 4 * bench::OldFile::bytes, bench::device);
    bench::Queue queue(file);
    old.expect_mappings_go_nowhere();
    for (const std::uint32_t word : memory.as<std::uint32_t>()) {
        ASSERT_EQ(word, 0U);
    }
    EXPECT_EQ(queue.query().doorbells, 0U);
    queue.run(bench::nop());
}

// Mappings that go nowhere are no way from one process to another.
TEST(Reset, ShowsNobodyWhatAnotherWritesIntoADeadMapping) {
    const bench::OldFile mine;
    const bench::OldFile other;
    bench::Card().reset();
    mine.device_memory().as<std::uint32_t>()[0] = 0x5ec7e7;
    EXPECT_NE(other.device_memory().as<std::uint32_t>()[0], 0x5ec7e7U);
}

TEST(Reset, WakesWaitersAndStopsAJobThatRuns) {
    const bench::File file;
    const bench::LongJob job(file);
    bench::Queue busy(file);
    bench::Queue waiting(file);
    const bench::Semaphore never(file);
    const std::uint64_t running = busy.submit(job.command());
    const std::uint64_t held = waiting.submit(bench::wait_for(never.address(), 1));
    job.started().await(1);
    int busy_ended = 0;
    int waiting_ended = 0;
    std::jthread first([&] { busy_ended = busy.wait(running); });
    std::jthread second([&] { waiting_ended = waiting.wait(held); });
    bench::await("arming",
                 [&] { return busy.status().arm == running && waiting.status().arm == held; });
    bench::Card().reset();
    first.join();
    second.join();
    EXPECT_EQ(busy_ended, ESTALE);
    EXPECT_EQ(waiting_ended, ESTALE);
    bench::expect_healthy();
}

TEST(Reset, UnderLoadGivesRightResultsOrEstale) {
    const bench::OneProcessor one_processor;
    const bench::Card card;
    const bench::Counter rounds;
    const bench::Counter stop;
    std::vector<bench::Process> workers;
    for (int i = 0; i < 3; ++i) {
        workers.emplace_back([&] {
            while (stop.value() == 0) {
                try {
                    bench::expect_healthy();
                    rounds.add();
                } catch (const std::system_error& error) {
                    const int code = error.code().value();
                    // The second: the file was opened in the middle of the reset.
                    bench::check(code == ESTALE || code == ENODEV, error.what());
                }
            }
        });
    }
    for (int i = 0; i < 10; ++i) {
        rounds.await(rounds.value() + 2);
        card.reset();
    }
    stop.add();
    for (bench::Process& worker : workers) {
        EXPECT_EQ(worker.wait(), 0);
    }
    bench::expect_healthy();
}

// The kernel's own rehearsal: everything of a suspend but the sleep itself.
TEST(Suspend, EndsOldFilesWithEstaleAndTheCardComesBack) {
    ASSERT_EQ(bench::write_file("/sys/power/pm_test", "devices"), 0);
    ASSERT_EQ(bench::write_file("/sys/module/suspend/parameters/pm_test_delay", "0"), 0);
    bench::OldFile old;
    const std::uint64_t generation = old.file().info().generation;
    EXPECT_EQ(bench::write_file("/sys/power/state", "freeze"), 0);
    EXPECT_EQ(bench::write_file("/sys/power/pm_test", "none"), 0);
    old.expect_every_call(ESTALE);
    old.expect_mappings_go_nowhere();
    EXPECT_EQ(bench::File().info().generation, generation + 1);
    bench::expect_healthy();
}

TEST(Module, IsNotUnloadedUnderAnOpenFileOrAMapping) {
    auto file = std::make_unique<bench::File>();
    auto buffer = std::make_unique<bench::Buffer>(*file, bench::page);
    EXPECT_EQ(bench::Card::unload(), EWOULDBLOCK);
    const bench::Mapping mapping = std::move(buffer->mapping());
    buffer.reset();
    file.reset();
    EXPECT_EQ(bench::Card::unload(), EWOULDBLOCK);
    bench::expect_healthy();
}

TEST(Module, UnloadsAndLoadsTwentyTimes) {
    const bench::Card card;
    const bench::Capacity before = bench::Capacity::measure();
    for (int i = 0; i < 20; ++i) {
        ASSERT_EQ(bench::Card::unload(), 0);
        ASSERT_TRUE(card.node().empty());
        ASSERT_EQ(bench::Card::load(), 0);
        ASSERT_TRUE(card.bound());
    }
    EXPECT_EQ(bench::Capacity::measure(), before);
    bench::expect_healthy();
}

}  // namespace
