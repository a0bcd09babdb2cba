// SPDX-License-Identifier: Apache-2.0
//
// Checks of operands against what a command requires of them.
#include "command_access.hpp"

#include <accel_hw.h>

#include "throw_error.hpp"

namespace accel::detail {

namespace {

bool allows(Access granted, Access wanted) {
    return (static_cast<unsigned>(wanted) & ~static_cast<unsigned>(granted)) == 0;
}

const char* to_text(Access access) {
    switch (access) {
        case Access::read:
            return "read";
        case Access::write:
            return "write";
        case Access::read_write:
            break;
    }
    return "read and write";
}

}  // namespace

std::string OperandName::text() const {
    if (type_ == nullptr) {
        const bool named = argument_ < names_->size() && !(*names_)[argument_].empty();
        return named ? (*names_)[argument_] : "argument " + std::to_string(argument_);
    }
    return field_ == nullptr ? type_ : std::string(type_) + "::" + field_;
}

void throw_too_far(OperandName name) {
    throw_invalid(name.text() + " extends past the card's address space of 2^48 bytes");
}

void check_operand(const Operand& operand, const CommandAccess::Use& use, OperandName name) {
    const std::uint64_t address = CommandAccess::address(operand);
    switch (CommandAccess::kind(operand)) {
        case CommandAccess::Kind::none:
            throw_invalid(name.text() +
                          " is not set, or its buffer is empty or was moved from: "
                          "pass a buffer, an address or an argument()");
        case CommandAccess::Kind::argument:
            if (CommandAccess::argument(operand) >= ACCEL_CALL_ARGS_MAX) {
                throw_invalid(name.text() + " is argument " +
                              std::to_string(CommandAccess::argument(operand)) +
                              ", but a call has at most " + std::to_string(ACCEL_CALL_ARGS_MAX) +
                              " arguments: use fewer, or combine buffers");
            }
            if (address > ACCEL_ARG_OFFSET) {
                throw_invalid(
                    name.text() +
                    " has an offset of more than 48 bits: check the offset of argument()");
            }
            if (use.bytes > ACCEL_ARG_OFFSET + 1 - address) {
                throw_too_far(name);
            }
            break;
        case CommandAccess::Kind::address:
            if ((address & ACCEL_ARG_FLAG) != 0) {
                throw_invalid(name.text() +
                              " is an address with bit 63 set, which marks arguments: pass "
                              "argument() instead");
            }
            break;
        case CommandAccess::Kind::buffer:
            if (use.bytes > CommandAccess::bytes(operand)) {
                throw_invalid(name.text() + " touches " + std::to_string(use.bytes) +
                              " bytes of a buffer of " +
                              std::to_string(CommandAccess::bytes(operand)) +
                              " bytes: check the sizes and strides of the command");
            }
            if (!allows(CommandAccess::access(operand), use.access)) {
                throw_invalid("the card must " + std::string(to_text(use.access)) + " " +
                              name.text() + " but may only " +
                              to_text(CommandAccess::access(operand)) +
                              " that buffer: allocate it with another BufferOptions::access");
            }
            break;
    }
    if (address % use.alignment != 0) {
        throw_invalid(name.text() + " is not aligned to " + std::to_string(use.alignment) +
                      " bytes: check the offset of the slice, the address or the argument()");
    }
}

void check_space(const Operand& operand, const void* space) {
    if (CommandAccess::space(operand) != nullptr && CommandAccess::space(operand) != space) {
        throw_invalid(
            "a buffer belongs to another device than the queue or list that uses it: allocate it "
            "on "
            "that device, or export and import its memory");
    }
}

std::uint64_t encoded_address(const Operand& operand) {
    const std::uint64_t address = CommandAccess::address(operand);
    if (CommandAccess::kind(operand) == CommandAccess::Kind::argument) {
        return ACCEL_ARG(CommandAccess::argument(operand), address);
    }
    return address;
}

}  // namespace accel::detail
