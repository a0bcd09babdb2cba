// SPDX-License-Identifier: Apache-2.0
//
// CALL: lists, arguments, records, and the errors of commands in a list.
#include "card_fixture.hpp"
#include "reference.hpp"

namespace accel::test {
namespace {

class Call : public CardTest {
  protected:
    std::uint64_t record_list(const std::vector<accel_command>& commands) {
        const std::uint64_t list =
            space.allocate(commands.size() * ACCEL_COMMAND_SIZE, Layout::scattered);
        space.store(list, commands);
        return list;
    }

    std::uint64_t data = space.allocate(4 * page_size);
    std::uint64_t other = space.allocate(4 * page_size, Layout::device);
};

TEST_F(Call, RunsAListAsOneCommand) {
    std::vector<accel_command> commands;
    for (std::uint64_t i = 0; i < 100; ++i) {  // for both engines, and for none
        commands.push_back(i % 3 == 0   ? fill(data + 8 * i, i, 8, 8)
                           : i % 3 == 1 ? copy(data + 8 * i, data + 8 * (i - 1), 8)
                                        : nop());
    }
    const std::uint64_t list = record_list(commands);
    const std::uint64_t before = host.read64(ACCEL_REG_COMMANDS);
    EXPECT_EQ(queue.run(call(list, 100)), ACCEL_OK);
    EXPECT_EQ(queue.completed(), 1U);
    EXPECT_EQ(host.read64(ACCEL_REG_COMMANDS) - before, 101U);
    for (std::uint64_t i = 0; i < 99; i += 3) {
        EXPECT_EQ(space.load<std::uint64_t>(data + 8 * i, 2), (std::vector<std::uint64_t>{i, i}));
    }
}

TEST_F(Call, AnEmptyListHasNoEffect) {
    EXPECT_EQ(queue.run(call(data, 0)), ACCEL_OK);
    EXPECT_EQ(queue.run(call(0, 0)), ACCEL_OK);
}

TEST_F(Call, OneListWorksOnAnyBuffers) {
    const std::uint64_t list = record_list(
        {fill(ACCEL_ARG(1, 16), 0x5a, 1, 8), copy(ACCEL_ARG(0, 0), ACCEL_ARG(1, 16), 8)});
    for (std::uint64_t i = 0; i < 5; ++i) {
        const std::uint64_t dst = data + i * 100;
        EXPECT_EQ(queue.run(call(list, 2, {dst, other + i * 200})), ACCEL_OK);
        EXPECT_EQ(space.load<std::uint8_t>(dst, 8), std::vector<std::uint8_t>(8, 0x5a));
        EXPECT_EQ(space.load<std::uint8_t>(other + i * 200 + 16, 8),
                  std::vector<std::uint8_t>(8, 0x5a));
    }
}

TEST_F(Call, IndirectArgumentsComeFromATable) {
    std::vector<std::uint64_t> table(ACCEL_CALL_ARGS_MAX);
    std::vector<accel_command> commands;
    for (std::uint64_t i = 0; i < table.size(); ++i) {
        table[i] = data + i * 16;
        commands.push_back(fill(ACCEL_ARG(i, 8), i + 1, 8, 8));
    }
    const std::uint64_t place = space.allocate(4 * page_size, Layout::scattered, page_size - 64);
    space.store(place, table);
    const std::uint64_t list = record_list(commands);
    EXPECT_EQ(queue.run(call_indirect(list, ACCEL_CALL_ARGS_MAX, place, ACCEL_CALL_ARGS_MAX)),
              ACCEL_OK);
    for (std::uint64_t i = 0; i < table.size(); ++i) {
        ASSERT_EQ(space.load<std::uint64_t>(table[i] + 8, 1)[0], i + 1);
    }
    // The table is read once: a write of the list into it has no effect.
    commands = {fill(ACCEL_ARG(0, 0), 0, 8, 8), fill(ACCEL_ARG(1, 0), 0x77, 8, 8)};
    space.store(place, std::vector<std::uint64_t>{place + 8, data});
    EXPECT_EQ(queue.run(call_indirect(record_list(commands), 2, place, 2)), ACCEL_OK);
    EXPECT_EQ(space.load<std::uint64_t>(data, 1)[0], 0x77U);
}

TEST_F(Call, EveryAddressOfATensorCommandMayBeAnArgument) {
    accel_gemm p{};
    p.type = ACCEL_TYPE_F32;
    p.flags = ACCEL_GEMM_BIAS;
    p.m = p.n = p.k = p.lda = p.ldb = p.ldd = 4;
    Random random(5);
    const auto a = random.ordinary(16);
    const auto b = random.ordinary(16);
    const auto bias = random.ordinary(4);
    std::vector<float> d(16);
    reference::gemm(p, a, b, bias, d);
    space.store(data, a);
    space.store(data + 0x100, b);
    space.store(data + 0x200, bias);
    space.store_one(data + 0x300, p);
    auto gemm = tensor(ACCEL_OP_GEMM,
                       {.dst = ACCEL_ARG(0, 0x400),
                        .src0 = ACCEL_ARG(0, 0),
                        .src1 = ACCEL_ARG(0, 0x100),
                        .src2 = ACCEL_ARG(0, 0x200)},
                       ACCEL_ARG(0, 0x300), sizeof p);
    gemm = with_record(gemm, ACCEL_ARG(1, 0x20));
    EXPECT_EQ(queue.run(call(record_list({gemm}), 1, {data, other})), ACCEL_OK);
    EXPECT_TRUE(same_bits(space.load<float>(data + 0x400, 16), d));
    const auto record = space.load<accel_completion_record>(other + 0x20, 1)[0];
    EXPECT_EQ(record.sequence, 1U);
    EXPECT_EQ(record.list_index, 0U);
    EXPECT_GE(record.end, record.start);
}

TEST_F(Call, TheRecordSpansTheRecordsOfTheCommands) {
    const std::uint64_t list = record_list(
        {with_record(nop(), other), nop(), with_record(fill(data, 1, 1, 1), other + 32)});
    EXPECT_EQ(queue.run(with_record(call(list, 3), other + 64)), ACCEL_OK);
    const auto records = space.load<accel_completion_record>(other, 3);
    EXPECT_EQ(records[0].list_index, 0U);
    EXPECT_EQ(records[1].list_index, 2U);
    EXPECT_EQ(records[2].list_index, ACCEL_NO_LIST_INDEX);
    EXPECT_LE(records[2].start, records[0].start);
    EXPECT_LE(records[0].end, records[1].start);
    EXPECT_LE(records[1].end, records[2].end);
}

TEST_F(Call, AListMayHoldWaitAndSignal) {
    const std::uint64_t list = record_list(
        {signal(ACCEL_ARG(0, 0), 1), wait_for(ACCEL_ARG(0, 8), 7), fill(data + 64, 9, 1, 1)});
    const std::uint64_t sequence = queue.submit(call(list, 3, {data}));
    EXPECT_TRUE(eventually([&] { return space.load<std::uint64_t>(data, 1)[0] == 1; }));
    EXPECT_EQ(queue.completed(), 0U);
    Queue second(space, 1);
    EXPECT_EQ(second.run(signal(data + 8, 7)), ACCEL_OK);
    EXPECT_EQ(queue.wait(sequence), ACCEL_OK);
    EXPECT_EQ(space.load<std::uint8_t>(data + 64, 1)[0], 9);
}

TEST_F(Call, BadCallsAreRefused) {
    const std::uint64_t list = record_list({nop()});
    const auto refuse = [&](accel_status status, accel_command command, auto change) {
        change(command);
        const accel_event event = expect_error(status, command);
        EXPECT_EQ(event.list_index, ACCEL_NO_LIST_INDEX);
        EXPECT_EQ(event.opcode, ACCEL_OP_CALL);
    };
    const accel_command good = call(list, 1, {data});
    refuse(ACCEL_BAD_FIELD, good, [](auto& c) { c.variant = 2; });
    refuse(ACCEL_BAD_ALIGNMENT, good, [](auto& c) { c.call.list += 32; });
    refuse(ACCEL_BAD_SIZE, good, [](auto& c) { c.call.count = 16385; });
    refuse(ACCEL_BAD_SIZE, good, [](auto& c) { c.call.count = UINT32_MAX; });
    refuse(ACCEL_BAD_SIZE, good,
           [](auto& c) { c.call.list = (std::uint64_t{1} << 48) - 64, c.call.count = 2; });
    refuse(ACCEL_BAD_SIZE, good, [](auto& c) { c.call.arguments = 5; });
    refuse(ACCEL_BAD_FIELD, good, [](auto& c) { c.call.args[1] = 1; });
    refuse(ACCEL_BAD_FIELD, good, [](auto& c) { c.call.arguments = 0; });
    const accel_command indirect = call_indirect(list, 1, data, 4);
    refuse(ACCEL_BAD_SIZE, indirect, [](auto& c) { c.call.arguments = 1025; });
    refuse(ACCEL_BAD_ALIGNMENT, indirect, [](auto& c) { c.call.args[0] += 4; });
    for (unsigned i = 1; i < 4; ++i) {
        refuse(ACCEL_BAD_FIELD, indirect, [&](auto& c) { c.call.args[i] = 8; });
    }
    const std::uint64_t hole = space.reserve(page_size);
    expect_fault(ACCEL_FAULT_UNMAPPED, hole, call_indirect(list, 1, hole, 1));
    expect_fault(ACCEL_FAULT_UNMAPPED, hole, call(hole, 1));
}

TEST_F(Call, AnErrorNamesItsIndexInTheList) {
    std::vector<accel_command> commands(40, nop());
    const auto fail_at = [&](std::uint32_t index, accel_status status, const accel_command& bad,
                             std::initializer_list<std::uint64_t> arguments = {}) {
        commands.assign(40, nop());
        commands[index] = bad;
        const std::uint64_t record = other + 0x1000;
        const accel_event event =
            expect_error(status, with_record(call(record_list(commands), 40, arguments), record));
        EXPECT_EQ(event.list_index, index);
        EXPECT_EQ(event.opcode, bad.opcode);
        const auto written = space.load<accel_completion_record>(record, 1)[0];
        EXPECT_EQ(written.status, status);
        EXPECT_EQ(written.list_index, index);
        return event;
    };
    const std::uint64_t hole = space.reserve(page_size);
    EXPECT_EQ(fail_at(0, ACCEL_FAULT_UNMAPPED, fill(hole, 1, 1, 1)).address, hole);
    EXPECT_EQ(fail_at(39, ACCEL_FAULT_UNMAPPED, copy(data, hole + 5, 1)).address, hole + 5);
    fail_at(17, ACCEL_NESTED_CALL, call(data, 0));
    fail_at(16, ACCEL_BAD_OPCODE, [] {
        accel_command c = nop();
        c.opcode = 0x80;
        return c;
    }());
    fail_at(3, ACCEL_BAD_ARGUMENT, fill(ACCEL_ARG(1, 0), 1, 1, 1), {data});
    fail_at(3, ACCEL_BAD_ARGUMENT, fill(ACCEL_ARG(0, 0), 1, 1, 1));
    fail_at(3, ACCEL_BAD_ARGUMENT, fill(ACCEL_ARG(0x7fff, 0), 1, 1, 1), {data});
    fail_at(3, ACCEL_BAD_ARGUMENT, with_record(nop(), ACCEL_ARG(4, 0)), {data});
    fail_at(3, ACCEL_BAD_ALIGNMENT, wait_for(ACCEL_ARG(0, 4), 1), {data});
}

TEST_F(Call, AnInvalidArgumentDoesNotBecomeAValidAddress) {
    // wild + offset is data, modulo 2^64; and an argument whose value refers to an argument.
    const std::uint64_t offset = 0x0000'8000'0000'0000;
    const std::uint64_t wild = data - offset;
    ASSERT_NE(wild >> 48, 0U);
    const std::uint64_t list = record_list({fill(ACCEL_ARG(0, offset), 1, 1, 1)});
    expect_fault(ACCEL_FAULT_UNMAPPED, wild, call(list, 1, {wild}));
    const std::uint64_t nested = ACCEL_ARG(0, 0);
    expect_fault(ACCEL_FAULT_UNMAPPED, nested, call(list, 1, {nested}));
    EXPECT_EQ(space.load<std::uint8_t>(data, 1)[0], 0);
}

TEST_F(Call, AnArgumentOutsideAListIsAnUnmappedAddress) {
    const std::uint64_t address = ACCEL_ARG(0, 0);
    expect_fault(ACCEL_FAULT_UNMAPPED, address, fill(address, 1, 1, 1));
}

TEST_F(Call, TheLongestListRuns) {
    std::vector<accel_command> commands(16384, nop());
    const std::uint64_t list = space.allocate(commands.size() * ACCEL_COMMAND_SIZE);
    space.store(list, commands);
    EXPECT_EQ(queue.run(call(list, 16384)), ACCEL_OK);
}

TEST_F(Call, AListThatCrossesIntoAHoleFaultsOnlyThere) {
    // 64 commands fill the page, and the 65th is unmapped. Prefetching must not fault earlier.
    const std::uint64_t page = space.allocate(page_size);
    space.store(page, std::vector<accel_command>(64, nop()));
    EXPECT_EQ(queue.run(call(page, 64)), ACCEL_OK);
    const accel_event event = expect_error(ACCEL_FAULT_UNMAPPED, call(page, 65));
    EXPECT_EQ(event.address, page + page_size);
    EXPECT_EQ(event.list_index, 64U);
}

}  // namespace
}  // namespace accel::test
