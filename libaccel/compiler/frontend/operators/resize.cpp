// SPDX-License-Identifier: Apache-2.0
//
// Resize and Upsample, one axis after another. Nearest is a gather; linear and cubic are weighted
// sums of two or four neighbors.
#include <algorithm>
#include <array>
#include <cmath>

#include "frontend/operators/lowering.hpp"

namespace accel::compiler {

namespace {

struct Rule {
    std::string mode;
    std::string coordinates;
    std::string nearest;
    float cubic;
    bool exclude;
    double start = 0;  // of the cropped region, relative to the axis
    double end = 1;
    float outside = 0;  // the value of elements outside the axis, for a cropped region
};

double coordinate(const Rule& rule, std::int64_t i, std::int64_t from, std::int64_t to,
                  double scale) {
    const auto x = static_cast<double>(i);
    if (rule.coordinates == "asymmetric") {
        return x / scale;
    }
    if (rule.coordinates == "align_corners") {
        // The length may be fractional, as in the reference implementation of ONNX.
        const double length = scale * static_cast<double>(from);
        return to <= 1 ? 0 : x * static_cast<double>(from - 1) / (length - 1);
    }
    if (rule.coordinates == "pytorch_half_pixel" && to <= 1) {
        return 0;
    }
    if (rule.coordinates == "half_pixel" || rule.coordinates == "pytorch_half_pixel") {
        return (x + 0.5) / scale - 0.5;
    }
    if (rule.coordinates == "tf_half_pixel_for_nn") {
        return (x + 0.5) / scale;
    }
    if (rule.coordinates == "tf_crop_and_resize") {
        const auto last = static_cast<double>(from - 1);
        return to > 1
                   ? (rule.start + x * (rule.end - rule.start) / static_cast<double>(to - 1)) * last
                   : (rule.start + rule.end) / 2 * last;
    }
    if (rule.coordinates == "half_pixel_symmetric") {
        const double adjustment = static_cast<double>(to) / (scale * static_cast<double>(from));
        const double center = static_cast<double>(from) / 2;
        return center * (1 - adjustment) + (x + 0.5) / scale - 0.5;
    }
    refuse("the coordinate_transformation_mode '" + rule.coordinates + "' is not supported");
}

std::int64_t nearest(const Rule& rule, double x) {
    const double low = std::floor(x);
    const bool half = x - low == 0.5;
    if (rule.nearest == "floor") {
        return static_cast<std::int64_t>(low);
    }
    if (rule.nearest == "ceil") {
        return static_cast<std::int64_t>(std::ceil(x));
    }
    if (rule.nearest == "round_prefer_ceil") {
        return static_cast<std::int64_t>(std::floor(x + 0.5));
    }
    return static_cast<std::int64_t>(half ? low : std::floor(x + 0.5));
}

// The weights of four neighbors; t is the distance to the second.
std::array<double, 4> cubic(double t, double a) {
    const auto near = [&](double d) { return ((a + 2) * d - (a + 3)) * d * d + 1; };
    const auto far = [&](double d) { return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a; };
    return {far(t + 1), near(t), near(1 - t), far(2 - t)};
}

ValueId resize_axis(const Node& n, ValueId x, std::size_t axis, std::int64_t to, double scale,
                    const Rule& rule) {
    const std::int64_t from = n.b.dims(x)[axis];
    if (from == 0 || to < 0 || to > max_listed || !(scale > 0)) {
        refuse("axis " + std::to_string(axis) + " of the length " + std::to_string(from) +
               " cannot be resized to " + std::to_string(to));
    }
    const auto inside = [&](std::int64_t i) {
        return static_cast<std::uint32_t>(std::clamp<std::int64_t>(i, 0, from - 1));
    };
    if (rule.mode == "nearest") {
        std::vector<std::int64_t> indices;
        for (std::int64_t i = 0; i < to; ++i) {
            indices.push_back(inside(nearest(rule, coordinate(rule, i, from, to, scale))));
        }
        return n.b.gather(x, integer_list(n, indices), axis, false);
    }
    std::vector<ResizeTap> table;
    const bool linear = rule.mode == "linear";
    for (std::int64_t i = 0; i < to; ++i) {
        const double at = coordinate(rule, i, from, to, scale);
        const double low = std::floor(at);
        const auto first = static_cast<std::int64_t>(low) - (linear ? 0 : 1);
        const double t = at - low;
        const std::array<double, 4> weights =
            linear ? std::array<double, 4>{1 - t, t, 0, 0} : cubic(t, rule.cubic);
        const std::size_t taps = linear ? 2 : 4;
        double sum = 0;
        for (std::size_t k = 0; k < taps; ++k) {
            const std::int64_t index = first + static_cast<std::int64_t>(k);
            sum += rule.exclude && (index < 0 || index >= from) ? 0 : weights.at(k);
        }
        for (std::size_t k = 0; k < taps; ++k) {
            const std::int64_t index = first + static_cast<std::int64_t>(k);
            const bool outside = rule.exclude && (index < 0 || index >= from);
            const double weight = outside ? 0 : rule.exclude ? weights.at(k) / sum : weights.at(k);
            table.push_back({inside(index), static_cast<float>(weight)});
        }
    }
    return n.b.resize(x, axis, table, linear ? 2 : 4);
}

// Replaces elements outside the axis by the extrapolation value.
ValueId with_outside(const Node& n, ValueId x, std::size_t axis, std::int64_t from, double scale,
                     const Rule& rule) {
    const std::int64_t to = n.b.dims(x)[axis];
    std::vector<std::int64_t> outside;
    for (std::int64_t i = 0; i < to; ++i) {
        const double at = coordinate(rule, i, from, to, scale);
        outside.push_back(at < 0 || at > static_cast<double>(from - 1));
    }
    Dims along(n.b.rank(x), 1);
    along[axis] = to;
    const ValueId mask = n.b.constant(
        make_constant(DataType::boolean, std::move(along), std::span<const std::int64_t>(outside)));
    return n.b.select(mask, n.b.scalar(n.b.type(x), rule.outside), x);
}

Values resize_axes(const Node& n, Rule rule, const std::vector<float>& scales, const Dims& sizes,
                   const std::vector<std::size_t>& axes) {
    ValueId x = n.in(0);
    const DataType type = n.b.type(x);
    if (rule.mode != "nearest" && rule.mode != "linear" && rule.mode != "cubic") {
        refuse("the mode '" + rule.mode + "' is not supported");
    }
    if (scales.size() != axes.size() && sizes.size() != axes.size()) {
        refuse("it has neither a scale nor a size for each axis");
    }
    x = rule.mode == "nearest" ? x : as_f32(n, x);
    for (std::size_t i = 0; i < axes.size(); ++i) {
        const std::int64_t from = n.b.length(x, axes[i]);
        const bool sized = sizes.size() == axes.size();
        const double scale = sized ? static_cast<double>(sizes[i]) / static_cast<double>(from)
                                   : static_cast<double>(scales[i]);
        const double length = std::floor(static_cast<double>(from) * scale);
        if (!sized && !(length >= 0 && length <= static_cast<double>(max_listed))) {
            refuse("axis " + std::to_string(axes[i]) + " of the length " + std::to_string(from) +
                   " cannot be resized to " + std::to_string(length));
        }
        const std::int64_t to = sized ? sizes[i] : static_cast<std::int64_t>(length);
        const bool cropped = rule.coordinates == "tf_crop_and_resize";
        if (cropped) {
            const std::vector<float> region = n.floats(1);
            if (region.size() < 2 * axes.size()) {
                refuse("its region has " + std::to_string(region.size()) + " elements for " +
                       std::to_string(axes.size()) + " axes, and needs two for each");
            }
            rule.start = region[i];
            rule.end = region[axes.size() + i];
        }
        if (to != from || scale != 1.0 || cropped) {
            x = resize_axis(n, x, axes[i], to, scale, rule);
        }
        if (cropped) {
            x = with_outside(n, x, axes[i], from, scale, rule);
        }
    }
    return {n.b.cast(x, type)};
}

Rule rule_of(const Node& n) {
    if (n.integer("antialias", 0) != 0) {
        refuse("antialias is not supported");
    }
    if (n.text("keep_aspect_ratio_policy", "stretch") != "stretch") {
        refuse("keep_aspect_ratio_policy is not supported");
    }
    return {.mode = n.text("mode", "nearest"),
            .coordinates = n.text("coordinate_transformation_mode", "half_pixel"),
            .nearest = n.text("nearest_mode", "round_prefer_floor"),
            .cubic = n.real("cubic_coeff_a", -0.75F),
            .exclude = n.integer("exclude_outside", 0) != 0,
            .outside = n.real("extrapolation_value", 0)};
}

// The axes of the attribute, or all axes.
std::vector<std::size_t> resized_axes(const Node& n) {
    const std::size_t rank = n.b.rank(n.in(0));
    std::vector<std::size_t> axes;
    for (const std::int64_t axis : n.list("axes")) {
        axes.push_back(normalize_axis(axis, rank));
    }
    return axes.empty() ? all_axes(rank) : axes;
}

// Opset 10 has scales only, and a fixed rule for coordinates.
Values resize_by_scales(const Node& n) {
    Rule rule = rule_of(n);
    rule.coordinates = "asymmetric";
    rule.nearest = "floor";
    return resize_axes(n, rule, n.floats(1), {}, resized_axes(n));
}

Values resize(const Node& n) {
    const Rule rule = rule_of(n);
    const std::vector<std::size_t> axes = resized_axes(n);
    const std::vector<float> scales = n.has(2) ? n.floats(2) : std::vector<float>();
    const Dims sizes = n.has(3) ? n.integers(3) : Dims();
    return resize_axes(n, rule, scales, sizes, axes);
}

Values upsample(const Node& n) {
    const Rule rule{.mode = n.text("mode", "nearest"),
                    .coordinates = "asymmetric",
                    .nearest = "floor",
                    .cubic = -0.75F,
                    .exclude = false};
    return resize_axes(n, rule, n.has(1) ? n.floats(1) : n.reals("scales"), {},
                       all_axes(n.b.rank(n.in(0))));
}

}  // namespace

void add_resizing(OperatorTable& table) {
    table.add({
        {"Resize", {10, 10}, resize_by_scales},
        {"Resize", {11}, resize},
        {"Upsample", {1, 9}, upsample},
    });
}

}  // namespace accel::compiler
