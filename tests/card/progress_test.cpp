// SPDX-License-Identifier: Apache-2.0
//
// Time limits, and what the card reports of the progress and the errors of queues.
#include <algorithm>
#include <memory>
#include <vector>

#include "card_fixture.hpp"
#include "hog_fixture.hpp"

namespace accel::test {
namespace {

// ---- Time limits

constexpr std::uint64_t limit = 300'000;

class TimeLimit : public CardTest, public testing::WithParamInterface<Hog> {};

TEST_P(TimeLimit, EndsACommandThatExceedsIt) {
    Queue limited(space, 1, {.time_limit = limit});
    const std::uint64_t sequence = limited.submit(make(GetParam(), space));
    EXPECT_EQ(limited.wait(sequence), ACCEL_TIME_LIMIT);
    const auto event = host.next_event();
    ASSERT_TRUE(event);
    EXPECT_EQ(event->status, ACCEL_TIME_LIMIT);
    EXPECT_EQ(event->command_sequence, sequence);
    const accel_queue_report report = host.report(1);
    EXPECT_EQ(report.error, ACCEL_TIME_LIMIT);
    EXPECT_GT(report.ticks, limit);
    EXPECT_EQ(limited.reset(), ACCEL_OK);
    EXPECT_EQ(limited.run(fill(space.allocate(page_size), 1, 1, 1)), ACCEL_OK);
}

INSTANTIATE_TEST_SUITE_P(Each, TimeLimit,
                         testing::Values(Hog::fill, Hog::copy, Hog::transfer, Hog::gemm,
                                         Hog::elementwise, Hog::transpose, Hog::list, Hog::loop),
                         [](const auto& info) { return name_of(info.param); });

TEST_F(TimeLimit, CountsACallWithItsWholeList) {
    Queue limited(space, 1, {.time_limit = limit});
    EXPECT_EQ(limited.run(long_list(space)), ACCEL_TIME_LIMIT);
    EXPECT_GT(limited.status().error_list_index, 1U);
    EXPECT_LT(limited.status().error_list_index, 16384U);
}

TEST_F(TimeLimit, StartsAnewWithEachCommand) {
    if (!host.timed()) {
        GTEST_SKIP() << "without a timing model, a machine under load may exceed any limit";
    }
    Queue limited(space, 1, {.time_limit = limit});
    const std::uint64_t page = space.allocate(page_size);
    for (int i = 0; i < 2000; ++i) {
        ASSERT_EQ(limited.run(fill(page, 1, 1, page_size)), ACCEL_OK);
    }
}

TEST_F(TimeLimit, DoesNotCountTheTimeOfAWait) {
    if (!host.timed()) {
        GTEST_SKIP() << "without a timing model, a machine under load may exceed any limit";
    }
    Queue limited(space, 1, {.time_limit = 10'000});
    const std::uint64_t word = space.allocate(page_size);
    const std::uint64_t begin = host.clock();
    (void)limited.submit(wait_for(word, 1));
    ASSERT_TRUE(eventually([&] {
        (void)queue.run(nop());
        return host.clock() > begin + 3'000'000;
    }));
    EXPECT_EQ(limited.state(), ACCEL_QUEUE_RUNNING);
    EXPECT_EQ(queue.run(signal(word, 1)), ACCEL_OK);
    EXPECT_EQ(limited.wait(1), ACCEL_OK);
}

// ---- Reports

class Report : public CardTest {
  protected:
    Report() : CardTest(HostOptions{.host_memory = 128 << 20}) {}
    std::uint64_t page = space.allocate(page_size);
};

TEST_F(Report, TellsWhatEachQueueDoes) {
    Queue busy(space, 1);
    Queue blocked(space, 2);
    Queue failed(space, 3);
    const std::uint64_t hole = space.reserve(page_size);
    (void)busy.submit(make(Hog::fill, space));
    (void)blocked.submit(wait_for(page, 1));
    EXPECT_EQ(failed.run(nop()), ACCEL_OK);
    EXPECT_EQ(failed.run(fill(hole, 1, 1, 8)), ACCEL_FAULT_UNMAPPED);
    std::vector<accel_queue_report> reports;
    ASSERT_TRUE(eventually([&] {
        reports = host.reports(0, 5);
        return reports[1].pieces > 5 && reports[2].activity == ACCEL_ACTIVITY_BLOCKED;
    }));
    EXPECT_EQ(reports[0].activity, ACCEL_ACTIVITY_IDLE);
    EXPECT_EQ(reports[1].activity, ACCEL_ACTIVITY_RUNNING);
    EXPECT_EQ(reports[1].opcode, ACCEL_OP_FILL);
    EXPECT_GT(reports[1].ticks, 0U);
    EXPECT_EQ(reports[3].activity, ACCEL_ACTIVITY_STOPPED);
    EXPECT_EQ(reports[3].completed, 1U);
    EXPECT_EQ(reports[3].error, ACCEL_FAULT_UNMAPPED);
    EXPECT_EQ(reports[3].error_sequence, 2U);
    EXPECT_EQ(reports[3].error_address, hole);
    EXPECT_EQ(reports[3].error_list_index, ACCEL_NO_LIST_INDEX);
    EXPECT_EQ(reports[3].error_opcode, ACCEL_OP_FILL);
    EXPECT_EQ(reports[4].activity, ACCEL_ACTIVITY_NONE);
    EXPECT_EQ(failed.reset(), ACCEL_OK);
    EXPECT_EQ(host.report(3).error, ACCEL_OK);
    EXPECT_EQ(host.report(3).activity, ACCEL_ACTIVITY_IDLE);
}

TEST_F(Report, CountsPiecesWhileACommandAdvancesAndAcrossResets) {
    std::uint64_t before = 0;
    for (int round = 0; round < 3; ++round) {
        (void)queue.submit(make(Hog::fill, space));
        for (int i = 0; i < 3; ++i) {
            ASSERT_TRUE(eventually([&] { return host.report(0).pieces > before; }));
            before = host.report(0).pieces;
        }
        EXPECT_EQ(queue.reset(), ACCEL_OK);
        EXPECT_GE(host.report(0).pieces, before);
        EXPECT_EQ(host.report(0).completed, 0U);
    }
}

TEST_F(Report, AWaitThatIsPolledIsNoProgress) {
    (void)queue.submit(wait_for(page, 1));
    ASSERT_TRUE(eventually([&] { return host.report(0).activity == ACCEL_ACTIVITY_BLOCKED; }));
    const std::uint64_t before = host.report(0).pieces;
    for (int i = 0; i < 50; ++i) {
        host.advance_clock(1'000'000);
        queue.ring_doorbell();
        ASSERT_EQ(host.report(0).activity, ACCEL_ACTIVITY_BLOCKED);
    }
    EXPECT_EQ(host.report(0).pieces, before);
}

TEST_F(Report, TheOwnerCannotWriteIt) {
    EXPECT_EQ(queue.run(copy(0, 0, 1)), ACCEL_FAULT_UNMAPPED);
    space.store_one(queue.status_address(), accel_queue_status{});
    EXPECT_EQ(host.report(0).error, ACCEL_FAULT_UNMAPPED);
    EXPECT_EQ(host.report(0).activity, ACCEL_ACTIVITY_STOPPED);
}

TEST_F(Report, QueryQueuesChecksItsFields) {
    const std::uint64_t bus = host.memory().allocate(page_size);
    EXPECT_EQ(host.admin(query_queues(0, 0, bus)), ACCEL_BAD_SIZE);
    EXPECT_EQ(host.admin(query_queues(0, ACCEL_REPORTS_MAX + 1, bus)), ACCEL_BAD_SIZE);
    accel_admin_command command = query_queues(0, 1, bus);
    command.query_queues.reserved = 1;
    EXPECT_EQ(host.admin(command), ACCEL_BAD_FIELD);
    EXPECT_EQ(host.admin(query_queues(0, 1, 0x7000)), ACCEL_BUS_ERROR);
}

TEST_F(Report, QueryQueuesWritesAllReportsAtOnce) {
    const std::uint64_t bus = host.memory().allocate(page_size);
    std::memset(host.memory().at(bus), 0xff, page_size);
    std::atomic<int> writes{0};
    host.set_access_hook(
        [&](std::uint64_t address, bool write) { writes += write && address == bus ? 1 : 0; });
    // Also of ids that the card does not have.
    EXPECT_EQ(host.admin(query_queues(0, ACCEL_REPORTS_MAX, bus)), ACCEL_OK);
    host.set_access_hook(nullptr);
    EXPECT_EQ(writes, 1);
    const auto* const reports = host.memory().as<accel_queue_report>(bus);
    EXPECT_EQ(reports[0].activity, ACCEL_ACTIVITY_IDLE);
    for (std::uint32_t id = 1; id < ACCEL_REPORTS_MAX; ++id) {
        EXPECT_EQ(reports[id].activity, ACCEL_ACTIVITY_NONE);
    }
    EXPECT_EQ(host.admin(query_queues(UINT32_MAX, 2, bus)), ACCEL_OK);
    EXPECT_EQ(reports[1].activity, ACCEL_ACTIVITY_NONE);
}

// ---- Errors that nobody may miss

TEST(ManyQueues, EachErrorIsAnEventWhenAllFailAtOnce) {
    constexpr std::uint32_t count = 512;
    TestHost host({.queues = count, .event_entries = 2 * count});
    AddressSpace space(host, 0);
    std::vector<std::unique_ptr<Queue>> queues;
    for (std::uint32_t id = 0; id < count; ++id) {
        queues.push_back(std::make_unique<Queue>(space, id, QueueOptions{.entries = 2}));
        queues.back()->enqueue(copy(0, 0, 1));
    }
    for (auto& queue : queues) {
        queue->ring_doorbell();
    }
    std::vector<bool> failed(count);
    for (std::uint32_t i = 0; i < count; ++i) {
        const auto event = host.next_event();
        ASSERT_TRUE(event);
        EXPECT_EQ(event->status, ACCEL_FAULT_UNMAPPED);
        EXPECT_FALSE(failed.at(event->queue));
        failed.at(event->queue) = true;
    }
    EXPECT_TRUE(std::ranges::all_of(failed, [](bool f) { return f; }));
    EXPECT_EQ(host.read32(ACCEL_REG_EVENT_LOST), 0U);
}

TEST_F(Report, KeepsTheErrorWhoseEventIsLost) {
    host.set_defect(ACCEL_DEFECT_EVENTS);
    EXPECT_EQ(queue.run(copy(0, 0, 1)), ACCEL_FAULT_UNMAPPED);
    ASSERT_TRUE(eventually([&] { return host.read32(ACCEL_REG_EVENT_LOST) == 1; }));
    EXPECT_FALSE(host.event_pending());
    EXPECT_EQ(host.report(0).error, ACCEL_FAULT_UNMAPPED);
    host.set_defect(ACCEL_DEFECT_NONE);
    EXPECT_EQ(queue.reset(), ACCEL_OK);
    EXPECT_EQ(queue.run(copy(0, 0, 1)), ACCEL_FAULT_UNMAPPED);
    EXPECT_TRUE(host.next_event());
}

// ---- A hang

TEST_F(Report, ShowsACommandThatHangsUntilItsQueueIsReset) {
    host.set_defect(ACCEL_DEFECT_PROGRESS);
    Queue other(space, 1);
    (void)queue.submit(make(Hog::fill, space));
    ASSERT_TRUE(eventually([&] { return host.report(0).activity == ACCEL_ACTIVITY_RUNNING; }));
    ASSERT_TRUE(eventually([&] { return host.report(0).ticks > 3'000'000; }));
    const std::uint64_t pieces = host.report(0).pieces;
    EXPECT_EQ(other.run(nop()), ACCEL_OK);
    EXPECT_EQ(host.report(0).pieces, pieces);
    EXPECT_EQ(queue.reset(), ACCEL_OK);
    EXPECT_EQ(queue.run(fill(page, 1, 1, 1)), ACCEL_OK);
}

TEST_F(Report, ACommandThatHangsContinuesWithoutTheDefect) {
    host.set_defect(ACCEL_DEFECT_PROGRESS);
    (void)queue.submit(fill(page, 5, 1, 8));
    ASSERT_TRUE(eventually([&] { return host.report(0).ticks > 0; }));
    host.set_defect(ACCEL_DEFECT_NONE);
    EXPECT_EQ(queue.wait(1), ACCEL_OK);
    EXPECT_EQ(space.load<std::uint8_t>(page, 1)[0], 5);
}

}  // namespace
}  // namespace accel::test
