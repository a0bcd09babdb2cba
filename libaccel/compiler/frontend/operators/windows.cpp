// SPDX-License-Identifier: Apache-2.0
//
// The engines support images only. The convolution of a volume is a sum of convolutions of images,
// one for each depth of the kernel. The pool of a volume is a pool of images, and then a pool over
// the depth.
#include "frontend/operators/windows.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace accel::compiler {

namespace {

std::uint16_t to_u16(std::int64_t value, const char* what) {
    if (value < 0 || value > UINT16_MAX) {
        refuse(std::string(what) + " of " + std::to_string(value) +
               " is out of the range of the card, which is 16 bits");
    }
    return static_cast<std::uint16_t>(value);
}

// An optional list attribute with one value for each axis.
Dims per_axis(const Node& n, const char* name, std::size_t axes, std::int64_t otherwise) {
    Dims values = n.list(name);
    if (!values.empty() && values.size() != axes) {
        refuse("its attribute " + std::string(name) + " does not have one value for each axis");
    }
    values.resize(axes, otherwise);
    return values;
}

// Merges the first two dimensions.
ValueId merged(const Node& n, ValueId x) {
    Dims dims = n.b.dims(x);
    dims[1] *= dims[0];
    dims.erase(dims.begin());
    return n.b.reshape(x, std::move(dims));
}
// Splits the first dimension.
ValueId split(const Node& n, ValueId x, std::int64_t first) {
    Dims dims = n.b.dims(x);
    dims[0] = first == 0 ? 0 : dims[0] / first;
    dims.insert(dims.begin(), first);
    return n.b.reshape(x, std::move(dims));
}

ValueId convolve_image(const Node& n, ValueId x, ValueId weights,
                       const std::vector<WindowAxis>& axes, std::uint32_t groups,
                       const NumericFormat& format, const std::vector<ValueId>& channel_operands) {
    std::vector<ValueId> in{x, weights};
    in.insert(in.end(), channel_operands.begin(), channel_operands.end());
    return n.b.conv({.window = window_of(axes), .groups = groups, .epilogue = {}, .format = format},
                    std::move(in), axes[0].result, axes[1].result);
}

ValueId convolve_volume(const Node& n, ValueId x, ValueId weights,
                        const std::vector<WindowAxis>& axes, std::uint32_t groups,
                        const NumericFormat& format, const std::vector<ValueId>& channel_operands) {
    if (format.requantize) {
        refuse("quantized convolutions of volumes are not supported");
    }
    const WindowAxis& depth = axes[0];
    const std::vector<WindowAxis> image(axes.begin() + 1, axes.end());
    x = n.b.permute(x, {0, 2, 1, 3, 4});  // [n, d, c, h, w]
    const Dims dims = n.b.dims(x);
    Dims before(5, 0);
    Dims after(5, 0);
    before[1] = depth.before;
    after[1] = depth.after(dims[1]);
    x = n.b.pad(x, before, after, n.b.scalar(n.b.type(x), 0));
    std::optional<ValueId> sum;
    for (std::int64_t k = 0; k < depth.kernel; ++k) {
        Dims start(5, 0);
        start[1] = k * depth.dilation;
        Dims step(5, 1);
        step[1] = depth.stride;
        Dims part = n.b.dims(x);
        part[1] = depth.result;
        const ValueId slices =
            merged(n, n.b.strided_slice(x, std::move(start), std::move(step), part));
        const Dims& w = n.b.dims(weights);
        const ValueId kernel = n.b.reshape(n.b.slice(weights, 2, k, 1), {w[0], w[1], w[3], w[4]});
        const ValueId product = convolve_image(n, slices, kernel, image, groups, format,
                                               sum ? std::vector<ValueId>() : channel_operands);
        sum = sum ? add(n, product, *sum) : product;
    }
    if (!sum) {
        refuse("its kernel has the depth 0");
    }
    return n.b.permute(split(n, *sum, dims[0]), {0, 2, 1, 3, 4});
}

}  // namespace

std::string automatic_padding(const Node& n) {
    std::string given = n.text("auto_pad", "NOTSET");
    constexpr std::array<std::string_view, 5> known{"", "NOTSET", "SAME_LOWER", "SAME_UPPER",
                                                    "VALID"};
    if (std::ranges::find(known, given) == known.end()) {
        refuse("its attribute auto_pad is '" + given + "'",
               "use NOTSET, SAME_LOWER, SAME_UPPER or VALID");
    }
    return given;
}

