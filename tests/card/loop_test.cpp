// SPDX-License-Identifier: Apache-2.0
//
// LOOP, SKIP and SET_ARGUMENT: what they execute, their bounds, and what they refuse.
#include <algorithm>
#include <array>
#include <functional>
#include <vector>

#include "accel_timing.h"
#include "card_fixture.hpp"
#include "hog_fixture.hpp"

namespace accel::test {
namespace {

constexpr std::uint64_t endless = UINT64_MAX;

class Loops : public CardTest {
  protected:
    Loops() : CardTest(HostOptions{.host_memory = 128 << 20}) {}

    accel_command list_of(const std::vector<accel_command>& commands,
                          std::initializer_list<std::uint64_t> arguments = {}) {
        const std::uint64_t list =
            space.allocate(commands.size() * ACCEL_COMMAND_SIZE, Layout::scattered);
        space.store(list, commands);
        return call(list, static_cast<std::uint32_t>(commands.size()), arguments);
    }
    accel_status run(const std::vector<accel_command>& commands,
                     std::initializer_list<std::uint64_t> arguments = {}) {
        return queue.run(list_of(commands, arguments));
    }
    void expect_error_at(std::uint32_t index, accel_status status,
                         const std::vector<accel_command>& commands,
                         std::initializer_list<std::uint64_t> arguments = {}) {
        const accel_event event = expect_error(status, list_of(commands, arguments));
        EXPECT_EQ(event.list_index, index);
        EXPECT_EQ(event.opcode, index < commands.size() ? commands[index].opcode : 0);
    }

    // Adds 1 to the s64 at `word`: counts how often it is executed.
    accel_command increment(std::uint64_t word) {
        if (one_ == 0) {
            one_ = space.allocate(page_size);
            space.store_one(one_, std::int64_t{1});
        }
        accel_elementwise p{};
        p.type = ACCEL_TYPE_I64;
        p.op = ACCEL_EW_ADD;
        p.rank = 1;
        p.dims[0] = p.dst_strides[0] = p.src0_strides[0] = p.src1_strides[0] = 1;
        return tensor_in(space, ACCEL_OP_ELEMENTWISE, {.dst = word, .src0 = word, .src1 = one_}, p);
    }
    // The byte at `condition` becomes whether the s64 at `word` is below `limit`.
    accel_command compare(std::uint64_t condition, std::uint64_t word, std::int64_t limit) {
        const std::uint64_t place = space.allocate(page_size);
        space.store_one(place, limit);
        accel_elementwise p{};
        p.type = ACCEL_TYPE_I64;
        p.op = ACCEL_EW_LESS;
        p.dst_type = ACCEL_TYPE_BOOL;
        p.rank = 1;
        p.dims[0] = p.dst_strides[0] = p.src0_strides[0] = p.src1_strides[0] = 1;
        return tensor_in(space, ACCEL_OP_ELEMENTWISE,
                         {.dst = condition, .src0 = word, .src1 = place}, p);
    }
    std::int64_t word_at(std::uint64_t address) { return space.load<std::int64_t>(address, 1)[0]; }

    std::uint64_t data = space.allocate(4 * page_size);
    std::uint64_t counter = data;
    std::uint64_t count = data + 8;
    std::uint64_t condition = data + 16;
    std::uint64_t index = data + 24;
    std::uint64_t other = data + 32;

