// SPDX-License-Identifier: Apache-2.0
//
// Checking and encoding commands that move bytes and order queues; command_tensor.cpp and
// command_image.cpp have those that compute. What is found here would be found by the card, too,
// but later, and it would stop the queue.
#include "accel/command.hpp"

#include <accel_hw.h>

#include <bit>
#include <string>

#include "encoder.hpp"

namespace accel {

namespace {

using detail::Encoder;
using detail::f32_bytes;
void encode_semaphore(Command& command, const char* type, std::uint8_t opcode, const Operand& word,
                      std::uint64_t value, Access access) {
    Encoder encoder(command, type, opcode);
    encoder.raw().semaphore.address = encoder.use("word", word, 8, access, 8);
    encoder.raw().semaphore.value = value;
    encoder.finish();
}

}  // namespace

Command::Command(const Nop& /*nop*/) {
    Encoder(*this, "Nop", ACCEL_OP_NOP).finish();
}

Command::Command(const Copy& copy) {
    Encoder encoder(*this, "Copy", ACCEL_OP_COPY);
    accel_copy& raw = encoder.raw().copy;
    raw.dst =
        encoder.use("dst", copy.dst,
                    detail::extent(copy.rows, copy.dst_stride, copy.bytes, encoder.name("dst")),
                    Access::write, 1);
    raw.src =
        encoder.use("src", copy.src,
                    detail::extent(copy.rows, copy.src_stride, copy.bytes, encoder.name("src")),
                    Access::read, 1);
    raw.bytes = copy.bytes;
    raw.dst_stride = copy.dst_stride;
    raw.src_stride = copy.src_stride;
    raw.rows = copy.rows;
    encoder.finish();
}

Command::Command(const Fill& fill) {
    Encoder encoder(*this, "Fill", ACCEL_OP_FILL);
    const std::uint32_t width = fill.pattern_bytes;
    if (width != 1 && width != 2 && width != 4 && width != 8) {
        detail::throw_invalid("Fill::pattern_bytes is 1, 2, 4 or 8, not " + std::to_string(width));
    }
    if (fill.bytes % width != 0 || fill.dst_stride % width != 0) {
        detail::throw_invalid("Fill::bytes and Fill::dst_stride are multiples of pattern_bytes");
    }
    accel_fill& raw = encoder.raw().fill;
    encoder.raw().variant = static_cast<std::uint16_t>(width);
    raw.dst =
        encoder.use("dst", fill.dst,
                    detail::extent(fill.rows, fill.dst_stride, fill.bytes, encoder.name("dst")),
                    Access::write, width);
    raw.pattern = fill.pattern;
    raw.bytes = fill.bytes;
    raw.dst_stride = fill.dst_stride;
    raw.rows = fill.rows;
    encoder.finish();
}

Command::Command(const Wait& wait) {
    encode_semaphore(*this, "Wait", ACCEL_OP_WAIT, wait.word, wait.value, Access::read);
}

Command::Command(const Signal& signal) {
    encode_semaphore(*this, "Signal", ACCEL_OP_SIGNAL, signal.word, signal.value, Access::write);
}

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
        detail::throw_invalid("the command already has a record");
    }
    Use use{record, bytes, alignof(CompletionRecord), Access::write};
    detail::check_operand(record, use, detail::Name("the record", nullptr));
    detail::CommandAccess::add(other, std::move(use));
    raw.flags |= ACCEL_CMD_RECORD;
    raw.record = detail::encoded_address(record);
    std::memcpy(other.words_.data(), &raw, sizeof(raw));
    return other;
}

}  // namespace accel
