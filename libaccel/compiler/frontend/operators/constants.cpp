// SPDX-License-Identifier: Apache-2.0
//
// Operators that create constants, or tensors from the shape of another tensor.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "frontend/onnx_tensor.hpp"
#include "frontend/operators/lowering.hpp"

namespace accel::compiler {

namespace {

Values constant(const Node& n) {
    if (n.has("value")) {
        return {n.b.constant(n.tensor("value"))};
    }
    if (n.has("value_float")) {
        return {n.b.scalar(n.real("value_float", 0))};
    }
    if (n.has("value_int")) {
        const std::int64_t x = n.integer("value_int", 0);
        return {
            n.b.constant(make_constant(DataType::i64, {}, std::span<const std::int64_t>(&x, 1)))};
    }
    if (n.has("value_floats")) {
        const std::vector<float> x = n.reals("value_floats");
        return {n.b.constant(make_constant(DataType::f32, {static_cast<std::int64_t>(x.size())},
                                           std::span<const float>(x)))};
    }
    if (n.has("value_ints")) {
        return {integer_list(n, n.list("value_ints"))};
    }
    refuse("its constant is a string or sparse, which is not supported");
}

Values constant_of_shape(const Node& n) {
    const Dims dims = n.integers(0);
    ValueId value = n.b.scalar(0.0F);
    if (n.has("value")) {
        value = n.b.reshape(n.b.constant(n.tensor("value")), {});
    }
    return {n.b.broadcast(value, dims)};
}

Values shape(const Node& n) {
    const Dims& dims = n.b.dims(n.in(0));
    const auto rank = static_cast<std::int64_t>(dims.size());
    const auto clamp = [&](std::int64_t i) {
        return std::clamp<std::int64_t>(i < 0 ? i + rank : i, 0, rank);
    };
    const std::int64_t first = clamp(n.integer("start", 0));
    const std::int64_t last = std::max(clamp(n.integer("end", rank)), first);
    return {integer_list(n, std::vector<std::int64_t>(dims.begin() + first, dims.begin() + last))};
}

Values size(const Node& n) {
    const std::int64_t count = elements(n.b.dims(n.in(0)));
    return {
        n.b.constant(make_constant(DataType::i64, {}, std::span<const std::int64_t>(&count, 1)))};
}

Values range(const Node& n) {
    const DataType type = n.b.type(n.in(0));
    const bool half = type == DataType::f16 || type == DataType::bf16;
    if (half && data_type_of(n.integer("stash_type", 1)) != DataType::f32) {
        refuse("its stash_type is not FLOAT", "set stash_type to 1, its default");
    }
    const auto build = [&]<typename Number>(Number start, Number limit, Number delta) {
        if (delta == 0) {
            refuse("its delta is zero");
        }
        const double count =
            std::ceil(static_cast<double>(limit - start) / static_cast<double>(delta));
        if (!(count <= static_cast<double>(max_listed))) {
            refuse("it has " + std::to_string(count) + " elements, and the limit is " +
                   std::to_string(max_listed));
        }
        std::vector<Number> values;
        for (std::int64_t i = 0; i < static_cast<std::int64_t>(std::max(count, 0.0)); ++i) {
            values.push_back(static_cast<Number>(start + static_cast<Number>(i) * delta));
        }
        return n.b.constant(make_constant(type, {static_cast<std::int64_t>(values.size())},
                                          std::span<const Number>(values)));
    };
    if (is_integer(type)) {
        return {build(n.first_integer(0), n.first_integer(1), n.first_integer(2))};
    }
    return {build(n.first_float(0), n.first_float(1), n.first_float(2))};
}

// `depth` classes: 1 where the class equals the index.
Values one_hot(const Node& n) {
    const std::int64_t depth = n.first_integer(1);
    Dims dims = n.b.dims(n.in(0));
    const std::size_t axis = normalize_axis(n.integer("axis", -1), dims.size() + 1);
    if (depth < 1 || depth > max_listed) {
        refuse("its depth is " + std::to_string(depth),
               "it must be from 1 to " + std::to_string(max_listed));
    }
    // An index outside -depth .. depth - 1 equals no class.
    const ValueId index = n.b.cast(n.in(0), DataType::i64);
    const ValueId zero = n.b.scalar(DataType::i64, 0);
    const ValueId behind = add(n, index, n.b.scalar(DataType::i64, static_cast<double>(depth)));
    const ValueId positive =
        n.b.select(n.b.compare(ElementwiseOp::less, index, zero), behind, index);
    dims.insert(dims.begin() + static_cast<std::ptrdiff_t>(axis), 1);
    std::vector<std::int64_t> classes(static_cast<std::size_t>(depth));
    std::iota(classes.begin(), classes.end(), 0);
    Dims along(dims.size(), 1);
    along[axis] = depth;
    const ValueId hit = n.b.compare(ElementwiseOp::equal, n.b.reshape(positive, dims),
                                    n.b.reshape(integer_list(n, classes), along));
    const ValueId off = n.b.reshape(n.b.slice(n.in(2), 0, 0, 1), {});
    const ValueId on = n.b.reshape(n.b.slice(n.in(2), 0, 1, 1), {});
    return {n.b.select(hit, on, off)};
}

Values trilu(const Node& n) {
    const ValueId x = n.in(0);
    const Dims& dims = n.b.dims(x);
    if (dims.size() < 2) {
        refuse("its input " + to_string(dims) + " is no matrix");
    }
    const std::int64_t k = n.has(1) ? n.first_integer(1) : 0;
    const bool upper = n.integer("upper", 1) != 0;
    const std::int64_t rows = dims[dims.size() - 2];
    const std::int64_t columns = dims.back();
    if (rows > max_listed || columns > max_listed || rows * columns > max_listed) {
        refuse("its matrix " + to_string(dims) + " has more than " + std::to_string(max_listed) +
               " elements");
    }
    std::vector<std::int64_t> keep;
    for (std::int64_t i = 0; i < rows; ++i) {
        for (std::int64_t j = 0; j < columns; ++j) {
            keep.push_back(upper ? j - i >= k : j - i <= k);
        }
    }
    const ValueId mask = n.b.constant(
        make_constant(DataType::boolean, {rows, columns}, std::span<const std::int64_t>(keep)));
    return {n.b.select(mask, x, n.b.scalar(n.b.type(x), 0))};
}

Values eye_like(const Node& n) {
    const Dims& dims = n.b.dims(n.in(0));
    const DataType type =
        n.has("dtype") ? n.b.compute_type(data_type_of(n.integer("dtype", 1))) : n.b.type(n.in(0));
    if (dims.size() != 2 || elements(dims) > max_listed) {
        refuse("its input " + to_string(dims) + " is no matrix, or has more than " +
               std::to_string(max_listed) + " elements");
    }
    std::vector<std::int64_t> values(static_cast<std::size_t>(elements(dims)));
    const std::int64_t k = std::clamp(n.integer("k", 0), -dims[0], dims[1]);
    for (std::int64_t i = 0; i < dims[0]; ++i) {
        const std::int64_t j = i + k;
        if (j >= 0 && j < dims[1]) {
            values[static_cast<std::size_t>(i * dims[1] + j)] = 1;
        }
    }
    return {n.b.constant(make_constant(type, dims, std::span<const std::int64_t>(values)))};
}

}  // namespace

void add_constants(OperatorTable& table) {
    table.add({
        {"Constant", {1}, constant},
        {"ConstantOfShape", {9}, constant_of_shape},
        {"EyeLike", {9}, eye_like},
        {"OneHot", {9}, one_hot},
        {"Range", {11}, range},
        {"Shape", {1}, shape},
        {"Size", {1}, size},
        {"Trilu", {14}, trilu},
    });
}

}  // namespace accel::compiler
