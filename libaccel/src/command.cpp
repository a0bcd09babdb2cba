// SPDX-License-Identifier: Apache-2.0
//
// Raw commands and completion records. A file command_*.cpp for each family has the constructors.
#include "accel/command.hpp"

#include <accel_hw.h>

#include <cstring>

#include "command_access.hpp"
#include "throw_error.hpp"

namespace accel {

Command Command::raw(const std::array<std::byte, 64>& bytes) {
    Command command;
    std::memcpy(command.words_.data(), bytes.data(), bytes.size());
    return command;
}

Command Command::with_record(const Operand& record) const {
    constexpr std::uint32_t bytes = sizeof(CompletionRecord);
    Command other = *this;
    accel_command raw;
    std::memcpy(&raw, words_.data(), sizeof(raw));
    if ((raw.flags & ACCEL_CMD_RECORD) != 0) {
        detail::throw_invalid(
            "the command already has a completion record: call with_record() once for each "
            "command");
    }
    Use use{record, bytes, alignof(CompletionRecord), Access::write};
    detail::check_operand(record, use, detail::OperandName("the record", nullptr));
    detail::CommandAccess::add(other, std::move(use));
    raw.flags |= ACCEL_CMD_RECORD;
    raw.record = detail::encoded_address(record);
    std::memcpy(other.words_.data(), &raw, sizeof(raw));
    return other;
}

}  // namespace accel
