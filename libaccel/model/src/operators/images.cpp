// SPDX-License-Identifier: Apache-2.0
//
// Operators on images: [n, c, h, w], or [n, c, w], which is an image of one row.
#include <algorithm>
#include <cmath>
#include <functional>

#include "operator.hpp"

namespace accel::model {

namespace {

using Values = std::vector<ValueId>;

// What the attributes of a convolution or a pool say, for two axes.
struct Frame {
    Window window;
    std::int64_t height;
    std::int64_t width;
    bool line;  // [n, c, w] in the model
};

ValueId as_image(const Node& n, ValueId x) {
    const Dims& d = n.b.dims(x);
    if (d.size() == 4) {
        return x;
    }
    if (d.size() != 3) {
        refuse("images of " + std::to_string(d.size()) +
               " dimensions are not supported: the card knows [n,c,w] and [n,c,h,w]");
    }
    return n.b.reshape(x, {d[0], d[1], 1, d[2]});
}
ValueId as_given(const Node& n, ValueId x, bool line) {
    const Dims& d = n.b.dims(x);
    return line ? n.b.reshape(x, {d[0], d[1], d[3]}) : x;
}

std::uint16_t small(std::int64_t value, const char* what) {
    if (value < 0 || value > UINT16_MAX) {
        refuse(std::string(what) + " of " + std::to_string(value) + " is out of range");
    }
    return static_cast<std::uint16_t>(value);
}

Frame frame(const Node& n, const Dims& image, const Dims& kernel, bool line) {
    const std::size_t axes = line ? 1 : 2;
    const auto two = [&](Dims values, std::int64_t otherwise, const char* what) {
        if (!values.empty() && values.size() != axes) {
            refuse(std::string(what) + " has not one value for each axis");
        }
        values.resize(axes, otherwise);
        if (line) {
            values.insert(values.begin(), otherwise);
        }
        return values;
    };
    const Dims strides = two(n.list("strides"), 1, "strides");
    const Dims dilations = two(n.list("dilations"), 1, "dilations");
    Dims pads = n.list("pads", Dims(2 * axes, 0));
    if (pads.size() != 2 * axes) {
        refuse("pads has not two values for each axis");
    }
    if (line) {
        pads = {0, pads[0], 0, pads[1]};
    }
    const std::string automatic = n.text("auto_pad", "NOTSET");
    const bool up = n.integer("ceil_mode", 0) != 0;
    Dims result(2);
    for (std::size_t i = 0; i < 2; ++i) {
        const std::int64_t reach = (kernel[i] - 1) * dilations[i] + 1;
        const std::int64_t length = image[i + 2];
        if (strides[i] < 1 || dilations[i] < 1 || kernel[i] < 1) {
            refuse("a stride, dilation or kernel is zero");
        }
        if (automatic == "SAME_UPPER" || automatic == "SAME_LOWER") {
            result[i] = (length + strides[i] - 1) / strides[i];
            const std::int64_t all =
                std::max<std::int64_t>((result[i] - 1) * strides[i] + reach - length, 0);
            pads[i] = automatic == "SAME_UPPER" ? all / 2 : all - all / 2;
            pads[i + 2] = all - pads[i];
            continue;
        }
        if (automatic == "VALID") {
            pads[i] = pads[i + 2] = 0;
        }
        const std::int64_t room = length + pads[i] + pads[i + 2] - reach;
        if (room < 0) {
            refuse("its window is larger than the padded image");
        }
        result[i] = (room + (up ? strides[i] - 1 : 0)) / strides[i] + 1;
        // No window starts in the padding behind.
        if (up && (result[i] - 1) * strides[i] >= length + pads[i]) {
            --result[i];
        }
    }
    return {.window = {.height = small(kernel[0], "a kernel"),
                       .width = small(kernel[1], "a kernel"),
                       .stride_y = small(strides[0], "a stride"),
                       .stride_x = small(strides[1], "a stride"),
                       .dilation_y = small(dilations[0], "a dilation"),
                       .dilation_x = small(dilations[1], "a dilation"),
                       .pad_top = small(pads[0], "a pad"),
                       .pad_left = small(pads[1], "a pad")},
            .height = result[0],
            .width = result[1],
            .line = line};
}

Dims kernel_of(const Node& n, bool line) {
    Dims kernel = n.list("kernel_shape");
    if (kernel.size() != (line ? 1U : 2U)) {
        refuse("its kernel_shape has " + std::to_string(kernel.size()) + " axes");
    }
    if (line) {
        kernel.insert(kernel.begin(), 1);
    }
    return kernel;
}

std::uint32_t groups_of(const Node& n) {
    const std::int64_t groups = n.integer("group", 1);
    if (groups < 1 || groups > UINT32_MAX) {
        refuse("it has " + std::to_string(groups) + " groups");
    }
    return static_cast<std::uint32_t>(groups);
}

Values conv(const Node& n) {
    const Type type = n.b.type(n.in(0));
    return conv_of(n, n.in(0), n.in(1), {.a = type, .b = n.b.type(n.in(1)), .result = type},
                   n.has(2) ? Values{n.b.cast(n.in(2), Type::f32)} : Values());
}

// A convolution of the image with its elements apart, by the weights turned round.
Values conv_transpose(const Node& n) {
    const bool line = n.b.rank(n.in(0)) == 3;
    ValueId x = as_image(n, n.in(0));
    ValueId w = as_image(n, n.in(1));
    const std::int64_t groups = groups_of(n);
    const Dims image = n.b.dims(x);
    const Dims wd = n.b.dims(w);  // [i, o / groups, kh, kw]
    if (image[1] != wd[0] || image[1] % groups != 0) {
        refuse("its weights " + to_string(wd) + " do not fit the image " + to_string(image));
    }
    const auto two = [&](const char* name, std::int64_t otherwise) {
        Dims values = n.list(name, Dims(line ? 1 : 2, otherwise));
        if (values.size() != (line ? 1U : 2U)) {
            refuse(std::string(name) + " has not one value for each axis");
        }
        if (line) {
            values.insert(values.begin(), otherwise);
        }
        return values;
    };
    const Dims strides = two("strides", 1);
    const Dims dilations = two("dilations", 1);
    const Dims extra = two("output_padding", 0);
    Dims pads = n.list("pads", Dims(line ? 2 : 4, 0));
    if (pads.size() != (line ? 2U : 4U)) {
        refuse("pads has not two values for each axis");
    }
    if (line) {
        pads = {0, pads[0], 0, pads[1]};
    }
    const std::string automatic = n.text("auto_pad", "NOTSET");
    const bool shaped = n.has("output_shape");
    Dims wanted = shaped ? n.list("output_shape") : Dims();
    if (shaped && wanted.size() > 2 - (line ? 1 : 0)) {
        wanted.erase(wanted.begin(), wanted.end() - (line ? 1 : 2));
    }
    if (shaped && line) {
        wanted.insert(wanted.begin(), 1);
    }
    Dims before(4, 0);
    Dims after(4, 0);
    Dims crop(4, 0);
    Dims result(2);
    for (std::size_t i = 0; i < 2; ++i) {
        const std::int64_t reach = (wd[i + 2] - 1) * dilations[i] + 1;
        const std::int64_t full = (image[i + 2] - 1) * strides[i] + reach + extra[i];
        if (shaped || automatic == "SAME_UPPER" || automatic == "SAME_LOWER") {
            const std::int64_t out = shaped ? wanted.at(i) : image[i + 2] * strides[i];
            const std::int64_t all = full - out;
            pads[i] = automatic == "SAME_LOWER" ? all - all / 2 : all / 2;
            pads[i + 2] = all - pads[i];
        }
        result[i] = full - pads[i] - pads[i + 2];
        before[i + 2] = reach - 1 - pads[i];
        after[i + 2] = reach - 1 - pads[i + 2] + extra[i];
        if (before[i + 2] < 0) {
            crop[i + 2] = -before[i + 2];
            before[i + 2] = 0;
        }
        if (strides[i] < 1 || dilations[i] < 1 || result[i] < 0 || image[i + 2] < 1) {
            refuse("its strides, pads and output do not belong together");
        }
        after[i + 2] = std::max<std::int64_t>(after[i + 2], 0);
    }
    x = n.b.pad(x, before, after, n.b.scalar(n.b.type(x), 0), {1, 1, strides[0], strides[1]});
    if (crop[2] != 0 || crop[3] != 0) {
        Dims dims = n.b.dims(x);
        dims[2] -= crop[2];
        dims[3] -= crop[3];
        x = n.b.take(x, crop, {1, 1, 1, 1}, std::move(dims));
    }
    w = n.b.take(w, {0, 0, wd[2] - 1, wd[3] - 1}, {1, 1, -1, -1}, wd);
    w = n.b.reshape(w, {groups, wd[0] / groups, wd[1], wd[2], wd[3]});
    w = n.b.reshape(n.b.permute(w, {0, 2, 1, 3, 4}),
                    {groups * wd[1], wd[0] / groups, wd[2], wd[3]});
    std::vector<ValueId> in{x, w};
    if (n.has(2)) {
        in.push_back(n.b.cast(n.in(2), Type::f32));
    }
    const Type type = n.b.type(x);
    const ValueId y = n.b.conv({.window = {.height = small(wd[2], "a kernel"),
                                           .width = small(wd[3], "a kernel"),
                                           .dilation_y = small(dilations[0], "a dilation"),
                                           .dilation_x = small(dilations[1], "a dilation")},
                                .groups = static_cast<std::uint32_t>(groups),
                                .then = {},
                                .numbers = {.a = type, .b = n.b.type(w), .result = type}},
                               std::move(in), result[0], result[1]);
    return {as_given(n, y, line)};
}

Values pool(const Node& n, PoolOp op) {
    const bool line = n.b.rank(n.in(0)) == 3;
    if (n.outputs > 1) {
        refuse("the places of the largest are not supported");
    }
    const ValueId x = as_image(n, n.in(0));
    const Frame f = frame(n, n.b.dims(x), kernel_of(n, line), line);
    const Type type = n.b.type(x);
    const ValueId y = n.b.pool(
        {.op = op, .window = f.window, .count_outside = n.integer("count_include_pad", 0) != 0},
        n.b.cast(x, Type::f32), f.height, f.width);
    return {n.b.cast(as_given(n, y, line), type)};
}
Values max_pool(const Node& n) {
    return pool(n, PoolOp::max);
}
Values average_pool(const Node& n) {
    if (n.integer("count_include_pad", 0) != 0 && n.integer("ceil_mode", 0) != 0) {
        refuse("count_include_pad and ceil_mode together are not supported");
    }
    return pool(n, PoolOp::average);
}

// Over all of each channel.
Values global_pool(const Node& n, ReduceOp op) {
    std::vector<std::size_t> axes;
    for (std::size_t i = 2; i < n.b.rank(n.in(0)); ++i) {
        axes.push_back(i);
    }
    return {n.b.reduce(op, n.in(0), axes)};
}
Values global_average(const Node& n) {
    return global_pool(n, ReduceOp::mean);
}
Values global_max(const Node& n) {
    return global_pool(n, ReduceOp::max);
}

// ---- resizing, an axis after the other

struct Rule {
    std::string mode;
    std::string coordinates;
    std::string nearest;
    float cubic;
    bool exclude;
};

double coordinate(const Rule& rule, std::int64_t i, std::int64_t from, std::int64_t to,
                  double scale) {
    const auto x = static_cast<double>(i);
    if (rule.coordinates == "asymmetric") {
        return x / scale;
    }
    if (rule.coordinates == "align_corners") {
        // A length that is no whole number counts as it is, as in ONNX's own reference.
        const double length = scale * static_cast<double>(from);
        return to <= 1 ? 0 : x * static_cast<double>(from - 1) / (length - 1);
    }
    if (rule.coordinates == "pytorch_half_pixel" && to <= 1) {
        return 0;
    }
    if (rule.coordinates == "half_pixel" || rule.coordinates == "pytorch_half_pixel") {
        return (x + 0.5) / scale - 0.5;
    }
    if (rule.coordinates == "half_pixel_symmetric") {
        const double adjustment = static_cast<double>(to) / (scale * static_cast<double>(from));
        const double centre = static_cast<double>(from) / 2;
        return centre * (1 - adjustment) + (x + 0.5) / scale - 0.5;
    }
    refuse("coordinate_transformation_mode '" + rule.coordinates + "' is not supported");
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

// Weights of the four around, for the distance to the second.
std::array<double, 4> cubic(double t, double a) {
    const auto near = [&](double d) { return ((a + 2) * d - (a + 3)) * d * d + 1; };
    const auto far = [&](double d) { return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a; };
    return {far(t + 1), near(t), near(1 - t), far(2 - t)};
}

ValueId resize_axis(const Node& n, ValueId x, std::size_t axis, std::int64_t to, double scale,
                    const Rule& rule) {
    const std::int64_t from = n.b.dims(x)[axis];
    if (from == 0 || to < 0 || to > most_listed || !(scale > 0)) {
        refuse("axis " + std::to_string(axis) + " cannot become " + std::to_string(to));
    }
    const auto inside = [&](std::int64_t i) {
        return static_cast<std::uint32_t>(std::clamp<std::int64_t>(i, 0, from - 1));
    };
    if (rule.mode == "nearest") {
        std::vector<std::int64_t> indices;
        for (std::int64_t i = 0; i < to; ++i) {
            indices.push_back(inside(nearest(rule, coordinate(rule, i, from, to, scale))));
        }
        return n.b.gather(
            x, n.b.constant(make_constant(Type::i64, {to}, std::span<const std::int64_t>(indices))),
            axis, false);
    }
    std::vector<Tap> table;
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
    return n.b.interpolate(x, axis, table, linear ? 2 : 4);
}

Values resize(const Node& n, const Rule& rule, const std::vector<float>& scales, const Dims& sizes,
              const std::vector<std::size_t>& axes) {
    ValueId x = n.in(0);
    const Type type = n.b.type(x);
    if (rule.mode != "nearest" && rule.mode != "linear" && rule.mode != "cubic") {
        refuse("the mode '" + rule.mode + "' is not known");
    }
    if (scales.size() != axes.size() && sizes.size() != axes.size()) {
        refuse("it has no scale or size for each axis");
    }
    x = rule.mode == "nearest" ? x : as_f32(n, x);
    for (std::size_t i = 0; i < axes.size(); ++i) {
        const std::int64_t from = n.b.dims(x).at(axes[i]);
        const bool sized = sizes.size() == axes.size();
        const double scale = sized ? static_cast<double>(sizes[i]) / static_cast<double>(from)
                                   : static_cast<double>(scales[i]);
        const double length = std::floor(static_cast<double>(from) * scale);
        if (!sized && !(length >= 0 && length <= static_cast<double>(most_listed))) {
            refuse("axis " + std::to_string(axes[i]) + " cannot become " + std::to_string(length));
        }
        const std::int64_t to = sized ? sizes[i] : static_cast<std::int64_t>(length);
        if (to != from || scale != 1.0) {
            x = resize_axis(n, x, axes[i], to, scale, rule);
        }
    }
    return {n.b.cast(x, type)};
}

Values resize(const Node& n) {
    const std::size_t rank = n.b.rank(n.in(0));
    Rule rule{.mode = n.text("mode", "nearest"),
              .coordinates = n.text("coordinate_transformation_mode", "half_pixel"),
              .nearest = n.text("nearest_mode", "round_prefer_floor"),
              .cubic = n.real("cubic_coeff_a", -0.75F),
              .exclude = n.integer("exclude_outside", 0) != 0};
    if (n.integer("antialias", 0) != 0) {
        refuse("antialias is not supported");
    }
    if (n.text("keep_aspect_ratio_policy", "stretch") != "stretch") {
        refuse("keep_aspect_ratio_policy is not supported");
    }
    std::vector<std::size_t> axes;
    for (const std::int64_t axis : n.list("axes")) {
        axes.push_back(axis_of(axis, rank));
    }
    if (axes.empty()) {
        for (std::size_t i = 0; i < rank; ++i) {
            axes.push_back(i);
        }
    }
    if (n.opset < 11) {
        rule.coordinates = "asymmetric";
        rule.nearest = "floor";
        return resize(n, rule, n.floats(1), {}, axes);
    }
    const std::vector<float> scales = n.has(2) ? n.floats(2) : std::vector<float>();
    const Dims sizes = n.has(3) ? n.integers(3) : Dims();
    return resize(n, rule, scales, sizes, axes);
}

Values upsample(const Node& n) {
    const Rule rule{.mode = n.text("mode", "nearest"),
                    .coordinates = "asymmetric",
                    .nearest = "floor",
                    .cubic = -0.75F,
                    .exclude = false};
    std::vector<std::size_t> axes(n.b.rank(n.in(0)));
    for (std::size_t i = 0; i < axes.size(); ++i) {
        axes[i] = i;
    }
    return resize(n, rule, n.has(1) ? n.floats(1) : n.reals("scales"), {}, axes);
}

}  // namespace

std::vector<ValueId> conv_of(const Node& n, ValueId image, ValueId weights, const Numbers& numbers,
                             const std::vector<ValueId>& more) {
    const bool line = n.b.rank(image) == 3;
    const ValueId x = as_image(n, image);
    const ValueId w = as_image(n, weights);
    const Frame f = frame(n, n.b.dims(x), {n.b.dims(w)[2], n.b.dims(w)[3]}, line);
    std::vector<ValueId> in{x, w};
    in.insert(in.end(), more.begin(), more.end());
    const ValueId y =
        n.b.conv({.window = f.window, .groups = groups_of(n), .then = {}, .numbers = numbers},
                 std::move(in), f.height, f.width);
    return {as_given(n, y, line)};
}

void add_images(Operators& table) {
    const Operators here{
        {"AveragePool", average_pool},
        {"Conv", conv},
        {"ConvTranspose", conv_transpose},
        {"GlobalAveragePool", global_average},
        {"GlobalMaxPool", global_max},
        {"MaxPool", max_pool},
        {"Resize", [](const Node& n) { return resize(n); }},
        {"Upsample", upsample},
    };
    table.insert(here.begin(), here.end());
}

}  // namespace accel::model
