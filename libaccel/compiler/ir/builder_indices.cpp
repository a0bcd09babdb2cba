// SPDX-License-Identifier: Apache-2.0
//
// The instructions of the builder that take indices.
#include "ir/builder.hpp"

namespace accel::compiler {

// The card checks indices that are no constants.
void Builder::check_indices(ValueId indices, std::int64_t length) const {
    if (type(indices) != DataType::i32 && type(indices) != DataType::i64) {
        refuse("its indices are " + std::string(to_string(type(indices))),
               "they must be i32 or i64");
    }
    const Constant& known = value(indices).constant;
    for (const std::int64_t index : known ? known->integers() : Dims()) {
        static_cast<void>(normalize_index(index, length));
    }
    if (length == 0 && elements(dims(indices)) != 0) {
        refuse("it has indices of an axis without elements");
    }
}

std::int64_t Builder::slice_start(ValueId a, ValueId indices, std::size_t axis) const {
    constexpr std::size_t large = 4096;
    const Constant& from = value(a).constant;
    const Constant& known = value(indices).constant;
    if (!from || from->data.size() < large || !known || elements(known->dims) < 2) {
        return -1;
    }
    const std::vector<std::int64_t> all = known->integers();
    for (std::size_t i = 1; i < all.size(); ++i) {
        if (all[i] != all[i - 1] + 1) {
            return -1;
        }
    }
    const std::int64_t first = all.front() < 0 ? all.front() + dims(a)[axis] : all.front();
    return all.front() < 0 && all.back() >= 0 ? -1 : first;
}

ValueId Builder::gather(ValueId a, ValueId indices, std::size_t axis, bool by_element) {
    check_indices(indices, length(a, axis));
    if (by_element) {
        Dims expected = dims(a);
        if (rank(indices) == expected.size()) {
            expected[axis] = dims(indices)[axis];
        }
        if (dims(indices) != expected) {
            refuse("indices of the shape " + to_string(dims(indices)) +
                   " do not fit data of the shape " + to_string(dims(a)));
        }
        return add(op::Gather{axis, true}, {a, indices}, type(a), dims(indices));
    }
    Dims shape(dims(a).begin(), dims(a).begin() + static_cast<std::ptrdiff_t>(axis));
    shape.insert(shape.end(), dims(indices).begin(), dims(indices).end());
    shape.insert(shape.end(), dims(a).begin() + static_cast<std::ptrdiff_t>(axis) + 1,
                 dims(a).end());
    if (const std::int64_t start = slice_start(a, indices, axis); start >= 0) {
        return reshape(slice(a, axis, start, elements(dims(indices))), std::move(shape));
    }
    const ValueId out = add(op::Gather{axis, false}, {a, indices}, type(a), std::move(shape));
    if (const QuantParams* const quant = quant_params(a, false)) {
        QuantParams same = *quant;
        same.counterpart = gather(quant->counterpart, indices, axis, false);
        set_quant_params(out, std::move(same));
    }
    return out;
}

ValueId Builder::scatter(op::Scatter operation, ValueId a, ValueId indices, ValueId updates) {
    Dims expected = dims(a);
    const std::int64_t n = length(a, operation.axis);
    if (rank(updates) == expected.size()) {
        expected[operation.axis] = dims(updates)[operation.axis];
    }
    const Dims index = operation.elements ? expected : Dims{expected[operation.axis]};
    if (dims(updates) != expected || dims(indices) != index || type(updates) != type(a)) {
        refuse("updates " + std::string(to_string(type(updates))) + to_string(dims(updates)) +
               " at indices of the shape " + to_string(dims(indices)) + " do not fit data " +
               std::string(to_string(type(a))) + to_string(dims(a)));
    }
    check_indices(indices, n);
    return elements(expected) == 0 ? a : add(operation, {a, indices, updates}, type(a), dims(a));
}

}  // namespace accel::compiler
