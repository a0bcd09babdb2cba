// SPDX-License-Identifier: Apache-2.0
//
// Folds the operations that computations on shapes and weights use. The arithmetic is that of the
// emulated card (qemu-device/core/numerics), so a folded value has the bits that the card computes.
// Other instructions stay in the program, and the card computes them in each run.
#include "ir/constant_folding.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <span>

#include "ir/broadcast_operand.hpp"
#include "numerics/elementwise.hpp"
#include "numerics/math.hpp"
#include "numerics/reduction.hpp"

#include "ir/scatter_folding.hpp"

namespace accel::compiler {

namespace {

// A folded result has at most this many elements more than its operands: a larger one would only
// make the compiled model larger.
constexpr std::int64_t max_growth = std::int64_t{1} << 20;

// Calls visit(i, offset) for each element of a dense result. `offset` addresses a second tensor
// with these strides.
template <typename Visit>
void walk(const Dims& dims, std::int64_t first, const Dims& strides, Visit&& visit) {
    const std::int64_t count = elements(dims);
    Dims at(dims.size());
    std::int64_t offset = first;
    for (std::int64_t i = 0; i < count; ++i) {
        visit(i, offset);
        for (std::size_t d = dims.size(); d-- > 0;) {
            offset += strides[d];
            if (++at[d] < dims[d]) {
                break;
            }
            offset -= strides[d] * dims[d];
            at[d] = 0;
        }
    }
}

// Copies elements that are `stride` apart to consecutive ones.
template <typename Element>
void copy_strided(const std::byte* from, std::int64_t stride, std::int64_t count, std::byte* to) {
    for (std::int64_t i = 0; i < count; ++i) {
        std::memcpy(to + i * std::int64_t{sizeof(Element)},
                    from + i * stride * std::int64_t{sizeof(Element)}, sizeof(Element));
    }
}

void copy_run(std::size_t element, const std::byte* from, std::int64_t stride, std::int64_t count,
              std::byte* to) {
    if (stride == 1) {
        std::memcpy(to, from, static_cast<std::size_t>(count) * element);
        return;
    }
    switch (element) {
        case 1:
            return copy_strided<std::uint8_t>(from, stride, count, to);
        case 2:
            return copy_strided<std::uint16_t>(from, stride, count, to);
        case 4:
            return copy_strided<std::uint32_t>(from, stride, count, to);
        default:
            return copy_strided<std::uint64_t>(from, stride, count, to);
    }
}

// Each element of the result is that at these strides.
Constant rearrange(const Tensor& from, const Value& result, std::int64_t first,
                   const Dims& strides) {
    auto to = std::make_shared<Tensor>(result.type, result.dims);
    if (elements(result.dims) == 0) {
        return to;
    }
    const std::size_t size = size_of(result.type);
    const std::byte* const source = from.data.data();
    std::byte* const out = to->data.data();
    const std::int64_t run = result.dims.empty() ? 1 : result.dims.back();
    const std::int64_t step = result.dims.empty() ? 1 : strides.back();
    const std::size_t outer = result.dims.empty() ? 0 : result.dims.size() - 1;
    const auto end = static_cast<std::ptrdiff_t>(outer);
    walk({result.dims.begin(), result.dims.begin() + end}, first,
         {strides.begin(), strides.begin() + end}, [&](std::int64_t i, std::int64_t offset) {
             copy_run(size, source + static_cast<std::size_t>(offset) * size, step, run,
                      out + static_cast<std::size_t>(i * run) * size);
         });
    return to;
}

template <typename Number>
Constant fold_elementwise(const op::Elementwise& x, const std::vector<const Tensor*>& in,
                          const Value& result) {
    constexpr std::int64_t piece = 1 << 14;
    auto to = std::make_shared<Tensor>(result.type, result.dims);
    const std::int64_t count = elements(result.dims);
    const std::size_t size = size_of(result.type);
    std::vector<BroadcastOperand<Number>> operands;
    operands.reserve(in.size());
    for (const Tensor* tensor : in) {
        operands.emplace_back(*tensor, result.dims);
    }
    std::array<std::vector<Number>, 3> values;
    for (auto& part : values) {
        part.resize(static_cast<std::size_t>(std::min(piece, count)));
    }
    for (std::int64_t first = 0; first < count; first += piece) {
        const std::int64_t length = std::min(piece, count - first);
        const auto n = static_cast<std::size_t>(length);
        for (std::size_t i = 0; i < values.size(); ++i) {
            if (i < operands.size()) {
                operands[i].read(first, length, values.at(i).data());
            } else {
                values.at(i) = values[0];
            }
        }
        card::apply_elementwise(static_cast<std::uint8_t>(x.op), values[0].data(), values[1].data(),
                                values[2].data(), n);
        card::apply_unary(
            values[0].data(), n,
            {static_cast<std::uint8_t>(x.activation), std::bit_cast<std::uint32_t>(x.alpha),
             std::bit_cast<std::uint32_t>(x.beta)});
        const Constant part =
            make_constant(result.type, {length}, std::span<const Number>(values[0]).first(n));
        std::ranges::copy(part->data, to->data.data() + static_cast<std::size_t>(first) * size);
    }
    return to;
}

Constant fold(const op::Elementwise& x, const std::vector<const Tensor*>& in, const Value& result) {
    return is_integer(in[0]->type) && !(x.op == ElementwiseOp::identity && !is_integer(result.type))
               ? fold_elementwise<std::int64_t>(x, in, result)
               : fold_elementwise<float>(x, in, result);
}

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

void reduce_slice(ReduceOp op, const float* from, const ReducedAxis& axis, float* to) {
    if (op == ReduceOp::max || op == ReduceOp::min) {
        const bool least = op == ReduceOp::min;
        const float worst = std::numeric_limits<float>::infinity();
        std::fill_n(to, axis.inner, least ? worst : -worst);
        card::reduce_extremes(least, from, axis.n, axis.inner, to);
        return;
    }
    using card::PairwiseReduction;
    std::vector<float> levels(PairwiseReduction::max_levels * axis.inner);
    PairwiseReduction total(
        op == ReduceOp::product ? PairwiseReduction::Kind::product : PairwiseReduction::Kind::sum,
        axis.inner, levels.data());
    total.add(from, axis.n);
    std::copy_n(total.finish(), axis.inner, to);
    if (op == ReduceOp::mean) {
        card::divide_values(to, axis.inner, static_cast<float>(axis.n));
    }
}

// Integers are exact in any order, so the rows of an axis come in pieces.
class IntegerReduction {
  public:
    IntegerReduction(ReduceOp op, std::span<std::int64_t> to) : op_(op), to_(to) {
        using Limits = std::numeric_limits<std::int64_t>;
        std::ranges::fill(to, op == ReduceOp::product ? 1
                              : op == ReduceOp::max   ? Limits::min()
                              : op == ReduceOp::min   ? Limits::max()
                                                      : 0);
    }

