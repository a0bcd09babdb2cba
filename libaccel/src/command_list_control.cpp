// SPDX-License-Identifier: Apache-2.0
//
// Checks and encoding of Loop, Skip and SetArgument. ListImpl checks how they nest.
#include <algorithm>
#include <string>

#include "encoder.hpp"

namespace accel {

namespace {

using detail::Encoder;

constexpr std::uint32_t word_bytes = sizeof(std::int64_t);

}  // namespace

Command::Command(const Loop& loop) {
    Encoder encoder(*this, "Loop", ACCEL_OP_LOOP);
    accel_loop& raw = encoder.raw().loop;
    unsigned variant = 0;
    const auto optional = [&](const char* field, const Operand& operand, std::uint32_t bytes,
                              Access access, unsigned flag) -> std::uint64_t {
        if (!operand) {
            return 0;
        }
        variant |= flag;
        return encoder.use(field, operand, bytes, access, bytes);
    };
    raw.count = optional("count", loop.count, word_bytes, Access::read, ACCEL_LOOP_COUNT);
    raw.condition = optional("condition", loop.condition, 1, Access::read, ACCEL_LOOP_CONDITION);
    raw.index = optional("index", loop.index, word_bytes, Access::write, ACCEL_LOOP_INDEX);
    raw.limit = loop.limit;
    raw.commands = loop.commands;
    encoder.raw().variant = static_cast<std::uint16_t>(variant);
    encoder.finish();
    detail::CommandAccess::set_only_in_list(*this);
}

Command::Command(const Skip& skip) {
    Encoder encoder(*this, "Skip", ACCEL_OP_SKIP);
    accel_skip& raw = encoder.raw().skip;
    raw.condition = encoder.use("condition", skip.condition, 1, Access::read, 1);
    raw.commands = skip.commands;
    encoder.raw().variant = skip.if_nonzero ? ACCEL_SKIP_NONZERO : 0;
    encoder.finish();
    detail::CommandAccess::set_only_in_list(*this);
}

Command::Command(const SetArgument& set) {
    Encoder encoder(*this, "SetArgument", ACCEL_OP_SET_ARGUMENT);
    const auto name = encoder.name("count");
    if (set.argument >= ACCEL_CALL_ARGS_MAX) {
        detail::throw_invalid("SetArgument::argument is " + std::to_string(set.argument) +
                              ", but a call has at most " + std::to_string(ACCEL_CALL_ARGS_MAX) +
                              " arguments: use a lower number");
    }
    if (set.count == 0) {
        detail::throw_invalid("SetArgument::count is 0: there is no slice to choose");
    }
    if (set.by_pass && set.number) {
        detail::throw_invalid(
            "SetArgument has a number and by_pass: the number of a slice has one origin, set one "
            "of them");
    }
    const std::uint64_t last = detail::product(set.count - 1, set.stride, name);
    const bool numbered = set.by_pass || set.number;
    const std::uint64_t span =
        numbered ? detail::sum(last, set.bytes, name) : std::max<std::uint64_t>(set.bytes, 1);
    accel_set_argument& raw = encoder.raw().set_argument;
    raw.base = encoder.use("base", set.base, span, set.access, 1);
    if (numbered && set.reversed) {
        raw.base += last;
    }
    if (set.number) {
        raw.number = encoder.use("number", set.number, word_bytes, Access::read, word_bytes);
        encoder.raw().variant = ACCEL_SET_ARGUMENT_WORD;
    } else if (set.by_pass) {
        encoder.raw().variant = ACCEL_SET_ARGUMENT_PASS;
    }
    if (numbered) {
        raw.bound = set.count;
        raw.stride = set.reversed ? -set.stride : set.stride;
    }
    raw.argument = set.argument;
    encoder.finish();
    detail::CommandAccess::set_only_in_list(*this);
}

}  // namespace accel
