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
    bool antialias = false;
    double start = 0;  // of the cropped region, relative to the axis
    double end = 1;
    float outside = 0;  // the value of elements outside the axis, for a cropped region
};

double coordinate(const Rule& rule, std::int64_t i, std::int64_t from, std::int64_t to,
                  double scale) {
    const auto x = static_cast<double>(i);
    if (rule.coordinates == "asymmetric") {
        // In f32, 11 / 1.1 is exactly 10, as in ONNX Runtime.
        return static_cast<float>(i) / static_cast<float>(scale);
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

std::int64_t nearest(const Rule& rule, double x, bool reduces) {
    const double low = std::floor(x);
    const bool half = x - low == 0.5;
    if (rule.nearest == "floor" || (rule.nearest == "simple" && !reduces)) {
        return static_cast<std::int64_t>(low);
    }
    if (rule.nearest == "ceil" || (rule.nearest == "simple" && reduces)) {
        return static_cast<std::int64_t>(std::ceil(x));
    }
    if (rule.nearest == "round_prefer_ceil") {
        return static_cast<std::int64_t>(std::floor(x + 0.5));
    }
    return static_cast<std::int64_t>(half ? low : std::floor(x + 0.5));
}

// The kernel of a cubic interpolation at a distance up to 1, and from 1 to 2.
double cubic_near(double d, double a) {
    return ((a + 2) * d - (a + 3)) * d * d + 1;
}
double cubic_far(double d, double a) {
    return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
}

// The weights of four neighbors; t is the distance to the second.
std::array<double, 4> cubic(double t, double a) {
    return {cubic_far(t + 1, a), cubic_near(t, a), cubic_near(1 - t, a), cubic_far(2 - t, a)};
}

// The neighbors of a coordinate: the index of the first, which may be outside, and their weights.
struct Neighbors {
    std::int64_t first = 0;
    std::vector<double> weights;
};

Neighbors plain_neighbors(const Rule& rule, double at, double, std::int64_t) {
    const double low = std::floor(at);
    const double t = at - low;
    const auto first = static_cast<std::int64_t>(low);
    if (rule.mode == "linear") {
        return {first, {1 - t, t}};
    }
    const std::array<double, 4> weights = cubic(t, rule.cubic);
    return {first - 1, {weights.begin(), weights.end()}};
}

// Antialiasing widens the kernel by the factor of a reduction.
std::int64_t antialias_taps(const Rule& rule, double scale) {
    const double reach = (rule.mode == "linear" ? 1 : 2) / std::min(scale, 1.0);
    const double taps = -2 * std::floor(-reach);
    constexpr double max_taps = 4096;
    if (!(taps <= max_taps)) {
        refuse("it reduces an axis by a factor of more than 1000 with antialias",
               "reduce it in two steps");
    }
    return static_cast<std::int64_t>(taps);
}

Neighbors antialias_neighbors(const Rule& rule, double at, double scale, std::int64_t taps) {
    const double shrink = std::min(scale, 1.0);
    // The neighbor left of the coordinate, which is none itself.
    const double left = std::ceil(at) - 1;
    Neighbors n{static_cast<std::int64_t>(left) - taps / 2 + 1, {}};
    double sum = 0;
    for (std::int64_t i = 0; i < taps; ++i) {
        const double d = std::abs((static_cast<double>(n.first + i) - at) * shrink);
        n.weights.push_back(rule.mode == "linear" ? std::max(1 - d, 0.0)
                            : d <= 1              ? cubic_near(d, rule.cubic)
                            : d < 2               ? cubic_far(d, rule.cubic)
                                                  : 0);
        sum += n.weights.back();
    }
    for (double& weight : n.weights) {
        weight /= sum;
    }
    return n;
}

using NeighborRule = Neighbors (*)(const Rule&, double at, double scale, std::int64_t taps);

std::vector<ResizeTap> weighted_taps(const Rule& rule, std::int64_t from, std::int64_t to,
                                     double scale, std::int64_t taps, NeighborRule neighbors) {
    if (to * taps > max_listed) {
        refuse("its axis of the length " + std::to_string(to) + " with " + std::to_string(taps) +
               " neighbors is too long");
    }
    std::vector<ResizeTap> table;
    for (std::int64_t i = 0; i < to; ++i) {
        const Neighbors n = neighbors(rule, coordinate(rule, i, from, to, scale), scale, taps);
        const auto outside = [&](std::size_t k) {
            const std::int64_t index = n.first + static_cast<std::int64_t>(k);
            return rule.exclude && (index < 0 || index >= from);
        };
        double sum = 0;
        for (std::size_t k = 0; k < n.weights.size(); ++k) {
            sum += outside(k) ? 0 : n.weights[k];
        }
        for (std::size_t k = 0; k < n.weights.size(); ++k) {
            const std::int64_t index = n.first + static_cast<std::int64_t>(k);
            const double weight = outside(k) ? 0 : rule.exclude ? n.weights[k] / sum : n.weights[k];
            table.push_back(
                {static_cast<std::uint32_t>(std::clamp<std::int64_t>(index, 0, from - 1)),
                 static_cast<float>(weight)});
        }
    }
    return table;
}

ValueId resize_axis(const Node& n, ValueId x, std::size_t axis, std::int64_t to, double scale,
                    const Rule& rule) {
    const std::int64_t from = n.b.dims(x)[axis];
    if (from == 0 || to < 0 || to > max_listed || !(scale > 0)) {
        refuse("axis " + std::to_string(axis) + " of the length " + std::to_string(from) +
               " cannot be resized to " + std::to_string(to));
    }
    if (rule.mode == "nearest") {
        std::vector<std::int64_t> indices;
        for (std::int64_t i = 0; i < to; ++i) {
            const std::int64_t index =
                nearest(rule, coordinate(rule, i, from, to, scale), scale < 1);
            indices.push_back(std::clamp<std::int64_t>(index, 0, from - 1));
        }
        return n.b.gather(x, integer_list(n, indices), axis, false);
    }
    if (rule.antialias) {
        const std::int64_t taps = antialias_taps(rule, scale);
        return n.b.resize(x, axis, weighted_taps(rule, from, to, scale, taps, antialias_neighbors),
                          static_cast<std::uint16_t>(taps));
    }
    const std::int64_t taps = rule.mode == "linear" ? 2 : 4;
    return n.b.resize(x, axis, weighted_taps(rule, from, to, scale, taps, plain_neighbors),
                      static_cast<std::uint16_t>(taps));
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

// `common` is one scale for all axes, or 0.
Values resize_axes(const Node& n, Rule rule, const std::vector<float>& scales, const Dims& sizes,
                   const std::vector<std::size_t>& axes, double common = 0) {
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
        const double scale = common > 0 ? common
                             : sized    ? static_cast<double>(sizes[i]) / static_cast<double>(from)
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
    const bool antialias = n.integer("antialias", 0) != 0;
    if (antialias && n.text("mode", "nearest") == "nearest") {
        refuse("antialias is not defined for the mode 'nearest'", "use linear or cubic");
    }
    return {.mode = n.text("mode", "nearest"),
            .coordinates = n.text("coordinate_transformation_mode", "half_pixel"),
            .nearest = n.text("nearest_mode", "round_prefer_floor"),
            .cubic = n.real("cubic_coeff_a", -0.75F),
            .exclude = n.integer("exclude_outside", 0) != 0,
            .antialias = antialias,
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

// One scale for all axes, so that the result is not larger, or not smaller, than the sizes. They
// become the sizes that this scale gives.
double common_scale(const Node& n, const std::string& policy, const std::vector<std::size_t>& axes,
                    Dims& sizes) {
    if (policy != "not_larger" && policy != "not_smaller") {
        refuse("the keep_aspect_ratio_policy '" + policy + "' is not supported");
    }
    if (sizes.size() != axes.size() || sizes.empty()) {
        refuse("its keep_aspect_ratio_policy needs a size for each axis");
    }
    std::vector<double> scales;
    for (std::size_t i = 0; i < axes.size(); ++i) {
        scales.push_back(static_cast<double>(sizes[i]) /
                         static_cast<double>(n.b.length(n.in(0), axes[i])));
    }
    const double scale =
        policy == "not_larger" ? std::ranges::min(scales) : std::ranges::max(scales);
    for (std::size_t i = 0; i < axes.size(); ++i) {
        const double length = scale * static_cast<double>(n.b.dims(n.in(0))[axes[i]]);
        if (!(length >= 0 && length <= static_cast<double>(max_listed))) {
            refuse("axis " + std::to_string(axes[i]) + " cannot be resized to " +
                   std::to_string(length));
        }
        sizes[i] = static_cast<std::int64_t>(std::floor(length + 0.5));
    }
    return scale;
}

// Opset 10 has scales only, and a fixed rule for coordinates.
Values resize_by_scales(const Node& n) {
    Rule rule = rule_of(n);
    rule.coordinates = "asymmetric";
    rule.nearest = "simple";  // ceil where the axis becomes shorter, else floor
    return resize_axes(n, rule, n.floats(1), {}, resized_axes(n));
}

Values resize(const Node& n) {
    const Rule rule = rule_of(n);
    const std::vector<std::size_t> axes = resized_axes(n);
    const std::vector<float> scales = n.has(2) ? n.floats(2) : std::vector<float>();
    Dims sizes = n.has(3) ? n.integers(3) : Dims();
    const std::string policy = n.text("keep_aspect_ratio_policy", "stretch");
    const double common =
        policy == "stretch" || sizes.empty() ? 0 : common_scale(n, policy, axes, sizes);
    return resize_axes(n, rule, scales, sizes, axes, common);
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
