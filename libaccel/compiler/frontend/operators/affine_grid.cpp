// SPDX-License-Identifier: Apache-2.0
//
// AffineGrid: the coordinates at which GridSample reads an image that an affine map transforms.
#include "frontend/operators/lowering.hpp"

namespace accel::compiler {

namespace {

// The coordinates -1 .. 1 of an axis: of the centers of its pixels, or from the first center to the
// last.
std::vector<double> axis_coordinates(std::int64_t length, bool aligned) {
    std::vector<double> values;
    for (std::int64_t i = 0; i < length; ++i) {
        const auto x = static_cast<double>(i);
        const auto all = static_cast<double>(length);
        values.push_back(!aligned     ? (2 * x + 1) / all - 1
                         : length > 1 ? 2 * x / (all - 1) - 1
                                      : -1);
    }
    return values;
}

// The product of the maps theta [n, d, d + 1] and the homogeneous coordinates of all pixels.
Values affine_grid(const Node& n) {
    const Dims theta = n.b.dims(n.in(0));
    const Dims size = n.integers(1);
    const std::size_t rank = size.size() < 2 ? 0 : size.size() - 2;
    const auto axes = static_cast<std::int64_t>(rank);
    if ((axes != 2 && axes != 3) || theta != Dims{size[0], axes, axes + 1}) {
        refuse("its maps " + to_string(theta) + " do not fit a grid of the size " + to_string(size),
               "use maps [n,2,3] with the size [n,c,h,w], or [n,3,4] with [n,c,d,h,w]");
    }
    const Dims lengths(size.begin() + 2, size.end());
    for (const std::int64_t length : lengths) {
        if (length < 1 || length > max_listed) {
            refuse("its grid has an axis of the length " + std::to_string(length));
        }
    }
    const std::int64_t points = elements(lengths);
    if (points > max_listed) {
        refuse("its grid has " + std::to_string(points) + " points, and the limit is " +
               std::to_string(max_listed));
    }
    const Dims strides = dense_strides(lengths);
    std::vector<float> grid;  // [d + 1, points]; the innermost axis is the first row
    for (std::size_t row = 0; row <= rank; ++row) {
        const std::size_t axis = row < rank ? rank - 1 - row : 0;
        const auto along = axis_coordinates(lengths[axis], n.integer("align_corners", 0) != 0);
        for (std::int64_t i = 0; i < points; ++i) {
            const auto at = static_cast<std::size_t>(i / strides[axis] % lengths[axis]);
            grid.push_back(row < rank ? static_cast<float>(along[at]) : 1.0F);
        }
    }
    const ValueId all = n.b.constant(
        make_constant(DataType::f32, {axes + 1, points}, std::span<const float>(grid)));
    const ValueId product = n.b.matmul(as_f32(n, n.in(0)), all);
    Dims result{size[0]};
    result.insert(result.end(), lengths.begin(), lengths.end());
    result.push_back(axes);
    return {n.b.cast(n.b.reshape(n.b.permute(product, {0, 2, 1}), std::move(result)),
                     n.b.type(n.in(0)))};
}

}  // namespace

void add_affine_grid(OperatorTable& table) {
    table.add({{"AffineGrid", {20}, affine_grid}});
}

}  // namespace accel::compiler
