// SPDX-License-Identifier: Apache-2.0
//
// Operators that update elements at indices. The indices may be values of the run.
#include <algorithm>
#include <map>

#include "frontend/operators/indices.hpp"

namespace accel::compiler {

namespace {

ScatterOp reduction_of(const Node& n) {
    const std::string name = n.text("reduction", "none");
    static const std::map<std::string, ScatterOp> known{{"none", ScatterOp::set},
                                                        {"add", ScatterOp::add},
                                                        {"mul", ScatterOp::mul},
                                                        {"max", ScatterOp::max},
                                                        {"min", ScatterOp::min}};
    const auto found = known.find(name);
    if (found == known.end()) {
        refuse("the reduction '" + name + "' is not supported");
    }
    return found->second;
}

// The data with a part, which begins at index 0 of every axis, replaced.
ValueId with_part(const Node& n, ValueId data, ValueId part) {
    for (std::size_t axis = n.b.rank(data); axis-- > 0;) {
        const std::int64_t length = n.b.dims(part)[axis];
        const std::int64_t rest = n.b.dims(data)[axis] - length;
        if (rest != 0) {
            // The rest along this axis, no longer than the part along the axes before.
            Dims start(n.b.rank(data), 0);
            start[axis] = length;
            Dims dims = n.b.dims(part);
            dims[axis] = rest;
            Dims step(n.b.rank(data), 1);
            part = n.b.concat(
                {part, n.b.strided_slice(data, std::move(start), std::move(step), std::move(dims))},
                axis);
        }
    }
    return part;
}

Values scatter_elements(const Node& n) {
    const ValueId data = n.in(0);
    const ValueId indices = n.in(1);
    const Dims all = n.b.dims(data);
    Dims shape = n.b.dims(indices);
    const std::size_t axis = normalize_axis(n.integer("axis", 0), all.size());
    bool fits = shape.size() == all.size() && n.b.dims(n.in(2)) == shape;
    for (std::size_t i = 0; fits && i < shape.size(); ++i) {
        fits = i == axis || shape[i] <= all[i];
    }
    if (!fits) {
        refuse("its indices " + to_string(shape) + " and updates " + to_string(n.b.dims(n.in(2))) +
               " do not fit its data " + to_string(all));
    }
    if (elements(shape) == 0) {
        return {data};
    }
    shape[axis] = all[axis];
    const ValueId part =
        n.b.strided_slice(data, Dims(shape.size(), 0), Dims(shape.size(), 1), shape);
    const std::optional<ValueId> line = indices_along(n, indices, axis);
    const ValueId updated = n.b.scatter({.axis = axis, .elements = !line, .op = reduction_of(n)},
                                        part, line.value_or(indices), n.in(2));
    return {with_part(n, data, updated)};
}

Values scatter_nd(const Node& n) {
    const Dims data = n.b.dims(n.in(0));
    const Dims shape = n.b.dims(n.in(1));
    const std::int64_t depth = shape.empty() ? 0 : shape.back();
    if (depth < 1 || depth > std::ssize(data)) {
        refuse("its indices " + to_string(shape) + " do not fit its data " + to_string(data));
    }
    const Dims lengths(data.begin(), data.begin() + depth);
    const Dims slice(data.begin() + depth, data.end());
    Dims expected(shape.begin(), shape.end() - 1);
    const std::int64_t count = elements(expected);
    expected.insert(expected.end(), slice.begin(), slice.end());
    if (n.b.dims(n.in(2)) != expected) {
        refuse("its updates have the shape " + to_string(n.b.dims(n.in(2))) + ", not " +
               to_string(expected));
    }
    const auto rows = [&](ValueId x, std::int64_t length) {
        Dims dims = slice;
        dims.insert(dims.begin(), length);
        return n.b.reshape(x, std::move(dims));
    };
    const ValueId indices = n.b.reshape(flat_indices(n, n.in(1), lengths), {count});
    const ValueId updated =
        n.b.scatter({.axis = 0, .op = reduction_of(n)}, rows(n.in(0), elements(lengths)), indices,
                    rows(n.in(2), count));
    return {n.b.reshape(updated, data)};
}

}  // namespace

void add_scattering(OperatorTable& table) {
    table.add({
        {"Scatter", {9, 10}, scatter_elements},
        {"ScatterElements", {11}, scatter_elements},
        {"ScatterND", {11}, scatter_nd},
    });
}

}  // namespace accel::compiler
