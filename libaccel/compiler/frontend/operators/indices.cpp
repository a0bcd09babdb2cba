// SPDX-License-Identifier: Apache-2.0
#include "frontend/operators/indices.hpp"

#include <algorithm>

namespace accel::compiler {

namespace {

using Op = ElementwiseOp;

void check_known(const Node& n, ValueId indices, const Dims& lengths) {
    if (!n.b.value(indices).constant) {
        return;
    }
    std::size_t i = 0;
    for (const std::int64_t index : n.b.value(indices).constant->integers()) {
        static_cast<void>(normalize_index(index, lengths[i++ % lengths.size()]));
    }
}

}  // namespace

ValueId flat_indices(const Node& n, ValueId indices, const Dims& lengths, bool as_is) {
    check_known(n, indices, lengths);
    const Dims& given = n.b.dims(indices);
    const Dims shape(given.begin(), given.end() - 1);
    if (lengths.size() == 1 && as_is) {
        return n.b.reshape(indices, shape);
    }
    // The modulo of a negative index counts from the end. An index that the bounds change is out of
    // range.
    indices = n.b.cast(indices, DataType::i64);
    Dims first;
    Dims last;
    for (const std::int64_t length : lengths) {
        first.push_back(-length);
        last.push_back(length - 1);
    }
    const ValueId bounded = n.b.binary(
        Op::min, n.b.binary(Op::max, indices, integer_list(n, first)), integer_list(n, last));
    const ValueId valid = n.b.compare(Op::equal, bounded, indices);
    const ValueId wrapped = n.b.binary(Op::mod, indices, integer_list(n, lengths));
    const ValueId scaled = mul(n, wrapped, integer_list(n, dense_strides(lengths)));
    const ValueId parts = index_if(n, valid, scaled);
    const std::size_t axis = shape.size();
    ValueId flat = n.b.slice(parts, axis, 0, 1);
    for (std::size_t i = 1; i < lengths.size(); ++i) {
        flat = add(n, flat, n.b.slice(parts, axis, static_cast<std::int64_t>(i), 1));
    }
    return n.b.reshape(flat, shape);
}

std::optional<ValueId> indices_along(const Node& n, ValueId indices, std::size_t axis) {
    const auto is_line = [&](ValueId id) {
        const Dims& dims = n.b.dims(id);
        const std::size_t left_out = n.b.rank(indices) - dims.size();
        for (std::size_t i = 0; i < dims.size(); ++i) {
            if (i + left_out != axis && dims[i] != 1) {
                return false;
            }
        }
        return left_out <= axis && dims[axis - left_out] == n.b.dims(indices)[axis];
    };
    const auto line = [&](ValueId id) { return n.b.reshape(id, {n.b.dims(indices)[axis]}); };
    if (is_line(indices)) {
        return line(indices);
    }
    const Instruction* const source = n.b.producer(indices);
    if (source != nullptr && std::holds_alternative<op::Broadcast>(source->operation) &&
        is_line(source->operands[0])) {
        return line(source->operands[0]);
    }
    const Constant known = n.b.value(indices).constant;
    if (!known || elements(known->dims) == 0) {
        return std::nullopt;
    }
    const std::vector<std::int64_t> values = known->integers();
    const std::int64_t inner = dense_strides(known->dims)[axis];
    const std::int64_t count = known->dims[axis];
    Dims one;
    for (std::int64_t i = 0; i < count; ++i) {
        one.push_back(values[static_cast<std::size_t>(i * inner)]);
    }
    for (std::int64_t i = 0; i < std::ssize(values); ++i) {
        if (values[static_cast<std::size_t>(i)] !=
            one[static_cast<std::size_t>(i / inner % count)]) {
            return std::nullopt;
        }
    }
    return integer_list(n, one);
}

}  // namespace accel::compiler
