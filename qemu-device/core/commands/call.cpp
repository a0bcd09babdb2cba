// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Starting a CALL, and resolving the arguments of its command list.
#include "call.hpp"

#include <algorithm>

#include "execution.hpp"

namespace accel::card {

Status resolve_argument(const CallState& call, __le64& address) {
    if ((address & ACCEL_ARG_FLAG) == 0) {
        return ACCEL_OK;
    }
    const std::uint64_t index = (address & ~ACCEL_ARG_FLAG) >> ACCEL_ARG_SHIFT;
    if (index >= call.supplied.size() || !call.supplied[index]) {
        return ACCEL_BAD_ARGUMENT;
    }
    const std::uint64_t base = call.arguments[index];
    // An argument that is no context address must not become one when the offset is added.
    address = base >> ACCEL_VA_BITS != 0 ? base : base + (address & ACCEL_ARG_OFFSET);
    return ACCEL_OK;
}

Status start_call(const accel_command& command, std::uint32_t max_commands, Memory& memory,
                  CallState& call) {
    const accel_call& fields = command.call;
    const bool indirect = command.variant == ACCEL_CALL_INDIRECT;
    if (command.variant != 0 && !indirect) {
        return ACCEL_BAD_FIELD;
    }
    if (!aligned(fields.list, ACCEL_COMMAND_SIZE)) {
        return ACCEL_BAD_ALIGNMENT;
    }
    if (fields.count > max_commands) {
        return ACCEL_BAD_SIZE;
    }
    if (Status status =
            check_extent(fields.list, fields.count, ACCEL_COMMAND_SIZE, ACCEL_COMMAND_SIZE);
        status != ACCEL_OK) {
        return status;
    }
    if (fields.arguments > (indirect ? ACCEL_CALL_ARGS_MAX : ACCEL_CALL_ARGS_INLINE)) {
        return ACCEL_BAD_SIZE;
    }
    const std::span<const __le64> given(fields.args);
    if (!all_zero(given.subspan(indirect ? 1 : fields.arguments))) {
        return ACCEL_BAD_FIELD;
    }
    if (indirect) {
        if (!aligned(given[0], sizeof(std::uint64_t))) {
            return ACCEL_BAD_ALIGNMENT;
        }
        if (Status status = memory.read_block(given[0], call.arguments.data(),
                                              fields.arguments * sizeof(std::uint64_t));
            status != ACCEL_OK) {
            return status;
        }
    } else {
        std::ranges::copy(given.first(fields.arguments), call.arguments.begin());
    }
    call.supplied.reset();
    for (std::uint32_t i = 0; i < fields.arguments; ++i) {
        call.supplied.set(i);
    }
    call.command = command;
    call.index = 0;
    call.steps = 0;
    call.depth = 0;
    return ACCEL_OK;
}

Status resolve_arguments(const CallState& call, std::uint8_t addresses, accel_command& command) {
    if (Status status = resolve_argument(call, command.record); status != ACCEL_OK) {
        return status;
    }
    for (unsigned i = 0; i < std::size(command.words); ++i) {
        if ((addresses >> i & 1) != 0) {
            if (Status status = resolve_argument(call, command.words[i]); status != ACCEL_OK) {
                return status;
            }
        }
    }
    return ACCEL_OK;
}

}  // namespace accel::card
