// SPDX-License-Identifier: GPL-2.0
#include "arithmetic.hpp"

#include <algorithm>
#include <cmath>

#include "number.hpp"

namespace accel::card {

namespace {

[[nodiscard]] bool is_float(std::uint8_t type) {
    return type == ACCEL_TYPE_F32 || type == ACCEL_TYPE_BF16 || type == ACCEL_TYPE_F16;
}

}  // namespace

Arithmetic::Arithmetic(Execution& execution, std::uint8_t type, const accel_numeric_format& numbers,
                       Flags flags, const Activation& activation)
    : memory_(execution.memory),
      scratch_(execution.scratch),
      types_{type, numbers.src1_type == 0 ? type : numbers.src1_type,
             numbers.dst_type == 0 ? type : numbers.dst_type},
      bytes_{type_bytes(types_[0]), type_bytes(types_[1]), type_bytes(types_[2])},
      zeros_{byte_value(types_[0], numbers.src0_zero), byte_value(types_[1], numbers.src1_zero),
             byte_value(types_[2], numbers.dst_zero)},
      flags_(flags),
      activation_(activation),
      integers_(is_byte(type)),
      fields_(all_zero(numbers.reserved)) {}

Status Arithmetic::check() const {
    const auto [src0, src1, dst] = types_;
    bool possible = false;
    if (integers_) {
        possible =
            is_byte(src1) && !flags_.add &&
            (flags_.requantize ? !flags_.bias && (is_byte(dst) || dst == ACCEL_TYPE_F32)
                               : dst == ACCEL_TYPE_I32 && activation_.kind == ACCEL_UNARY_NONE) &&
            (is_byte(dst) || zeros_[2] == 0);
    } else {
        possible = is_float(src0) && is_float(src1) && is_float(dst) && !flags_.requantize &&
                   all_zero(zeros_) && (!flags_.add || dst == ACCEL_TYPE_F32);
    }
    return possible && fields_ && activation_.valid() ? ACCEL_OK : ACCEL_BAD_FIELD;
}

Status Arithmetic::read(std::uint8_t type, std::int32_t zero, std::uint64_t address,
                        std::uint64_t stride, std::uint64_t rows, std::uint64_t columns,
                        float* to) {
    if (type == ACCEL_TYPE_F32) {
        return memory_.read_rows(address, stride, rows, columns * sizeof(float), to);
    }
    void* const raw = scratch_.stage[2].get();
    if (Status status = memory_.read_rows(address, stride, rows, columns * type_bytes(type), raw);
        status != ACCEL_OK) {
        return status;
    }
    load(type, raw, rows * columns, to);
    if (zero != 0) {
        const auto offset = static_cast<float>(zero);
        for (std::uint64_t i = 0; i < rows * columns; ++i) {
            to[i] -= offset;
        }
    }
    return ACCEL_OK;
}

void Arithmetic::begin(std::uint64_t count) {
    std::fill_n(sums(), count, 0.0F);
    if (integers_) {
        std::fill_n(totals(), count, 0);
    }
}

void Arithmetic::collect(std::uint64_t count) {
    if (!integers_) {
        return;
    }
    float* const in = sums();
    std::int32_t* const out = totals();
    for (std::uint64_t i = 0; i < count; ++i) {
        out[i] =
            static_cast<std::int32_t>(static_cast<std::uint32_t>(out[i]) +
                                      static_cast<std::uint32_t>(static_cast<std::int32_t>(in[i])));
        in[i] = 0.0F;
    }
}

// Leaves f32, or with dst I32 the integers, dense in sums(). In place: never ahead of what it
// reads.
void Arithmetic::finish_integers(std::uint64_t rows, std::uint64_t columns, std::uint64_t width) {
    const auto* const words = reinterpret_cast<const std::uint32_t*>(scratch_.stage[1].get());
    float* out = sums();
    for (std::uint64_t row = 0; row < rows; ++row) {
        const std::int32_t* const in = totals() + row * width;
        for (std::uint64_t column = 0; column < columns; ++column, ++out) {
            auto total = static_cast<std::uint32_t>(in[column]);
            if (!flags_.requantize) {
                total += flags_.bias ? words[column] : 0;
                std::memcpy(out, &total, sizeof total);
                continue;
            }
            const auto sum = static_cast<std::int32_t>(total + words[2 * column]);
            *out = static_cast<float>(sum) * std::bit_cast<float>(words[2 * column + 1]);
        }
    }
}

Status Arithmetic::finish(std::uint64_t channels, std::uint64_t address, std::uint64_t stride,
                          std::uint64_t rows, std::uint64_t columns, std::uint64_t width) {
    float* const bias = scratch_.stage[1].get();
    if (channel_bytes() != 0) {
        if (Status status = memory_.read(channels, bias, columns * channel_bytes());
            status != ACCEL_OK) {
            return status;
        }
    }
    const std::uint64_t count = rows * columns;
    if (integers_) {
        finish_integers(rows, columns, width);
        if (!flags_.requantize) {
            return memory_.write_rows(address, stride, rows, columns * sizeof(std::int32_t),
                                      sums());
        }
    } else {
        add_bias(sums(), rows, columns, width, flags_.bias ? bias : nullptr);
    }
    if (flags_.add) {
        float* const old = scratch_.stage[2].get();
        if (Status status = memory_.read_rows(address, stride, rows, columns * sizeof(float), old);
            status != ACCEL_OK) {
            return status;
        }
        for (std::uint64_t i = 0; i < count; ++i) {
            sums()[i] += old[i];
        }
    }
    if (activation_.special()) {
        memory_.work(Work::specials, count);
    }
    activate(sums(), count, activation_);
    if (is_byte(types_[2])) {
        const auto zero = static_cast<float>(zeros_[2]);
        for (std::uint64_t i = 0; i < count; ++i) {
            sums()[i] = std::rint(sums()[i]) + zero;
        }
    }
    if (types_[2] != ACCEL_TYPE_F32) {
        store(types_[2], sums(), count, sums());
    }
    return memory_.write_rows(address, stride, rows, columns * dst_bytes(), sums());
}

}  // namespace accel::card
