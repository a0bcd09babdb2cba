// SPDX-License-Identifier: Apache-2.0
#include "encoder.hpp"

namespace accel::detail {

std::string Name::text() const {
    if (type_ == nullptr) {
        return "argument " + std::to_string(argument_);
    }
    return field_ == nullptr ? type_ : std::string(type_) + "::" + field_;
}

namespace {

constexpr std::uint64_t address_space = 1ULL << ACCEL_VA_BITS;

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

[[noreturn]] void throw_too_far(Name name) {
    throw_invalid(name.text() + " passes the card's address space of 2^48 bytes");
}

}  // namespace

std::uint64_t product(std::uint64_t a, std::uint64_t b, Name name) {
    std::uint64_t result = 0;
    if (__builtin_mul_overflow(a, b, &result) || result > address_space) {
        throw_too_far(name);
    }
    return result;
}

std::uint64_t sum(std::uint64_t a, std::uint64_t b, Name name) {
    std::uint64_t result = 0;
    if (__builtin_add_overflow(a, b, &result) || result > address_space) {
        throw_too_far(name);
    }
    return result;
}

std::uint64_t extent(std::uint64_t rows, std::uint64_t stride, std::uint64_t row, Name name) {
    if (rows == 0 || row == 0) {
        return 0;
    }
    return sum(product(rows - 1, stride, name), row, name);
}

std::uint64_t tensor(std::uint32_t outer, std::uint32_t n, std::uint32_t inner,
                     std::uint32_t element, Name name) {
    return product(product(product(outer, n, name), inner, name), element, name);
}

std::uint32_t to_u32(std::uint64_t value, Name name) {
    if (value > UINT32_MAX) {
        throw_invalid(name.text() + " does not fit 32 bits");
    }
    return static_cast<std::uint32_t>(value);
}

accel_numeric_format to_raw(const NumericFormat& format, Name name) {
    const auto integer = [](DataType type) { return type == DataType::i8 || type == DataType::u8; };
    const auto real = [](DataType type) {
        return type == DataType::f32 || type == DataType::bf16 || type == DataType::f16;
    };
    const auto zero = [&](DataType type, std::int16_t value) {
        const bool fits = type == DataType::i8   ? value >= -128 && value <= 127
                          : type == DataType::u8 ? value >= 0 && value <= 255
                                                 : value == 0;
        if (!fits) {
            throw_invalid(name.text() + " has a zero point that its type does not hold");
        }
        return static_cast<std::uint8_t>(value);
    };
    const bool bytes =
        integer(format.a) && integer(format.b) && !format.accumulate &&
        (format.requantize ? integer(format.result) || format.result == DataType::f32
                            : format.result == DataType::i32);
    const bool floats = real(format.a) && real(format.b) && real(format.result) &&
                        !format.requantize && (!format.accumulate || format.result == DataType::f32);
    if (!bytes && !floats) {
        throw_invalid(name.text() +
                      " combines types that the card does not: floats give floats; i8 and u8 give "
                      "i32, or with requantize f32, i8 or u8");
    }
    accel_numeric_format raw{};
    raw.src1_type = static_cast<std::uint8_t>(format.b);
    raw.dst_type = static_cast<std::uint8_t>(format.result);
    raw.src0_zero = zero(format.a, format.a_zero_point);
    raw.src1_zero = zero(format.b, format.b_zero_point);
    raw.dst_zero = zero(format.result, format.result_zero_point);
    return raw;
}

std::uint32_t channel_bytes(const NumericFormat& format) {
    return format.requantize ? sizeof(accel_channel_quant) : f32_bytes;
}

void check_operand(const Operand& operand, const CommandAccess::Use& use, Name name) {
    const std::uint64_t address = CommandAccess::address(operand);
    switch (CommandAccess::kind(operand)) {
        case CommandAccess::Kind::none:
            throw_invalid(name.text() + " is not set, or its buffer is empty or was moved from");
        case CommandAccess::Kind::argument:
            if (CommandAccess::argument(operand) >= ACCEL_CALL_ARGS_MAX) {
                throw_invalid(name.text() + " is argument " +
                              std::to_string(CommandAccess::argument(operand)) +
                              ", and a call has at most " + std::to_string(ACCEL_CALL_ARGS_MAX));
            }
            if (address > ACCEL_ARG_OFFSET) {
                throw_invalid(name.text() + " has an offset of more than 48 bits");
            }
            if (use.bytes > ACCEL_ARG_OFFSET + 1 - address) {
                throw_too_far(name);
            }
            break;
        case CommandAccess::Kind::address:
            if ((address & ACCEL_ARG_FLAG) != 0) {
                throw_invalid(
                    name.text() +
                    " is an address with bit 63 set, which marks arguments: use argument()");
            }
            break;
        case CommandAccess::Kind::buffer:
            if (use.bytes > CommandAccess::bytes(operand)) {
                throw_invalid(name.text() + " touches " + std::to_string(use.bytes) +
                              " bytes of a buffer of " +
                              std::to_string(CommandAccess::bytes(operand)));
            }
            if (!allows(CommandAccess::access(operand), use.access)) {
                throw_invalid("the card must " + std::string(to_text(use.access)) + " " +
                              name.text() + " and may only " +
                              to_text(CommandAccess::access(operand)) +
                              " that buffer: see BufferOptions::access");
            }
            break;
    }
    if (address % use.alignment != 0) {
        throw_invalid(name.text() + " is not aligned to " + std::to_string(use.alignment) +
                      " bytes");
    }
}

void check_space(const Operand& operand, const void* space) {
    if (CommandAccess::space(operand) != nullptr && CommandAccess::space(operand) != space) {
        throw_invalid("a buffer belongs to another device than the queue or list that uses it");
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
