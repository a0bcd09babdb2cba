// SPDX-License-Identifier: Apache-2.0
//
// Commands in files: the 64 bytes, what they use of the arguments, and the parameters.
#include <accel_hw.h>

#include <bit>
#include <cstring>
#include <type_traits>

#include "accel/command.hpp"
#include "command_access.hpp"
#include "errors.hpp"

namespace accel {

using detail::CommandAccess;

namespace {

struct SavedHead {
    std::array<std::byte, ACCEL_COMMAND_SIZE> words;
    std::uint32_t uses;
    std::uint32_t params;  // bytes
};

struct SavedUse {
    std::uint64_t offset;
    std::uint64_t bytes;
    std::uint32_t argument;
    std::uint16_t alignment;
    std::uint16_t access;
};

static_assert(std::has_unique_object_representations_v<SavedHead>);
static_assert(std::has_unique_object_representations_v<SavedUse>);

void append(std::vector<std::byte>& to, const void* from, std::size_t bytes) {
    const auto* const first = static_cast<const std::byte*>(from);
    to.insert(to.end(), first, first + bytes);
}

[[noreturn]] void refuse() {
    detail::throw_invalid("these bytes are no command that Command::serialize() gave");
}

}  // namespace

std::vector<std::byte> Command::serialize() const {
    std::vector<std::byte> bytes;
    SavedHead head{.words = {}, .uses = use_count_, .params = params_size_};
    std::memcpy(head.words.data(), words_.data(), head.words.size());
    append(bytes, &head, sizeof head);
    for (const Use& use : CommandAccess::uses(*this)) {
        if (CommandAccess::kind(use.operand) != CommandAccess::Kind::argument) {
            detail::throw_invalid("only a command whose operands are arguments can be saved");
        }
        const SavedUse saved{.offset = CommandAccess::address(use.operand),
                             .bytes = use.bytes,
                             .argument = CommandAccess::argument(use.operand),
                             .alignment = static_cast<std::uint16_t>(use.alignment),
                             .access = static_cast<std::uint16_t>(use.access)};
        append(bytes, &saved, sizeof saved);
    }
    append(bytes, params_.data(), params_size_);
    return bytes;
}

Command Command::deserialize(std::span<const std::byte> bytes) {
    SavedHead head{};
    if (bytes.size() < sizeof head) {
        refuse();
    }
    std::memcpy(&head, bytes.data(), sizeof head);
    bytes = bytes.subspan(sizeof head);
    if (head.uses > max_uses || head.params > max_params ||
        bytes.size() != head.uses * sizeof(SavedUse) + head.params) {
        refuse();
    }
    Command command;
    std::memcpy(command.words_.data(), head.words.data(), head.words.size());
    for (std::uint32_t i = 0; i < head.uses; ++i) {
        SavedUse saved{};
        std::memcpy(&saved, bytes.data(), sizeof saved);
        bytes = bytes.subspan(sizeof saved);
        std::uint64_t end = 0;
        if (saved.argument >= ACCEL_CALL_ARGS_MAX || saved.offset > ACCEL_ARG_OFFSET ||
            !std::has_single_bit(saved.alignment) || saved.access < 1 || saved.access > 3 ||
            __builtin_add_overflow(saved.offset, saved.bytes, &end)) {
            refuse();
        }
        CommandAccess::add(command, {argument(saved.argument, saved.offset), saved.bytes,
                                     saved.alignment, static_cast<Access>(saved.access)});
    }
    std::memcpy(command.params_.data(), bytes.data(), head.params);
    command.params_size_ = head.params;
    return command;
}

}  // namespace accel
