// SPDX-License-Identifier: Apache-2.0
//
// Sharing an engine, in virtual time: how long a short job waits for hogs, and what share each
// queue gets. The bounds are those of the data sheet, sections 4.5 and 10.3.
#include <algorithm>
#include <array>
#include <memory>
#include <tuple>
#include <vector>

#include "accel_timing.h"
#include "card_fixture.hpp"
#include "hog_fixture.hpp"
#include "timing/link.hpp"

namespace accel::test {
namespace {

constexpr std::uint32_t hog_contexts = 8;
constexpr std::uint64_t wire_piece = std::uint64_t{64} * 1024;

HostOptions timed_host() {
    HostOptions options;
    options.link = gen3x8;
    options.contexts = hog_contexts + 1;
    options.queues = 20;
    options.host_memory = 256 << 20;
    options.device_memory = (std::uint64_t{hog_contexts} + 1) * (8 << 20);
    return options;
}

// The preemption bound of the data sheet, in ticks.
std::uint64_t preemption_bound() {
    const card::Link link{gen3x8};
    const std::uint64_t wire =
        std::max(link.completion_bytes(0, wire_piece),
                 link.write_bytes(0, wire_piece) + link.request_bytes(0, wire_piece));
    constexpr std::uint64_t units = ACCEL_TIMING_DMA_CHANNELS + ACCEL_TIMING_COMPUTE_ENGINES;
    constexpr std::uint64_t walk = std::uint64_t{16} * (2 * ACCEL_TIMING_LINK + ACCEL_TIMING_HOST);
    return units * link.time(wire) / card::picoseconds_per_tick + walk + ACCEL_TIMING_SWITCH;
}

// A card with one context for each of eight hogs, and one for a victim.
class Sharing : public testing::Test {
  protected:
    void SetUp() override {
        for (std::uint32_t id = 0; id <= hog_contexts; ++id) {
            spaces.push_back(std::make_unique<AddressSpace>(host, id));
        }
        records = victim_space().allocate(page_size);
        scratch = victim_space().allocate(page_size);
    }
    AddressSpace& victim_space() { return *spaces.back(); }

    // Starts a hog in every context but the victim's, and waits until each has run.
    void start_hogs(Hog hog, std::uint32_t priority) {
        for (std::uint32_t id = 0; id < hog_contexts; ++id) {
            Queue& queue = *queues.emplace_back(
                std::make_unique<Queue>(*spaces[id], id, QueueOptions{.priority = priority}));
            const accel_command command = make(hog, *spaces[id]);
            for (int i = 0; i < 60; ++i) {
                (void)queue.enqueue(command);
            }
            queue.ring_doorbell();
        }
        const bool blocks = hog == Hog::wait;
        ASSERT_TRUE(eventually([&] {
            return std::ranges::all_of(host.reports(0, hog_contexts), [&](const auto& report) {
                return blocks ? report.activity == ACCEL_ACTIVITY_BLOCKED : report.pieces > 1;
            });
        }));
    }
    Queue& add_victim(std::uint32_t id, std::uint32_t priority) {
        return *queues.emplace_back(
            std::make_unique<Queue>(victim_space(), id, QueueOptions{.priority = priority}));
    }
    // A job of about a microsecond of device time, on either kind of engine.
    accel_command job(bool on_dma) {
        if (on_dma) {
            return fill(scratch, 1, 1, 2048);
        }
        accel_elementwise p{};
        p.type = ACCEL_TYPE_F32;
        p.op = ACCEL_EW_ADD;
        p.rank = 1;
        p.dims[0] = 16;
        p.dst_strides[0] = p.src0_strides[0] = p.src1_strides[0] = 1;
        return tensor_in(victim_space(), ACCEL_OP_ELEMENTWISE,
                         {.dst = scratch, .src0 = scratch, .src1 = scratch}, p);
    }
    // The ticks from the doorbell until an engine starts a job: the longest of some.
    std::uint64_t longest(Queue& queue, const accel_command& command) {
        std::uint64_t most = 0;
        for (int i = 0; i < 6; ++i) {
            // Otherwise the card may find the command before the doorbell is rung.
            EXPECT_TRUE(eventually(
                [&] { return host.report(queue.id()).activity == ACCEL_ACTIVITY_IDLE; }));
            (void)queue.enqueue(with_record(command, records));
            const std::uint64_t rung =
                host.doorbells(std::array{std::pair{queue.id(), queue.tail()}});
            EXPECT_EQ(queue.wait(queue.tail()), ACCEL_OK);
            const auto record = victim_space().load<accel_completion_record>(records, 1)[0];
            most = std::max<std::uint64_t>(most, record.start - rung);
        }
        return most;
    }

