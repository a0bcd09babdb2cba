// SPDX-License-Identifier: Apache-2.0
//
// Serialization of commands: the 64 bytes, the uses of arguments, and the parameters.
#include <accel_hw.h>

#include <bit>
#include <cstring>
#include <type_traits>

#include "accel/command.hpp"
#include "command_access.hpp"
#include "throw_error.hpp"

namespace accel {

using detail::CommandAccess;

namespace {

struct SerializedHead {
    std::array<std::byte, ACCEL_COMMAND_SIZE> words;
    std::uint32_t uses;
    std::uint32_t params;  // bytes
};

struct SerializedUse {
    std::uint64_t offset;
    std::uint64_t bytes;
    std::uint32_t argument;
    std::uint16_t alignment;
    std::uint16_t access;
};

static_assert(std::has_unique_object_representations_v<SerializedHead>);
static_assert(std::has_unique_object_representations_v<SerializedUse>);

void append(std::vector<std::byte>& to, const void* from, std::size_t bytes) {
    const auto* const first = static_cast<const std::byte*>(from);
    to.insert(to.end(), first, first + bytes);
}

[[noreturn]] void throw_malformed() {
    detail::throw_invalid(
        "these bytes are not a serialized command: pass bytes that Command::serialize() of this "
        "version of libaccel returned");
}

}  // namespace

std::vector<std::byte> Command::serialize() const {
    std::vector<std::byte> bytes;
    SerializedHead head{.words = {}, .uses = use_count_, .params = params_size_};
    std::memcpy(head.words.data(), words_.data(), head.words.size());
    append(bytes, &head, sizeof head);
    for (const Use& use : CommandAccess::uses(*this)) {
        if (CommandAccess::kind(use.operand) != CommandAccess::Kind::argument) {
            detail::throw_invalid(
                "cannot serialize a command with a buffer or an address: make all its operands "
                "argument()");
        }
        const SerializedUse serialized{.offset = CommandAccess::address(use.operand),
                                       .bytes = use.bytes,
                                       .argument = CommandAccess::argument(use.operand),
                                       .alignment = static_cast<std::uint16_t>(use.alignment),
                                       .access = static_cast<std::uint16_t>(use.access)};
        append(bytes, &serialized, sizeof serialized);
    }
    append(bytes, params_.data(), params_size_);
    return bytes;
}

Command Command::deserialize(std::span<const std::byte> bytes) {
    SerializedHead head{};
    if (bytes.size() < sizeof head) {
        throw_malformed();
    }
    std::memcpy(&head, bytes.data(), sizeof head);
    bytes = bytes.subspan(sizeof head);
    if (head.uses > max_uses || head.params > max_params ||
        bytes.size() != head.uses * sizeof(SerializedUse) + head.params) {
        throw_malformed();
    }
    Command command;
    std::memcpy(command.words_.data(), head.words.data(), head.words.size());
    for (std::uint32_t i = 0; i < head.uses; ++i) {
        SerializedUse serialized{};
        std::memcpy(&serialized, bytes.data(), sizeof serialized);
        bytes = bytes.subspan(sizeof serialized);
        std::uint64_t end = 0;
        if (serialized.argument >= ACCEL_CALL_ARGS_MAX || serialized.offset > ACCEL_ARG_OFFSET ||
            !std::has_single_bit(serialized.alignment) || serialized.access < 1 ||
            serialized.access > 3 ||
            __builtin_add_overflow(serialized.offset, serialized.bytes, &end)) {
            throw_malformed();
        }
        CommandAccess::add(command,
                           {argument(serialized.argument, serialized.offset), serialized.bytes,
                            serialized.alignment, static_cast<Access>(serialized.access)});
    }
    accel_command raw;
    std::memcpy(&raw, command.words_.data(), sizeof raw);
    command.only_in_list_ |= raw.opcode == ACCEL_OP_LOOP || raw.opcode == ACCEL_OP_SKIP ||
                             raw.opcode == ACCEL_OP_SET_ARGUMENT;
    std::memcpy(command.params_.data(), bytes.data(), head.params);
    command.params_size_ = head.params;
    return command;
}

}  // namespace accel
