// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Operand conversion, integer sums and results of GEMM and CONV2D.
#include "accumulator.hpp"

#include <algorithm>
#include <cmath>

#include "data_type.hpp"

namespace accel::card {

namespace {

[[nodiscard]] bool is_float(std::uint8_t type) {
    return type == ACCEL_TYPE_F32 || type == ACCEL_TYPE_BF16 || type == ACCEL_TYPE_F16;
}

}  // namespace

BlockAccumulator::BlockAccumulator(Execution& execution, std::uint8_t type,
                                   const accel_numeric_format& format, Flags flags,
                                   const UnaryOp& activation)
    : memory_(execution.memory),
      scratch_(execution.scratch),
      block_sums_(execution.scratch),
      types_{type, format.src1_type == 0 ? type : format.src1_type,
             format.dst_type == 0 ? type : format.dst_type},
      bytes_{type_bytes(types_[0]), type_bytes(types_[1]), type_bytes(types_[2])},
      zero_points_{int8_value(types_[0], format.src0_zero), int8_value(types_[1], format.src1_zero),
                   int8_value(types_[2], format.dst_zero)},
      flags_(flags),
      activation_(activation),
      int8_(is_int8(type)),
      reserved_zero_(all_zero(format.reserved)) {}

Status BlockAccumulator::check() const {
    const auto [src0, src1, dst] = types_;
    bool supported = false;
    if (int8_) {
        supported =
            is_int8(src1) && !flags_.accumulate &&
            (flags_.requantize ? !flags_.bias && (is_int8(dst) || dst == ACCEL_TYPE_F32)
                               : dst == ACCEL_TYPE_I32 && activation_.kind == ACCEL_UNARY_NONE) &&
            (is_int8(dst) || zero_points_[2] == 0);
    } else {
        supported = is_float(src0) && is_float(src1) && is_float(dst) && !flags_.requantize &&
                    all_zero(zero_points_) && (!flags_.accumulate || dst == ACCEL_TYPE_F32);
    }
    return supported && reserved_zero_ && activation_.valid() ? ACCEL_OK : ACCEL_BAD_FIELD;
}

Status BlockAccumulator::read(std::uint8_t type, std::int32_t zero_point, std::uint64_t address,
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
    if (zero_point != 0) {
        const auto offset = static_cast<float>(zero_point);
        for (std::uint64_t i = 0; i < rows * columns; ++i) {
            to[i] -= offset;
        }
    }
    return ACCEL_OK;
}

void BlockAccumulator::restart(std::uint64_t count) {
    block_sums_.restart();
    if (int8_) {
        std::fill_n(totals(), count, 0);
    }
}

void BlockAccumulator::add_sums(std::uint64_t count) {
    if (!int8_) {
        block_sums_.add(count);
        return;
    }
    const float* const in = sums();
    std::int32_t* const out = totals();
    for (std::uint64_t i = 0; i < count; ++i) {
        out[i] =
            static_cast<std::int32_t>(static_cast<std::uint32_t>(out[i]) +
                                      static_cast<std::uint32_t>(static_cast<std::int32_t>(in[i])));
    }
}

// Converts the integers to f32, unless dst is I32, and stores them dense in sums(). It works in
// place, because a write never overtakes a read.
void BlockAccumulator::finish_integers(std::uint64_t rows, std::uint64_t columns,
                                       std::uint64_t width) {
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

// ACCUMULATE: adds the values that dst holds.
Status BlockAccumulator::add_previous(std::uint64_t address, std::uint64_t stride,
                                      std::uint64_t rows, std::uint64_t columns) {
    float* const previous = scratch_.stage[2].get();
    if (Status status = memory_.read_rows(address, stride, rows, columns * sizeof(float), previous);
        status != ACCEL_OK) {
        return status;
    }
    for (std::uint64_t i = 0; i < rows * columns; ++i) {
        sums()[i] += previous[i];
    }
    return ACCEL_OK;
}

// Applies the activation, and converts f32 values to the type of dst.
void BlockAccumulator::finish_values(std::uint64_t count) {
    if (activation_.special()) {
        memory_.work(Work::specials, count);
    }
    apply_unary(sums(), count, activation_);
    if (is_int8(types_[2])) {
        const auto zero_point = static_cast<float>(zero_points_[2]);
        for (std::uint64_t i = 0; i < count; ++i) {
            sums()[i] = std::rint(sums()[i]) + zero_point;
        }
    }
    if (types_[2] != ACCEL_TYPE_F32) {
        store(types_[2], sums(), count, sums());
    }
}

Status BlockAccumulator::write_results(std::uint64_t channels, std::uint64_t address,
                                       std::uint64_t stride, std::uint64_t rows,
                                       std::uint64_t columns, std::uint64_t width) {
    float* const bias = scratch_.stage[1].get();
    if (channel_bytes() != 0) {
        if (Status status = memory_.read(channels, bias, columns * channel_bytes());
            status != ACCEL_OK) {
            return status;
        }
    }
    if (int8_) {
        finish_integers(rows, columns, width);
        if (!flags_.requantize) {
            return memory_.write_rows(address, stride, rows, columns * sizeof(std::int32_t),
                                      sums());
        }
    } else {
        (void)block_sums_.finish(rows * width);
        add_bias(sums(), rows, columns, width, flags_.bias ? bias : nullptr);
    }
    if (flags_.accumulate) {
        if (Status status = add_previous(address, stride, rows, columns); status != ACCEL_OK) {
            return status;
        }
    }
    finish_values(rows * columns);
    return memory_.write_rows(address, stride, rows, columns * dst_bytes(), sums());
}

}  // namespace accel::card
