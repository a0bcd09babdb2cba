// SPDX-License-Identifier: Apache-2.0
//
// Many queues of a card at once: errors of all of them, and waiters of all of them.
#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <thread>
#include <vector>

#include "card.hpp"
#include "commands.hpp"

namespace {

/// All queues of the card that has the most, each behind one gate.
class Burst : public testing::Test {
  protected:
    Burst() {
        for (std::uint32_t i = 0; i < file_.info().queues; ++i) {
            queues_.emplace_back(file_, 4);
            queues_.back().submit(uapi::wait_for(gate_.address(), 1));
        }
    }

    uapi::Card card_{uapi::Card::count() - 1};
    uapi::File file_{card_.node()};
    uapi::Semaphore gate_{file_};
    std::vector<uapi::Queue> queues_;
};

TEST_F(Burst, EachOwnerLearnsOfItsErrorIfAllQueuesFailAtOnce) {
    accel_command unknown = uapi::nop();
    unknown.opcode = 0x7f;
    for (uapi::Queue& queue : queues_) {
        queue.submit(unknown);
    }
    gate_.set(1);
    std::size_t told = 0;
    for (const uapi::Queue& queue : queues_) {
        const std::int64_t deadline = uapi::deadline_in(std::chrono::seconds(20));
        const bool learned = queue.wait_until(2, deadline) == EIO;
        const accel_queue_query query = queue.query();
        told += learned && query.error == ACCEL_BAD_OPCODE && query.error_sequence == 2 &&
                        query.reason == ACCEL_REASON_ERROR
                    ? 1
                    : 0;
    }
    EXPECT_EQ(told, queues_.size());
}

// One interrupt handler serves many queues, and leaves most of these waiters to its thread.
TEST_F(Burst, WakesTheWaitersOfAllQueues) {
    std::vector<std::jthread> threads;
    std::atomic<std::size_t> woken = 0;
    for (std::size_t i = 0; i < queues_.size(); i += 2) {
        threads.emplace_back([&, i] { woken += queues_[i].wait(1) == 0 ? 1 : 0; });
    }
    uapi::await("the waiters", [&] {
        for (std::size_t i = 0; i < queues_.size(); i += 2) {
            if (queues_[i].status().arm != 1) {
                return false;
            }
        }
        return true;
    });
    gate_.set(1);
    const std::size_t count = threads.size();
    threads.clear();
    EXPECT_EQ(woken, count);
}

// Threads wait for commands of one queue in any order, and each ends with its own command.
TEST(Waiters, EndInTheOrderOfTheirCommands) {
    constexpr std::uint64_t count = 40;
    const uapi::File file;
    uapi::Queue queue(file, 64);
    const uapi::Semaphore gate(file);
    for (std::uint64_t i = 1; i <= count; ++i) {
        queue.submit(uapi::wait_for(gate.address(), i));
    }
    std::vector<std::atomic<bool>> over(count + 1);
    std::vector<std::jthread> threads;
    for (std::uint64_t i = 0; i < count; ++i) {
        const std::uint64_t sequence = i * 7 % count + 1;
        threads.emplace_back([&, sequence] {
            EXPECT_EQ(queue.wait(sequence), 0);
            over[sequence] = true;
        });
    }
    uapi::await("arming", [&] { return queue.status().arm == 1; });
    for (std::uint64_t i = 1; i <= count; ++i) {
        EXPECT_FALSE(over[i]);
        gate.set(i);
        uapi::await("the waiter", [&] { return over[i].load(); });
    }
}

}  // namespace
