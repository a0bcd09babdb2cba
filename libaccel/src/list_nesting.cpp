// SPDX-License-Identifier: Apache-2.0
#include "list_nesting.hpp"

#include <algorithm>
#include <string>

#include "throw_error.hpp"

namespace accel::detail {

namespace {

// The number of commands behind a LOOP or SKIP that belong to it.
std::size_t controlled_commands(const accel_command& command) {
    switch (command.opcode) {
        case ACCEL_OP_LOOP:
            return command.loop.commands;
        case ACCEL_OP_SKIP:
            return command.skip.commands;
        default:
            return 0;
    }
}

[[noreturn]] void throw_outside_slice(std::uint32_t argument, const std::string& problem) {
    throw_invalid("argument " + std::to_string(argument) +
                  " is a slice that SetArgument makes, and a command " + problem);
}

}  // namespace

std::vector<std::size_t> ListNesting::open_bodies(std::size_t at) const {
    std::vector<std::size_t> open = ends_;
    std::erase_if(open, [&](std::size_t end) { return end <= at; });
    return open;
}

void ListNesting::check(const accel_command& command, std::size_t size) const {
    const bool is_loop = command.opcode == ACCEL_OP_LOOP;
    if (!is_loop && command.opcode != ACCEL_OP_SKIP) {
        return;
    }
    const std::string name = is_loop ? "Loop" : "Skip";
    const auto open = open_bodies(size);
    if (is_loop && open.size() == ACCEL_LOOP_DEPTH) {
        throw_invalid("cannot add a Loop within " + std::to_string(ACCEL_LOOP_DEPTH) +
                      " others, the most that the card nests: merge two of them");
    }
    if (!open.empty() && size + 1 + controlled_commands(command) > open.back()) {
        throw_invalid(name + "::commands is " + std::to_string(controlled_commands(command)) +
                      ", but the body around it has only " +
                      std::to_string(open.back() - size - 1) + " commands left");
    }
}

void ListNesting::add(const accel_command& command, std::span<const CommandAccess::Use> uses,
                      std::span<const CommandAccess::Use> resolved, std::size_t size) {
    const std::size_t end = size + 1 + controlled_commands(command);
    if (command.opcode == ACCEL_OP_LOOP) {
        ends_ = open_bodies(size);
        ends_.push_back(end);
    }
    furthest_ = std::max(furthest_, end);
    if (command.opcode == ACCEL_OP_SET_ARGUMENT && !uses.empty()) {
        const accel_set_argument& set = command.set_argument;
        const auto stride = static_cast<std::int64_t>(set.stride);
        const std::uint64_t distance =
            stride < 0 ? -set.stride : set.stride;  // the magnitude, also of the least number
        SetSlice slice{.base = resolved[0].operand,
                       .bytes = uses[0].bytes,
                       .distances = CommandAccess::address(uses[0].operand),
                       .access = uses[0].access};
        if (CommandAccess::kind(uses[0].operand) == CommandAccess::Kind::argument) {
            if (const SetSlice* const outer =
                    this->slice(CommandAccess::argument(uses[0].operand))) {
                slice.distances |= outer->distances;
            }
        }
        if (command.variant != 0) {
            slice.bytes -= (set.bound - 1) * distance;
            slice.distances |= set.bound > 1 ? distance : 0;
        }
        slices_[set.argument] = slice;
    }
}

void ListNesting::check_end(std::size_t size, std::size_t arguments) const {
    if (furthest_ > size) {
        throw_invalid("cannot close the list: a Loop or a Skip names " +
                      std::to_string(furthest_ - size) + " more commands than follow it");
    }
    if (!slices_.empty() && slices_.begin()->first < arguments) {
        throw_invalid("cannot close the list: SetArgument sets argument " +
                      std::to_string(slices_.begin()->first) + ", but the caller passes " +
                      std::to_string(arguments) +
                      " arguments; number those that the list sets behind them");
    }
}

std::vector<CommandAccess::Use> ListNesting::without_slices(
    std::span<const CommandAccess::Use> uses) const {
    std::vector<CommandAccess::Use> result(uses.begin(), uses.end());
    for (CommandAccess::Use& use : result) {
        // A slice of a slice was replaced when it was recorded, so one step is enough.
        const bool is_argument = CommandAccess::kind(use.operand) == CommandAccess::Kind::argument;
        const std::uint32_t argument = CommandAccess::argument(use.operand);
        const SetSlice* const slice = is_argument ? this->slice(argument) : nullptr;
        if (slice == nullptr) {
            continue;
        }
        const std::uint64_t offset = CommandAccess::address(use.operand);
        if (offset > slice->bytes || use.bytes > slice->bytes - offset) {
            throw_outside_slice(argument, "uses " + std::to_string(offset + use.bytes) +
                                              " bytes of it: SetArgument::bytes is " +
                                              std::to_string(slice->bytes));
        }
        if ((static_cast<unsigned>(use.access) & ~static_cast<unsigned>(slice->access)) != 0) {
            throw_outside_slice(argument, "accesses it in another way: set SetArgument::access");
        }
        if ((offset | slice->distances) % use.alignment != 0) {
            throw_outside_slice(argument, "needs an alignment of " + std::to_string(use.alignment) +
                                              " bytes: check the offset and SetArgument::stride");
        }
        use.operand = slice->base;
        use.bytes = slice->bytes;
    }
    return result;
}

}  // namespace accel::detail
