// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// LOOP, SKIP and SET_ARGUMENT: they change where a CALL continues, or its arguments.
#include "list_control.hpp"

#include <algorithm>

#include "execution.hpp"

namespace accel::card {

namespace {

// An address that `variant` says to be there, or not.
[[nodiscard]] Status check_address(bool present, std::uint64_t address, std::uint64_t alignment) {
    if (!present) {
        return address == 0 ? ACCEL_OK : ACCEL_BAD_FIELD;
    }
    return aligned(address, alignment) ? ACCEL_OK : ACCEL_BAD_ALIGNMENT;
}

[[nodiscard]] Status read_condition(Memory& memory, std::uint64_t address, bool& condition) {
    std::uint8_t byte = 0;
    const Status status = memory.read_block(address, &byte, sizeof byte);
    condition = byte != 0;
    return status;
}

[[nodiscard]] Status read_number(Memory& memory, std::uint64_t address, std::int64_t& number) {
    std::uint64_t word = 0;
    const Status status = memory.read_block(address, &word, sizeof word);
    number = static_cast<std::int64_t>(word);
    return status;
}

// Whether `commands` commands behind the current one are in the innermost body, or in the list.
[[nodiscard]] bool inside(const CallState& call, std::uint32_t commands) {
    return commands <= call.end() - (call.index + 1);
}

[[nodiscard]] Status begin_loop(const accel_command& command, std::uint64_t now, Memory& memory,
                                CallState& call) {
    const accel_loop& fields = command.loop;
    if ((command.variant & ~ACCEL_LOOP_FLAGS) != 0 || fields.reserved0 != 0 ||
        fields.reserved1 != 0) {
        return ACCEL_BAD_FIELD;
    }
    const bool counts = (command.variant & ACCEL_LOOP_COUNT) != 0;
    if (Status status = first_failure(
            {check_address(counts, fields.count, sizeof(std::int64_t)),
             check_address((command.variant & ACCEL_LOOP_CONDITION) != 0, fields.condition, 1),
             check_address((command.variant & ACCEL_LOOP_INDEX) != 0, fields.index,
                           sizeof(std::int64_t))});
        status != ACCEL_OK) {
        return status;
    }
    if (!inside(call, fields.commands) || call.depth == ACCEL_LOOP_DEPTH) {
        return ACCEL_BAD_SIZE;
    }
    std::uint64_t count = fields.limit;
    if (counts) {
        std::int64_t word = 0;
        if (Status status = read_number(memory, fields.count, word); status != ACCEL_OK) {
            return status;
        }
        count = std::min(count, static_cast<std::uint64_t>(std::max<std::int64_t>(word, 0)));
    }
    call.loops[call.depth++] = {
        .command = command, .at = call.index, .count = count, .pass = 0, .start = now};
    return ACCEL_OK;
}

}  // namespace

Status run_loop(const accel_command& command, std::uint64_t now, Memory& memory, CallState& call,
                Pass& pass) {
    if (call.between_passes()) {
        ++call.loop().pass;
    } else if (Status status = begin_loop(command, now, memory, call); status != ACCEL_OK) {
        return status;
    }
    const LoopState& loop = call.loop();
    pass = {.begins = false, .loop_start = loop.start};
    bool again = loop.pass < loop.count;
    if (again && (command.variant & ACCEL_LOOP_CONDITION) != 0) {
        if (Status status = read_condition(memory, command.loop.condition, again);
            status != ACCEL_OK) {
            return status;
        }
    }
    if (!again) {
        --call.depth;
        return ACCEL_OK;
    }
    if ((command.variant & ACCEL_LOOP_INDEX) != 0) {
        if (Status status = memory.write_word(command.loop.index, loop.pass); status != ACCEL_OK) {
            return status;
        }
    }
    call.continue_at(loop.at + 1);
    pass.begins = true;
    return ACCEL_OK;
}

Status run_skip(const accel_command& command, Memory& memory, const CallState& call,
                std::uint32_t& skipped) {
    const accel_skip& fields = command.skip;
    if ((command.variant & ~ACCEL_SKIP_NONZERO) != 0 || fields.reserved0 != 0 ||
        !all_zero(fields.reserved1)) {
        return ACCEL_BAD_FIELD;
    }
    if (!inside(call, fields.commands)) {
        return ACCEL_BAD_SIZE;
    }
    bool condition = false;
    if (Status status = read_condition(memory, fields.condition, condition); status != ACCEL_OK) {
        return status;
    }
    skipped = condition == (command.variant == ACCEL_SKIP_NONZERO) ? fields.commands : 0;
    return ACCEL_OK;
}

Status run_set_argument(const accel_command& command, Memory& memory, CallState& call) {
    const accel_set_argument& fields = command.set_argument;
    if ((command.variant & ~ACCEL_SET_ARGUMENT_FLAGS) != 0 ||
        command.variant == ACCEL_SET_ARGUMENT_FLAGS || fields.reserved0 != 0 ||
        fields.reserved1 != 0) {
        return ACCEL_BAD_FIELD;
    }
    const bool from_word = command.variant == ACCEL_SET_ARGUMENT_WORD;
    const bool from_pass = command.variant == ACCEL_SET_ARGUMENT_PASS;
    if (Status status = check_address(from_word, fields.number, sizeof(std::int64_t));
        status != ACCEL_OK) {
        return status;
    }
    if (fields.argument >= ACCEL_CALL_ARGS_MAX) {
        return ACCEL_BAD_ARGUMENT;
    }
    if ((from_pass && call.depth == 0) ||
        (command.variant == 0 && (fields.bound != 0 || fields.stride != 0))) {
        return ACCEL_BAD_FIELD;
    }
    std::int64_t number = from_pass ? static_cast<std::int64_t>(call.loop().pass) : 0;
    if (from_word) {
        if (Status status = read_number(memory, fields.number, number); status != ACCEL_OK) {
            return status;
        }
    }
    if (command.variant != 0 &&
        (number < 0 || static_cast<std::uint64_t>(number) >= fields.bound)) {
        return ACCEL_BAD_INDEX;
    }
    std::uint64_t value = fields.base;
    // A base that is no context address must not become one.
    if (value >> ACCEL_VA_BITS == 0) {
        std::int64_t distance = 0;
        if (__builtin_mul_overflow(number, static_cast<std::int64_t>(fields.stride), &distance) ||
            __builtin_add_overflow(value, distance, &value) || value >> ACCEL_VA_BITS != 0) {
            return ACCEL_BAD_SIZE;
        }
    }
    call.arguments[fields.argument] = value;
    call.supplied.set(fields.argument);
    return ACCEL_OK;
}

}  // namespace accel::card
