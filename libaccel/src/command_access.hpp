// SPDX-License-Identifier: Apache-2.0
//
// The inside of Command and Operand, for the queue and the list that place them.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "accel/command.hpp"
#include "tracked_object.hpp"

namespace accel::detail {

struct CommandAccess {
    using Use = Command::Use;
    using Kind = Operand::Kind;

    static constexpr std::size_t max_params = Command::max_params;
    static constexpr std::size_t max_uses = Command::max_uses;

    static Command make() { return {}; }
    static auto& words(Command& command) { return command.words_; }
    static const auto& words(const Command& command) { return command.words_; }
    static auto& params(Command& command) { return command.params_; }
    static std::uint32_t& params_size(Command& command) { return command.params_size_; }
    static std::span<const std::byte> params(const Command& command) {
        return {command.params_.data(), command.params_size_};
    }
    static std::span<const Use> uses(const Command& command) {
        return {command.uses_.data(), command.use_count_};
    }
    static void add(Command& command, Use use) {
        const Operand& operand = use.operand;
        command.has_arguments_ |= operand.kind_ == Kind::argument;
        if (operand.space_ != nullptr) {
            const bool other = command.space_ != nullptr && command.space_ != operand.space_;
            command.space_ = other ? &several_spaces : operand.space_;
        }
        if (operand.owner_) {
            command.resources_[command.resource_count_++] = operand.owner_.get();
        }
        command.uses_[command.use_count_++] = std::move(use);
    }
    static std::span<const void* const> resources(const Command& command) {
        return {command.resources_.data(), command.resource_count_};
    }
    /// Whether all of it is in `space`, and none of it an argument.
    static bool fits(const Command& command, const void* space) {
        return (command.space_ == nullptr || command.space_ == space) && !command.has_arguments_;
    }
    static std::uint32_t params_size(const Command& command) { return command.params_size_; }

    static const Resource* resource(const Operand& operand) {
        return static_cast<const Resource*>(operand.owner_.get());
    }
    static Kind kind(const Operand& operand) { return operand.kind_; }
    static const std::shared_ptr<const void>& owner(const Operand& operand) {
        return operand.owner_;
    }
    static std::uint64_t address(const Operand& operand) { return operand.address_; }
    static const void* space(const Operand& operand) { return operand.space_; }
    static std::uint64_t bytes(const Operand& operand) { return operand.bytes_; }
    static std::uint32_t argument(const Operand& operand) { return operand.argument_; }
    static Access access(const Operand& operand) { return operand.access_; }

    /// The space of a command whose buffers are of different devices: nobody's.
    static constexpr char several_spaces = 0;

    /// The operand from `offset` bytes on, no longer than `bytes`.
    static Operand part(const Operand& operand, std::uint64_t offset, std::uint64_t bytes) {
        Operand other = operand;
        other.address_ += offset;
        other.bytes_ = bytes;
        return other;
    }
};

/// What a message calls an operand: a field of a command, or an argument of a call. It becomes text
/// only when there is a message.
class Name {
  public:
    /// Without a field: just `type`.
    constexpr Name(const char* type, const char* field) noexcept : type_(type), field_(field) {}
    explicit constexpr Name(std::uint32_t argument) noexcept : argument_(argument) {}

    [[nodiscard]] std::string text() const;

  private:
    const char* type_ = nullptr;  // null: an argument
    const char* field_ = nullptr;
    std::uint32_t argument_ = 0;
};

/// Throws unless `operand` can stand for `use`.
void check_operand(const Operand& operand, const CommandAccess::Use& use, Name name);

/// Throws if `operand` is a buffer of another device than `space`.
void check_space(const Operand& operand, const void* space);

/// What the card finds in a command: an address, or ACCEL_ARG.
[[nodiscard]] std::uint64_t encoded_address(const Operand& operand);

}  // namespace accel::detail
