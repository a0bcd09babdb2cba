// SPDX-License-Identifier: Apache-2.0
//
// Commands that fail, queues that are reset, and hostile processes that write arbitrary data into
// their own rings and status pages.
#include <gtest/gtest.h>

#include <cerrno>
#include <random>
#include <stop_token>
#include <thread>
#include <vector>

#include "commands.hpp"
#include "sanity.hpp"

namespace {

class Errors : public testing::Test {
  protected:
    /// Expects that the command stops the queue with this error; then resets the queue.
    void expect_error(const accel_command& command, accel_status status,
                      std::uint64_t address = 0) {
        queue_.run(uapi::nop());
        const accel_queue_query failure = queue_.run_to_error(command);
        EXPECT_EQ(failure.state, static_cast<std::uint32_t>(ACCEL_QUEUE_ERROR));
        EXPECT_EQ(failure.error, static_cast<std::uint32_t>(status));
        EXPECT_EQ(failure.error_sequence, 2U);
        EXPECT_EQ(failure.error_opcode, command.opcode);
        EXPECT_EQ(failure.error_list_index, ACCEL_NO_LIST_INDEX);
        EXPECT_EQ(failure.completed, 1U);
        if (address != 0) {
            EXPECT_EQ(failure.error_address, address);
        }
        ASSERT_EQ(queue_.reset(), 0);
        EXPECT_EQ(queue_.query().state, static_cast<std::uint32_t>(ACCEL_QUEUE_RUNNING));
        EXPECT_EQ(queue_.query().error, static_cast<std::uint32_t>(ACCEL_OK));
        EXPECT_EQ(queue_.query().completed, 0U);
    }

