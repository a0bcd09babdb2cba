// SPDX-License-Identifier: Apache-2.0
//
// Builders for the commands of a queue and of the admin queue, as the data sheet defines them. They
// depend on the contract alone, so that an error in libaccel's encoder cannot hide one here.
#pragma once

#include <cstdint>
#include <initializer_list>

#include "accel_hw.h"
#include "emulated/admin_commands.hpp"

namespace accel::test {

// ---- Commands of a queue

[[nodiscard]] inline accel_command nop() {
    return {};
}

[[nodiscard]] inline accel_command copy(std::uint64_t dst, std::uint64_t src, std::uint64_t bytes) {
    accel_command command{};
    command.opcode = ACCEL_OP_COPY;
    command.copy = {.dst = dst,
                    .src = src,
                    .bytes = bytes,
                    .dst_stride = 0,
                    .src_stride = 0,
                    .rows = 1,
                    .reserved = 0};
    return command;
}

[[nodiscard]] inline accel_command copy_rows(std::uint64_t dst, std::uint64_t dst_stride,
                                             std::uint64_t src, std::uint64_t src_stride,
                                             std::uint64_t bytes, std::uint32_t rows) {
    accel_command command = copy(dst, src, bytes);
    command.copy.dst_stride = dst_stride;
    command.copy.src_stride = src_stride;
    command.copy.rows = rows;
    return command;
}

// Repeats the lowest `width` bytes of the pattern.
[[nodiscard]] inline accel_command fill(std::uint64_t dst, std::uint64_t pattern,
                                        std::uint16_t width, std::uint64_t bytes) {
    accel_command command{};
    command.opcode = ACCEL_OP_FILL;
    command.variant = width;
    command.fill = {
        .dst = dst, .pattern = pattern, .bytes = bytes, .dst_stride = 0, .rows = 1, .reserved = {}};
    return command;
}

[[nodiscard]] inline accel_command fill_rows(std::uint64_t dst, std::uint64_t stride,
                                             std::uint64_t pattern, std::uint16_t width,
                                             std::uint64_t bytes, std::uint32_t rows) {
    accel_command command = fill(dst, pattern, width, bytes);
    command.fill.dst_stride = stride;
    command.fill.rows = rows;
    return command;
}

// Waits on the card until the semaphore is at least `value`.
[[nodiscard]] inline accel_command wait_for(std::uint64_t address, std::uint64_t value) {
    accel_command command{};
    command.opcode = ACCEL_OP_WAIT;
    command.semaphore = {.address = address, .value = value, .reserved = {}};
    return command;
}

[[nodiscard]] inline accel_command signal(std::uint64_t address, std::uint64_t value) {
    accel_command command = wait_for(address, value);
    command.opcode = ACCEL_OP_SIGNAL;
    return command;
}

[[nodiscard]] inline accel_command call(std::uint64_t list, std::uint32_t count,
                                        std::initializer_list<std::uint64_t> arguments = {}) {
    accel_command command{};
    command.opcode = ACCEL_OP_CALL;
    command.call.list = list;
    command.call.count = count;
    for (const std::uint64_t argument : arguments) {
        command.call.args[command.call.arguments++] = argument;
    }
    return command;
}

// The arguments are in a table in memory.
[[nodiscard]] inline accel_command call_indirect(std::uint64_t list, std::uint32_t count,
                                                 std::uint64_t table, std::uint32_t arguments) {
    accel_command command{};
    command.opcode = ACCEL_OP_CALL;
    command.variant = ACCEL_CALL_INDIRECT;
    command.call.list = list;
    command.call.count = count;
    command.call.arguments = arguments;
    command.call.args[0] = table;
    return command;
}

// An address of zero is left out.
struct LoopAddresses {
    std::uint64_t count = 0;
    std::uint64_t condition = 0;
    std::uint64_t index = 0;
};

// Runs the next `commands` commands of a list up to `limit` times.
[[nodiscard]] inline accel_command loop(std::uint32_t commands, std::uint64_t limit,
                                        const LoopAddresses& addresses = {}) {
    accel_command command{};
    command.opcode = ACCEL_OP_LOOP;
    command.variant =
        static_cast<std::uint16_t>((addresses.count != 0 ? ACCEL_LOOP_COUNT : 0) |
                                   (addresses.condition != 0 ? ACCEL_LOOP_CONDITION : 0) |
                                   (addresses.index != 0 ? ACCEL_LOOP_INDEX : 0));
    command.loop = {.count = addresses.count,
                    .condition = addresses.condition,
                    .index = addresses.index,
                    .limit = limit,
                    .commands = commands,
                    .reserved0 = 0,
                    .reserved1 = 0};
    return command;
}

[[nodiscard]] inline accel_command skip(std::uint32_t commands, std::uint64_t condition,
                                        std::uint16_t variant = 0) {
    accel_command command{};
    command.opcode = ACCEL_OP_SKIP;
    command.variant = variant;
    command.skip = {.condition = condition, .commands = commands, .reserved0 = 0, .reserved1 = {}};
    return command;
}

// An argument of a list, from a base and the pass of the innermost loop.
[[nodiscard]] inline accel_command set_argument(std::uint32_t argument, std::uint64_t base,
                                                std::uint64_t bound, std::int64_t stride) {
    accel_command command{};
    command.opcode = ACCEL_OP_SET_ARGUMENT;
    command.variant = ACCEL_SET_ARGUMENT_PASS;
    command.set_argument = {.base = base,
                            .number = 0,
                            .bound = bound,
                            .stride = static_cast<std::uint64_t>(stride),
                            .argument = argument,
                            .reserved0 = 0,
                            .reserved1 = 0};
    return command;
}

// The same, from the word at `number`.
[[nodiscard]] inline accel_command set_argument_from(std::uint32_t argument, std::uint64_t base,
                                                     std::uint64_t number, std::uint64_t bound,
                                                     std::int64_t stride) {
    accel_command command = set_argument(argument, base, bound, stride);
    command.variant = ACCEL_SET_ARGUMENT_WORD;
    command.set_argument.number = number;
    return command;
}

struct Operands {
    std::uint64_t dst = 0;
    std::uint64_t src0 = 0;
    std::uint64_t src1 = 0;
    std::uint64_t src2 = 0;
};

// A command with a parameter block: GEMM, CONV2D, REDUCE, ...
[[nodiscard]] inline accel_command tensor(accel_opcode opcode, const Operands& operands,
                                          std::uint64_t params, std::uint32_t params_size) {
    accel_command command{};
    command.opcode = static_cast<std::uint8_t>(opcode);
    command.tensor = {.dst = operands.dst,
                      .src0 = operands.src0,
                      .src1 = operands.src1,
                      .src2 = operands.src2,
                      .params = params,
                      .params_size = params_size,
                      .reserved = 0};
    return command;
}

// The same command, with a completion record at `record`.
[[nodiscard]] inline accel_command with_record(accel_command command, std::uint64_t record) {
    command.flags |= ACCEL_CMD_RECORD;
    command.record = record;
    return command;
}

// ---- Commands of the admin queue

using emulated::admin_command;
using emulated::create_context;
using emulated::create_queue;
using emulated::invalidate;
using emulated::query_queue;
using emulated::query_queues;
using emulated::QueueSetup;

}  // namespace accel::test
