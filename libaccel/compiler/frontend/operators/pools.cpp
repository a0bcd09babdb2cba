// SPDX-License-Identifier: Apache-2.0
//
// LpPool and GlobalLpPool: the p-norm of each window; MaxUnpool: the inverse of MaxPool.
#include <algorithm>

#include "frontend/operators/indices.hpp"
#include "frontend/operators/windows.hpp"

namespace accel::compiler {

namespace {

// |x| to the power of p, and the inverse.
ValueId powered(const Node& n, ValueId x, float p) {
    const ValueId a = unary(n, UnaryOp::abs, x);
    return p == 1.0F   ? a
           : p == 2.0F ? mul(n, a, a)
                       : n.b.binary(ElementwiseOp::pow, a, n.b.scalar(p));
}
ValueId rooted(const Node& n, ValueId x, float p) {
    return p == 1.0F   ? x
           : p == 2.0F ? unary(n, UnaryOp::sqrt, x)
                       : n.b.binary(ElementwiseOp::pow, x, n.b.scalar(1.0F / p));
}

// Opset 1 states p as a real number, later ones as an integer.
float exponent(const Node& n) {
    const float chosen = n.opset() < 2 ? n.real("p", 2.0F) : static_cast<float>(n.integer("p", 2));
    if (!(chosen > 0)) {
        refuse("its attribute p is " + std::to_string(chosen), "it must be positive");
    }
    return chosen;
}

// The sum over a window is the average, which counts elements outside, times its size.
Values lp_pool(const Node& n) {
    const bool line = n.b.rank(n.in(0)) == 3;
    const float p = exponent(n);
    const ValueId x = powered(n, as_f32(n, as_image(n, n.in(0))), p);
    const auto axes = image_axes(n, n.in(0), n.list("kernel_shape"));
    float count = 1;
    for (const WindowAxis& axis : axes) {
        count *= static_cast<float>(axis.kernel);
    }
    const ValueId y = rooted(n, mul(n, pool_over(n, x, axes, PoolOp::average, true), count), p);
    return {n.b.cast(as_given(n, y, line), n.b.type(n.in(0)))};
}

Values global_lp_pool(const Node& n) {
    const ValueId x = as_f32(n, n.in(0));
    const float p = exponent(n);
    std::vector<std::size_t> axes;
    for (std::size_t i = 2; i < n.b.rank(x); ++i) {
        axes.push_back(i);
    }
    return {n.b.cast(rooted(n, n.b.reduce(ReduceOp::sum, powered(n, x, p), axes), p),
                     n.b.type(n.in(0)))};
}

// The shape of the tensor that was pooled: for a stride and a kernel, the smallest one.
Dims unpooled(const Node& n, const Dims& dims) {
    const std::size_t axes = dims.size() < 2 ? 0 : dims.size() - 2;
    const Dims kernel = n.list("kernel_shape");
    const Dims strides = n.list("strides", Dims(axes, 1));
    const Dims pads = n.list("pads", Dims(2 * axes, 0));
    if (axes == 0 || kernel.size() != axes || strides.size() != axes || pads.size() != 2 * axes) {
        refuse("its kernel_shape, strides or pads do not fit its input " + to_string(dims));
    }
    Dims result{dims[0], dims[1]};
    for (std::size_t i = 0; i < axes; ++i) {
        result.push_back((dims[i + 2] - 1) * strides[i] - pads[i] - pads[i + axes] + kernel[i]);
        if (result.back() < 0 || result.back() > max_elements) {
            refuse("its result has an axis of the length " + std::to_string(result.back()));
        }
    }
    return result;
}

// Element j of the result is the element of x whose index is j. Of equal indices, the last counts.
// A larger output shape adds zeros at the end of each axis.
Values max_unpool(const Node& n) {
    const ValueId x = n.in(0);
    const Dims dims = n.b.dims(x);
    if (n.b.dims(n.in(1)) != dims) {
        refuse("its indices " + to_string(n.b.dims(n.in(1))) + " do not fit its input " +
               to_string(dims));
    }
    const Dims natural = unpooled(n, dims);
    const Dims result = n.has(2) ? n.integers(2) : natural;
    Dims after;
    for (std::size_t i = 0; i < natural.size() && result.size() == natural.size(); ++i) {
        after.push_back(result[i] - natural[i]);
    }
    if (after.size() != dims.size() || std::ranges::any_of(after, [](auto p) { return p < 0; })) {
        refuse("its output shape " + to_string(result) + " does not contain " + to_string(natural) +
               ", which its kernel and strides give");
    }
    const std::int64_t count = elements(dims);
    const ValueId given = n.b.cast(n.in(1), DataType::i64);
    // A negative index does not count from the end.
    const ValueId index = index_if(
        n, n.b.compare(ElementwiseOp::less_equal, n.b.scalar(DataType::i64, 0), given), given);
    const ValueId values = n.b.reshape(x, {count});
    const ValueId zero = n.b.scalar(n.b.type(x), 0);
    const ValueId zeros = n.b.pad(n.b.slice(values, 0, 0, 0), {0}, {elements(natural)}, zero);
    const ValueId image =
        n.b.reshape(n.b.scatter({}, zeros, n.b.reshape(index, {count}), values), natural);
    return {result == natural ? image : n.b.pad(image, Dims(dims.size(), 0), after, zero)};
}

}  // namespace

void add_pools(OperatorTable& table) {
    table.add({
        {"GlobalLpPool", {1}, global_lp_pool},
        {"LpPool", {1}, lp_pool},
        {"MaxUnpool", {9}, max_unpool},
    });
}

}  // namespace accel::compiler
