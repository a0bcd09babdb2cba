// SPDX-License-Identifier: GPL-2.0
//
// ELEMENTWISE: dst = act(op(src0, src1)), or act(src0), over up to six strided dimensions.
#include <algorithm>

#include "math.hpp"
#include "operation.hpp"

namespace accel::card {

namespace {

// More elements than the address space has room for can only be the same ones again and again.
constexpr uint64_t kMostElements = (uint64_t{1} << ACCEL_VA_BITS) / sizeof(float);

enum Operand : unsigned { kDst, kSrc0, kSrc1, kOperands };

struct Dimension {
    uint64_t length;
    std::array<uint64_t, kOperands> stride;  // elements
};

// The dimensions without those of length 1, and with those joined that are one for all operands:
// the innermost, which is walked in one go, gets as long as it can be.
class Shape {
  public:
    explicit Shape(const accel_elementwise& p) {
        for (unsigned i = 0; i < p.rank; ++i) {
            const Dimension inner{p.dims[i],
                                  {p.dst_strides[i], p.src0_strides[i], p.src1_strides[i]}};
            if (inner.length == 1) {
                continue;
            }
            if (count_ > 0 && joins(dimensions_[count_ - 1], inner)) {
                const uint64_t length = dimensions_[count_ - 1].length * inner.length;
                dimensions_[count_ - 1] = {length, inner.stride};
            } else {
                dimensions_[count_++] = inner;
            }
        }
        if (count_ == 0) {
            dimensions_[count_++] = {1, {1, 1, 1}};
        }
    }

    [[nodiscard]] const Dimension& inner() const { return dimensions_[count_ - 1]; }

    // Moves offsets (elements) to the next row; false after the last.
    [[nodiscard]] bool next(std::array<uint64_t, kOperands>& offsets) {
        for (unsigned i = count_ - 1; i-- > 0;) {
            const Dimension& dimension = dimensions_[i];
            const bool more = ++position_[i] < dimension.length;
            for (unsigned o = 0; o < kOperands; ++o) {
                offsets[o] +=
                    more ? dimension.stride[o] : -(dimension.stride[o] * (dimension.length - 1));
            }
            if (more) {
                return true;
            }
            position_[i] = 0;
        }
        return false;
    }

  private:
    static bool joins(const Dimension& outer, const Dimension& inner) {
        for (unsigned o = 0; o < kOperands; ++o) {
            if (outer.stride[o] != inner.stride[o] * inner.length) {
                return false;
            }
        }
        return true;
    }

