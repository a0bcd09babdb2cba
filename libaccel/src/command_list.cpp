// SPDX-License-Identifier: Apache-2.0
#include "accel/command_list.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "fence.hpp"
#include "list_impl.hpp"
#include "memory.hpp"

namespace accel {

namespace detail {

namespace {

constexpr std::size_t params_alignment = 16;

void merge(CommandAccess::Use& need, const Operand& argument, const CommandAccess::Use& use) {
    need.bytes = std::max(need.bytes, CommandAccess::address(argument) + use.bytes);
    need.alignment = std::max(need.alignment, use.alignment);
    need.access =
        static_cast<Access>(static_cast<unsigned>(need.access) | static_cast<unsigned>(use.access));
}

}  // namespace

void ListImpl::add(const Command& command) {
    if (closed()) {
        throw_invalid("the list is closed: make a new one to record other commands");
    }
    if (commands_.size() >= device()->limits().list_commands) {
        throw_invalid("the list already has the " +
                      std::to_string(device()->limits().list_commands) +
                      " commands that this card calls at once: split it");
    }
    accel_command raw;
    std::memcpy(&raw, CommandAccess::words(command).data(), sizeof(raw));
    const auto params = CommandAccess::params(command);
    const auto uses = CommandAccess::uses(command);

    // All that can throw comes first, so that a list is never half a command longer.
    std::size_t owners = 0;
    std::size_t arguments = needs_.size();
    for (const auto& use : uses) {
        check_space(use.operand, device().get());
        owners += CommandAccess::owner(use.operand) ? 1 : 0;
        if (CommandAccess::kind(use.operand) == CommandAccess::Kind::argument) {
            arguments = std::max<std::size_t>(arguments, CommandAccess::argument(use.operand) + 1U);
        }
    }
    const auto grow = [](auto& vector, std::size_t size) {
        if (size > vector.capacity()) {
            vector.reserve(std::max(size, 2 * vector.capacity()));
        }
    };
    const std::size_t params_at =
        (params_.size() + params_alignment - 1) / params_alignment * params_alignment;
    grow(owners_, owners_.size() + owners);
    grow(needs_, arguments);
    grow(params_, params_at + params.size());
    grow(with_params_, with_params_.size() + 1);
    grow(commands_, commands_.size() + 1);

    while (needs_.size() < arguments) {
        needs_.push_back({.operand = {}, .bytes = 0, .alignment = 1, .access = Access{}});
    }
    for (const auto& use : uses) {
        if (CommandAccess::owner(use.operand)) {
            owners_.push_back(CommandAccess::owner(use.operand));
        }
        if (CommandAccess::kind(use.operand) == CommandAccess::Kind::argument) {
            merge(needs_[CommandAccess::argument(use.operand)], use.operand, use);
        }
    }
    if (!params.empty()) {
        raw.tensor.params = params_at;  // close() makes it an address
        with_params_.push_back(size());
        params_.resize(params_at);
        params_.insert(params_.end(), params.begin(), params.end());
    }
    commands_.push_back(raw);
}

void ListImpl::close() {
    if (closed()) {
        return;
    }
    if (commands_.empty()) {
        throw_invalid("the list is empty: record a command before it is closed");
    }
    const std::size_t commands_bytes = commands_.size() * sizeof(accel_command);
    const Placement placement =
        placement_ == Placement::device ? Placement::device_mapped : placement_;
    Allocation memory = allocate(device(), commands_bytes + params_.size(),
                                 {.placement = placement, .access = Access::read});
    for (const std::uint32_t index : with_params_) {
        commands_[index].tensor.params += memory.address + commands_bytes;
    }
    auto* to = static_cast<std::byte*>(memory.data);
    std::memcpy(to, commands_.data(), commands_bytes);
    std::copy(params_.begin(), params_.end(), to + commands_bytes);
    // A window that combines writes may still hold them; the doorbell must not overtake them.
    full_fence();
    memory_ = std::move(memory);
}

}  // namespace detail

CommandList::CommandList(std::shared_ptr<detail::ListImpl> impl) noexcept
    : impl_(std::move(impl)) {}
CommandList::CommandList(CommandList&&) noexcept = default;
CommandList& CommandList::operator=(CommandList&&) noexcept = default;
CommandList::~CommandList() = default;

CommandList& CommandList::add(const Command& command) {
    detail::ListAccess::impl(*this)->add(command);
    return *this;
}

void CommandList::close() {
    detail::ListAccess::impl(*this)->close();
}
bool CommandList::closed() const {
    return detail::ListAccess::impl(*this)->closed();
}
std::size_t CommandList::size() const {
    return detail::ListAccess::impl(*this)->size();
}
std::uint32_t CommandList::arguments() const {
    return detail::ListAccess::impl(*this)->arguments();
}

}  // namespace accel
