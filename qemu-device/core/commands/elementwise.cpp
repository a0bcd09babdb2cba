// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// ELEMENTWISE: dst = act(op(src0, src1)) over up to six strided dimensions. It computes in f32 or
// in 64-bit integers. Other data types are converted when they are read or written.
#include <algorithm>

#include "data_type.hpp"
#include "elementwise_shape.hpp"
#include "numerics/elementwise.hpp"
#include "numerics/math.hpp"

namespace accel::card {

namespace {

// A tensor with more elements can only repeat them, because the address space has no room for more.
constexpr std::uint64_t max_elements = std::uint64_t{1} << ACCEL_VA_BITS;

[[nodiscard]] bool integers_only(std::uint8_t op) {
    return op >= ACCEL_EW_AND && op <= ACCEL_EW_SHIFT_RIGHT;
}

class Elementwise {
  public:
    Elementwise(Execution& execution, const accel_elementwise& params)
        : memory_(execution.memory),
          scratch_(execution.scratch),
          params_(params),
          activation_(params.activation, params.alpha, params.beta),
          strides_{params.dst_strides, params.src0_strides, params.src1_strides,
                   params.src2_strides},
          types_{params.dst_type, params.src0_type, params.src1_type, params.src2_type} {
        const accel_tensor& t = execution.command.tensor;
        bases_ = {t.dst, t.src0, t.src1, t.src2};
        sources_ = params_.op == ACCEL_EW_IDENTITY ? 1 : params_.op == ACCEL_EW_SELECT ? 3 : 2;
    }

    [[nodiscard]] Status check() {
        if (Status status = check_params(); status != ACCEL_OK) {
            return status;
        }
        const std::span<const __le32> dims(params_.dims, params_.rank);
        empty_ = std::ranges::find(dims, 0U) != dims.end();
        std::uint64_t elements = empty_ ? 0 : 1;
        for (const std::uint64_t length : dims) {
            if (__builtin_mul_overflow(elements, length, &elements) || elements > max_elements) {
                return ACCEL_BAD_SIZE;
            }
        }
        for (unsigned o = 0; o <= sources_; ++o) {
            if (Status status = check_operand(o); status != ACCEL_OK) {
                return status;
            }
        }
        return ACCEL_OK;
    }

    // A unit is at most max_values results of a row.
    [[nodiscard]] Units units() {
        if (empty_) {
            return {};
        }
        const ElementwiseShape shape(params_);
        chunks_ = divide_up(shape.inner().length, max_values);
        const auto values = static_cast<double>(std::min(shape.inner().length, max_values));
        const double cost = kind_of_work() == Work::specials ? 2 : 0.5;
        return {.count = shape.rows() * chunks_,
                .nanoseconds = is_independent(shape) ? 50 + values * cost : 0};
    }

    [[nodiscard]] Status run(const UnitRange& range) {
        return params_.type == ACCEL_TYPE_F32 ? walk<float>(range) : walk<std::int64_t>(range);
    }

  private:
    static constexpr std::uint64_t max_values =
        Scratch::stage_floats * sizeof(float) / sizeof(std::int64_t);

    // A source may be the result itself.
    [[nodiscard]] bool is_independent(const ElementwiseShape& shape) const {
        bool independent = shape.has_distinct_elements(dst_operand);
        for (unsigned o = src0_operand; o <= sources_; ++o) {
            const bool in_place = bases_[o] == bases_[dst_operand] &&
                                  sizes_[o] == sizes_[dst_operand] && shape.is_like_result(o);
            independent = independent && (in_place || !extent(dst_operand).overlaps(extent(o)));
        }
        return independent;
    }
    // Of an operand that passed its check.
    [[nodiscard]] Extent extent(unsigned o) const {
        std::uint64_t elements = 1;
        for (unsigned i = 0; i < params_.rank; ++i) {
            elements += (std::uint64_t{params_.dims[i]} - 1) * strides_[o][i];
        }
        return {.begin = bases_[o], .bytes = elements * sizes_[o]};
    }

    [[nodiscard]] Status check_params() {
        const bool integers = params_.type == ACCEL_TYPE_I64;
        if ((!integers && params_.type != ACCEL_TYPE_F32) || !activation_.valid() ||
            (integers && !activation_.for_integers()) || params_.op > ACCEL_EW_SELECT ||
            (!integers && integers_only(params_.op)) || params_.rank == 0 ||
            params_.rank > ACCEL_RANK_MAX || !all_zero(params_.reserved)) {
            return ACCEL_BAD_FIELD;
        }
        for (unsigned o = 0; o < operand_count; ++o) {
            if (o > sources_ &&
                (bases_[o] != 0 || types_[o] != 0 || !all_zero(std::span(strides_[o], 6)))) {
                return ACCEL_BAD_FIELD;
            }
            types_[o] = types_[o] == 0 ? params_.type : types_[o];
            sizes_[o] = type_bytes(types_[o]);
            if (sizes_[o] == 0) {
                return ACCEL_BAD_FIELD;
            }
        }
        for (unsigned i = params_.rank; i < ACCEL_RANK_MAX; ++i) {
            if ((params_.dims[i] | params_.dst_strides[i] | params_.src0_strides[i] |
                 params_.src1_strides[i] | params_.src2_strides[i]) != 0) {
                return ACCEL_BAD_FIELD;
            }
        }
        return ACCEL_OK;
    }