    std::array<Dimension, ACCEL_RANK_MAX> dimensions_{};
    std::array<uint64_t, ACCEL_RANK_MAX> position_{};
    unsigned count_ = 0;
};

template <typename Op>
void apply(float* a, const float* b, uint64_t count, Op&& op) {
    for (uint64_t i = 0; i < count; ++i) {
        a[i] = op(a[i], b[i]);
    }
}

void apply(uint8_t op, float* a, const float* b, uint64_t count) {
    switch (op) {
        case ACCEL_EW_ADD:
            return apply(a, b, count, [](float x, float y) { return x + y; });
        case ACCEL_EW_SUB:
            return apply(a, b, count, [](float x, float y) { return x - y; });
        case ACCEL_EW_MUL:
            return apply(a, b, count, [](float x, float y) { return x * y; });
        case ACCEL_EW_DIV:
            return apply(a, b, count, [](float x, float y) { return x / y; });
        case ACCEL_EW_MIN:
            return apply(a, b, count, minimum);
        case ACCEL_EW_MAX:
            return apply(a, b, count, maximum);
        case ACCEL_EW_PRELU:
            return apply(a, b, count, [](float x, float y) { return x < 0.0F ? x * y : x; });
        default:
            return;  // FIRST
    }
}

Status check_params(const accel_elementwise& p) {
    if (p.type != ACCEL_TYPE_F32 || !Activation(p.activation, p.alpha, p.beta).valid() ||
        p.op > ACCEL_EW_PRELU || p.rank == 0 || p.rank > ACCEL_RANK_MAX || p.reserved0 != 0 ||
        !all_zero(p.reserved1)) {
        return ACCEL_BAD_FIELD;
    }
    for (unsigned i = p.rank; i < ACCEL_RANK_MAX; ++i) {
        if ((p.dims[i] | p.dst_strides[i] | p.src0_strides[i] | p.src1_strides[i]) != 0) {
            return ACCEL_BAD_FIELD;
        }
    }
    return ACCEL_OK;
}

// The bytes from an operand's first element to its last.
Status check_operand(uint64_t address, const accel_elementwise& p, const __le32* strides) {
    if (!aligned(address, sizeof(float))) {
        return ACCEL_BAD_ALIGNMENT;
    }
    uint64_t extent = sizeof(float);
    for (unsigned i = 0; i < p.rank; ++i) {
        uint64_t span = 0;
        if (__builtin_mul_overflow(uint64_t{p.dims[i]} - 1, strides[i] * sizeof(float), &span) ||
            __builtin_add_overflow(extent, span, &extent)) {
            return ACCEL_BAD_SIZE;
        }
    }
    return check_extent(address, 1, 0, extent);
}

}  // namespace

Status run_elementwise(Execution& execution) {
    accel_elementwise p{};
    if (Status status = read_params(execution, &p, sizeof p); status != ACCEL_OK) {
        return status;
    }
    if (Status status = check_params(p); status != ACCEL_OK) {
        return status;
    }
    const accel_tensor& tensor = execution.command.tensor;
    const bool first = p.op == ACCEL_EW_FIRST;
    if (tensor.src2 != 0 || (first && (tensor.src1 != 0 || !all_zero(p.src1_strides)))) {
        return ACCEL_BAD_FIELD;
    }
    const Activation activation(p.activation, p.alpha, p.beta);
    const std::span<const __le32> dims(p.dims, p.rank);
    const bool empty = std::ranges::find(dims, 0U) != dims.end();
    uint64_t elements = empty ? 0 : 1;
    for (const uint64_t length : dims) {
        if (__builtin_mul_overflow(elements, length, &elements) || elements > kMostElements) {
            return ACCEL_BAD_SIZE;
        }
    }
    const std::array<uint64_t, kOperands> bases{tensor.dst, tensor.src0, tensor.src1};
    const std::array strides{p.dst_strides, p.src0_strides, p.src1_strides};
    for (unsigned o = 0; o < (first ? kSrc1 : kOperands); ++o) {
        if (empty && aligned(bases[o], sizeof(float))) {
            continue;
        }
        if (Status status = check_operand(bases[o], p, strides[o]); status != ACCEL_OK) {
            return status;
        }
    }
    if (empty) {
        return ACCEL_OK;
    }

    Shape shape(p);
    Memory& memory = execution.memory;
    float* const a = execution.scratch.stage[0].get();
    float* const b = execution.scratch.stage[1].get();
    const Dimension inner = shape.inner();
    std::array<uint64_t, kOperands> offsets{};
    do {
        for (uint64_t done = 0; done < inner.length;) {
            const uint64_t now = std::min<uint64_t>(inner.length - done, Scratch::kStageFloats);
            const auto address = [&](Operand o) {
                return bases[o] + (offsets[o] + done * inner.stride[o]) * sizeof(float);
            };
            if (Status status = memory.gather(address(kSrc0), inner.stride[kSrc0], now, a);
                status != ACCEL_OK) {
                return status;
            }
            if (!first) {
                if (Status status = memory.gather(address(kSrc1), inner.stride[kSrc1], now, b);
                    status != ACCEL_OK) {
                    return status;
                }
            }
            memory.work(
                p.op == ACCEL_EW_DIV || activation.special() ? Work::specials : Work::elements,
                now);
            apply(p.op, a, b, now);
            activate(a, now, activation);
            if (Status status = memory.scatter(address(kDst), inner.stride[kDst], now, a);
                status != ACCEL_OK) {
                return status;
            }
            done += now;
        }
    } while (shape.next(offsets));
    return ACCEL_OK;
}

}  // namespace accel::card