    uapi::File file_;
    uapi::Queue queue_{file_, 16};
    uapi::Buffer buffer_{file_, uapi::page};
};

TEST_F(Errors, DescribeTheFailedCommand) {
    accel_command unknown = uapi::nop();
    unknown.opcode = 0x7f;
    expect_error(unknown, ACCEL_BAD_OPCODE);
    accel_command reserved = uapi::nop();
    reserved.reserved = 1;
    expect_error(reserved, ACCEL_BAD_FIELD);
    expect_error(uapi::signal(buffer_.address() + 4, 1), ACCEL_BAD_ALIGNMENT);
    expect_error(uapi::copy(buffer_.address(), buffer_.address(), ~std::uint64_t{0}),
                 ACCEL_BAD_SIZE);
    expect_error(uapi::call(buffer_.address(), ~0U), ACCEL_BAD_SIZE);
}

TEST_F(Errors, NameTheAddressOfAFault) {
    constexpr std::uint64_t nowhere = 0x1000;
    expect_error(uapi::fill(nowhere, 1, 4), ACCEL_FAULT_UNMAPPED, nowhere);
    expect_error(uapi::copy(buffer_.address(), nowhere, 4), ACCEL_FAULT_UNMAPPED, nowhere);
    // The page after a buffer is not mapped.
    expect_error(uapi::fill(buffer_.address(), 1, 2 * uapi::page), ACCEL_FAULT_UNMAPPED,
                 buffer_.address() + uapi::page);
    const uapi::Buffer input(file_, uapi::page, uapi::readable);
    expect_error(uapi::fill(input.address(), 1, 4), ACCEL_FAULT_WRITE, input.address());
    const uapi::Buffer output(file_, uapi::page, uapi::writable | ACCEL_BUFFER_DEVICE);
    expect_error(uapi::copy(buffer_.address(), output.address() + 8, 4), ACCEL_FAULT_READ,
                 output.address() + 8);
}

TEST_F(Errors, NameTheIndexInACommandList) {
    const auto list = buffer_.as<accel_command>();
    list[0] = uapi::nop();
    list[1] = uapi::call(buffer_.address(), 1);
    const accel_queue_query failure = queue_.run_to_error(uapi::call(buffer_.address(), 2));
    EXPECT_EQ(failure.error, static_cast<std::uint32_t>(ACCEL_NESTED_CALL));
    EXPECT_EQ(failure.error_list_index, 1U);
    EXPECT_EQ(failure.error_sequence, 1U);
}

TEST_F(Errors, LeaveOtherQueuesAlone) {
    const uapi::Semaphore gate(file_);
    uapi::Queue sibling(file_);
    const uapi::File other;
    uapi::Queue stranger(other);
    const uapi::Product product(other, 16, 3);
    const std::uint64_t held = sibling.submit(uapi::wait_for(gate.address(), 1));
    const std::uint64_t result = sibling.submit(uapi::fill(buffer_.address(), 0x600d, 4));
    expect_error(uapi::fill(16, 1, 4), ACCEL_FAULT_UNMAPPED, 16);
    stranger.run(product.command());
    EXPECT_TRUE(product.correct());
    EXPECT_EQ(sibling.wait_until(held, 0), ETIMEDOUT);
    gate.set(1);
    EXPECT_EQ(sibling.wait(result), 0);
    EXPECT_EQ(buffer_.as<std::uint32_t>()[0], 0x600dU);
}

TEST_F(Errors, IgnoreTheDoorbellUntilTheReset) {
    EXPECT_EQ(queue_.run_to_error(uapi::fill(16, 1, 4)).error_sequence, 1U);
    queue_.enqueue(uapi::signal(buffer_.address(), 1));
    queue_.publish();
    queue_.ring_doorbell(2);
    EXPECT_EQ(queue_.query().completed, 0U);
    ASSERT_EQ(queue_.reset(), 0);
    queue_.run(uapi::nop());
    EXPECT_EQ(buffer_.as<std::uint64_t>()[0], 0U);
}

// The card's event of an error and the reset that clears it reach the driver on different paths. An
// old error must never count after the reset.
TEST_F(Errors, FromBeforeAResetDoNotCountAfterwards) {
    for (int round = 0; round < 200; ++round) {
        queue_.submit(uapi::fill(16, 1, 4));
        if (round % 3 == 1) {
            uapi::await("the error of the queue",
                        [&] { return queue_.status().state == ACCEL_QUEUE_ERROR; });
        }
        ASSERT_EQ(queue_.reset(), 0);
        const std::uint64_t good = queue_.submit(uapi::nop());
        ASSERT_EQ(queue_.wait(good), 0) << "round " << round;
        ASSERT_EQ(queue_.query().error, static_cast<std::uint32_t>(ACCEL_OK)) << "round " << round;
        ASSERT_EQ(queue_.reset(), 0);
    }
}

// The same for a destroyed queue and a new one with its id, which belongs to another process.
TEST_F(Errors, OfADestroyedQueueDoNotCountForTheNextOne) {
    const uapi::File other;
    for (int round = 0; round < 200; ++round) {
        uapi::Queue bad(file_, 2);
        bad.submit(uapi::fill(16, 1, 4));
        if (round % 3 == 1) {
            uapi::await("the error of the queue",
                        [&] { return bad.status().state == ACCEL_QUEUE_ERROR; });
        }
        ASSERT_EQ(bad.destroy(), 0);
        uapi::Queue next(other, 2);
        ASSERT_EQ(next.created().doorbell, bad.created().doorbell)
            << "the new queue has another id";
        const std::uint64_t good = next.submit(uapi::nop());
        ASSERT_EQ(next.wait(good), 0) << "round " << round;
        ASSERT_EQ(next.query().error, static_cast<std::uint32_t>(ACCEL_OK)) << "round " << round;
    }
}

TEST_F(Errors, AResetStopsARunningCommand) {
    const uapi::LongJob job(file_);
    queue_.submit(job.command());
    job.started().await(1);
    ASSERT_EQ(queue_.reset(), 0);
    queue_.run(uapi::nop());
    EXPECT_EQ(queue_.tail(), 1U);
}

class CorruptedQueue : public Errors {
  protected:
    /// Expects that the queue works after a reset, and the card, too.
    void expect_recovery() {
        ASSERT_EQ(queue_.reset(), 0);
        queue_.run(uapi::nop());
        ASSERT_EQ(queue_.reset(), 0);
    }