std::vector<WindowAxis> window_axes(const Node& n, const Dims& lengths, const Dims& kernel) {
    const std::size_t count = lengths.size();
    if (kernel.size() != count) {
        refuse("its kernel_shape has " + std::to_string(kernel.size()) +
               " axes, and its input has " + std::to_string(count));
    }
    const Dims strides = per_axis(n, "strides", count, 1);
    const Dims dilations = per_axis(n, "dilations", count, 1);
    Dims pads = n.list("pads", Dims(2 * count, 0));
    if (pads.size() != 2 * count) {
        refuse("its attribute pads does not have two values for each axis");
    }
    const std::string automatic = automatic_padding(n);
    const bool round_up = n.integer("ceil_mode", 0) != 0;
    std::vector<WindowAxis> axes;
    for (std::size_t i = 0; i < count; ++i) {
        WindowAxis axis{.kernel = kernel[i], .stride = strides[i], .dilation = dilations[i]};
        if (axis.stride < 1 || axis.dilation < 1 || axis.kernel < 1) {
            refuse("a stride, a dilation or a length of its kernel is not positive");
        }
        const std::int64_t length = lengths[i];
        if (automatic == "SAME_UPPER" || automatic == "SAME_LOWER") {
            axis.result = (length + axis.stride - 1) / axis.stride;
            const std::int64_t all =
                std::max<std::int64_t>((axis.result - 1) * axis.stride + axis.reach() - length, 0);
            axis.before = automatic == "SAME_UPPER" ? all / 2 : all - all / 2;
            axes.push_back(axis);
            continue;
        }
        axis.before = automatic == "VALID" ? 0 : pads[i];
        const std::int64_t after = automatic == "VALID" ? 0 : pads[i + count];
        const std::int64_t room = length + axis.before + after - axis.reach();
        if (room < 0) {
            refuse("its window is larger than the padded image along axis " + std::to_string(i));
        }
        axis.result = (room + (round_up ? axis.stride - 1 : 0)) / axis.stride + 1;
        // No window starts in the padding at the end.
        if (round_up && (axis.result - 1) * axis.stride >= length + axis.before) {
            --axis.result;
        }
        axes.push_back(axis);
    }
    return axes;
}

ValueId as_image(const Node& n, ValueId x) {
    const Dims& d = n.b.dims(x);
    if (d.size() == 4 || d.size() == 5) {
        return x;
    }
    if (d.size() != 3) {
        refuse("inputs of " + std::to_string(d.size()) + " dimensions are not supported",
               "use [n,c,w], [n,c,h,w] or [n,c,d,h,w]");
    }
    return n.b.reshape(x, {d[0], d[1], 1, d[2]});
}
ValueId as_given(const Node& n, ValueId x, bool line) {
    const Dims& d = n.b.dims(x);
    return line ? n.b.reshape(x, {d[0], d[1], d[3]}) : x;
}

std::vector<WindowAxis> image_axes(const Node& n, ValueId given, const Dims& kernel) {
    std::vector<WindowAxis> axes = window_axes(n, spatial(n.b.dims(given)), kernel);
    if (axes.size() == 1) {
        axes.insert(axes.begin(), WindowAxis{});
    }
    return axes;
}

Dims spatial(const Dims& dims) {
    return {dims.begin() + std::min<std::ptrdiff_t>(2, std::ssize(dims)), dims.end()};
}

ConvWindow window_of(const std::vector<WindowAxis>& axes) {
    return {.height = to_u16(axes[0].kernel, "a kernel"),
            .width = to_u16(axes[1].kernel, "a kernel"),
            .stride_y = to_u16(axes[0].stride, "a stride"),
            .stride_x = to_u16(axes[1].stride, "a stride"),
            .dilation_y = to_u16(axes[0].dilation, "a dilation"),
            .dilation_x = to_u16(axes[1].dilation, "a dilation"),
            .pad_top = to_u16(axes[0].before, "a pad"),
            .pad_left = to_u16(axes[1].before, "a pad")};
}

ValueId convolve(const Node& n, ValueId x, ValueId weights, const std::vector<WindowAxis>& axes,
                 std::uint32_t groups, const NumericFormat& format,
                 const std::vector<ValueId>& channel_operands) {
    return axes.size() == 2
               ? convolve_image(n, x, weights, axes, groups, format, channel_operands)
               : convolve_volume(n, x, weights, axes, groups, format, channel_operands);
}

ValueId pool_over(const Node& n, ValueId x, const std::vector<WindowAxis>& axes, PoolOp op,
                  bool count_include_pad) {
    const auto pool = [&](ValueId image, const std::vector<WindowAxis>& two) {
        return n.b.pool(
            {.op = op, .window = window_of(two), .count_include_pad = count_include_pad}, image,
            two[0].result, two[1].result);
    };
    if (axes.size() == 2) {
        return pool(x, axes);
    }
    const Dims dims = n.b.dims(x);
    const ValueId images = n.b.reshape(x, {dims[0], dims[1] * dims[2], dims[3], dims[4]});
    const ValueId flat = pool(images, {axes[1], axes[2]});
    const std::int64_t pixels = axes[1].result * axes[2].result;
    const ValueId columns = n.b.reshape(flat, {dims[0], dims[1], dims[2], pixels});
    const ValueId y = pool(columns, {axes[0], {.result = pixels}});
    return n.b.reshape(y, {dims[0], dims[1], axes[0].result, axes[1].result, axes[2].result});
}

}  // namespace accel::compiler
