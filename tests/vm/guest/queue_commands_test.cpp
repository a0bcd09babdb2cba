// SPDX-License-Identifier: Apache-2.0
//
// What commands do when they come from a real process through real page tables. The card's own
// tests are thorough about commands; this is about the way there and back.
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "commands.hpp"
#include "health.hpp"

namespace {

class Commands : public testing::Test {
  protected:
    bench::File file_;
    bench::Queue queue_{file_};
};

TEST_F(Commands, NopFinishes) {
    queue_.run(bench::nop());
    EXPECT_EQ(queue_.status().completed, 1U);
    EXPECT_EQ(queue_.query().completed, 1U);
    EXPECT_EQ(queue_.query().commands, 1U);
    EXPECT_EQ(queue_.query().state, static_cast<std::uint32_t>(ACCEL_QUEUE_RUNNING));
    EXPECT_EQ(queue_.query().error, static_cast<std::uint32_t>(ACCEL_OK));
}

// Sizes and places around the page, from host to host by way of the device.
TEST_F(Commands, CopyMovesEveryByteAndNoOther) {
    constexpr std::size_t room = 40 * bench::page;
    const bench::Buffer from(file_, room);
    const bench::Buffer through(file_, room, bench::device);
    const bench::Buffer to(file_, room);
    bench::fill_pattern(from.as<std::uint32_t>(), 9);
    for (const std::size_t bytes : {std::size_t{1}, std::size_t{3}, bench::page - 1, bench::page,
                                    bench::page + 1, std::size_t{65536}, 33 * bench::page + 5}) {
        for (const std::size_t shift : {std::size_t{0}, std::size_t{1}, bench::page - 1}) {
            std::ranges::fill(to.as<std::uint8_t>(), 0xcd);
            queue_.submit(bench::copy(through.address() + 7, from.address() + shift, bytes));
            queue_.run(bench::copy(to.address() + shift, through.address() + 7, bytes));
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
    const bench::Buffer buffer(file_, 5 * bench::page, bench::device);
    queue_.run(bench::fill(buffer.address(), 0xfeedface, buffer.bytes()));
    EXPECT_EQ(std::ranges::count(buffer.as<std::uint32_t>(), 0xfeedface),
              static_cast<long>(buffer.bytes() / sizeof(std::uint32_t)));
}

TEST_F(Commands, GemmIsRightToTheBit) {
    for (const std::uint32_t memory : {bench::host, bench::device}) {
        for (const std::uint32_t n : {1U, 7U, 16U, 33U}) {
            const bench::Product product(file_, n, n, memory);
            queue_.run(product.command());
            EXPECT_TRUE(product.correct()) << n;
        }
    }
}

TEST_F(Commands, ARecordTellsSequenceStatusAndTime) {
    const bench::Buffer records(file_, bench::page);
    queue_.run(bench::nop());
    queue_.run(bench::with_record(bench::nop(), records.address()));
    queue_.run(
        bench::with_record(bench::nop(), records.address() + sizeof(accel_completion_record)));
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

TEST_F(Commands, ACallRunsItsListWithTheBuffersGiven) {
    const bench::Buffer list(file_, bench::page);
    const bench::Buffer data(file_, 3 * bench::page);
    const auto commands = list.as<accel_command>();
    commands[0] = bench::fill(ACCEL_ARG(0, 0), 0x11223344, bench::page);
    commands[1] = bench::copy(ACCEL_ARG(1, 16), ACCEL_ARG(0, 0), 64);
    for (const std::uint64_t place : {0, 1}) {
        accel_command call = bench::call(list.address(), 2);
        call.call.arguments = 2;
        call.call.args[0] = data.address() + place * bench::page;
        call.call.args[1] = data.address() + 2 * bench::page + place * 512;
        queue_.run(call);
        EXPECT_EQ(data.as<std::uint32_t>()[place * bench::page / 4], 0x11223344U);
        EXPECT_EQ(data.as<std::uint32_t>()[(2 * bench::page + place * 512 + 16) / 4], 0x11223344U);
        EXPECT_EQ(data.as<std::uint32_t>()[(2 * bench::page + place * 512 + 80) / 4], 0U);
    }
    EXPECT_EQ(queue_.status().completed, 2U);
    // Those in the list count too.
    EXPECT_EQ(queue_.query().commands, 6U);
}

TEST_F(Commands, OneQueueSignalsWhatAnotherWaitsFor) {
    const bench::Semaphore semaphore(file_);
    const bench::Buffer data(file_, bench::page);
    std::vector<bench::Queue> queues;
    for (std::uint32_t priority = 0; priority < ACCEL_PRIORITIES; ++priority) {
        queues.emplace_back(file_, 4, priority);
        queues.back().submit(bench::wait_for(semaphore.address(), 5));
        queues.back().submit(bench::fill(data.address() + priority * 64, priority + 1, 64));
    }
    for (const bench::Queue& queue : queues) {
        EXPECT_EQ(queue.wait_until(1, 0), ETIMEDOUT);
    }
    queue_.run(bench::signal(semaphore.address(), 5));
    for (std::uint32_t priority = 0; priority < ACCEL_PRIORITIES; ++priority) {
        EXPECT_EQ(queues[priority].wait(2), 0);
        EXPECT_EQ(data.as<std::uint32_t>()[priority * 16], priority + 1);
    }
}

}  // namespace
