// SPDX-License-Identifier: Apache-2.0
//
// Raw commands as text, for messages and for dumps of a card.
#include "command_text.hpp"

#include <accel_hw.h>

#include <cstring>
#include <string_view>

#include "accel/command.hpp"

namespace accel {

namespace detail {

std::string hex(std::uint64_t value) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    do {
        text.insert(text.begin(), digits[value & 15]);
        value >>= 4;
    } while (value != 0);
    return "0x" + text;
}

std::string command_name(std::uint32_t opcode) {
    switch (opcode) {
        case ACCEL_OP_NOP:
            return "NOP";
        case ACCEL_OP_CALL:
            return "CALL";
        case ACCEL_OP_WAIT:
            return "WAIT";
        case ACCEL_OP_SIGNAL:
            return "SIGNAL";
        case ACCEL_OP_LOOP:
            return "LOOP";
        case ACCEL_OP_SKIP:
            return "SKIP";
        case ACCEL_OP_SET_ARGUMENT:
            return "SET_ARGUMENT";
        case ACCEL_OP_COPY:
            return "COPY";
        case ACCEL_OP_FILL:
            return "FILL";
        case ACCEL_OP_TRANSFER:
            return "TRANSFER";
        case ACCEL_OP_GEMM:
            return "GEMM";
        case ACCEL_OP_ELEMENTWISE:
            return "ELEMENTWISE";
        case ACCEL_OP_SOFTMAX:
            return "SOFTMAX";
        case ACCEL_OP_REDUCE:
            return "REDUCE";
        case ACCEL_OP_CONV2D:
            return "CONV2D";
        case ACCEL_OP_POOL:
            return "POOL";
        case ACCEL_OP_TRANSPOSE:
            return "TRANSPOSE";
        case ACCEL_OP_GATHER:
            return "GATHER";
        case ACCEL_OP_RESIZE:
            return "RESIZE";
        case ACCEL_OP_SCATTER:
            return "SCATTER";
        case ACCEL_OP_ATTENTION:
            return "ATTENTION";
        default:
            return "opcode " + hex(opcode);
    }
}

}  // namespace detail

namespace {

using detail::hex;

// "name=value" pairs after the name of a command.
class Fields {
  public:
    explicit Fields(std::string name) : text_(std::move(name)) {}

    Fields& number(const char* name, std::uint64_t value) {
        text_ += std::string(" ") + name + "=" + std::to_string(value);
        return *this;
    }
    Fields& signed_number(const char* name, std::int64_t value) {
        text_ += std::string(" ") + name + "=" + std::to_string(value);
        return *this;
    }
    Fields& number_unless(std::uint64_t usual, const char* name, std::uint64_t value) {
        return value == usual ? *this : number(name, value);
    }
    Fields& address(const char* name, std::uint64_t value) {
        text_ += std::string(" ") + name + "=";
        if ((value & ACCEL_ARG_FLAG) != 0) {
            text_ += "argument(" + std::to_string((value & ~ACCEL_ARG_FLAG) >> ACCEL_ARG_SHIFT) +
                     ")+" + hex(value & ACCEL_ARG_OFFSET);
        } else {
            text_ += hex(value);
        }
        return *this;
    }
    Fields& address_if_set(const char* name, std::uint64_t value) {
        return value == 0 ? *this : address(name, value);
    }
    [[nodiscard]] std::string text() const { return text_; }

