// SPDX-License-Identifier: Apache-2.0
//
// Function level reset under load, suspend and resume, and unloading and loading the module.
#include <gtest/gtest.h>
#include <poll.h>

#include <cerrno>
#include <filesystem>
#include <memory>
#include <thread>
#include <vector>

#include "card.hpp"
#include "commands.hpp"
#include "process.hpp"
#include "sanity.hpp"
#include "stale_context.hpp"

namespace {

TEST(Reset, EndsOpenFilesWithEstaleAndNewFilesWork) {
    const uapi::Card card;
    uapi::StaleContext old;
    const std::uint64_t generation = old.file().info().generation;
    card.reset();
    old.expect_every_call(ESTALE);
    EXPECT_EQ(old.file().poll(), POLLHUP | POLLERR);
    EXPECT_EQ(uapi::File().info().generation, generation + 1);
    uapi::expect_working_card();
}

TEST(Reset, ReleasesTheResourcesOfOpenFiles) {
    const uapi::Capacity before = uapi::Capacity::measure();
    const uapi::StaleContext old;
    uapi::Card().reset();
    EXPECT_EQ(uapi::Capacity::measure(), before);
}

TEST(Reset, LeavesMappingsWithoutEffect) {
    uapi::StaleContext old;
    uapi::Card().reset();
    const uapi::File file;
    const uapi::Buffer memory(file, 4 * uapi::StaleContext::bytes, uapi::device);
    uapi::Queue queue(file);
    old.expect_stale_mappings();
    for (const std::uint32_t word : memory.as<std::uint32_t>()) {
        ASSERT_EQ(word, 0U);
    }
    EXPECT_EQ(queue.query().doorbells, 0U);
    queue.run(uapi::nop());
}

// Stale mappings must not connect processes.
TEST(Reset, LeavesStaleMappingsPrivateToEachProcess) {
    const uapi::StaleContext mine;
    const uapi::StaleContext other;
    uapi::Card().reset();
    mine.device_memory().as<std::uint32_t>()[0] = 0x5ec7e7;
    EXPECT_NE(other.device_memory().as<std::uint32_t>()[0], 0x5ec7e7U);
}

TEST(Reset, WakesWaitersAndStopsARunningJob) {
    const uapi::File file;
    const uapi::LongJob job(file);
    uapi::Queue busy(file);
    uapi::Queue waiting(file);
    const uapi::Semaphore never(file);
    const std::uint64_t running = busy.submit(job.command());
    const std::uint64_t held = waiting.submit(uapi::wait_for(never.address(), 1));
    job.started().await(1);
    int busy_ended = 0;
    int waiting_ended = 0;
    std::jthread first([&] { busy_ended = busy.wait(running); });
    std::jthread second([&] { waiting_ended = waiting.wait(held); });
    uapi::await("arming",
                [&] { return busy.status().arm == running && waiting.status().arm == held; });
    uapi::Card().reset();
    first.join();
    second.join();
    EXPECT_EQ(busy_ended, ESTALE);
    EXPECT_EQ(waiting_ended, ESTALE);
    uapi::expect_working_card();
}

TEST(Reset, UnderLoadYieldsRightResultsOrEstale) {
    const uapi::OneProcessor one_processor;
    const uapi::Card card;
    uapi::expect_working_card_or({ESTALE}, [&] { card.reset(); });
    uapi::expect_working_card();
}

// The kernel's test mode: all steps of a suspend except the sleep itself.
TEST(Suspend, EndsOpenFilesWithEstaleAndResumesTheCard) {
    ASSERT_EQ(uapi::write_file("/sys/power/pm_test", "devices"), 0);
    ASSERT_EQ(uapi::write_file("/sys/module/suspend/parameters/pm_test_delay", "0"), 0);
    uapi::StaleContext old;
    const std::uint64_t generation = old.file().info().generation;
    EXPECT_EQ(uapi::write_file("/sys/power/state", "freeze"), 0);
    EXPECT_EQ(uapi::write_file("/sys/power/pm_test", "none"), 0);
    old.expect_every_call(ESTALE);
    old.expect_stale_mappings();
    EXPECT_EQ(uapi::File().info().generation, generation + 1);
    uapi::expect_working_card();
}

TEST(Module, CannotBeUnloadedDuringAnOpenFileOrMapping) {
    auto file = std::make_unique<uapi::File>();
    auto buffer = std::make_unique<uapi::Buffer>(*file, uapi::page);
    EXPECT_EQ(uapi::Card::unload(), EWOULDBLOCK);
    const uapi::Mapping mapping = std::move(buffer->mapping());
    buffer.reset();
    file.reset();
    EXPECT_EQ(uapi::Card::unload(), EWOULDBLOCK);
    uapi::expect_working_card();
}

TEST(Module, UnloadsAndLoadsTwentyTimes) {
    const uapi::Card card;
    const uapi::Capacity before = uapi::Capacity::measure();
    for (int i = 0; i < 20; ++i) {
        ASSERT_EQ(uapi::Card::unload(), 0);
        ASSERT_TRUE(card.node().empty());
        ASSERT_EQ(uapi::Card::load(), 0);
        ASSERT_TRUE(card.bound());
    }
    EXPECT_EQ(uapi::Capacity::measure(), before);
    uapi::expect_working_card();
}

}  // namespace
