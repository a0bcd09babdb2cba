// SPDX-License-Identifier: Apache-2.0
//
// Folds the operations that computations on shapes and weights use. The arithmetic is that of the
// emulated card (qemu-device/core/numerics), so a folded value has the bits that the card computes.
// Other instructions stay in the program, and the card computes them in each run.
#include "ir/constant_folding.hpp"

#include <algorithm>
#include <cstring>
#include <type_traits>
#include <utility>

#include "ir/elementwise_folding.hpp"
#include "ir/movement_folding.hpp"
#include "ir/reduction_folding.hpp"
#include "ir/scatter_folding.hpp"

namespace accel::compiler {

namespace {

// A folded result has at most this many elements more than its operands: a larger one would only
// make the compiled model larger.
constexpr std::int64_t max_growth = std::int64_t{1} << 20;

constexpr std::size_t computed_later_bytes = 1 << 16;
constexpr unsigned max_depth = 64;  // each step of a chain is a call in another

// ---- operations that have a result for all operands, so that it may be computed later

PartReader read_parts(const op::Elementwise& x, const std::vector<Constant>& in,
                      const Value& result) {
    return read_elementwise(x, in, result);
}
PartReader read_parts(const op::Reduce& x, const std::vector<Constant>& in, const Value& result) {
    return reduced(x, *in[0], result).reader();
}
PartReader read_parts(const op::Concat& x, const std::vector<Constant>& in, const Value& result) {
    return read_concatenated(x, in, result);
}
PartReader read_parts(const op::Pad& x, const std::vector<Constant>& in, const Value& result) {
    return read_padded(x, in[0], result);
}
PartReader read_parts(const op::Permute& x, const std::vector<Constant>& in, const Value& result) {
    return read_permuted(x, in[0], result);
}
PartReader read_parts(const op::Slice& x, const std::vector<Constant>& in, const Value& result) {
    return read_sliced(x, in[0], result);
}
PartReader read_parts(const op::Broadcast&, const std::vector<Constant>& in, const Value& result) {
    return read_broadcast(in[0], result);
}

template <typename T>
concept ComputedLater = requires(const T& x, const std::vector<Constant>& in, const Value& result) {
    read_parts(x, in, result);
};

TensorStorage computed_later(const Operation& operation, const std::vector<Constant>& operands,
                             const Value& result, std::size_t bytes, unsigned depth) {
    return std::visit(
        [&](const auto& x) -> TensorStorage {
            if constexpr (ComputedLater<std::decay_t<decltype(x)>>) {
                return {bytes,
                        [x, operands, type = result.type, dims = result.dims] {
                            return read_parts(x, operands,
                                              {.type = type, .dims = dims, .constant = nullptr});
                        },
                        depth};
            } else {
                return {};
            }
        },
        operation);
}

bool is_computed_later(const Operation& operation) {
    if (const auto* const reduction = std::get_if<op::Reduce>(&operation)) {
        return reduction->op != ReduceOp::argmax && reduction->op != ReduceOp::argmin;
    }
    return std::visit([](const auto& x) { return ComputedLater<std::decay_t<decltype(x)>>; },
                      operation);
}

// ---- operations that are computed at once, with the operands in memory

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

Constant fold(const op::Reshape&, const std::vector<const Tensor*>& in, const Value& result) {
    return reshaped_constant(*in[0], result.type, result.dims);
}

template <typename T>
Constant fold(const T&, const std::vector<const Tensor*>&, const Value&) {
    return nullptr;
}

bool needs_memory(const Operation& operation) {
    return std::holds_alternative<op::Gather>(operation) ||
           std::holds_alternative<op::Scatter>(operation);
}

Constant fold_at_once(const Operation& operation, const std::vector<Constant>& operands,
                      const Value& result) {
    std::vector<Constant> in_memory = operands;
    if (needs_memory(operation)) {
        for (Constant& operand : in_memory) {
            operand = std::make_shared<Tensor>(operand->type, operand->dims, operand->data.whole());
        }
    }
    std::vector<const Tensor*> in;
    in.reserve(in_memory.size());
    for (const Constant& operand : in_memory) {
        in.push_back(operand.get());
    }
    Constant folded = std::visit([&](const auto& x) { return fold(x, in, result); }, operation);
    for (const Constant& operand : in_memory) {
        operand->data.evict();
    }
    return folded;
}

}  // namespace

Constant fold_constant(const Operation& operation, const std::vector<Constant>& operands,
                       const Value& result) {
    std::int64_t limit = max_growth;
    for (const Constant& operand : operands) {
        limit += elements(operand->dims);
    }
    if (elements(result.dims) > limit) {
        return nullptr;
    }
    if (!is_computed_later(operation)) {
        return fold_at_once(operation, operands, result);
    }
    const auto bytes = static_cast<std::size_t>(elements(result.dims)) * size_of(result.type);
    unsigned depth = 1;
    for (const Constant& operand : operands) {
        depth = std::max(depth, operand->data.depth() + 1);
    }
    auto folded = std::make_shared<Tensor>(
        result.type, result.dims, computed_later(operation, operands, result, bytes, depth));
    if (bytes < computed_later_bytes || depth > max_depth) {
        static_cast<void>(std::as_const(folded->data).data());
    } else if (const auto* const permute = std::get_if<op::Permute>(&operation)) {
        folded->data.set_permuted({operands[0], permute->axes});
    }
    return folded;
}

}  // namespace accel::compiler
