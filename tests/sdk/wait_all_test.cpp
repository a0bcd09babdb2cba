// SPDX-License-Identifier: Apache-2.0
//
// Waiting for all of several jobs, and waits until a point in time.
#include <array>
#include <chrono>
#include <thread>
#include <vector>

#include "fixture.hpp"

namespace accel::test {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;
using std::chrono::system_clock;

class WaitAllTest : public SdkTest {
  protected:
    WaitAllTest() : SdkTest({{.serial = 1}, {.serial = 2}}) {}
};

TEST_F(WaitAllTest, ReturnsWhenTheJobsOfAllQueuesAndCardsAreOver) {
    const Device card = open("/dev/accel0");
    const Device other = open("/dev/accel1");
    Queue first = card.create_queue({.spin = 0ns});
    Queue second = other.create_queue({.spin = 0ns});
    Gate gate(card);
    Gate late(other);
    const std::vector<Job> jobs = {Job(), first.submit(gate.closed()), second.submit(late.closed()),
                                   first.submit(Nop{})};
    EXPECT_EQ(wait_all(jobs, 0ns), WaitResult::timed_out);
    gate.open();
    first.synchronize();
    EXPECT_EQ(wait_all(jobs, 2ms), WaitResult::timed_out);
    std::jthread opener([&] {
        std::this_thread::sleep_for(3ms);
        late.open();
    });
    wait_all(jobs);
    for (const Job& job : jobs) {
        EXPECT_TRUE(job.done());
    }
    EXPECT_EQ(wait_all(jobs, 0ns), WaitResult::done);
    wait_all({});
}

TEST_F(WaitAllTest, JobsOfOneQueueCostOneSleep) {
    const Device card = open();
    Queue queue = card.create_queue({.spin = 0ns});
    Gate gate(card);
    std::vector<Job> jobs{queue.submit(gate.closed())};
    for (int i = 0; i < 20; ++i) {
        jobs.push_back(queue.submit(Nop{}));
    }
    driver->before(ACCEL_IOCTL_QUEUE_WAIT, [&] { gate.open(); });
    wait_all(jobs);
    driver->before(ACCEL_IOCTL_QUEUE_WAIT, nullptr);
    EXPECT_EQ(driver->calls(ACCEL_IOCTL_QUEUE_WAIT), 1U);
}

TEST_F(WaitAllTest, AFailureIsThrownWhenTheOthersAreOver) {
    const Device card = open();
    Queue first = card.create_queue({.spin = 0ns});
    Queue second = card.create_queue({.spin = 0ns});
    Gate gate(card);
    const Job failed = first.submit(Fill{.dst = nowhere, .bytes = 4});
    const Job behind = first.submit(Nop{});
    const Job slow = second.submit(gate.closed());
    const std::array jobs{slow, failed, behind};
    EXPECT_EQ(wait_all(jobs, 2ms), WaitResult::timed_out) << "a job still runs";
    gate.open();
    const Error error = error_of([&] { wait_all(jobs); });
    EXPECT_TRUE(slow.done());
    expect_says(error, "job 1 failed at");
    expect_says(error_of([&] { wait_all(std::array{behind, failed}); }), "job 2 did not run");
}

TEST_F(WaitAllTest, ACardThatIsGoneEndsTheWait) {
    const Device card = open();
    Queue queue = card.create_queue({.spin = 0ns});
    Gate gate(card);
    const std::array jobs{queue.submit(gate.closed()), queue.submit(Nop{})};
    driver->remove_card();
    EXPECT_EQ(error_of([&] { wait_all(jobs); }).errc(), std::errc::no_such_device);
}

TEST_F(WaitAllTest, AWaitUntilAPointInTimeTakesAnyClock) {
    const Device card = open();
    Queue queue = card.create_queue({.spin = 0ns});
    Gate gate(card);
    const Job job = queue.submit(gate.closed());
    const std::array jobs{job};
    const auto start = steady_clock::now();
    EXPECT_EQ(job.wait_until(start + 3ms), WaitResult::timed_out);
    EXPECT_GE(steady_clock::now(), start + 3ms);
    EXPECT_EQ(job.wait_until(system_clock::now() + 1ms), WaitResult::timed_out);
    EXPECT_EQ(job.wait_until(steady_clock::time_point::min()), WaitResult::timed_out);
    EXPECT_FALSE(wait_any_until(jobs, start - 1h).has_value());
    EXPECT_EQ(wait_all_until(jobs, steady_clock::now() + 1ms), WaitResult::timed_out);
    std::jthread opener([&] {
        std::this_thread::sleep_for(3ms);
        gate.open();
    });
    EXPECT_EQ(job.wait_until(steady_clock::time_point::max()), WaitResult::done);
    EXPECT_EQ(wait_all_until(jobs, std::chrono::sys_days(std::chrono::days(2'000'000))),
              WaitResult::done);
    EXPECT_EQ(wait_any_until(jobs, system_clock::time_point::max()), 0U);
}

}  // namespace
}  // namespace accel::test
