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
        {"AveragePool", average_pool},     {"Conv", conv},
        {"ConvTranspose", conv_transpose}, {"GlobalAveragePool", global_average},
        {"GlobalMaxPool", global_max},     {"MaxPool", max_pool},
    };
    table.insert(here.begin(), here.end());
}

}  // namespace accel::model