  private:
    std::string text_;
};

void add_call(Fields& fields, const accel_command& command) {
    const accel_call& call = command.call;
    fields.address("list", call.list)
        .number("count", call.count)
        .number("arguments", call.arguments);
    if ((command.variant & ACCEL_CALL_INDIRECT) != 0) {
        fields.address("table", call.args[0]);
        return;
    }
    for (std::uint32_t i = 0; i < call.arguments && i < ACCEL_CALL_ARGS_INLINE; ++i) {
        fields.address(("argument" + std::to_string(i)).c_str(), call.args[i]);
    }
}

void add_list_control(Fields& fields, const accel_command& command) {
    const accel_set_argument& set = command.set_argument;
    switch (command.opcode) {
        case ACCEL_OP_LOOP:
            fields.number("commands", command.loop.commands)
                .number_unless(UINT64_MAX, "limit", command.loop.limit)
                .address_if_set("count", command.loop.count)
                .address_if_set("condition", command.loop.condition)
                .address_if_set("index", command.loop.index);
            break;
        case ACCEL_OP_SKIP:
            fields.number("commands", command.skip.commands)
                .address(command.variant == 0 ? "if_zero" : "if_nonzero", command.skip.condition);
            break;
        default:
            fields.number("argument", set.argument).address("base", set.base);
            if (command.variant != 0) {
                fields.address_if_set("number", set.number)
                    .number("count", set.bound)
                    .signed_number("stride", static_cast<std::int64_t>(set.stride));
            }
    }
}

void add_memory(Fields& fields, const accel_command& command) {
    switch (command.opcode) {
        case ACCEL_OP_COPY:
            fields.address("dst", command.copy.dst)
                .address("src", command.copy.src)
                .number("bytes", command.copy.bytes)
                .number_unless(1, "rows", command.copy.rows)
                .number_unless(0, "dst_stride", command.copy.dst_stride)
                .number_unless(0, "src_stride", command.copy.src_stride);
            break;
        case ACCEL_OP_FILL:
            fields.address("dst", command.fill.dst)
                .address("pattern", command.fill.pattern)
                .number("pattern_bytes", command.variant)
                .number("bytes", command.fill.bytes)
                .number_unless(1, "rows", command.fill.rows)
                .number_unless(0, "dst_stride", command.fill.dst_stride);
            break;
        default:
            fields.address("dst", command.transfer.dst)
                .number("dst_count", command.transfer.dst_count)
                .address("src", command.transfer.src)
                .number("src_count", command.transfer.src_count)
                .number("bytes", command.transfer.bytes);
    }
}

void add_tensor(Fields& fields, const accel_tensor& tensor) {
    fields.address("dst", tensor.dst)
        .address("src0", tensor.src0)
        .address_if_set("src1", tensor.src1)
        .address_if_set("src2", tensor.src2)
        .address("params", tensor.params)
        .number("params_size", tensor.params_size);
}

}  // namespace

std::string describe_command(std::span<const std::byte, 64> bytes) {
    accel_command command;
    std::memcpy(&command, bytes.data(), sizeof(command));
    Fields fields(detail::command_name(command.opcode));
    switch (command.opcode) {
        case ACCEL_OP_NOP:
            break;
        case ACCEL_OP_CALL:
            add_call(fields, command);
            break;
        case ACCEL_OP_WAIT:
        case ACCEL_OP_SIGNAL:
            fields.address("address", command.semaphore.address)
                .number("value", command.semaphore.value);
            break;
        case ACCEL_OP_LOOP:
        case ACCEL_OP_SKIP:
        case ACCEL_OP_SET_ARGUMENT:
            add_list_control(fields, command);
            break;
        case ACCEL_OP_COPY:
        case ACCEL_OP_FILL:
        case ACCEL_OP_TRANSFER:
            add_memory(fields, command);
            break;
        default:
            if (command.opcode >= ACCEL_OP_GEMM && command.opcode <= ACCEL_OP_ATTENTION) {
                add_tensor(fields, command.tensor);
            } else {
                for (const std::uint64_t word : command.words) {
                    fields.address_if_set("word", word);
                }
            }
    }
    if ((command.flags & ACCEL_CMD_RECORD) != 0) {
        fields.address("record", command.record);
    }
    fields.number_unless(0, "unknown_flags", command.flags & ~ACCEL_CMD_FLAGS)
        .number_unless(0, "reserved", command.reserved);
    return fields.text();
}

}  // namespace accel
