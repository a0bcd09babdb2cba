// SPDX-License-Identifier: Apache-2.0
//
// Command lists: recording, arguments, the checks of both, and calls.
#include <algorithm>
#include <atomic>
#include <random>

#include "fixture.hpp"
#include "random_values.hpp"
#include "reference.hpp"

namespace accel::test {
namespace {

using ::testing::Each;
using ::testing::ElementsAreArray;

class CallTest : public SdkTest {
  protected:
    CallTest() : card(open()), queue(card.create_queue()) {}
    void TearDown() override {
        queue = card.create_queue();
        EXPECT_EQ(driver->buffers(), 0U);
    }

    Device card;
    Queue queue;
};

TEST_F(CallTest, OneListServesAnyBuffers) {
    CommandList list = card.create_command_list();
    list.add(Fill{.dst = argument(0), .pattern = 7, .bytes = 64});
    list.add(Copy{.dst = argument(1, 16), .src = argument(0), .bytes = 16});
    EXPECT_EQ(list.size(), 2U);
    EXPECT_EQ(list.arguments(), 2U);
    EXPECT_FALSE(list.closed());
    list.close();
    EXPECT_TRUE(list.closed());
    for (int round = 0; round < 3; ++round) {
        auto a = card.allocate<std::uint32_t>({16});
        auto b = card.allocate<std::uint32_t>({8});
        queue.submit(list, {a, b}).wait();
        EXPECT_THAT(a.span(), Each(7U));
        EXPECT_THAT(b.slice(0, 4).span(), Each(0U));
        EXPECT_THAT(b.slice(4, 4).span(), Each(7U));
    }
    EXPECT_EQ(queue.stats().completed, 3U) << "a call is one command";
    EXPECT_EQ(queue.stats().commands, 9U) << "the calls and the commands in the lists";
}

TEST_F(CallTest, ACommandOfArgumentsCanBeSerialized) {
    const Command add = Elementwise{.op = ElementwiseOp::add,
                                    .dst = argument(2),
                                    .a = argument(0, 8),
                                    .b = argument(1),
                                    .shape = {4}};
    const std::vector<std::byte> bytes = add.serialize();
    CommandList list = card.create_command_list();
    list.add(Command::deserialize(bytes));
    list.close();
    auto a = card.allocate<float>({6});
    auto b = card.allocate<float>({4});
    auto sum = card.allocate<float>({4});
    a.fill(2);
    b.fill(3);
    queue.submit(list, {a, b, sum}).wait();
    EXPECT_THAT(sum.span(), Each(5.0F));
    EXPECT_EQ(Command::deserialize(bytes).serialize(), bytes);
    // The bytes include the requirements of the arguments.
    const auto small = card.allocate<float>({5});
    expect_says(error_of([&] { queue.submit(list, {small, b, sum}); }), "argument 0");
}

TEST_F(CallTest, MalformedBytesAreRefused) {
    const auto buffer = card.allocate<float>({4});
    expect_says(error_of([&] { static_cast<void>(Command(fill(buffer, 1.0F)).serialize()); }),
                "make all its operands argument()");
    const std::vector<std::byte> good = Command(Fill{.dst = argument(0), .bytes = 4}).serialize();
    for (std::size_t length = 0; length < good.size(); ++length) {
        expect_says(error_of([&] {
                        static_cast<void>(Command::deserialize(std::span(good).first(length)));
                    }),
                    "not a serialized command");
    }
    std::minstd_rand random(4);
    for (int i = 0; i < 2000; ++i) {
        std::vector<std::byte> bytes = good;
        // After the 64 bytes for the card, which Command::raw() does not check either.
        bytes[64 + random() % (bytes.size() - 64)] = static_cast<std::byte>(random());
        try {
            CommandList list = card.create_command_list();
            list.add(Command::deserialize(bytes));
            list.close();
            const auto big = card.allocate<float>({1024});
            const std::vector<Operand> arguments(list.arguments(), Operand(big));
            queue.submit(list, arguments).wait();
        } catch (const Error&) {
            queue.reset();
        }
    }
    auto after = card.allocate<int>({4});
    queue.submit(fill(after, 8)).wait();
    EXPECT_THAT(after.span(), Each(8));
}

class PlacementTest : public CallTest, public ::testing::WithParamInterface<Placement> {};

// Two layers in one command: the weights are fixed, the input and the output are arguments.
TEST_P(PlacementTest, ANetworkIsOneCommand) {
    constexpr std::uint32_t m = 3;
    constexpr std::uint32_t k = 20;
    constexpr std::uint32_t h = 9;
    constexpr std::uint32_t n = 4;
    const auto x = random_values(std::uint64_t{m} * k, 1);
    const auto w1 = random_values(std::uint64_t{k} * h, 2);
    const auto b1 = random_values(h, 3);
    const auto w2 = random_values(std::uint64_t{h} * n, 4);
    const auto load = [&](const std::vector<float>& values) {
        auto buffer = card.allocate_device<float>({values.size()});
        upload(card, queue, buffer, values);
        return buffer;
    };
    CommandList list = card.create_command_list(GetParam());
    {
        const auto hidden = card.allocate_device<float>({m, h});
        list.add(Gemm{.d = hidden,
                      .a = argument(0),
                      .b = load(w1),
                      .bias = load(b1),
                      .m = m,
                      .n = h,
                      .k = k,
                      .activation = UnaryOp::relu});
        list.add(Gemm{.d = argument(1), .a = hidden, .b = load(w2), .m = m, .n = n, .k = h});
        list.add(Reduce{
            .op = ReduceOp::argmax, .dst = argument(2), .src = argument(1), .outer = m, .n = n});
    }
    list.close();
    auto input = card.allocate<float>({m, k});
    input.copy_from(x);
    auto output = card.allocate<float>({m, n});
    auto best = card.allocate<std::uint32_t>({m});
    queue.submit(list, {input, output, best}).wait();
    const auto expected = reference::dense_gemm(reference::dense_gemm(x, w1, b1, m, h, k, true), w2,
                                                {}, m, n, h, false);
    EXPECT_THAT(output.span(), ElementsAreArray(expected));
    for (std::uint32_t i = 0; i < m; ++i) {
        const auto row = output.slice(std::uint64_t{i} * n, n);
        EXPECT_EQ(best[i], std::max_element(row.begin(), row.end()) - row.begin());
    }
}

INSTANTIATE_TEST_SUITE_P(ListIn, PlacementTest,
                         ::testing::Values(Placement::host, Placement::device,
                                           Placement::device_mapped));

class ArgumentsTest : public CallTest, public ::testing::WithParamInterface<std::uint32_t> {};

// Up to four arguments are in the command itself, more are in a table.
TEST_P(ArgumentsTest, AllArrive) {
    const std::uint32_t count = GetParam();
    CommandList list = card.create_command_list();
    for (std::uint32_t i = 0; i < count; ++i) {
        list.add(Fill{.dst = argument(i), .pattern = 100 + i, .bytes = 4});
    }
    list.close();
    ASSERT_EQ(list.arguments(), count);
    for (int round = 0; round < 3; ++round) {
        std::vector<Buffer<std::uint32_t>> buffers;
        std::vector<Operand> arguments;
        for (std::uint32_t i = 0; i < count; ++i) {
            buffers.push_back(card.allocate<std::uint32_t>({1}));
            arguments.emplace_back(buffers.back());
        }
        queue.submit(list, arguments).wait();
        for (std::uint32_t i = 0; i < count; ++i) {
            EXPECT_EQ(buffers[i][0], 100 + i);
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Count, ArgumentsTest, ::testing::Values(1, 4, 5, 64));

TEST_F(CallTest, ArgumentsAreCheckedAgainstAllUsesInTheList) {
    CommandList list = card.create_command_list();
    list.add(Fill{.dst = argument(0), .bytes = 16});
    list.add(Copy{.dst = argument(1, 8), .src = argument(0, 4), .bytes = 12});
    list.close();
    auto a = card.allocate<std::byte>({16});
    auto b = card.allocate<std::byte>({20});
    const auto refused = [&](std::initializer_list<Operand> arguments) {
        Error error = error_of([&] { queue.submit(list, arguments); });
        EXPECT_EQ(error.errc(), std::errc::invalid_argument);
        return error;
    };
    expect_says(refused({a}), "takes 2 arguments, not 1");
    expect_says(refused({a, b, b}), "takes 2 arguments, not 3");
    expect_says(refused({a, a}), "argument 1 touches 20 bytes of a buffer of 16");
    expect_says(refused({a.slice(0, 15), b}), "argument 0 touches 16 bytes");
    expect_says(refused({b.slice(2, 16), b}), "argument 0 is not aligned to 4 bytes");
    expect_says(refused({a, Operand()}), "argument 1 is not set");
    expect_says(refused({a, argument(0)}), "is an argument() itself");
    auto read_only = card.allocate<std::byte>({16}, {.access = Access::read});
    auto write_only = card.allocate<std::byte>({16}, {.access = Access::write});
    expect_says(refused({read_only, b}), "must read and write argument 0", "may only read");
    expect_says(refused({write_only, b}), "must read and write argument 0", "may only write");
    auto target = card.allocate<std::byte>({20}, {.access = Access::write});
    queue.submit(list, {a, target}).wait();
}

TEST_F(CallTest, ANamedArgumentIsNamedInErrors) {
    const auto a = card.allocate<float>({4});
    CommandList list = card.create_command_list();
    list.add(Copy{.dst = argument(1), .src = argument(0), .bytes = 64})
        .name_argument(1, "the picture");
    list.close();
    const auto refused = [&](std::initializer_list<Operand> arguments) {
        return error_of([&] { queue.submit(list, arguments); });
    };
    const auto b = card.allocate<float>({16});
    expect_says(refused({b, a}), "the picture touches 64 bytes of a buffer of 16");
    expect_says(refused({a, b}), "argument 0 touches 64 bytes");
    expect_says(error_of([&] { list.name_argument(0, "late"); }), "closed");
    CommandList other = card.create_command_list();
    expect_says(error_of([&] { other.name_argument(1024, "none"); }), "at most 1024 arguments");
}

TEST_F(CallTest, AnUnusedArgumentNeedNotBeSet) {
    CommandList list = card.create_command_list();
    list.add(Fill{.dst = argument(2), .bytes = 4});
    list.close();
    EXPECT_EQ(list.arguments(), 3U);
    auto buffer = card.allocate<int>({1});
    queue.submit(list, {Operand(), Operand(), buffer}).wait();
}

TEST_F(CallTest, RecordingIsChecked) {
    CommandList list = card.create_command_list();
    expect_says(error_of([&] { list.close(); }), "empty");
    list.add(Nop{});
    expect_says(error_of([&] { queue.submit(list); }), "not closed", "close()");
    list.close();
    list.close();
    expect_says(error_of([&] { list.add(Nop{}); }), "closed");
    EXPECT_EQ(list.size(), 1U);
    queue.submit(list).wait();
}

TEST_F(CallTest, AListIsNotLongerThanTheCardAllows) {
    CommandList list = card.create_command_list();
    const std::uint32_t most = card.info().max_list_commands;
    const Command nop = Nop{};
    for (std::uint32_t i = 0; i < most; ++i) {
        list.add(nop);
    }
    expect_says(error_of([&] { list.add(nop); }), std::to_string(most) + " commands");
    list.close();
    queue.submit(list).wait();
    EXPECT_EQ(queue.stats().commands, most + 1);
}

TEST_F(CallTest, ACloseThatFailsCanBeRepeated) {
    CommandList list = card.create_command_list();
    auto buffer = card.allocate<float>({4});
    list.add(Gemm{.d = buffer, .a = buffer, .b = buffer, .m = 2, .n = 2, .k = 0});
    driver->fail(ACCEL_IOCTL_BUFFER_CREATE, ENOMEM);
    EXPECT_EQ(error_of([&] { list.close(); }).errc(), std::errc::not_enough_memory);
    EXPECT_FALSE(list.closed());
    list.close();
    queue.submit(list).wait();
}

TEST_F(CallTest, AFailureNamesTheCommandOfTheList) {
    CommandList list = card.create_command_list();
    list.add(Nop{});
    list.add(Nop{});
    list.add(Fill{.dst = argument(0), .bytes = 4096});
    list.close();
    const Error error = error_of([&] { queue.submit(list, {nowhere}).wait(); });
    EXPECT_EQ(error.errc(), std::errc::io_error);
    EXPECT_EQ(error.status(), CardStatus::fault_unmapped);
    EXPECT_EQ(error.failure()->list_index, 2U);
    EXPECT_EQ(error.failure()->address, static_cast<std::uint64_t>(nowhere));
    expect_says(error, "index 2 of its list", "0x700000000000");
}

TEST_F(CallTest, AListMayHaveWaitsSignalsAndCompletionRecords) {
    auto words = card.allocate<std::uint64_t>({2});
    auto record = card.allocate<CompletionRecord>({1});
    CommandList list = card.create_command_list();
    list.add(Wait{.word = argument(0), .value = 3});
    list.add(Signal{.word = argument(0, 8), .value = 4});
    list.add(Command(Nop{}).with_record(argument(1)));
    list.close();
    const Job job = queue.submit(list, {words, record});
    EXPECT_FALSE(job.done());
    std::atomic_ref(words[0]).store(3,
                                    std::memory_order_release);  // the card reads it concurrently
    job.wait();
    EXPECT_EQ(words[1], 4U);
    EXPECT_EQ(record[0].list_index, 2U);
}

TEST_F(CallTest, MovedFromListsThrow) {
    CommandList list = card.create_command_list();
    const CommandList other = std::move(list);
    // NOLINTBEGIN(bugprone-use-after-move,clang-analyzer-cplusplus.Move): intended
    expect_says(error_of([&] { list.add(Nop{}); }), "CommandList", "moved from");
    expect_says(error_of([&] { list.close(); }), "moved from");
    expect_says(error_of([&] { static_cast<void>(list.size()); }), "moved from");
    expect_says(error_of([&] { static_cast<void>(list.closed()); }), "moved from");
    expect_says(error_of([&] { static_cast<void>(list.arguments()); }), "moved from");
    expect_says(error_of([&] { queue.submit(list); }), "moved from");
    // NOLINTEND(bugprone-use-after-move,clang-analyzer-cplusplus.Move)
    EXPECT_EQ(other.size(), 0U);
}

}  // namespace
}  // namespace accel::test
