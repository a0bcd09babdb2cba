// SPDX-License-Identifier: Apache-2.0
//
// The driver leaves the card, idle and in the middle of everything, and comes back.
#include <gtest/gtest.h>
#include <poll.h>

#include <atomic>
#include <cerrno>
#include <memory>
#include <thread>
#include <vector>

#include "card.hpp"
#include "commands.hpp"
#include "health.hpp"
#include "old_file.hpp"
#include "process.hpp"

namespace {

/// Bound again and healthy, whatever a test did, and under the name it had.
class Unbind : public testing::Test {
  protected:
    void TearDown() override {
        if (!card_.bound()) {
            card_.bind();
        }
        bench::expect_healthy();
        // A card that came back while a file of before was open has another number.
        if (card_.node() != node_) {
            card_.unbind();
            card_.bind();
        }
        EXPECT_EQ(card_.node(), node_);
    }

    /// The lowest number there is: a test before may have left the card with another.
    [[nodiscard]] static std::string numbered_anew(const bench::Card& card) {
        card.unbind();
        card.bind();
        return card.node();
    }

    bench::Card card_;
    std::string node_ = numbered_anew(card_);
};

TEST_F(Unbind, AHundredTimesLeavesNothingBehind) {
    const bench::Capacity before = bench::Capacity::measure();
    const std::string name = card_.name() + "-vector";
    const int lines = bench::Card::interrupt_lines(name);
    for (int i = 0; i < 100; ++i) {
        card_.unbind();
        ASSERT_FALSE(card_.bound());
        ASSERT_FALSE(std::filesystem::exists(node_));
        ASSERT_EQ(bench::Card::interrupt_lines(name), 0);
        card_.bind();
        // The number of a node that went is free again.
        ASSERT_EQ(card_.node(), node_);
    }
    EXPECT_EQ(bench::Card::interrupt_lines(name), lines);
    EXPECT_EQ(bench::read_file("/sys/module/accel/refcnt"), "0\n");
    EXPECT_EQ(bench::Capacity::measure(), before);
}

TEST_F(Unbind, EndsEveryCallOfAnOpenFileWithEnodev) {
    bench::OldFile old;
    card_.unbind();
    old.expect_every_call(ENODEV);
    EXPECT_EQ(old.file().poll(), POLLHUP | POLLERR);
}

TEST_F(Unbind, LetsAnOpenFileBeClosedBeforeAndAfterTheDriverIsBack) {
    auto early = std::make_unique<bench::OldFile>();
    auto late = std::make_unique<bench::OldFile>();
    card_.unbind();
    early.reset();
    card_.bind();
    bench::expect_healthy();
    late->expect_every_call(ENODEV);
    late.reset();
}

TEST_F(Unbind, WakesEveryWaiterWithEnodev) {
    const bench::File file;
    bench::Queue queue(file);
    const bench::Semaphore never(file);
    const std::uint64_t sequence = queue.submit(bench::wait_for(never.address(), 1));
    ASSERT_EQ(queue.notify(sequence), 0);

    std::atomic<int> asleep = 0;
    std::atomic<int> enodev = 0;
    std::vector<std::jthread> waiters;
    for (int i = 0; i < 4; ++i) {
        waiters.emplace_back([&] {
            ++asleep;
            enodev += queue.wait(sequence) == ENODEV ? 1 : 0;
        });
    }
    // One that waits for a queue, and one that waits for nothing but the end.
    const bench::File idle;
    for (const bench::File* polled : {&file, &idle}) {
        waiters.emplace_back([&, polled] {
            ++asleep;
            enodev += (polled->poll() & POLLHUP) != 0 ? 1 : 0;
        });
    }
    bench::await("arming", [&] { return asleep == 6 && queue.status().arm == sequence; });
    // The arm word tells of one sleeper only; give the others the time to lie down.
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    card_.unbind();
    for (std::jthread& waiter : waiters) {
        waiter.join();
    }
    EXPECT_EQ(enodev, 6);
}

TEST_F(Unbind, LeavesMappingsThatGoNowhere) {
    bench::OldFile old;
    card_.unbind();
    old.expect_mappings_go_nowhere();
    card_.bind();

    // What is written through an old mapping does not reach who has the memory and the queue now.
    const bench::File file;
    const bench::Buffer memory(file, bench::OldFile::bytes, bench::device);
    bench::Queue queue(file);
    old.expect_mappings_go_nowhere();
    for (const std::uint32_t word : memory.as<std::uint32_t>()) {
        ASSERT_EQ(word, 0U);
    }
    EXPECT_EQ(queue.query().doorbells, 0U);
}

TEST_F(Unbind, StopsAJobThatRuns) {
    const bench::File file;
    const bench::LongJob job(file);
    bench::Queue queue(file);
    const std::uint64_t sequence = queue.submit(job.command());
    job.started().await(1);
    card_.unbind();
    EXPECT_EQ(queue.wait(sequence), ENODEV);
    card_.bind();
    bench::expect_healthy();
}

TEST_F(Unbind, AfterAResetIsSurvivedByAnOpenFile) {
    bench::OldFile old;
    card_.reset();
    old.expect_every_call(ESTALE);
    card_.reset();
    card_.unbind();
    old.expect_every_call(ENODEV);
}

// Not only the driver goes, but the function, as when a card is pulled out in an orderly way.
TEST_F(Unbind, AndRemovalOfTheFunctionIsSurvivedByAnOpenFile) {
    bench::OldFile old;
    ASSERT_EQ(bench::write_file(card_.folder() / "remove", "1"), 0);
    EXPECT_FALSE(std::filesystem::exists(card_.folder()));
    old.expect_every_call(ENODEV);
    old.expect_mappings_go_nowhere();
    ASSERT_EQ(bench::write_file("/sys/bus/pci/rescan", "1"), 0);
    EXPECT_TRUE(card_.bound());
}

// Children open, compute and close as fast as they can while the driver comes and goes. Each
// call either works, and then the result is right, or says that the card is away.
TEST_F(Unbind, UnderLoadGivesRightResultsOrEnodev) {
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
                    // No node, and no card behind a file that was open.
                    bench::check(code == ENOENT || code == ENODEV || code == ENXIO, error.what());
                }
            }
        });
    }
    for (int i = 0; i < 10; ++i) {
        rounds.await(rounds.value() + 2);
        card_.unbind();
        card_.bind();
    }
    stop.add();
    for (bench::Process& worker : workers) {
        EXPECT_EQ(worker.wait(), 0);
    }
}

}  // namespace
