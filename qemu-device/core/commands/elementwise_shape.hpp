// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The dimensions of ELEMENTWISE.
#pragma once

#include <algorithm>
#include <array>
#include <span>

#include "units.hpp"

namespace accel::card {

enum ElementwiseOperand : unsigned {
    dst_operand,
    src0_operand,
    src1_operand,
    src2_operand,
    operand_count
};

struct ElementwiseDimension {
    std::uint64_t length;
    std::array<std::uint64_t, operand_count> stride;  // elements
};

// The dimensions of a command in the shortest form: dimensions of length 1 are dropped, and
// dimensions that are contiguous for all operands are joined. So the innermost dimension, which is
// computed in one loop, is as long as possible.
class ElementwiseShape {
  public:
    explicit ElementwiseShape(const accel_elementwise& p) {
        for (unsigned i = 0; i < p.rank; ++i) {
            const ElementwiseDimension inner{
                p.dims[i],
                {p.dst_strides[i], p.src0_strides[i], p.src1_strides[i], p.src2_strides[i]}};
            if (inner.length == 1) {
                continue;
            }
            if (count_ > 0 && joins(dimensions_[count_ - 1], inner)) {
                const std::uint64_t length = dimensions_[count_ - 1].length * inner.length;
                dimensions_[count_ - 1] = {length, inner.stride};
            } else {
                dimensions_[count_++] = inner;
            }
        }
        if (count_ == 0) {
            dimensions_[count_++] = {1, {1, 1, 1, 1}};
        }
    }

    [[nodiscard]] const ElementwiseDimension& inner() const { return dimensions_[count_ - 1]; }
    [[nodiscard]] std::uint64_t rows() const {
        std::uint64_t rows = 1;
        for (unsigned i = 0; i + 1 < count_; ++i) {
            rows *= dimensions_[i].length;
        }
        return rows;
    }

    using Offsets = std::array<std::uint64_t, operand_count>;  // in elements

    // Moves to a row, and returns its offsets.
    [[nodiscard]] Offsets seek(std::uint64_t row) {
        Offsets offsets{};
        for (unsigned i = count_ - 1; i-- > 0;) {
            const ElementwiseDimension& dimension = dimensions_[i];
            position_[i] = row % dimension.length;
            row /= dimension.length;
            for (unsigned o = 0; o < operand_count; ++o) {
                offsets[o] += position_[i] * dimension.stride[o];
            }
        }
        return offsets;
    }
    // Advances the offsets to the next row. After the last one it returns to the first.
    void next(Offsets& offsets) {
        for (unsigned i = count_ - 1; i-- > 0;) {
            const ElementwiseDimension& dimension = dimensions_[i];
            const bool more = ++position_[i] < dimension.length;
            for (unsigned o = 0; o < operand_count; ++o) {
                offsets[o] +=
                    more ? dimension.stride[o] : -(dimension.stride[o] * (dimension.length - 1));
            }
            if (more) {
                return;
            }
            position_[i] = 0;
        }
    }

    [[nodiscard]] bool has_distinct_elements(ElementwiseOperand operand) const {
        std::array<Spacing, ACCEL_RANK_MAX> dimensions{};
        for (unsigned i = 0; i < count_; ++i) {
            dimensions[i] = {dimensions_[i].length, dimensions_[i].stride[operand]};
        }
        return are_distinct(std::span(dimensions).first(count_));
    }
    // Whether an operand has the strides of the result.
    [[nodiscard]] bool is_like_result(unsigned operand) const {
        return std::ranges::all_of(std::span(dimensions_).first(count_),
                                   [&](const ElementwiseDimension& d) {
                                       return d.stride[operand] == d.stride[dst_operand];
                                   });
    }

  private:
    static bool joins(const ElementwiseDimension& outer, const ElementwiseDimension& inner) {
        for (unsigned o = 0; o < operand_count; ++o) {
            if (outer.stride[o] != inner.stride[o] * inner.length) {
                return false;
            }
        }
        return true;
    }

    std::array<ElementwiseDimension, ACCEL_RANK_MAX> dimensions_{};
    std::array<std::uint64_t, ACCEL_RANK_MAX> position_{};
    unsigned count_ = 0;
};

}  // namespace accel::card