    // `rows`: each has a number for each result.
    void add(std::span<const std::int64_t> rows) {
        for (std::size_t i = 0; i < rows.size(); i += to_.size()) {
            for (std::size_t k = 0; k < to_.size(); ++k) {
                to_[k] = combine(to_[k], rows[i + k]);
            }
        }
    }

    void finish(std::size_t n) {
        for (std::size_t k = 0; k < to_.size() && op_ == ReduceOp::mean; ++k) {
            to_[k] = n == 0 ? 0 : to_[k] / static_cast<std::int64_t>(n);
        }
    }

  private:
    [[nodiscard]] std::int64_t combine(std::int64_t a, std::int64_t b) const {
        return op_ == ReduceOp::product ? a * b
               : op_ == ReduceOp::max   ? std::max(a, b)
               : op_ == ReduceOp::min   ? std::min(a, b)
                                        : a + b;
    }

    ReduceOp op_;
    std::span<std::int64_t> to_;
};

Constant reduce_integers(ReduceOp op, const Tensor& from, const ReducedAxis& axis,
                         const Value& result) {
    constexpr std::size_t piece = 1 << 16;
    std::vector<std::int64_t> values(axis.outer * axis.inner);
    const std::size_t rows_at_once =
        std::max<std::size_t>(piece / std::max<std::size_t>(axis.inner, 1), 1);
    for (std::size_t outer = 0; outer < axis.outer && axis.inner != 0; ++outer) {
        IntegerReduction reduction(op, std::span(values).subspan(outer * axis.inner, axis.inner));
        for (std::size_t row = 0; row < axis.n; row += rows_at_once) {
            const std::size_t rows = std::min(rows_at_once, axis.n - row);
            const std::size_t first = (outer * axis.n + row) * axis.inner;
            reduction.add(from.part(static_cast<std::int64_t>(first),
                                    static_cast<std::int64_t>(rows * axis.inner))
                              .integers());
        }
        reduction.finish(axis.n);
    }
    return make_constant(result.type, result.dims, std::span<const std::int64_t>(values));
}

Constant fold(const op::Reduce& reduction, const std::vector<const Tensor*>& in,
              const Value& result) {
    if (reduction.op == ReduceOp::argmax || reduction.op == ReduceOp::argmin) {
        return nullptr;
    }
    const ReducedAxis axis(in[0]->dims, reduction.axis);
    if (is_integer(result.type)) {
        return reduce_integers(reduction.op, *in[0], axis, result);
    }
    std::vector<float> values(axis.outer * axis.inner);
    const auto slice = static_cast<std::int64_t>(axis.n * axis.inner);
    for (std::size_t outer = 0; outer < axis.outer; ++outer) {
        const auto from = in[0]->part(static_cast<std::int64_t>(outer) * slice, slice).floats();
        reduce_slice(reduction.op, from.data(), axis, values.data() + outer * axis.inner);
    }
    return make_constant(result.type, result.dims, std::span<const float>(values));
}

Constant fold(const op::Gather& gather, const std::vector<const Tensor*>& in, const Value& result) {
    const std::vector<std::int64_t> indices = in[1]->integers();
    const Dims& from = in[0]->dims;
    const std::int64_t n = from[gather.axis];
    const auto index = [&](std::int64_t i) {
        return normalize_index(indices[static_cast<std::size_t>(i)], n);
    };
    auto to = std::make_shared<Tensor>(result.type, result.dims);
    const std::size_t size = size_of(result.type);
    std::byte* const out = to->data.data();
    const std::byte* const source = in[0]->data.data();
    const auto move = [&](std::int64_t i, std::int64_t offset) {
        std::memcpy(out + static_cast<std::size_t>(i) * size,
                    source + static_cast<std::size_t>(offset) * size, size);
    };
    Dims strides = dense_strides(from);
    if (gather.elements) {
        const std::int64_t along = strides[gather.axis];
        strides[gather.axis] = 0;
        walk(result.dims, 0, strides,
             [&](std::int64_t i, std::int64_t offset) { move(i, offset + index(i) * along); });
        return to;
    }
    const std::int64_t inner = strides[gather.axis];
    const auto count = static_cast<std::int64_t>(indices.size());
    for (std::int64_t i = 0; i < elements(result.dims); ++i) {
        const std::int64_t outer = i / (count * inner);
        move(i, (outer * n + index(i / inner % count)) * inner + i % inner);
    }
    return to;
}

Constant fold(const op::Scatter& scatter, const std::vector<const Tensor*>& in, const Value&) {
    return fold_scatter(scatter, *in[0], *in[1], *in[2]);
}

Constant fold(const op::Concat& concat, const std::vector<const Tensor*>& in, const Value& result) {
    auto to = std::make_shared<Tensor>(result.type, result.dims);
    const auto outer_end = result.dims.begin() + static_cast<std::ptrdiff_t>(concat.axis);
    const auto outer = static_cast<std::size_t>(elements(Dims(result.dims.begin(), outer_end)));
    std::byte* out = to->data.begin();
    for (std::size_t i = 0; i < outer; ++i) {
        for (const Tensor* tensor : in) {
            const std::size_t bytes = tensor->data.size() / outer;
            out = std::copy_n(tensor->data.begin() + i * bytes, bytes, out);
        }
    }
    return to;
}

Constant fold(const op::Pad& pad, const std::vector<const Tensor*>& in, const Value& result) {
    auto to = std::make_shared<Tensor>(result.type, result.dims);
    const std::size_t size = size_of(result.type);
    std::byte* const out = to->data.data();
    const std::byte* const source = in[0]->data.data();
    for (std::size_t at = 0; at < to->data.size(); at += size) {
        std::memcpy(out + at, &pad.value, size);
    }
    Dims strides = dense_strides(result.dims);
    std::int64_t first = 0;
    for (std::size_t i = 0; i < strides.size(); ++i) {
        first += pad.before[i] * strides[i];
        strides[i] *= pad.step[i];
    }
    walk(in[0]->dims, first, strides, [&](std::int64_t i, std::int64_t offset) {
        std::memcpy(out + static_cast<std::size_t>(offset) * size,
                    source + static_cast<std::size_t>(i) * size, size);
    });
    return to;
}

Constant fold(const op::Permute& permute, const std::vector<const Tensor*>& in,
              const Value& result) {
    const Dims dense = dense_strides(in[0]->dims);
    Dims strides;
    for (const std::size_t axis : permute.axes) {
        strides.push_back(dense[axis]);
    }
    return rearrange(*in[0], result, 0, strides);
}

Constant fold(const op::Slice& slice, const std::vector<const Tensor*>& in, const Value& result) {
    Dims strides = dense_strides(in[0]->dims);
    std::int64_t first = 0;
    for (std::size_t i = 0; i < strides.size(); ++i) {
        first += slice.start[i] * strides[i];
        strides[i] *= slice.step[i];
    }
    return rearrange(*in[0], result, first, strides);
}

Constant fold(const op::Broadcast&, const std::vector<const Tensor*>& in, const Value& result) {
    return rearrange(*in[0], result, 0, broadcast_strides(in[0]->dims, result.dims));
}

Constant fold(const op::Reshape&, const std::vector<const Tensor*>& in, const Value& result) {
    return reshaped_constant(*in[0], result.type, result.dims);
}

template <typename T>
Constant fold(const T&, const std::vector<const Tensor*>&, const Value&) {
    return nullptr;
}

constexpr std::size_t computed_later_bytes = 1 << 16;
constexpr unsigned max_depth = 64;  // each step of a chain is a call in another

Constant fold_now(const Operation& operation, const std::vector<Constant>& operands,
                  const Value& result) {
    std::vector<const Tensor*> in;
    in.reserve(operands.size());
    for (const Constant& operand : operands) {
        in.push_back(operand.get());
    }
    std::vector<TensorStorage> computed;
    for (const Constant& operand : operands) {
        if (operand->data.depth() != 0) {
            computed.push_back(operand->data);
        }
    }
    Constant folded = std::visit([&](const auto& x) { return fold(x, in, result); }, operation);
    for (const Constant& operand : operands) {
        operand->data.evict();
    }
    for (TensorStorage& operand : computed) {
        operand.forget();
    }
    return folded;
}

// Whether an operation has a result for all operands, so that it may be computed later.
bool always_folds(const Operation& operation) {
    if (const auto* const reduction = std::get_if<op::Reduce>(&operation)) {
        return reduction->op != ReduceOp::argmax && reduction->op != ReduceOp::argmin;
    }
    return std::holds_alternative<op::Elementwise>(operation) ||
           std::holds_alternative<op::Concat>(operation) ||
           std::holds_alternative<op::Pad>(operation) ||
           std::holds_alternative<op::Permute>(operation) ||
           std::holds_alternative<op::Slice>(operation) ||
           std::holds_alternative<op::Broadcast>(operation);
}

}  // namespace

namespace {

Constant fold_at_once_or_later(const Operation& operation, const std::vector<Constant>& operands,
                               const Value& result) {
    std::int64_t limit = max_growth;
    for (const Constant& operand : operands) {
        limit += elements(operand->dims);
    }
    if (elements(result.dims) > limit) {
        return nullptr;
    }
    const auto bytes = static_cast<std::size_t>(elements(result.dims)) * size_of(result.type);
    unsigned depth = 1;
    for (const Constant& operand : operands) {
        depth = std::max(depth, operand->data.depth() + 1);
    }
    if (bytes < computed_later_bytes || depth > max_depth || !always_folds(operation)) {
        return fold_now(operation, operands, result);
    }
    auto folded = std::make_shared<Tensor>(
        result.type, result.dims,
        TensorStorage(
            bytes,
            [operation, operands, type = result.type, dims = result.dims] {
                const Value value{.type = type, .dims = dims, .constant = nullptr};
                return fold_now(operation, operands, value)->data;
            },
            depth));
    if (const auto* const permute = std::get_if<op::Permute>(&operation)) {
        folded->data.set_permuted({operands[0], permute->axes});
    }
    return folded;
}

}  // namespace

Constant fold_constant(const Operation& operation, const std::vector<Constant>& operands,
                       const Value& result) {
    Constant folded = fold_at_once_or_later(operation, operands, result);
    const auto* const slice = std::get_if<op::Slice>(&operation);
    if (folded && slice != nullptr) {
        folded->data.set_sliced({operands[0], slice->start, slice->step, result.dims});
    }
    return folded;
}

}  // namespace accel::compiler