    TestHost host{timed_host()};
    std::vector<std::unique_ptr<AddressSpace>> spaces;
    std::vector<std::unique_ptr<Queue>> queues;
    std::uint64_t records = 0;
    std::uint64_t scratch = 0;
};

class HogInEachContext : public Sharing,
                         public testing::WithParamInterface<std::tuple<Hog, std::uint32_t>> {};

TEST_P(HogInEachContext, DelaysAJobByItsShareOrByTheBoundAtMost) {
    const auto [hog, priority] = GetParam();
    std::array<accel_command, 2> jobs{job(true), job(false)};
    std::array<std::uint64_t, 2> alone{};
    Queue& equal = add_victim(10, priority);
    Queue& higher = add_victim(11, priority + 1);
    for (std::size_t i = 0; i < jobs.size(); ++i) {
        alone.at(i) = longest(equal, jobs.at(i));
    }
    start_hogs(hog, priority);
    for (std::size_t i = 0; i < jobs.size(); ++i) {
        EXPECT_LE(longest(higher, jobs.at(i)), alone.at(i) + preemption_bound()) << i;
        // One turn of one queue, and the piece in which the turn ends.
        EXPECT_LE(longest(equal, jobs.at(i)), alone.at(i) + ACCEL_TIMING_TURN + preemption_bound())
            << i;
    }
}

INSTANTIATE_TEST_SUITE_P(Every, HogInEachContext,
                         testing::Combine(testing::ValuesIn(hogs),
                                          testing::Range(0U, std::uint32_t{ACCEL_PRIORITIES})),
                         [](const auto& info) {
                             return name_of(std::get<0>(info.param)) + "AtPriority" +
                                    std::to_string(std::get<1>(info.param));
                         });

TEST_F(Sharing, TheDriversQueueOvertakesAllUsers) {
    Queue& driver = add_victim(10, ACCEL_PRIORITY_DRIVER);
    const accel_command copy_job = job(true);
    const std::uint64_t alone = longest(driver, copy_job);
    start_hogs(Hog::copy, ACCEL_PRIORITIES - 1);
    EXPECT_LE(longest(driver, copy_job), alone + preemption_bound());
}

TEST_F(Sharing, QueuesThatAlwaysHaveWorkGetEqualDeviceTime) {
    // One engine, eight queues, pieces of two lengths.
    std::vector<std::pair<std::uint32_t, std::uint64_t>> doorbells;
    for (std::uint32_t id = 0; id < hog_contexts; ++id) {
        Queue& queue = *queues.emplace_back(std::make_unique<Queue>(*spaces[id], id));
        const accel_command command =
            id % 2 == 0 ? huge_elementwise(*spaces[id]) : huge_transpose(*spaces[id]);
        doorbells.emplace_back(id, queue.enqueue(command));
    }
    (void)host.doorbells(doorbells);
    const auto busy = [&] {
        std::vector<std::uint64_t> ticks;
        for (const auto& report : host.reports(0, hog_contexts)) {
            ticks.push_back(report.ticks);
        }
        return ticks;
    };
    ASSERT_TRUE(eventually(
        [&] { return std::ranges::min(busy()) > std::uint64_t{20} * ACCEL_TIMING_TURN; }));
    const auto ticks = busy();
    EXPECT_LE(std::ranges::max(ticks) - std::ranges::min(ticks),
              ACCEL_TIMING_TURN + 2 * preemption_bound());
}

TEST_F(Sharing, AQueueThatWasIdleSavesUpNoTime) {
    start_hogs(Hog::elementwise, 1);
    const std::uint64_t before = host.report(0).ticks;
    ASSERT_TRUE(eventually(
        [&] { return host.report(0).ticks > before + std::uint64_t{5} * ACCEL_TIMING_TURN; }));
    Queue& late = add_victim(10, 1);
    (void)late.submit(huge_elementwise(victim_space()));
    ASSERT_TRUE(
        eventually([&] { return host.report(10).ticks > std::uint64_t{4} * ACCEL_TIMING_TURN; }));
    const std::uint64_t lead = host.report(0).ticks;
    // The hogs ran as well, instead of waiting until the late queue used as much as they had.
    EXPECT_GT(lead, before + std::uint64_t{7} * ACCEL_TIMING_TURN);
}

TEST_F(Sharing, ALowerPriorityRunsOnlyWhenTheHigherOnesRest) {
    Queue& low = add_victim(10, 0);
    start_hogs(Hog::elementwise, 1);
    const std::uint64_t before = host.report(0).ticks;
    (void)low.submit(job(false));
    ASSERT_TRUE(eventually(
        [&] { return host.report(0).ticks > before + std::uint64_t{3} * ACCEL_TIMING_TURN; }));
    EXPECT_EQ(low.completed(), 0U);
    EXPECT_EQ(host.report(10).activity, ACCEL_ACTIVITY_READY);
    for (std::uint32_t id = 0; id < hog_contexts; ++id) {
        EXPECT_EQ(queues[id + 1]->destroy(), ACCEL_OK);
    }
    EXPECT_EQ(low.wait(1), ACCEL_OK);
}

TEST_F(Sharing, TheTimeInWhichACommandIsPreemptedIsNotItsOwn) {
    Queue& low = add_victim(10, 0);
    Queue& high = add_victim(11, 1);
    const std::uint64_t in_device = victim_space().allocate(1 << 20, Layout::device_large);
    const accel_command command = with_record(fill(in_device, 1, 1, 1 << 20), records + 64);
    EXPECT_EQ(low.run(command), ACCEL_OK);
    const std::uint64_t alone = host.query(10).dma_busy;
    start_hogs(Hog::fill, 1);
    (void)low.enqueue(command);
    low.ring_doorbell();
    const std::uint64_t before = host.report(0).ticks;
    ASSERT_TRUE(eventually(
        [&] { return host.report(0).ticks > before + std::uint64_t{3} * ACCEL_TIMING_TURN; }));
    for (std::uint32_t id = 0; id < hog_contexts; ++id) {
        EXPECT_EQ(queues[id + 2]->destroy(), ACCEL_OK);
    }
    EXPECT_EQ(low.wait(2), ACCEL_OK);
    EXPECT_EQ(high.run(nop()), ACCEL_OK);
    EXPECT_LE(host.query(10).dma_busy, 2 * alone + 2 * preemption_bound());
}

}  // namespace
}  // namespace accel::test
