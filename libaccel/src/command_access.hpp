// SPDX-License-Identifier: Apache-2.0
//
// The internals of Command and Operand, for queues and lists; and checks of operands.
#pragma once

#include <cstddef>
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
        command.only_in_list_ |= operand.kind_ == Kind::argument;
        if (operand.space_ != nullptr) {
            const bool other = command.space_ != nullptr && command.space_ != operand.space_;
            command.space_ = other ? &several_spaces : operand.space_;
        }
        if (operand.owner_) {
            command.owners_[command.owner_count_++] = operand.owner_.get();
        }
        command.uses_[command.use_count_++] = std::move(use);
    }
    /// The owners of all buffers of a command; each points to a TrackedObject.
    static std::span<const void* const> owners(const Command& command) {
        return {command.owners_.data(), command.owner_count_};
    }
    static void set_only_in_list(Command& command) { command.only_in_list_ = true; }
    /// Whether all buffers of the command are of device `space`, and a ring may hold it.
    static bool fits(const Command& command, const void* space) {
        return (command.space_ == nullptr || command.space_ == space) && !command.only_in_list_;
    }
    static std::uint32_t params_size(const Command& command) { return command.params_size_; }

    static const TrackedObject* tracked_object(const Operand& operand) {
        return static_cast<const TrackedObject*>(operand.owner_.get());
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

    /// The `space` of a command whose buffers are of different devices: it matches no device.
    static constexpr char several_spaces = 0;

    /// The part of a buffer or address that starts `offset` bytes in and has `bytes` bytes.
    static Operand part(const Operand& operand, std::uint64_t offset, std::uint64_t bytes) {
        Operand other = operand;
        other.address_ += offset;
        other.bytes_ = bytes;
        return other;
    }
};

/// The name of an operand in a message: a field of a command, or an argument of a call. The text is
/// made only when there is a message.
class OperandName {
  public:
    /// "type::field", or "type" if `field` is null.
    constexpr OperandName(const char* type, const char* field) noexcept
        : type_(type), field_(field) {}
    /// The text is made of `names`, by argument. They live as long as this object.
    OperandName(std::uint32_t argument, const std::vector<std::string>& names) noexcept
        : names_(&names), argument_(argument) {}

    [[nodiscard]] std::string text() const;

  private:
    const char* type_ = nullptr;  // null: an argument
    const char* field_ = nullptr;
    const std::vector<std::string>* names_ = nullptr;  // of arguments
    std::uint32_t argument_ = 0;
};

/// Throws unless `operand` has the bytes, the alignment and the access that `use` requires.
void check_operand(const Operand& operand, const CommandAccess::Use& use, OperandName name);

/// Throws if `operand` is a buffer of a device other than `space`.
void check_space(const Operand& operand, const void* space);

/// Throws because the operand does not fit the address space of the card.
[[noreturn]] void throw_too_far(OperandName name);

/// The operand as the card reads it: an address, or an argument in the form of ACCEL_ARG().
[[nodiscard]] std::uint64_t encoded_address(const Operand& operand);

}  // namespace accel::detail
