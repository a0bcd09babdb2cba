// SPDX-License-Identifier: Apache-2.0
//
// Covers the operations that arithmetic on shapes and weights uses, with the arithmetic of the
// emulated card, so that a folded value has the bits that the card computes. Other instructions
// stay in the program, and the card computes them in each run.
#include "ir/constant_folding.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>

#include "numerics/elementwise.hpp"
#include "numerics/math.hpp"
#include "numerics/reduction.hpp"

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

// The strides of a dense operand that broadcasts to `dims`.
Dims broadcast_strides(const Dims& from, const Dims& dims) {
    const Dims dense = dense_strides(from);
    Dims strides(dims.size());
    for (std::size_t i = 0; i < from.size(); ++i) {
        const std::size_t to = dims.size() - from.size() + i;
        strides[to] = from[i] == 1 ? 0 : dense[i];
    }
    return strides;
}

Constant rearrange(const Tensor& from, const Value& result, std::int64_t first,
                   const Dims& strides) {
    auto to = std::make_shared<Tensor>(result.type, result.dims);
    const std::size_t size = size_of(result.type);
    walk(result.dims, first, strides, [&](std::int64_t i, std::int64_t offset) {
        std::memcpy(to->data.data() + static_cast<std::size_t>(i) * size,
                    from.data.data() + static_cast<std::size_t>(offset) * size, size);
    });
    return to;
}

