// SPDX-License-Identifier: Apache-2.0
//
// The driver is unbound from an idle and from a busy card, and bound again.
#include <gtest/gtest.h>
#include <poll.h>

#include <atomic>
#include <cerrno>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "card.hpp"
#include "commands.hpp"
#include "process.hpp"
#include "sanity.hpp"
#include "stale_context.hpp"

namespace {

/// After each test the card must be bound, work, and have its old name.
class Unbind : public testing::Test {
  protected:
    void TearDown() override {
        if (!card_.bound()) {
            card_.bind();
        }
        uapi::expect_working_card();
        // A card that is bound again while an old file is open gets another number.
        if (card_.node() != node_) {
            card_.unbind();
            card_.bind();
        }
        EXPECT_EQ(card_.node(), node_);
    }

    /// Starts with the lowest number: an earlier test may have left the card with another.
    [[nodiscard]] static std::string numbered_anew(const uapi::Card& card) {
        card.unbind();
        card.bind();
        return card.node();
    }

    uapi::Card card_;
    std::string node_ = numbered_anew(card_);
};

TEST_F(Unbind, AHundredTimesLeavesNothingBehind) {
    const uapi::Capacity before = uapi::Capacity::measure();
    const std::string name = card_.name() + "-vector";
    const int lines = uapi::Card::interrupt_lines(name);
    for (int i = 0; i < 100; ++i) {
        card_.unbind();
        ASSERT_FALSE(card_.bound());
        ASSERT_FALSE(std::filesystem::exists(node_));
        ASSERT_EQ(uapi::Card::interrupt_lines(name), 0);
        card_.bind();
        // The number of a removed node is free again.
        ASSERT_EQ(card_.node(), node_);
    }
    EXPECT_EQ(uapi::Card::interrupt_lines(name), lines);
    EXPECT_EQ(uapi::read_file("/sys/module/accel/refcnt"), "0\n");
    EXPECT_EQ(uapi::Capacity::measure(), before);
}

/// The number of address ranges that belong to the driver, as a plain user sees it.
int regions_of_the_driver() {
    std::istringstream lines(uapi::read_file("/proc/iomem"));
    int count = 0;
    for (std::string line; std::getline(lines, line);) {
        count += line.ends_with(" : accel") ? 1 : 0;
    }
    return count;
}

TEST_F(Unbind, GivesTheAddressRangesOfTheCardBack) {
    const int before = regions_of_the_driver();
    EXPECT_GT(before, 0);
    card_.unbind();
    EXPECT_EQ(regions_of_the_driver(), before - before / static_cast<int>(uapi::Card::count()));
    card_.bind();
    EXPECT_EQ(regions_of_the_driver(), before);
    // The names of ranges that stay would be in the memory of a module that is gone.
    ASSERT_EQ(uapi::Card::unload(), 0);
    EXPECT_EQ(regions_of_the_driver(), 0);
    ASSERT_EQ(uapi::Card::load(), 0);
    EXPECT_EQ(regions_of_the_driver(), before);
}

TEST_F(Unbind, EndsEveryCallOfAnOpenFileWithEnodev) {
    uapi::StaleContext old;
    card_.unbind();
    old.expect_every_call(ENODEV);
    EXPECT_EQ(old.file().poll(), POLLHUP | POLLERR);
}

TEST_F(Unbind, LetsAnOpenFileBeClosedBeforeAndAfterTheNextBind) {
    auto early = std::make_unique<uapi::StaleContext>();
    auto late = std::make_unique<uapi::StaleContext>();
    card_.unbind();
    early.reset();
    card_.bind();
    uapi::expect_working_card();
    late->expect_every_call(ENODEV);
    late.reset();
}

TEST_F(Unbind, WakesEveryWaiterWithEnodev) {
    const uapi::File file;
    uapi::Queue queue(file);
    const uapi::Semaphore never(file);
    const std::uint64_t sequence = queue.submit(uapi::wait_for(never.address(), 1));
    ASSERT_EQ(queue.notify(sequence), 0);

    std::atomic<int> asleep = 0;
    std::atomic<int> enodev = 0;
    std::vector<std::jthread> waiters;
    waiters.reserve(4);
    for (int i = 0; i < 4; ++i) {
        waiters.emplace_back([&] {
            ++asleep;
            enodev += queue.wait(sequence) == ENODEV ? 1 : 0;
        });
    }
    // One waits for a queue, and one only for the end of the card.
    const uapi::File idle;
    for (const uapi::File* polled : {&file, &idle}) {
        waiters.emplace_back([&, polled] {
            ++asleep;
            enodev += (polled->poll() & POLLHUP) != 0 ? 1 : 0;
        });
    }
    uapi::await("arming", [&] { return asleep == 6 && queue.status().arm == sequence; });
    // The arm word shows only one sleeper; the others get some time to fall asleep.
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    card_.unbind();
    for (std::jthread& waiter : waiters) {
        waiter.join();
    }
    EXPECT_EQ(enodev, 6);
}

TEST_F(Unbind, LeavesMappingsThatGoNowhere) {
    uapi::StaleContext old;
    card_.unbind();
    old.expect_stale_mappings();
    card_.bind();

    // A write through an old mapping does not reach the new owner of the memory and the queue.
    const uapi::File file;
    const uapi::Buffer memory(file, uapi::StaleContext::bytes, uapi::device);
    uapi::Queue queue(file);
    old.expect_stale_mappings();
    for (const std::uint32_t word : memory.as<std::uint32_t>()) {
        ASSERT_EQ(word, 0U);
    }
    EXPECT_EQ(queue.query().doorbells, 0U);
}

TEST_F(Unbind, StopsARunningJob) {
    const uapi::File file;
    const uapi::LongJob job(file);
    uapi::Queue queue(file);
    const std::uint64_t sequence = queue.submit(job.command());
    job.started().await(1);
    card_.unbind();
    EXPECT_EQ(queue.wait(sequence), ENODEV);
    card_.bind();
    uapi::expect_working_card();
}

TEST_F(Unbind, AfterAResetLeavesAnOpenFileSafe) {
    uapi::StaleContext old;
    card_.reset();
    old.expect_every_call(ESTALE);
    card_.reset();
    card_.unbind();
    old.expect_every_call(ENODEV);
}

// Not only the driver but the function is removed, as in an orderly hot-unplug.
TEST_F(Unbind, AndRemovalOfTheFunctionLeaveAnOpenFileSafe) {
    uapi::StaleContext old;
    ASSERT_EQ(uapi::write_file(card_.folder() / "remove", "1"), 0);
    EXPECT_FALSE(std::filesystem::exists(card_.folder()));
    old.expect_every_call(ENODEV);
    old.expect_stale_mappings();
    ASSERT_EQ(uapi::write_file("/sys/bus/pci/rescan", "1"), 0);
    EXPECT_TRUE(card_.bound());
}

// Children open, compute and close in a loop while the driver is unbound and bound. Each call
// either succeeds with the right result or reports that there is no card.
TEST_F(Unbind, UnderLoadYieldsRightResultsOrEnodev) {
    // There is no node, or an open file has lost its card.
    uapi::expect_working_card_or({ENOENT, ENODEV, ENXIO}, [&] {
        card_.unbind();
        card_.bind();
    });
}

}  // namespace