  private:
    std::uint64_t one_ = 0;
};

TEST_F(Loops, RunsTheBodyAsOftenAsTheLimitSays) {
    const std::uint64_t before = host.read64(ACCEL_REG_COMMANDS);
    EXPECT_EQ(
        run({increment(other), loop(1, 5, {.index = index}), increment(counter), increment(other)}),
        ACCEL_OK);
    EXPECT_EQ(word_at(counter), 5);
    EXPECT_EQ(word_at(other), 2);
    EXPECT_EQ(word_at(index), 4);
    // The increments, the loop, and the call.
    EXPECT_EQ(host.read64(ACCEL_REG_COMMANDS) - before, 9U);
}

TEST_F(Loops, NoPassExecutesNothing) {
    space.store_one(index, std::int64_t{77});
    EXPECT_EQ(run({loop(1, 0, {.index = index}), increment(counter)}), ACCEL_OK);
    EXPECT_EQ(word_at(counter), 0);
    EXPECT_EQ(word_at(index), 77);
}

TEST_F(Loops, ReadsTheCountFromMemoryOnce) {
    const std::vector<accel_command> commands{loop(2, 100, {.count = count}), increment(counter),
                                              fill(count, 0, 8, 8)};
    space.store_one(count, std::int64_t{7});
    EXPECT_EQ(run(commands), ACCEL_OK);
    EXPECT_EQ(word_at(counter), 7);
    for (const std::int64_t negative : {std::int64_t{-1}, INT64_MIN}) {
        space.store_one(count, negative);
        EXPECT_EQ(run(commands), ACCEL_OK);
        EXPECT_EQ(word_at(counter), 7);
    }
    space.store_one(count, INT64_MAX);
    EXPECT_EQ(run(commands), ACCEL_OK);
    EXPECT_EQ(word_at(counter), 107);
}

TEST_F(Loops, EndsWhenTheConditionIsZeroBeforeAPass) {
    const std::vector<accel_command> commands{loop(2, endless, {.condition = condition}),
                                              increment(counter), compare(condition, counter, 9)};
    EXPECT_EQ(run(commands), ACCEL_OK);
    EXPECT_EQ(word_at(counter), 0);
    space.store_one(condition, std::uint8_t{0x80});
    EXPECT_EQ(run(commands), ACCEL_OK);
    EXPECT_EQ(word_at(counter), 9);
}

TEST_F(Loops, Nest) {
    // 2 * 3 * 4 * 5 passes; each loop ends where the one around it ends.
    EXPECT_EQ(
        run({loop(4, 2), loop(3, 3), loop(2, 4), loop(1, 5, {.index = index}), increment(counter)}),
        ACCEL_OK);
    EXPECT_EQ(word_at(counter), 120);
    EXPECT_EQ(word_at(index), 4);
    // A loop behind another one, within a third.
    EXPECT_EQ(run({loop(5, 3), loop(1, 2), increment(other), nop(), loop(1, 4), increment(other)}),
              ACCEL_OK);
    EXPECT_EQ(word_at(other), 18);
}

TEST_F(Loops, ABodyOfEveryLengthCrossesPagesAndPrefetchedCommands) {
    for (const std::uint32_t length : {0U, 1U, 14U, 15U, 16U, 17U, 40U, 150U}) {
        std::vector<accel_command> commands(13, nop());
        commands.push_back(loop(length, 3));
        commands.insert(commands.end(), length, increment(counter));
        commands.push_back(increment(other));
        space.store(data, std::vector<std::int64_t>(8, 0));
        EXPECT_EQ(run(commands), ACCEL_OK);
        EXPECT_EQ(word_at(counter), 3 * length);
        EXPECT_EQ(word_at(other), 1);
    }
}

TEST_F(Loops, TheRecordOfALoopSpansItsPasses) {
    const std::uint64_t records = data + page_size;
    EXPECT_EQ(
        run({with_record(loop(1, 3), records), with_record(increment(counter), records + 32)}),
        ACCEL_OK);
    const auto written = space.load<accel_completion_record>(records, 2);
    EXPECT_EQ(written[0].list_index, 0U);
    EXPECT_EQ(written[1].list_index, 1U);
    EXPECT_LE(written[0].start, written[1].start);
    EXPECT_LE(written[1].end, written[0].end);
}

TEST_F(Loops, SkipDependsOnAByte) {
    const auto commands = [&](std::uint16_t variant) {
        return std::vector{skip(2, condition, variant), increment(counter), increment(counter),
                           increment(other)};
    };
    EXPECT_EQ(run(commands(0)), ACCEL_OK);
    EXPECT_EQ(word_at(counter), 0);
    EXPECT_EQ(run(commands(ACCEL_SKIP_NONZERO)), ACCEL_OK);
    EXPECT_EQ(word_at(counter), 2);
    space.store_one(condition, std::uint8_t{3});
    EXPECT_EQ(run(commands(0)), ACCEL_OK);
    EXPECT_EQ(word_at(counter), 4);
    EXPECT_EQ(run(commands(ACCEL_SKIP_NONZERO)), ACCEL_OK);
    EXPECT_EQ(word_at(counter), 4);
    EXPECT_EQ(word_at(other), 4);
}

TEST_F(Loops, SkipToTheEndOfABodyOrAList) {
    EXPECT_EQ(run({loop(3, 4), increment(other), skip(1, condition), increment(counter), nop(),
                   skip(2, condition), increment(counter), increment(counter)}),
              ACCEL_OK);
    EXPECT_EQ(word_at(counter), 0);
    EXPECT_EQ(word_at(other), 4);
}

TEST_F(Loops, SkippedCommandsAreNotChecked) {
    accel_command unknown = nop();
    unknown.opcode = 0x80;
    EXPECT_EQ(run({skip(2, condition), unknown, fill(ACCEL_ARG(5, 0), 1, 1, 1)}), ACCEL_OK);
}

TEST_F(Loops, AnArgumentMovesWithThePasses) {
    const std::uint64_t from = data + page_size;
    const std::uint64_t to = data + 2 * page_size;
    std::vector<std::uint64_t> values(10);
    for (std::uint64_t i = 0; i < values.size(); ++i) {
        values[i] = 100 + i;
    }
    space.store(from, values);
    // Reads forwards, and writes backwards.
    EXPECT_EQ(run({loop(3, 10), set_argument(2, ACCEL_ARG(0, 0), 10, 8),
                   set_argument(900, ACCEL_ARG(1, 72), 10, -8),
                   copy(ACCEL_ARG(900, 0), ACCEL_ARG(2, 0), 8)},
                  {from, to}),
              ACCEL_OK);
    std::ranges::reverse(values);
    EXPECT_EQ(space.load<std::uint64_t>(to, 10), values);
}

TEST_F(Loops, AnArgumentFromAWordOrFromAnotherArgument) {
    space.store(data + 64, std::vector<std::uint64_t>{1, 2, 3, 4});
    space.store_one(other, std::int64_t{2});
    EXPECT_EQ(run({set_argument_from(1, ACCEL_ARG(0, 64), other, 4, 8),
                   copy(counter, ACCEL_ARG(1, 8), 8)},
                  {data}),
              ACCEL_OK);
    EXPECT_EQ(word_at(counter), 4);
    accel_command plain = set_argument(1, ACCEL_ARG(0, 72), 0, 0);
    plain.variant = 0;
    EXPECT_EQ(run({plain, copy(counter, ACCEL_ARG(1, 0), 8)}, {data}), ACCEL_OK);
    EXPECT_EQ(word_at(counter), 2);
    // The next call has its own arguments again.
    expect_error_at(0, ACCEL_BAD_ARGUMENT, {copy(counter, ACCEL_ARG(1, 0), 8)}, {data});
}

TEST_F(Loops, ANumberOutsideItsBoundIsRefused) {
    for (const std::int64_t number : {std::int64_t{4}, std::int64_t{-1}, INT64_MAX, INT64_MIN}) {
        space.store_one(other, number);
        expect_error_at(1, ACCEL_BAD_INDEX,
                        {nop(), set_argument_from(0, data, other, 4, 8), nop()});
    }
    expect_error_at(1, ACCEL_BAD_INDEX, {loop(1, 4), set_argument(0, data, 3, 8)});
}

TEST_F(Loops, AnArgumentStaysWithinTheAddressSpace) {
    space.store_one(other, std::int64_t{3});
    const auto refuse = [&](std::uint64_t base, std::int64_t stride) {
        expect_error_at(0, ACCEL_BAD_SIZE, {set_argument_from(1, base, other, 4, stride)});
    };
    refuse((std::uint64_t{1} << 48) - 1, 1);
    refuse(2, -1);
    refuse(0, INT64_MIN);
    refuse(0, INT64_MAX);
    refuse(data, std::int64_t{1} << 62);
    // A base that is no context address does not become one.
    const std::uint64_t wild = data - 8 * 3 + (std::uint64_t{1} << 50);
    expect_fault(ACCEL_FAULT_UNMAPPED, wild,
                 list_of({set_argument_from(1, ACCEL_ARG(0, 0), other, 4, 8),
                          fill(ACCEL_ARG(1, 0), 1, 1, 1)},
                         {wild}));
}

TEST_F(Loops, OnlyAListMayHoldThem) {
    for (const accel_command& command :
         {loop(0, 1), skip(0, condition), set_argument(0, data, 1, 0)}) {
        const accel_event event = expect_error(ACCEL_BAD_OPCODE, command);
        EXPECT_EQ(event.list_index, ACCEL_NO_LIST_INDEX);
    }
}

TEST_F(Loops, BodiesNestWithinTheListAndEachOther) {
    expect_error_at(0, ACCEL_BAD_SIZE, {loop(2, 1), nop()});
    expect_error_at(0, ACCEL_BAD_SIZE, {loop(UINT32_MAX, 0), nop()});
    expect_error_at(1, ACCEL_BAD_SIZE, {loop(2, 1), loop(2, 1), nop(), nop()});
    expect_error_at(4, ACCEL_BAD_SIZE,
                    {loop(4, 1), loop(3, 1), loop(2, 1), loop(1, 1), loop(0, 1)});
    expect_error_at(0, ACCEL_BAD_SIZE, {skip(2, condition), nop()});
    expect_error_at(1, ACCEL_BAD_SIZE, {loop(1, 1), skip(1, condition), nop()});
    // Four deep is enough, again and again.
    EXPECT_EQ(run({loop(6, 2), loop(2, 2), loop(1, 2), nop(), loop(2, 2), loop(1, 2), loop(0, 3)}),
              ACCEL_OK);
}

TEST_F(Loops, HostileFieldsAreRefused) {
    const auto refuse = [&](accel_status status, accel_command command,
                            const std::function<void(accel_command&)>& change) {
        change(command);
        expect_error_at(0, status, {command, nop()});
    };
    const accel_command all = loop(1, 1, {.count = count, .condition = condition, .index = index});
    refuse(ACCEL_BAD_FIELD, all, [](auto& c) { c.variant = 8; });
    refuse(ACCEL_BAD_FIELD, all, [](auto& c) { c.loop.reserved0 = 1; });
    refuse(ACCEL_BAD_FIELD, all, [](auto& c) { c.loop.reserved1 = 1; });
    refuse(ACCEL_BAD_ALIGNMENT, all, [](auto& c) { c.loop.count += 4; });
    refuse(ACCEL_BAD_ALIGNMENT, all, [](auto& c) { c.loop.index += 4; });
    for (const unsigned bit : {ACCEL_LOOP_COUNT, ACCEL_LOOP_CONDITION, ACCEL_LOOP_INDEX}) {
        refuse(ACCEL_BAD_FIELD, all,
               [&](auto& c) { c.variant = static_cast<std::uint16_t>(c.variant & ~bit); });
    }
    refuse(ACCEL_BAD_ARGUMENT, all, [](auto& c) { c.loop.count = ACCEL_ARG(3, 0); });
    const accel_command skips = skip(1, condition);
    refuse(ACCEL_BAD_FIELD, skips, [](auto& c) { c.variant = 2; });
    refuse(ACCEL_BAD_FIELD, skips, [](auto& c) { c.skip.reserved0 = 1; });
    refuse(ACCEL_BAD_FIELD, skips, [](auto& c) { c.skip.reserved1[3] = 1; });
    const accel_command set = set_argument_from(0, data, count, 1, 8);
    refuse(ACCEL_BAD_FIELD, set, [](auto& c) { c.variant = 3; });
    refuse(ACCEL_BAD_FIELD, set, [](auto& c) { c.variant = 4; });
    refuse(ACCEL_BAD_FIELD, set, [](auto& c) { c.variant = 0; });
    refuse(ACCEL_BAD_FIELD, set, [](auto& c) { c.variant = 0, c.set_argument.number = 0; });
    refuse(ACCEL_BAD_FIELD, set, [](auto& c) { c.set_argument.reserved0 = 1; });
    refuse(ACCEL_BAD_FIELD, set, [](auto& c) { c.set_argument.reserved1 = 1; });
    refuse(ACCEL_BAD_ALIGNMENT, set, [](auto& c) { c.set_argument.number += 4; });
    refuse(ACCEL_BAD_ARGUMENT, set, [](auto& c) { c.set_argument.argument = 1024; });
    refuse(ACCEL_BAD_FIELD, set_argument(0, data, 1, 8), [](auto&) {});  // no loop
}

TEST_F(Loops, AFaultNamesTheCommandAndTheAddress) {
    const std::uint64_t hole = space.reserve(page_size);
    const auto fault = [&](std::uint32_t at, const std::vector<accel_command>& commands) {
        const accel_event event = expect_error(ACCEL_FAULT_UNMAPPED, list_of(commands));
        EXPECT_EQ(event.address, hole);
        EXPECT_EQ(event.list_index, at);
    };
    fault(1, {nop(), loop(0, 2, {.count = hole})});
    fault(1, {nop(), loop(0, 2, {.condition = hole})});
    fault(1, {nop(), loop(0, 2, {.index = hole})});
    fault(0, {skip(0, hole)});
    fault(0, {set_argument_from(0, data, hole, 1, 0)});
    // In the third pass, in the body.
    const std::uint64_t mapped = space.reserve(2 * page_size);
    space.map(mapped, space.locate(data), page_size);
    const accel_event event = expect_error(
        ACCEL_FAULT_UNMAPPED,
        list_of({loop(3, 9, {.index = index}), nop(), set_argument(0, mapped, 9, page_size / 2),
                 fill(ACCEL_ARG(0, 0), 1, 1, 1)}));
    EXPECT_EQ(event.address, mapped + page_size);
    EXPECT_EQ(event.list_index, 3U);
    EXPECT_EQ(word_at(index), 2);
}

TEST_F(Loops, AnEndlessLoopEndsByTheBoundOfSteps) {
    if (host.timed()) {
        GTEST_SKIP() << "so many steps take long in virtual time";
    }
    // Each pass is a step, even of an empty body.
    const std::uint64_t steps = host.read32(ACCEL_REG_LIST_STEPS);
    const accel_event event = expect_error(ACCEL_STEP_LIMIT, list_of({nop(), loop(0, endless)}));
    EXPECT_EQ(event.list_index, 1U);
    EXPECT_EQ(event.opcode, ACCEL_OP_LOOP);
    EXPECT_GT(steps, 16384U);
}

TEST_F(Loops, AnEndlessLoopExceedsItsTimeLimit) {
    Queue limited(space, 1, {.time_limit = 300'000});
    const std::uint64_t set = space.allocate(page_size);
    space.store_one(condition, std::uint8_t{1});
    for (const auto& body : {std::vector<accel_command>{}, std::vector(3, nop()),
                             std::vector{set_argument(0, set, endless, 0)},
                             std::vector{skip(1, set), fill(ACCEL_ARG(9, 0), 1, 1, 1)},
                             std::vector{loop(1, endless), fill(set, 1, 1, 64)}}) {
        EXPECT_EQ(limited.run(endless_loop(space, body)), ACCEL_TIME_LIMIT);
        EXPECT_TRUE(host.next_event());
        EXPECT_EQ(limited.reset(), ACCEL_OK);
    }
    EXPECT_EQ(limited.run(fill(set, 1, 1, 1)), ACCEL_OK);
}

TEST_F(Loops, AnEndlessLoopMakesProgressAndStopsAtAReset) {
    Queue hog(space, 1);
    // In virtual time a pass without work takes so little that the bound of steps is near.
    (void)hog.submit(host.timed() ? make(Hog::loop, space) : endless_loop(space, {}));
    std::uint64_t before = 0;
    for (int i = 0; i < 3; ++i) {
        ASSERT_TRUE(eventually([&] { return host.report(1).pieces > before; }));
        before = host.report(1).pieces;
        EXPECT_EQ(queue.run(fill(data, 1, 1, 64)), ACCEL_OK);
    }
    EXPECT_EQ(hog.reset(), ACCEL_OK);
    EXPECT_EQ(hog.run(nop()), ACCEL_OK);
}

// Two queues with endless loops of equal work have equal shares; a loop without work takes nothing
// from a neighbor that works.
TEST_F(Loops, NeighborsKeepTheirShares) {
    if (!host.timed()) {
        GTEST_SKIP() << "shares are exact in virtual time only";
    }
    Queue empty(space, 1);
    Queue first(space, 2);
    Queue second(space, 3);
    const std::uint64_t pages = space.allocate(2 * page_size, Layout::device);
    (void)empty.submit(endless_loop(space, {}));
    (void)first.submit(endless_loop(space, {fill(pages, 1, 1, 64)}));
    (void)second.submit(endless_loop(space, std::vector(9, fill(pages + page_size, 1, 1, 64))));
    const std::uint64_t begin = host.clock();
    ASSERT_TRUE(eventually([&] {
        (void)queue.run(nop());
        return host.clock() > begin + 4'000'000;
    }));
    const auto reports = host.reports(1, 3);
    const auto used = [&](std::size_t i) { return static_cast<double>(reports[i].ticks); };
    EXPECT_GT(used(1), 1e5);
    EXPECT_NEAR(used(1) / used(2), 1, 0.3);
}

// Random products in a nest of loops, alone and among urgent commands: each bit is the same.
TEST_F(Loops, PreemptionWithinALoopChangesNoBit) {
    constexpr std::uint32_t side = 40;
    constexpr std::uint64_t bytes = std::uint64_t{side} * side * sizeof(float);
    const std::uint64_t matrices = space.allocate(16 * bytes);
    std::vector<float> values = Random(3).ordinary(16 * side * side);
    std::ranges::for_each(values, [](float& v) { v *= 0.05F; });
    accel_gemm p{};
    p.type = ACCEL_TYPE_F32;
    p.activation = ACCEL_UNARY_TANH;
    p.m = p.n = p.k = p.lda = p.ldb = p.ldd = side;
    // state = tanh(weights[i] * state), and each state is stored, from the last place down.
    const std::uint64_t states = matrices + 8 * bytes;
    const std::uint64_t state = matrices + 14 * bytes;
    const std::uint64_t next = state + bytes;
    const accel_command list = list_of(
        {loop(8, 3), loop(6, 6, {.index = index}), set_argument(1, ACCEL_ARG(0, 0), 6, bytes),
         set_argument(2, states + 5 * bytes, 6, -static_cast<std::int64_t>(bytes)),
         tensor_in(space, ACCEL_OP_GEMM, {.dst = next, .src0 = ACCEL_ARG(1, 0), .src1 = state}, p),
         copy(state, next, bytes), copy(ACCEL_ARG(2, 0), state, bytes), increment(counter),
         increment(other)},
        {matrices});
    const auto result = [&] { return space.load<std::uint8_t>(matrices, 16 * bytes); };
    space.store(matrices, values);
    ASSERT_EQ(queue.run(list), ACCEL_OK);
    const auto expected = result();
    EXPECT_EQ(word_at(counter), 18);
    EXPECT_EQ(word_at(other), 3);

    Queue urgent(space, 1, {.priority = 3});
    const std::uint64_t page = space.allocate(page_size);
    for (int round = 0; round < 5; ++round) {
        space.store(matrices, values);
        const std::uint64_t sequence = queue.submit(list);
        while (queue.completed() < sequence) {
            ASSERT_EQ(urgent.run(fill(page, 1, 1, page_size)), ACCEL_OK);
            ASSERT_EQ(queue.state(), ACCEL_QUEUE_RUNNING);
        }
        EXPECT_EQ(result(), expected);
    }
}

}  // namespace
}  // namespace accel::test