template <typename Number>
Constant fold_elementwise(const op::Elementwise& x, const std::vector<const Tensor*>& in,
                          const Value& result) {
    std::vector<std::vector<Number>> operands;
    for (const Tensor* tensor : in) {
        std::vector<Number> all;
        if constexpr (std::is_same_v<Number, float>) {
            all = tensor->floats();
        } else {
            all = tensor->integers();
        }
        std::vector<Number> wide(static_cast<std::size_t>(elements(result.dims)));
        walk(result.dims, 0, broadcast_strides(tensor->dims, result.dims),
             [&](std::int64_t i, std::int64_t offset) {
                 wide[static_cast<std::size_t>(i)] = all[static_cast<std::size_t>(offset)];
             });
        operands.push_back(std::move(wide));
    }
    operands.resize(3, operands[0]);
    std::vector<Number>& values = operands[0];
    card::apply_elementwise(static_cast<std::uint8_t>(x.op), values.data(), operands[1].data(),
                            operands[2].data(), values.size());
    card::apply_unary(
        values.data(), values.size(),
        {static_cast<std::uint8_t>(x.activation), std::bit_cast<std::uint32_t>(x.alpha),
         std::bit_cast<std::uint32_t>(x.beta)});
    return make_constant(result.type, result.dims, std::span<const Number>(values));
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

// Each operation in the order of the axis: integers are exact in any order.
void reduce_slice(ReduceOp op, const std::int64_t* from, const ReducedAxis& axis,
                  std::int64_t* to) {
    using Limits = std::numeric_limits<std::int64_t>;
    std::fill_n(to, axis.inner,
                op == ReduceOp::product ? 1
                : op == ReduceOp::max   ? Limits::min()
                : op == ReduceOp::min   ? Limits::max()
                                        : 0);
    for (std::size_t j = 0; j < axis.n; ++j) {
        for (std::size_t i = 0; i < axis.inner; ++i) {
            const std::int64_t x = *from++;
            to[i] = op == ReduceOp::product ? to[i] * x
                    : op == ReduceOp::max   ? std::max(to[i], x)
                    : op == ReduceOp::min   ? std::min(to[i], x)
                                            : to[i] + x;
        }
    }
    for (std::size_t i = 0; i < axis.inner && op == ReduceOp::mean; ++i) {
        to[i] = axis.n == 0 ? 0 : to[i] / static_cast<std::int64_t>(axis.n);
    }
}

Constant fold(const op::Reduce& reduction, const std::vector<const Tensor*>& in,
              const Value& result) {
    if (reduction.op == ReduceOp::argmax || reduction.op == ReduceOp::argmin) {
        return nullptr;
    }
    const ReducedAxis axis(in[0]->dims, reduction.axis);
    const auto reduce = [&]<typename Number>(const std::vector<Number>& from) {
        std::vector<Number> values(axis.outer * axis.inner);
        for (std::size_t outer = 0; outer < axis.outer; ++outer) {
            reduce_slice(reduction.op, from.data() + outer * axis.n * axis.inner, axis,
                         values.data() + outer * axis.inner);
        }
        return make_constant(result.type, result.dims, std::span<const Number>(values));
    };
    return is_integer(result.type) ? reduce(in[0]->integers()) : reduce(in[0]->floats());
}

Constant fold(const op::Gather& gather, const std::vector<const Tensor*>& in, const Value& result) {
    const std::vector<std::int64_t> indices = in[1]->integers();
    const Dims& from = in[0]->dims;
    const std::int64_t n = from[gather.axis];
    const auto index = [&](std::int64_t i) {
        const std::int64_t x = indices[static_cast<std::size_t>(i)];
        if (x < -n || x >= n) {
            refuse("the index " + std::to_string(x) + " is outside an axis of the length " +
                   std::to_string(n));
        }
        return x < 0 ? x + n : x;
    };
    auto to = std::make_shared<Tensor>(result.type, result.dims);
    const std::size_t size = size_of(result.type);
    const auto move = [&](std::int64_t i, std::int64_t offset) {
        std::memcpy(to->data.data() + static_cast<std::size_t>(i) * size,
                    in[0]->data.data() + static_cast<std::size_t>(offset) * size, size);
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

Constant fold(const op::Concat& concat, const std::vector<const Tensor*>& in, const Value& result) {
    auto to = std::make_shared<Tensor>(result.type, result.dims);
    const auto outer_end = result.dims.begin() + static_cast<std::ptrdiff_t>(concat.axis);
    const auto outer = static_cast<std::size_t>(elements(Dims(result.dims.begin(), outer_end)));
    auto out = to->data.begin();
    for (std::size_t i = 0; i < outer; ++i) {
        for (const Tensor* tensor : in) {
            const std::size_t bytes = tensor->data.size() / std::max<std::size_t>(outer, 1);
            out = std::copy_n(tensor->data.begin() + static_cast<std::ptrdiff_t>(i * bytes), bytes,
                              out);
        }
    }
    return to;
}

Constant fold(const op::Pad& pad, const std::vector<const Tensor*>& in, const Value& result) {
    auto to = std::make_shared<Tensor>(result.type, result.dims);
    const std::size_t size = size_of(result.type);
    for (std::size_t at = 0; at < to->data.size(); at += size) {
        std::memcpy(to->data.data() + at, &pad.value, size);
    }
    Dims strides = dense_strides(result.dims);
    std::int64_t first = 0;
    for (std::size_t i = 0; i < strides.size(); ++i) {
        first += pad.before[i] * strides[i];
        strides[i] *= pad.step[i];
    }
    walk(in[0]->dims, first, strides, [&](std::int64_t i, std::int64_t offset) {
        std::memcpy(to->data.data() + static_cast<std::size_t>(offset) * size,
                    in[0]->data.data() + static_cast<std::size_t>(i) * size, size);
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
    auto to = std::make_shared<Tensor>(*in[0]);
    to->dims = result.dims;
    return to;
}

template <typename T>
Constant fold(const T&, const std::vector<const Tensor*>&, const Value&) {
    return nullptr;
}

}  // namespace

Constant fold_constant(const Operation& operation, const std::vector<const Tensor*>& operands,
                       const Value& result) {
    std::int64_t limit = max_growth;
    for (const Tensor* operand : operands) {
        limit += elements(operand->dims);
    }
    if (elements(result.dims) > limit) {
        return nullptr;
    }
    return std::visit([&](const auto& x) { return fold(x, operands, result); }, operation);
}

}  // namespace accel::compiler
