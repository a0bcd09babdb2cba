// SPDX-License-Identifier: Apache-2.0
//
// Covers the operations that arithmetic on shapes and weights uses. Other instructions stay in the
// program, and the card computes them in each run.
#include "ir/constant_folding.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

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
Number activate(UnaryOp activation, Number x, float alpha, float beta) {
    const auto f = static_cast<double>(x);
    switch (activation) {
        case UnaryOp::none:
            return x;
        case UnaryOp::relu:
            return x < 0 ? Number(0) : x;
        case UnaryOp::abs:
            return x < 0 ? -x : x;
        case UnaryOp::neg:
            return -x;
        case UnaryOp::sign:
            return Number((x > 0) - (x < 0));
        case UnaryOp::logical_not:
            return Number(x == 0);
        case UnaryOp::clip:
            return Number(std::clamp<double>(f, alpha, beta));
        case UnaryOp::sqrt:
            return Number(std::sqrt(f));
        case UnaryOp::reciprocal:
            return Number(1.0 / f);
        case UnaryOp::floor:
            return Number(std::floor(f));
        case UnaryOp::ceil:
            return Number(std::ceil(f));
        case UnaryOp::round:
            return Number(std::nearbyint(f));
        case UnaryOp::exp:
            return Number(std::exp(f));
        case UnaryOp::log:
            return Number(std::log(f));
        case UnaryOp::sin:
            return Number(std::sin(f));
        case UnaryOp::cos:
            return Number(std::cos(f));
        case UnaryOp::tanh:
            return Number(std::tanh(f));
        case UnaryOp::sigmoid:
            return Number(1.0 / (1.0 + std::exp(-f)));
        case UnaryOp::erf:
            return Number(std::erf(f));
        default:
            return x;
    }
}

bool is_foldable(UnaryOp activation) {
    switch (activation) {
        case UnaryOp::leaky_relu:
        case UnaryOp::hard_sigmoid:
        case UnaryOp::hard_swish:
        case UnaryOp::gelu:
        case UnaryOp::elu:
        case UnaryOp::softplus:
        case UnaryOp::atan:
            return false;
        default:
            return true;
    }
}

template <typename Number>
Number apply(ElementwiseOp op, Number a, Number b, Number c) {
    constexpr bool integers = std::is_integral_v<Number>;
    switch (op) {
        case ElementwiseOp::add:
            return a + b;
        case ElementwiseOp::sub:
            return a - b;
        case ElementwiseOp::mul:
            return a * b;
        case ElementwiseOp::div:
            if constexpr (integers) {
                return b == 0 ? 0 : b == -1 ? -a : a / b;
            } else {
                return a / b;
            }
        case ElementwiseOp::min:
            return b < a ? b : a;
        case ElementwiseOp::max:
            return b > a ? b : a;
        case ElementwiseOp::pow:
            return Number(std::pow(static_cast<double>(a), static_cast<double>(b)));
        case ElementwiseOp::fmod:
        case ElementwiseOp::mod: {
            Number rest{};
            if constexpr (integers) {
                rest = b == 0 || b == -1 ? 0 : a % b;
            } else {
                rest = std::fmod(a, b);
            }
            return op == ElementwiseOp::mod && rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
        }
        case ElementwiseOp::equal:
            return Number(a == b);
        case ElementwiseOp::less:
            return Number(a < b);
        case ElementwiseOp::less_equal:
            return Number(a <= b);
        case ElementwiseOp::select:
            return c != 0 ? a : b;
        case ElementwiseOp::prelu:
            return a < 0 ? a * b : a;
        default:
            break;
    }
    if constexpr (integers) {
        switch (op) {
            case ElementwiseOp::bit_and:
                return a & b;
            case ElementwiseOp::bit_or:
                return a | b;
            case ElementwiseOp::bit_xor:
                return a ^ b;
            case ElementwiseOp::shift_left:
                return b >= 0 && b < 64 ? static_cast<Number>(static_cast<std::uint64_t>(a) << b)
                                        : 0;
            case ElementwiseOp::shift_right:
                return b >= 0 && b < 64 ? static_cast<Number>(static_cast<std::uint64_t>(a) >> b)
                                        : 0;
            default:
                break;
        }
    }
    return a;
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
    std::vector<Number> values(operands[0].size());
    for (std::size_t i = 0; i < values.size(); ++i) {
        values[i] =
            activate(x.activation, apply(x.op, operands[0][i], operands[1][i], operands[2][i]),
                     x.alpha, x.beta);
    }
    return make_constant(result.type, result.dims, std::span<const Number>(values));
}

Constant fold(const op::Elementwise& x, const std::vector<const Tensor*>& in, const Value& result) {
    if (!is_foldable(x.activation)) {
        return nullptr;
    }
    return is_integer(in[0]->type) && !(x.op == ElementwiseOp::identity && !is_integer(result.type))
               ? fold_elementwise<std::int64_t>(x, in, result)
               : fold_elementwise<float>(x, in, result);
}

Constant fold(const op::Reduce& reduction, const std::vector<const Tensor*>& in,
              const Value& result) {
    const Dims strides = dense_strides(in[0]->dims);
    const std::int64_t n = in[0]->dims[reduction.axis];
    const auto reduce = [&]<typename Number>(const std::vector<Number>& from) {
        std::vector<Number> values(static_cast<std::size_t>(elements(result.dims)));
        walk(result.dims, 0, strides, [&](std::int64_t i, std::int64_t first) {
            Number sum = from[static_cast<std::size_t>(first)];
            for (std::int64_t j = 1; j < n; ++j) {
                const Number x =
                    from[static_cast<std::size_t>(first + j * strides[reduction.axis])];
                switch (reduction.op) {
                    case ReduceOp::product:
                        sum = sum * x;
                        break;
                    case ReduceOp::max:
                        sum = std::max(sum, x);
                        break;
                    case ReduceOp::min:
                        sum = std::min(sum, x);
                        break;
                    default:
                        sum = sum + x;
                        break;
                }
            }
            values[static_cast<std::size_t>(i)] =
                reduction.op == ReduceOp::mean ? sum / static_cast<Number>(n) : sum;
        });
        return make_constant(result.type, result.dims, std::span<const Number>(values));
    };
    if (reduction.op == ReduceOp::argmax || reduction.op == ReduceOp::argmin) {
        return nullptr;
    }
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
    to->type = result.type;
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