    std::mt19937_64 random_{4711};
};

TEST_F(CorruptedQueue, RingOfRandomBytesFailsOrRunsAndCanBeReset) {
    for (int round = 0; round < 300; ++round) {
        for (accel_command& command : queue_.ring()) {
            for (auto& word : std::span(reinterpret_cast<std::uint64_t*>(&command), 8)) {
                // Some bytes are zero, or the first reserved field would stop every command.
                word = random_() % 3 == 0 ? random_() : 0;
            }
            if (random_() % 2 == 0) {
                constexpr std::uint8_t known[] = {0x00, 0x01, 0x02, 0x03, 0x10,
                                                  0x11, 0x20, 0x21, 0x22, 0x23};
                command.opcode = known[random_() % std::size(known)];
                command.flags = random_() % 2;
                command.variant = random_() % 4 == 0 ? random_() % 9 : 0;
                command.reserved = 0;
                for (auto& word : command.words) {
                    if (random_() % 2 == 0) {
                        word = buffer_.address() + random_() % 64 * 64;
                    }
                }
            }
        }
        queue_.status().tail = queue_.created().entries;
        queue_.ring_doorbell(1);
        // A command may also wait forever, which concerns only its owner.
        const int error = queue_.wait_until(queue_.created().entries,
                                            uapi::deadline_in(std::chrono::milliseconds(20)));
        ASSERT_TRUE(error == 0 || error == EIO || error == ETIMEDOUT) << error;
        ASSERT_NO_FATAL_FAILURE(expect_recovery());
    }
    uapi::expect_working_card();
}

TEST_F(CorruptedQueue, StatusPageThatItsOwnerOverwritesHarmsNoOtherQueue) {
    const uapi::File other;
    uapi::Queue neighbor(other);
    const uapi::Product product(other, 8, 5);
    std::jthread scribbler([&](const std::stop_token& stop) {
        std::minstd_rand random(3);
        while (!stop.stop_requested()) {
            volatile accel_queue_status& status = queue_.status();
            switch (random() % 8) {
                case 0:
                    status.completed = random() % 2 == 0 ? random() : ~std::uint64_t{0};
                    break;
                case 1:
                    status.state = static_cast<std::uint32_t>(random());
                    break;
                case 2:
                    status.error = static_cast<std::uint32_t>(random());
                    break;
                case 3:
                    status.event_index = random();
                    break;
                case 4:
                    status.arm = random() % 32;
                    break;
                case 5:
                    status.tail = random() % 64;
                    break;
                case 6:
                    queue_.ring_doorbell(static_cast<std::uint32_t>(random()));
                    break;
                default:
                    status.error_sequence = random();
            }
        }
    });
    for (int round = 0; round < 100; ++round) {
        const int error = queue_.wait_until(static_cast<std::uint64_t>(round),
                                            uapi::deadline_in(std::chrono::milliseconds(1)));
        EXPECT_TRUE(error == 0 || error == EIO || error == ETIMEDOUT) << error;
        EXPECT_EQ(queue_.reset(), 0);
        product.clear();
        neighbor.run(product.command());
        ASSERT_TRUE(product.correct());
    }
    scribbler.request_stop();
    scribbler.join();
    expect_recovery();
    uapi::expect_working_card();
}

TEST_F(CorruptedQueue, ErrorsOfAllQueuesAtOnceAreAllReported) {
    const std::uint32_t count = file_.info().queues - 1;
    std::vector<uapi::Queue> queues;
    for (std::uint32_t i = 0; i < count; ++i) {
        queues.emplace_back(file_, 2);
    }
    for (int round = 0; round < 5; ++round) {
        for (uapi::Queue& queue : queues) {
            queue.submit(uapi::fill(16, 1, 4));
        }
        for (uapi::Queue& queue : queues) {
            ASSERT_EQ(queue.wait(1), EIO);
            ASSERT_EQ(queue.query().error, static_cast<std::uint32_t>(ACCEL_FAULT_UNMAPPED));
            ASSERT_EQ(queue.reset(), 0);
        }
    }
}

}  // namespace
