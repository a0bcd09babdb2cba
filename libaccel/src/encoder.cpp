// SPDX-License-Identifier: Apache-2.0
//
// Checked arithmetic on sizes, and the encoding of numeric formats.
#include "encoder.hpp"

#include <algorithm>

namespace accel::detail {

namespace {

constexpr std::uint64_t address_space = 1ULL << ACCEL_VA_BITS;

}  // namespace

std::uint64_t product(std::uint64_t a, std::uint64_t b, OperandName name) {
    std::uint64_t result = 0;
    if (__builtin_mul_overflow(a, b, &result) || result > address_space) {
        throw_too_far(name);
    }
    return result;
}

std::uint64_t sum(std::uint64_t a, std::uint64_t b, OperandName name) {
    std::uint64_t result = 0;
    if (__builtin_add_overflow(a, b, &result) || result > address_space) {
        throw_too_far(name);
    }
    return result;
}

std::uint64_t strided_bytes(std::uint64_t rows, std::uint64_t stride, std::uint64_t row_bytes,
                            OperandName name) {
    if (rows == 0 || row_bytes == 0) {
        return 0;
    }
    return sum(product(rows - 1, stride, name), row_bytes, name);
}

std::uint64_t dense_bytes(std::uint32_t outer, std::uint32_t n, std::uint32_t inner,
                          std::uint32_t element_size, OperandName name) {
    return product(product(product(outer, n, name), inner, name), element_size, name);
}

std::uint32_t to_u32(std::uint64_t value, OperandName name) {
    if (value > UINT32_MAX) {
        throw_invalid(name.text() + " has the value " + std::to_string(value) +
                      ", which does not fit 32 bits: make it smaller");
    }
    return static_cast<std::uint32_t>(value);
}

StridedLayout strided_layout(const Shape& shape, const Shape& strides, std::uint32_t element_size,
                             OperandName name) {
    if (!strides.empty() && strides.rank() != shape.rank()) {
        throw_invalid(name.text() + " has " + std::to_string(strides.rank()) + " strides for " +
                      std::to_string(shape.rank()) +
                      " dimensions: give one for each, or none for a dense tensor");
    }
    StridedLayout result;
    const bool no_elements = std::find(shape.begin(), shape.end(), 0) != shape.end();
    std::uint64_t last = 0;
    std::uint64_t dense = 1;
    for (std::size_t i = shape.rank(); i-- > 0;) {
        const std::uint64_t stride = strides.empty() ? dense : strides[i];
        result.strides.at(i) = to_u32(stride, name);
        if (!no_elements) {
            last = sum(last, product(shape[i] - 1, stride, name), name);
            dense = product(dense, shape[i], name);
        }
    }
    result.bytes = no_elements ? 0 : product(sum(last, 1, name), element_size, name);
    return result;
}

accel_numeric_format to_raw(const NumericFormat& format, OperandName name) {
    const auto integer = [](DataType type) { return type == DataType::i8 || type == DataType::u8; };
    const auto real = [](DataType type) {
        return type == DataType::f32 || type == DataType::bf16 || type == DataType::f16;
    };
    const auto zero = [&](DataType type, std::int16_t value) {
        const bool fits = type == DataType::i8   ? value >= -128 && value <= 127
                          : type == DataType::u8 ? value >= 0 && value <= 255
                                                 : value == 0;
        if (!fits) {
            throw_invalid(name.text() + " has a zero point of " + std::to_string(value) +
                          ", which its data type cannot hold: use one in its range");
        }
        return static_cast<std::uint8_t>(value);
    };
    const bool bytes =
        integer(format.a_type) && integer(format.b_type) && !format.accumulate &&
        (format.requantize ? integer(format.result_type) || format.result_type == DataType::f32
                           : format.result_type == DataType::i32);
    const bool floats = real(format.a_type) && real(format.b_type) && real(format.result_type) &&
                        !format.requantize &&
                        (!format.accumulate || format.result_type == DataType::f32);
    if (!bytes && !floats) {
        throw_invalid(name.text() +
                      " combines data types that the card does not support: floats give floats; i8 "
                      "and u8 give i32, or with requantize f32, i8 or u8");
    }
    accel_numeric_format raw{};
    raw.src1_type = static_cast<std::uint8_t>(format.b_type);
    raw.dst_type = static_cast<std::uint8_t>(format.result_type);
    raw.src0_zero = zero(format.a_type, format.a_zero_point);
    raw.src1_zero = zero(format.b_type, format.b_zero_point);
    raw.dst_zero = zero(format.result_type, format.result_zero_point);
    return raw;
}

std::uint32_t channel_bytes(const NumericFormat& format) {
    return format.requantize ? sizeof(accel_channel_quant) : f32_bytes;
}

}  // namespace accel::detail