    // Checks the bytes from an operand's first element to its last.
    [[nodiscard]] Status check_operand(unsigned o) const {
        if (!aligned(bases_[o], sizes_[o])) {
            return ACCEL_BAD_ALIGNMENT;
        }
        if (empty_) {
            return ACCEL_OK;
        }
        std::uint64_t extent = sizes_[o];
        for (unsigned i = 0; i < params_.rank; ++i) {
            std::uint64_t span = 0;
            if (__builtin_mul_overflow(std::uint64_t{params_.dims[i]} - 1,
                                       std::uint64_t{strides_[o][i]} * sizes_[o], &span) ||
                __builtin_add_overflow(extent, span, &extent)) {
                return ACCEL_BAD_SIZE;
            }
        }
        return check_extent(bases_[o], 1, 0, extent);
    }

    template <typename Number>
    [[nodiscard]] Status walk(const UnitRange& range) {
        if (range.first == range.last) {
            return ACCEL_OK;
        }
        ElementwiseShape shape(params_);
        ElementwiseShape::Offsets offsets = shape.seek(range.first / chunks_);
        std::uint64_t chunk = range.first % chunks_;
        for (std::uint64_t unit = range.first; unit < range.last; ++unit) {
            if (Status status = compute<Number>(shape.inner(), offsets, chunk * max_values);
                status != ACCEL_OK) {
                return status;
            }
            if (++chunk == chunks_) {
                chunk = 0;
                shape.next(offsets);
            }
        }
        return ACCEL_OK;
    }

    // Computes results of a row, from `done` on.
    template <typename Number>
    [[nodiscard]] Status compute(const ElementwiseDimension& inner,
                                 const ElementwiseShape::Offsets& offsets, std::uint64_t done) {
        const std::array<Number*, 3> values{stage_of<Number>(0), stage_of<Number>(1),
                                            stage_of<Number>(2)};
        const std::uint64_t now = std::min(inner.length - done, max_values);
        const auto address = [&](unsigned o) {
            return bases_[o] + (offsets[o] + done * inner.stride[o]) * sizes_[o];
        };
        for (unsigned i = 0; i < sources_; ++i) {
            const unsigned o = i + src0_operand;
            if (Status status = fetch(address(o), inner.stride[o], now, o, values[i]);
                status != ACCEL_OK) {
                return status;
            }
        }
        memory_.work(kind_of_work(), now);
        apply_elementwise(params_.op, values[0], values[1], values[2], now);
        apply_unary(values[0], now, activation_);
        return put(address(dst_operand), inner.stride[dst_operand], now, values[0]);
    }

    [[nodiscard]] Work kind_of_work() const {
        const bool special = params_.op == ACCEL_EW_DIV ||
                             (params_.op >= ACCEL_EW_POW && params_.op <= ACCEL_EW_MOD) ||
                             activation_.special();
        return special ? Work::specials : Work::elements;
    }

    template <typename Number>
    [[nodiscard]] Number* stage_of(unsigned index) const {
        return reinterpret_cast<Number*>(scratch_.stage[index].get());
    }

    template <typename Number>
    [[nodiscard]] Status fetch(std::uint64_t address, std::uint64_t stride, std::uint64_t count,
                               unsigned o, Number* to) {
        if (types_[o] == params_.type) {
            return memory_.gather(address, stride, count, sizes_[o], to);
        }
        void* const raw = scratch_.tile[0].get();
        if (Status status = memory_.gather(address, stride, count, sizes_[o], raw);
            status != ACCEL_OK) {
            return status;
        }
        load(types_[o], raw, count, to);
        return ACCEL_OK;
    }

    template <typename Number>
    [[nodiscard]] Status put(std::uint64_t address, std::uint64_t stride, std::uint64_t count,
                             const Number* values) {
        const void* result = values;
        if (types_[dst_operand] != params_.type) {
            void* const raw = scratch_.tile[0].get();
            store(types_[dst_operand], values, count, raw);
            result = raw;
        }
        return memory_.scatter(address, stride, count, sizes_[dst_operand], result);
    }

    Memory& memory_;
    Scratch& scratch_;
    const accel_elementwise& params_;
    const UnaryOp activation_;
    const std::array<const __le32*, operand_count> strides_;
    std::array<std::uint8_t, operand_count> types_;
    std::array<unsigned, operand_count> sizes_{};
    std::array<std::uint64_t, operand_count> bases_{};
    unsigned sources_ = 2;
    std::uint64_t chunks_ = 0;  // units of a row
    bool empty_ = false;
};

}  // namespace

Status run_elementwise(Execution& execution) {
    // The block of older software, which ends before the strides of src2.
    constexpr std::uint32_t min_size = 128;
    return run_tensor_command<Elementwise, accel_elementwise>(execution, min_size);
}

}  // namespace accel::card
