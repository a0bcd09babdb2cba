// SPDX-License-Identifier: Apache-2.0
#include "ir/reduction_folding.hpp"

#include <algorithm>
#include <limits>
#include <span>
#include <type_traits>
#include <vector>

#include "ir/number_reader.hpp"
#include "numerics/reduction.hpp"

namespace accel::compiler {

namespace {

using card::PairwiseReduction;

// The axis of a reduction in a dense tensor: outer x n x inner.
struct ReducedAxis {
    ReducedAxis(const Dims& dims, std::size_t axis) : n(static_cast<std::size_t>(dims[axis])) {
        for (std::size_t i = 0; i < dims.size(); ++i) {
            if (i != axis) {
                (i < axis ? outer : inner) *= static_cast<std::size_t>(dims[i]);
            }
        }
    }
    std::size_t outer = 1;
    std::size_t n;
    std::size_t inner = 1;
};

// Reduces rows of floats to one row, in the order of the card.
class FloatReduction {
  public:
    FloatReduction(ReduceOp op, std::size_t columns)
        : op_(op),
          levels_(extreme() ? 0 : PairwiseReduction::max_levels * columns),
          total_(op == ReduceOp::product ? PairwiseReduction::Kind::product
                                         : PairwiseReduction::Kind::sum,
                 columns, levels_.data()) {}

    void start(std::span<float> to) {
        to_ = to;
        const float worst = std::numeric_limits<float>::infinity();
        if (extreme()) {
            std::ranges::fill(to, op_ == ReduceOp::min ? worst : -worst);
        } else {
            total_ = PairwiseReduction(op_ == ReduceOp::product ? PairwiseReduction::Kind::product
                                                                : PairwiseReduction::Kind::sum,
                                       to.size(), levels_.data());
        }
    }

    // All calls but the last have a multiple of PairwiseReduction::block_rows rows.
    void add(std::span<const float> rows) {
        const std::size_t count = rows.size() / to_.size();
        if (extreme()) {
            card::reduce_extremes(op_ == ReduceOp::min, rows.data(), count, to_.size(), to_.data());
        } else {
            total_.add(rows.data(), count);
        }
    }

    void finish(std::size_t n) {
        if (!extreme()) {
            std::copy_n(total_.finish(), to_.size(), to_.data());
        }
        if (op_ == ReduceOp::mean) {
            card::divide_values(to_.data(), to_.size(), static_cast<float>(n));
        }
    }

  private:
    [[nodiscard]] bool extreme() const { return op_ == ReduceOp::max || op_ == ReduceOp::min; }

    ReduceOp op_;
    std::vector<float> levels_;
    PairwiseReduction total_;
    std::span<float> to_;
};

// Integers are exact in any order.
class IntegerReduction {
  public:
    IntegerReduction(ReduceOp op, std::size_t) : op_(op) {}

    void start(std::span<std::int64_t> to) {
        using Limits = std::numeric_limits<std::int64_t>;
        to_ = to;
        std::ranges::fill(to, op_ == ReduceOp::product ? 1
                              : op_ == ReduceOp::max   ? Limits::min()
                              : op_ == ReduceOp::min   ? Limits::max()
                                                       : 0);
    }

    void add(std::span<const std::int64_t> rows) {
        switch (op_) {
            case ReduceOp::product:
                return add_each(rows, [](std::int64_t a, std::int64_t b) { return a * b; });
            case ReduceOp::max:
                return add_each(rows,
                                [](std::int64_t a, std::int64_t b) { return std::max(a, b); });
            case ReduceOp::min:
                return add_each(rows,
                                [](std::int64_t a, std::int64_t b) { return std::min(a, b); });
            default:
                return add_each(rows, [](std::int64_t a, std::int64_t b) { return a + b; });
        }
    }

    void finish(std::size_t n) {
        for (std::size_t k = 0; k < to_.size() && op_ == ReduceOp::mean; ++k) {
            to_[k] = n == 0 ? 0 : to_[k] / static_cast<std::int64_t>(n);
        }
    }

  private:
    template <typename Combine>
    void add_each(std::span<const std::int64_t> rows, Combine combine) {
        for (std::size_t i = 0; i < rows.size(); i += to_.size()) {
            for (std::size_t k = 0; k < to_.size(); ++k) {
                to_[k] = combine(to_[k], rows[i + k]);
            }
        }
    }

    ReduceOp op_;
    std::span<std::int64_t> to_;
};

// Reads the operand in parts: several slices of the axis, or some rows of one.
template <typename Number, typename Reduction>
TensorStorage reduce(ReduceOp op, const Tensor& from, const ReducedAxis& axis,
                     const Value& result) {
    constexpr std::size_t part = 1 << 16;
    // Only floats depend on the parts in which their rows come.
    constexpr std::size_t block = std::is_same_v<Number, float> ? PairwiseReduction::block_rows : 1;
    std::vector<Number> values(axis.outer * axis.inner);
    std::vector<Number> rows;
    Reduction reduction(op, axis.inner);
    NumberReader<Number> reader(from);
    const auto read = [&](std::size_t first, std::size_t count) {
        rows.resize(count);
        reader.read(static_cast<std::int64_t>(first), rows);
        reader.evict(static_cast<std::int64_t>(first), static_cast<std::int64_t>(count));
    };
    const std::size_t slice = axis.n * axis.inner;
    const std::size_t slices_at_once =
        std::max<std::size_t>(part / std::max<std::size_t>(slice, 1), 1);
    const std::size_t rows_at_once =
        std::max<std::size_t>(part / std::max<std::size_t>(axis.inner, 1) / block, 1) * block;
    for (std::size_t outer = 0; outer < axis.outer && axis.inner != 0; ++outer) {
        reduction.start(std::span(values).subspan(outer * axis.inner, axis.inner));
        if (slice <= part) {
            if (outer % slices_at_once == 0) {
                read(outer * slice, std::min(slices_at_once, axis.outer - outer) * slice);
            }
            reduction.add(std::span(rows).subspan(outer % slices_at_once * slice, slice));
        } else {
            for (std::size_t row = 0; row < axis.n; row += rows_at_once) {
                const std::size_t count = std::min(rows_at_once, axis.n - row);
                read(outer * slice + row * axis.inner, count * axis.inner);
                reduction.add(rows);
            }
        }
        reduction.finish(axis.n);
    }
    return make_constant(result.type, result.dims, std::span<const Number>(values))->data;
}

}  // namespace

TensorStorage reduced(const op::Reduce& reduction, const Tensor& from, const Value& result) {
    const ReducedAxis axis(from.dims, reduction.axis);
    return is_integer(result.type)
               ? reduce<std::int64_t, IntegerReduction>(reduction.op, from, axis, result)
               : reduce<float, FloatReduction>(reduction.op, from, axis, result);
}

}  // namespace accel::compiler
