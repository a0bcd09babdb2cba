// SPDX-License-Identifier: Apache-2.0
//
// Commands from a process through page tables of the driver. The card's own tests cover the
// commands; these tests cover the path to the card and back.
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "commands.hpp"
#include "sanity.hpp"

namespace {

class Commands : public testing::Test {
  protected:
    uapi::File file_;
    uapi::Queue queue_{file_};
};

TEST_F(Commands, NopFinishes) {
    queue_.run(uapi::nop());
    EXPECT_EQ(queue_.status().completed, 1U);
    EXPECT_EQ(queue_.query().completed, 1U);
    EXPECT_EQ(queue_.query().commands, 1U);
    EXPECT_EQ(queue_.query().state, static_cast<std::uint32_t>(ACCEL_QUEUE_RUNNING));
    EXPECT_EQ(queue_.query().error, static_cast<std::uint32_t>(ACCEL_OK));
}

// Sizes and offsets around a page, from host to host through device memory.
TEST_F(Commands, CopyWritesAllItsBytesAndNoOthers) {
    constexpr std::size_t room = 40 * uapi::page;
    const uapi::Buffer from(file_, room);
    const uapi::Buffer through(file_, room, uapi::device);
    const uapi::Buffer to(file_, room);
    uapi::fill_pattern(from.as<std::uint32_t>(), 9);
    for (const std::size_t bytes : {std::size_t{1}, std::size_t{3}, uapi::page - 1, uapi::page,
                                    uapi::page + 1, std::size_t{65536}, 33 * uapi::page + 5}) {
        for (const std::size_t shift : {std::size_t{0}, std::size_t{1}, uapi::page - 1}) {
            std::ranges::fill(to.as<std::uint8_t>(), 0xcd);
            queue_.submit(uapi::copy(through.address() + 7, from.address() + shift, bytes));
            queue_.run(uapi::copy(to.address() + shift, through.address() + 7, bytes));
            const auto source = from.as<std::uint8_t>().subspan(shift, bytes);
            const auto target = to.as<std::uint8_t>();
            ASSERT_TRUE(std::ranges::equal(source, target.subspan(shift, bytes)))
                << bytes << " bytes from " << shift;
            ASSERT_EQ(std::ranges::count(target.first(shift), 0xcd), static_cast<long>(shift));
            ASSERT_EQ(std::ranges::count(target.subspan(shift + bytes), 0xcd),
                      static_cast<long>(room - shift - bytes));
        }
    }
}

TEST_F(Commands, FillWritesThePattern) {
    const uapi::Buffer buffer(file_, 5 * uapi::page, uapi::device);
    queue_.run(uapi::fill(buffer.address(), 0xfeedface, buffer.bytes()));
    EXPECT_EQ(std::ranges::count(buffer.as<std::uint32_t>(), 0xfeedface),
              static_cast<long>(buffer.bytes() / sizeof(std::uint32_t)));
}

TEST_F(Commands, GemmIsRightToTheBit) {
    for (const std::uint32_t memory : {uapi::host, uapi::device}) {
        for (const std::uint32_t n : {1U, 7U, 16U, 33U}) {
            const uapi::Product product(file_, n, n, memory);
            queue_.run(product.command());
            EXPECT_TRUE(product.correct()) << n;
        }
    }
}

TEST_F(Commands, ARecordHasSequenceStatusAndTime) {
    const uapi::Buffer records(file_, uapi::page);
    queue_.run(uapi::nop());
    queue_.run(uapi::with_record(uapi::nop(), records.address()));
    queue_.run(uapi::with_record(uapi::nop(), records.address() + sizeof(accel_completion_record)));
    const auto record = records.as<accel_completion_record>();
    EXPECT_EQ(record[0].sequence, 2U);
    EXPECT_EQ(record[1].sequence, 3U);
    for (const accel_completion_record& each : record.first(2)) {
        EXPECT_EQ(each.status, static_cast<std::uint32_t>(ACCEL_OK));
        EXPECT_EQ(each.list_index, ACCEL_NO_LIST_INDEX);
        EXPECT_GT(each.start, 0U);
        EXPECT_LE(each.start, each.end);
    }
    EXPECT_LE(record[0].end, record[1].start);
}

TEST_F(Commands, ACallRunsItsListWithItsArguments) {
    const uapi::Buffer list(file_, uapi::page);
    const uapi::Buffer data(file_, 3 * uapi::page);
    const auto commands = list.as<accel_command>();
    commands[0] = uapi::fill(ACCEL_ARG(0, 0), 0x11223344, uapi::page);
    commands[1] = uapi::copy(ACCEL_ARG(1, 16), ACCEL_ARG(0, 0), 64);
    for (const std::uint64_t index : {0, 1}) {
        accel_command call = uapi::call(list.address(), 2);
        call.call.arguments = 2;
        call.call.args[0] = data.address() + index * uapi::page;
        call.call.args[1] = data.address() + 2 * uapi::page + index * 512;
        queue_.run(call);
        EXPECT_EQ(data.as<std::uint32_t>()[index * uapi::page / 4], 0x11223344U);
        EXPECT_EQ(data.as<std::uint32_t>()[(2 * uapi::page + index * 512 + 16) / 4], 0x11223344U);
        EXPECT_EQ(data.as<std::uint32_t>()[(2 * uapi::page + index * 512 + 80) / 4], 0U);
    }
    EXPECT_EQ(queue_.status().completed, 2U);
    // Commands of the list count, too.
    EXPECT_EQ(queue_.query().commands, 6U);
}

TEST_F(Commands, OneQueueSignalsWhatAnotherWaitsFor) {
    const uapi::Semaphore semaphore(file_);
    const uapi::Buffer data(file_, uapi::page);
    std::vector<uapi::Queue> queues;
    for (std::uint32_t priority = 0; priority < ACCEL_PRIORITIES; ++priority) {
        queues.emplace_back(file_, 4, priority);
        queues.back().submit(uapi::wait_for(semaphore.address(), 5));
        queues.back().submit(
            uapi::fill(data.address() + std::uint64_t{priority} * 64, priority + 1, 64));
    }
    for (const uapi::Queue& queue : queues) {
        EXPECT_EQ(queue.wait_until(1, 0), ETIMEDOUT);
    }
    queue_.run(uapi::signal(semaphore.address(), 5));
    for (std::uint32_t priority = 0; priority < ACCEL_PRIORITIES; ++priority) {
        EXPECT_EQ(queues[priority].wait(2), 0);
        EXPECT_EQ(data.as<std::uint32_t>()[std::uint64_t{priority} * 16], priority + 1);
    }
}

}  // namespace
