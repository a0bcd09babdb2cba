// SPDX-License-Identifier: Apache-2.0
//
// Lists that loop, skip commands, and move their arguments; and the checks when they are recorded.
#include <numeric>

#include "fixture.hpp"

namespace accel::test {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::ElementsAreArray;

class ListControl : public SdkTest {
  protected:
    ListControl() : card(open()), queue(card.create_queue()) {}
    void TearDown() override {
        queue = card.create_queue();
        EXPECT_EQ(driver->buffers(), 0U);
    }

    Device card;
    Queue queue;
};

TEST_F(ListControl, ALoopReversesTheRowsOfATensor) {
    constexpr std::uint64_t rows = 7;
    auto from = card.allocate<std::int32_t>({rows, 4});
    auto to = card.allocate<std::int32_t>({rows, 4});
    auto passes = card.allocate<std::int64_t>({1});
    std::iota(from.begin(), from.end(), 0);
    CommandList list = card.create_command_list();
    list.add(Loop{.commands = 3, .limit = rows, .index = argument(2)});
    list.add(SetArgument{.argument = 8,
                         .base = argument(0),
                         .bytes = 16,
                         .count = rows,
                         .stride = 16,
                         .access = Access::read,
                         .by_pass = true});
    list.add(SetArgument{.argument = 9,
                         .base = argument(1),
                         .bytes = 16,
                         .count = rows,
                         .stride = 16,
                         .reversed = true,
                         .access = Access::write,
                         .by_pass = true});
    list.add(Copy{.dst = argument(9), .src = argument(8), .bytes = 16});
    EXPECT_EQ(list.arguments(), 3U);
    list.close();
    queue.submit(list, {from, to, passes}).wait();
    std::vector<std::int32_t> expected;
    for (std::int32_t row = rows; row-- > 0;) {
        expected.insert(expected.end(), {4 * row, 4 * row + 1, 4 * row + 2, 4 * row + 3});
    }
    EXPECT_THAT(to.span(), ElementsAreArray(expected));
    EXPECT_EQ(passes[0], 6);
}

TEST_F(ListControl, CountsConditionsAndNumbersComeFromMemory) {
    auto words = card.allocate<std::int64_t>({3});
    auto flag = card.allocate<std::uint8_t>({2});
    auto data = card.allocate<std::uint32_t>({4});
    CommandList list = card.create_command_list();
    list.add(Loop{.commands = 2, .count = words, .condition = flag});
    list.add(SetArgument{.argument = 0,
                         .base = data,
                         .bytes = 4,
                         .count = 4,
                         .stride = 4,
                         .number = words.slice(1, 1)});
    list.add(Fill{.dst = argument(0), .pattern = 9, .bytes = 4});
    list.add(Skip{.commands = 1, .condition = flag.slice(1, 1)});
    list.add(Fill{.dst = data, .pattern = 5, .bytes = 4});
    list.close();
    words[0] = 1;
    words[1] = 2;
    flag[0] = 1;
    queue.submit(list, {}).wait();
    EXPECT_THAT(data.span(), ElementsAre(0U, 0U, 9U, 0U));
    flag[0] = 0;
    flag[1] = 1;
    words[1] = 3;
    queue.submit(list, {}).wait();
    EXPECT_THAT(data.span(), ElementsAre(5U, 0U, 9U, 0U));
    flag[0] = 1;
    words[1] = 4;
    Job job = queue.submit(list, {});
    try {
        job.wait();
        ADD_FAILURE() << "the number is out of range";
    } catch (const Error& error) {
        EXPECT_EQ(error.status(), CardStatus::bad_index);
    }
}

TEST_F(ListControl, AnEndlessLoopIsExplained) {
    CommandList list = card.create_command_list();
    list.add(Loop{.commands = 0});
    list.close();
    Job job = queue.submit(list, {});
    expect_says(error_of([&] { job.wait(); }), "max_list_steps");
}

TEST_F(ListControl, ACallHasManyArguments) {
    const std::uint32_t most = card.info().max_call_arguments;
    EXPECT_EQ(most, 1024U);
    auto data = card.allocate<std::uint32_t>({most});
    CommandList list = card.create_command_list();
    std::vector<Operand> arguments;
    for (std::uint32_t i = 0; i < most; ++i) {
        list.add(Fill{.dst = argument(i), .pattern = i, .bytes = 4});
        arguments.emplace_back(data.slice(i, 1));
    }
    list.close();
    for (int round = 0; round < 3; ++round) {
        std::ranges::fill(data, 7U);
        queue.submit(list, arguments).wait();
        std::vector<std::uint32_t> expected(most);
        std::iota(expected.begin(), expected.end(), 0U);
        EXPECT_THAT(data.span(), ElementsAreArray(expected));
    }
    CommandList other = card.create_command_list();
    expect_says(error_of([&] { other.add(Fill{.dst = argument(most), .bytes = 4}); }),
                "at most 1024 arguments");
}

TEST_F(ListControl, ACommandOfAListCanBeSerialized) {
    CommandList list = card.create_command_list();
    for (const Command& command : {Command(Loop{.commands = 2, .limit = 3, .index = argument(1)}),
                                   Command(SetArgument{.argument = 5,
                                   .base = argument(0),
                                   .bytes = 4,
                                   .count = 3,
                                   .stride = 4,
                                   .reversed = true,
                                   .by_pass = true}),
                                   Command(Fill{.dst = argument(5), .pattern = 6, .bytes = 4})}) {
        list.add(Command::deserialize(command.serialize()));
    }
    list.close();
    auto data = card.allocate<std::uint32_t>({3});
    auto pass = card.allocate<std::int64_t>({1});
    queue.submit(list, {data, pass}).wait();
    EXPECT_THAT(data.span(), Each(6U));
    EXPECT_EQ(pass[0], 2);
    const Command again = Command::deserialize(Command(Loop{.commands = 0}).serialize());
    expect_says(error_of([&] { queue.submit(again); }), "CommandList");
}

TEST_F(ListControl, OnlyAListTakesThem) {
    auto data = card.allocate<std::uint8_t>({8});
    expect_says(error_of([&] { queue.submit(Loop{.commands = 1}); }), "CommandList");
    expect_says(error_of([&] { queue.submit(Skip{.commands = 1, .condition = data}); }),
                "CommandList");
    expect_says(error_of([&] { queue.submit(SetArgument{.base = data, .bytes = 8}); }),
                "CommandList");
}

TEST_F(ListControl, BodiesAreCheckedWhenTheyAreRecorded) {
    CommandList list = card.create_command_list();
    list.add(Loop{.commands = 3});
    expect_says(error_of([&] { list.add(Loop{.commands = 3}); }), "only 2 commands left");
    list.add(Loop{.commands = 2});
    expect_says(error_of([&] { list.add(Skip{.commands = 2, .condition = argument(0)}); }),
                "only 1 commands left");
    list.add(Loop{.commands = 1});
    expect_says(error_of([&] { list.close(); }), "1 more commands");
    list.add(Nop{});
    list.add(Skip{.commands = 1, .condition = argument(0)});
    list.add(Loop{.commands = 0});
    list.close();
    CommandList deep = card.create_command_list();
    for (std::uint32_t i = 4; i > 0; --i) {
        deep.add(Loop{.commands = i});
    }
    expect_says(error_of([&] { deep.add(Loop{}); }), "within 4 others");
}

TEST_F(ListControl, SlicesAreCheckedWhenTheyAreRecorded) {
    CommandList list = card.create_command_list();
    list.add(SetArgument{.argument = 4,
                         .base = argument(0, 8),
                         .bytes = 8,
                         .count = 4,
                         .stride = 12,
                         .access = Access::read,
                         .number = argument(1)});
    const auto refuses = [&](const Command& command, const char* text) {
        expect_says(error_of([&] { list.add(command); }), text);
    };
    refuses(Copy{.dst = argument(2), .src = argument(4, 4), .bytes = 8}, "12 bytes");
    refuses(Fill{.dst = argument(4), .bytes = 4}, "SetArgument::access");
    refuses(Wait{.word = argument(4)}, "alignment of 8");
    list.add(Copy{.dst = argument(2), .src = argument(4, 4), .bytes = 4});
    EXPECT_EQ(list.size(), 2U);
    EXPECT_EQ(list.arguments(), 3U);
    list.close();
    // All slices must fit the argument of the caller.
    auto word = card.allocate<std::int64_t>({1});
    auto large = card.allocate<std::byte>({52});
    auto small = card.allocate<std::byte>({51});
    queue.submit(list, {large, word, large}).wait();
    expect_says(error_of([&] { queue.submit(list, {small, word, large}); }), "52");
    CommandList other = card.create_command_list();
    other.add(SetArgument{.argument = 1, .base = argument(0), .bytes = 8});
    other.add(Fill{.dst = argument(1), .bytes = 8});
    other.add(Fill{.dst = argument(2), .bytes = 8});
    expect_says(error_of([&] { other.close(); }), "SetArgument sets argument 1");
    expect_says(
        error_of([] { static_cast<void>(Command(SetArgument{.base = argument(0), .count = 0})); }),
        "count is 0");
}

TEST_F(ListControl, TextsNameTheFields) {
    const auto text = [](const Command& command) {
        return describe_command(std::span<const std::byte, 64>(command.serialize().data(), 64));
    };
    EXPECT_EQ(text(Loop{.commands = 2, .limit = 5, .condition = argument(1, 4)}),
              "LOOP commands=2 limit=5 condition=argument(1)+0x4");
    EXPECT_EQ(text(Skip{.commands = 2, .condition = argument(1)}),
              "SKIP commands=2 if_zero=argument(1)+0x0");
    EXPECT_EQ(text(SetArgument{.argument = 3,
                               .base = argument(1),
                               .bytes = 8,
                               .count = 3,
                               .stride = 8,
                               .reversed = true,
                               .by_pass = true}),
              "SET_ARGUMENT argument=3 base=argument(1)+0x10 count=3 stride=-8");
}

}  // namespace
}  // namespace accel::test
