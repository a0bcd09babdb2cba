// SPDX-License-Identifier: Apache-2.0
//
// Recording a list, and writing it to memory.
#include "list_impl.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "fence.hpp"
#include "memory.hpp"
#include "throw_error.hpp"

namespace accel::detail {

namespace {

constexpr std::size_t params_alignment = 16;

// Adds the requirements of one use of an argument to those of the uses before.
void merge(CommandAccess::Use& requirement, const CommandAccess::Use& use) {
    const std::uint64_t offset = CommandAccess::address(use.operand);
    requirement.bytes = std::max(requirement.bytes, offset + use.bytes);
    requirement.alignment = std::max(requirement.alignment, use.alignment);
    requirement.access = static_cast<Access>(static_cast<unsigned>(requirement.access) |
                                             static_cast<unsigned>(use.access));
}

// Reserves at least `size` elements, with room to grow.
template <typename T>
void grow(std::vector<T>& vector, std::size_t size) {
    if (size > vector.capacity()) {
        vector.reserve(std::max(size, 2 * vector.capacity()));
    }
}

}  // namespace

void ListImpl::add(const Command& command) {
    if (closed()) {
        throw_invalid("cannot add to a list that is closed: create another list");
    }
    if (commands_.size() >= device_->limits().max_list_commands) {
        throw_invalid("cannot add to the list: it has " +
                      std::to_string(device_->limits().max_list_commands) +
                      " commands, the most that this card runs as one list; split it");
    }
    accel_command raw;
    std::memcpy(&raw, CommandAccess::words(command).data(), sizeof(raw));
    const auto params = CommandAccess::params(command);
    const auto named_uses = CommandAccess::uses(command);
    const auto uses = nesting_.without_slices(named_uses);
    check_control(raw);

    // Everything that can throw comes first, so that an exception leaves the list unchanged.
    std::size_t owners = 0;
    std::size_t arguments = requirements_.size();
    for (const auto& use : uses) {
        check_space(use.operand, device_.get());
        owners += CommandAccess::owner(use.operand) ? 1 : 0;
        if (CommandAccess::kind(use.operand) == CommandAccess::Kind::argument) {
            arguments = std::max<std::size_t>(arguments, CommandAccess::argument(use.operand) + 1U);
            check_number(CommandAccess::argument(use.operand));
        }
    }
    const std::size_t params_at =
        (params_.size() + params_alignment - 1) / params_alignment * params_alignment;
    grow(owners_, owners_.size() + owners);
    grow(requirements_, arguments);
    grow(params_, params_at + params.size());
    grow(with_params_, with_params_.size() + 1);
    grow(commands_, commands_.size() + 1);

    while (requirements_.size() < arguments) {
        requirements_.push_back({.operand = {}, .bytes = 0, .alignment = 1, .access = Access{}});
    }
    for (const auto& use : uses) {
        if (CommandAccess::owner(use.operand)) {
            owners_.push_back(CommandAccess::owner(use.operand));
        }
        if (CommandAccess::kind(use.operand) == CommandAccess::Kind::argument) {
            merge(requirements_[CommandAccess::argument(use.operand)], use);
        }
    }
    nesting_.add(raw, named_uses, uses, commands_.size());
    if (!params.empty()) {
        raw.tensor.params = params_at;  // close() turns this offset into an address
        with_params_.push_back(size());
        params_.resize(params_at);
        params_.insert(params_.end(), params.begin(), params.end());
    }
    commands_.push_back(raw);
}

// Throws if a call on this card cannot have an argument.
void ListImpl::check_number(std::uint32_t argument) const {
    const std::uint32_t most = device_->limits().max_call_arguments;
    if (argument >= most) {
        throw_invalid("there is no argument " + std::to_string(argument) +
                      ": a call on this card has at most " + std::to_string(most) +
                      " arguments; combine buffers");
    }
}

// Throws if the card, or this place of the list, cannot have a command.
void ListImpl::check_control(const accel_command& raw) const {
    const bool controls = raw.opcode == ACCEL_OP_LOOP || raw.opcode == ACCEL_OP_SKIP ||
                          raw.opcode == ACCEL_OP_SET_ARGUMENT;
    if (controls && (device_->limits().features & ACCEL_FEATURE_LOOPS) == 0) {
        throw Error(std::errc::not_supported,
                    "the lists of this card have no loops: record the commands again for each "
                    "pass, or use a card with FEATURE_LOOPS");
    }
    if (raw.opcode == ACCEL_OP_SET_ARGUMENT) {
        check_number(raw.set_argument.argument);
    }
    nesting_.check(raw, commands_.size());
}

void ListImpl::name_argument(std::uint32_t argument, std::string name) {
    if (closed()) {
        throw_invalid("cannot name an argument of a list that is closed: name it before close()");
    }
    check_number(argument);
    if (argument >= names_.size()) {
        names_.resize(argument + 1U);
    }
    names_[argument] = std::move(name);
}

void ListImpl::close() {
    if (closed()) {
        return;
    }
    if (commands_.empty()) {
        throw_invalid("cannot close an empty list: record a command first");
    }
    nesting_.check_end(commands_.size(), requirements_.size());
    const std::size_t commands_bytes = commands_.size() * sizeof(accel_command);
    const Placement placement =
        placement_ == Placement::device ? Placement::device_mapped : placement_;
    Allocation memory = allocate(device_, commands_bytes + params_.size(),
                                 {.placement = placement, .access = Access::read});
    for (const std::uint32_t index : with_params_) {
        commands_[index].tensor.params += memory.address + commands_bytes;
    }
    auto* data = static_cast<std::byte*>(memory.data);
    std::memcpy(data, commands_.data(), commands_bytes);
    std::copy(params_.begin(), params_.end(), data + commands_bytes);
    // Write-combining buffers may still hold the list; a doorbell must not overtake it.
    full_fence();
    memory_ = std::move(memory);
}

}  // namespace accel::detail
