// SPDX-License-Identifier: Apache-2.0
//
// A card that loses the events of errors. The driver learns of the errors from the card's reports.
#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "commands.hpp"
#include "health.hpp"

namespace {

class LostEvents : public uapi::Health {
  protected:
    void SetUp() override {
        Health::SetUp();
        if (!IsSkipped() && (uapi::File().info().features & ACCEL_FEATURE_SHARING) == 0) {
            GTEST_SKIP() << "this card does not report the errors of queues";
        }
    }
};

TEST_F(LostEvents, AreMadeUpForWhenAnotherQueueEnds) {
    const uapi::File file;
    const uapi::File other;
    std::vector<uapi::Queue> queues;
    queues.reserve(8);
    for (int i = 0; i < 8; ++i) {
        queues.emplace_back(file);
    }
    plant("events");
    std::vector<std::jthread> waiters;
    std::atomic<int> told = 0;
    for (uapi::Queue& queue : queues) {
        const std::uint64_t bad = queue.submit(uapi::fill(16, 1, 4));
        waiters.emplace_back([&, bad] { told += queue.wait(bad) == EIO ? 1 : 0; });
    }
    for (uapi::Queue& queue : queues) {
        uapi::await("the error", [&] { return queue.status().state == ACCEL_QUEUE_ERROR; });
    }
    plant("none");
    { const uapi::Queue ending(other); }
    waiters.clear();
    EXPECT_EQ(told, 8);
    EXPECT_TRUE(logged("events-lost"));
    for (uapi::Queue& queue : queues) {
        EXPECT_EQ(queue.query().error, std::uint32_t{ACCEL_FAULT_UNMAPPED});
        ASSERT_EQ(queue.reset(), 0);
        queue.run(uapi::nop());
    }
}

TEST_F(LostEvents, DoNotHideTheErrorFromAQuery) {
    const uapi::File file;
    uapi::Queue queue(file);
    plant("events");
    const std::uint64_t bad = queue.submit(uapi::fill(16, 1, 4));
    uapi::await("the error", [&] { return queue.status().state == ACCEL_QUEUE_ERROR; });
    EXPECT_EQ(queue.query().state, std::uint32_t{ACCEL_QUEUE_ERROR});
    EXPECT_EQ(queue.query().error, std::uint32_t{ACCEL_FAULT_UNMAPPED});
    EXPECT_EQ(queue.wait(bad), EIO);
    plant("none");
}

}  // namespace
