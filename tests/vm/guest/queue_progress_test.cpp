// SPDX-License-Identifier: Apache-2.0
//
// The progress of a queue as the card reports it, and the time limit of its commands.
#include <gtest/gtest.h>
#include <poll.h>

#include <cerrno>
#include <cstdint>

#include "commands.hpp"
#include "sanity.hpp"

namespace {

class Progress : public testing::Test {
  protected:
    void SetUp() override {
        if ((file_.info().features & ACCEL_FEATURE_SHARING) == 0) {
            GTEST_SKIP() << "this card does not report the progress of queues";
        }
    }
    void TearDown() override { uapi::expect_working_card(); }

    static void await_activity(const uapi::Queue& queue, accel_queue_activity activity) {
        uapi::await("the activity of a queue",
                    [&] { return queue.query().activity == static_cast<std::uint32_t>(activity); });
    }

    uapi::File file_;
};

TEST_F(Progress, QueryTellsWhatAQueueDoes) {
    uapi::Queue queue(file_);
    const uapi::Semaphore gate(file_);
    EXPECT_EQ(queue.query().activity, std::uint32_t{ACCEL_ACTIVITY_IDLE});
    const std::uint64_t held = queue.submit(uapi::wait_for(gate.address(), 1));
    await_activity(queue, ACCEL_ACTIVITY_BLOCKED);
    gate.set(1);
    EXPECT_EQ(queue.wait(held), 0);
    await_activity(queue, ACCEL_ACTIVITY_IDLE);
    static_cast<void>(queue.run_to_error(uapi::fill(16, 1, 4)));
    EXPECT_EQ(queue.query().activity, std::uint32_t{ACCEL_ACTIVITY_STOPPED});
    ASSERT_EQ(queue.reset(), 0);
    EXPECT_EQ(queue.query().activity, std::uint32_t{ACCEL_ACTIVITY_IDLE});
}

TEST_F(Progress, TheOwnerCannotWriteIt) {
    uapi::Queue queue(file_);
    const uapi::LongJob job(file_);
    queue.submit(job.command());
    job.started().await(1);
    queue.status().state = ACCEL_QUEUE_ERROR;
    queue.status().completed = 1;
    const std::uint64_t before = queue.query().pieces;
    EXPECT_EQ(queue.query().activity, std::uint32_t{ACCEL_ACTIVITY_RUNNING});
    uapi::await("another piece", [&] { return queue.query().pieces > before; });
    ASSERT_EQ(queue.reset(), 0);
    queue.run(uapi::nop());
}

TEST_F(Progress, ACommandBeyondItsTimeLimitEndsWithAnErrnoOfItsOwn) {
    uapi::Queue queue(file_, 64, 0, 20);
    uapi::Queue other(file_);
    const uapi::LongJob job(file_);
    queue.run(uapi::nop());
    const std::uint64_t endless = queue.submit(job.command());
    ASSERT_EQ(queue.notify(endless), 0);
    EXPECT_EQ(queue.wait(endless), ETIME);
    EXPECT_NE(file_.poll() & POLLERR, 0);
    const accel_queue_query query = queue.query();
    EXPECT_EQ(query.error, std::uint32_t{ACCEL_TIME_LIMIT});
    EXPECT_EQ(query.reason, std::uint32_t{ACCEL_REASON_TIME_LIMIT});
    EXPECT_EQ(query.error_sequence, endless);
    other.run(uapi::nop());
    ASSERT_EQ(queue.reset(), 0);
    EXPECT_EQ(queue.query().reason, std::uint32_t{ACCEL_REASON_NONE});
    queue.run(uapi::nop());
}

TEST_F(Progress, AWaitForASemaphoreUsesNoTime) {
    uapi::Queue queue(file_, 64, 0, 1);
    const uapi::Semaphore gate(file_);
    const std::uint64_t held = queue.submit(uapi::wait_for(gate.address(), 1));
    EXPECT_EQ(queue.wait_until(held, uapi::deadline_in(std::chrono::milliseconds(50))), ETIMEDOUT);
    gate.set(1);
    EXPECT_EQ(queue.wait(held), 0);
}

}  // namespace
