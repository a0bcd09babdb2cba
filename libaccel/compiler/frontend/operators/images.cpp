// SPDX-License-Identifier: Apache-2.0
//
// Convolutions and pools of images [n, c, h, w], volumes [n, c, d, h, w], and lines [n, c, w]. A
// line is an image of one row.
#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>

#include "frontend/operators/windows.hpp"

namespace accel::compiler {

namespace {

std::uint32_t groups_of(const Node& n) {
    const std::int64_t groups = n.integer("group", 1);
    if (groups < 1 || groups > UINT32_MAX) {
        refuse("its attribute group is " + std::to_string(groups),
               "it must be positive and divide the channels");
    }
    return static_cast<std::uint32_t>(groups);
}

Values conv(const Node& n) {
    const DataType type = n.b.type(n.in(0));
    return convolve_node(n, n.in(0), n.in(1),
                         {.a_type = type, .b_type = n.b.type(n.in(1)), .result_type = type},
                         n.has(2) ? Values{n.b.cast(n.in(2), DataType::f32)} : Values());
}

// A list attribute with a value for each axis of an image. A line gets a value for its second axis.
Dims list_for(const Node& n, const char* name, std::size_t axes, bool line,
              std::int64_t otherwise) {
    Dims values = n.list(name, Dims(axes - (line ? 1 : 0), otherwise));
    if (values.size() != axes - (line ? 1 : 0)) {
        refuse("its attribute " + std::string(name) + " does not have one value for each axis");
    }
    if (line) {
        values.insert(values.begin(), otherwise);
    }
    return values;
}

// The elements that a transposed convolution cuts off at both ends of each axis.
struct Edges {
    Dims before;
    Dims behind;
};
Edges edges(const Node& n, const Dims& full, const Dims& simple, bool line) {
    const std::size_t axes = full.size();
    const std::size_t given = axes - (line ? 1 : 0);
    const Dims pads = n.list("pads", Dims(2 * given, 0));
    if (pads.size() != 2 * given) {
        refuse("its attribute pads does not have two values for each axis");
    }
    Edges result{Dims(axes, 0), Dims(axes, 0)};
    for (std::size_t i = 0; i < given; ++i) {
        result.before[i + axes - given] = pads[i];
        result.behind[i + axes - given] = pads[i + given];
    }
    const std::string automatic = automatic_padding(n);
    const bool shaped = n.has("output_shape");
    if (!shaped && automatic != "SAME_UPPER" && automatic != "SAME_LOWER") {
        return result;
    }
    Dims wanted = simple;
    if (shaped) {
        wanted = n.list("output_shape");
        if (wanted.size() > given) {
            wanted.erase(wanted.begin(), wanted.end() - static_cast<std::ptrdiff_t>(given));
        }
        wanted.insert(wanted.begin(), axes - wanted.size(), 1);
    }
    for (std::size_t i = 0; i < axes; ++i) {
        // The beginning gets the larger half of an odd number, except for SAME_UPPER. A result that
        // is larger than the full one gets zeros at the end.
        const std::int64_t all = full[i] - wanted[i];
        const std::int64_t cut = std::max<std::int64_t>(all, 0);
        result.before[i] = automatic == "SAME_UPPER" ? cut / 2 : cut - cut / 2;
        result.behind[i] = all - result.before[i];
    }
    return result;
}

// The weights, reversed along the axes of the kernel, for each group [o / groups, i / groups, ...].
ValueId reversed_weights(const Node& n, ValueId w, std::int64_t groups) {
    const Dims dims = n.b.dims(w);  // [i, o / groups, ...]
    const std::size_t rank = dims.size();
    Dims start(rank, 0);
    Dims step(rank, 1);
    for (std::size_t i = 2; i < rank; ++i) {
        start[i] = dims[i] - 1;
        step[i] = -1;
    }
    w = n.b.strided_slice(w, std::move(start), std::move(step), dims);
    Dims apart = dims;
    apart[0] /= groups;
    apart.insert(apart.begin(), groups);
    Dims together = dims;
    together[0] = groups * dims[1];
    together[1] = dims[0] / groups;
    return n.b.reshape(n.b.permute(n.b.reshape(w, std::move(apart)), swapped_axes(rank + 1, 1, 2)),
                       std::move(together));
}

// A convolution of the image, with gaps between its elements, by the reversed weights.
Values conv_transpose(const Node& n) {
    const bool line = n.b.rank(n.in(0)) == 3;
    ValueId x = as_image(n, n.in(0));
    const ValueId w = as_image(n, n.in(1));
    const std::int64_t groups = groups_of(n);
    const Dims image = n.b.dims(x);
    const Dims wd = n.b.dims(w);
    if (wd.size() != image.size() || image[1] != wd[0] || image[1] % groups != 0) {
        refuse("its weights " + to_string(wd) + " do not fit the image " + to_string(image));
    }
    const std::size_t axes = image.size() - 2;
    const Dims strides = list_for(n, "strides", axes, line, 1);
    const Dims dilations = list_for(n, "dilations", axes, line, 1);
    const Dims extra = list_for(n, "output_padding", axes, line, 0);
    std::vector<WindowAxis> window(axes);
    Dims full(axes);
    Dims simple(axes);
    for (std::size_t i = 0; i < axes; ++i) {
        window[i] = {.kernel = wd[i + 2], .dilation = dilations[i]};
        full[i] = (image[i + 2] - 1) * strides[i] + window[i].reach() + extra[i];
        simple[i] = image[i + 2] * strides[i];
    }
    const Edges edge = edges(n, full, simple, line);
    Dims before(image.size(), 0);
    Dims after(image.size(), 0);
    Dims crop(image.size(), 0);
    Dims apart(image.size(), 1);
    for (std::size_t i = 0; i < axes; ++i) {
        window[i].result = full[i] - edge.before[i] - edge.behind[i];
        if (strides[i] < 1 || dilations[i] < 1 || window[i].result < 0 || image[i + 2] < 1) {
            refuse("its strides, pads and output shape contradict each other");
        }
        const std::int64_t first = window[i].reach() - 1 - edge.before[i];
        before[i + 2] = std::max<std::int64_t>(first, 0);
        crop[i + 2] = std::max<std::int64_t>(-first, 0);
        after[i + 2] = std::max<std::int64_t>(window[i].reach() - 1 - edge.behind[i] + extra[i], 0);
        apart[i + 2] = strides[i];
    }
    x = n.b.pad(x, before, after, n.b.scalar(n.b.type(x), 0), std::move(apart));
    Dims dims = n.b.dims(x);
    for (std::size_t i = 0; i < dims.size(); ++i) {
        dims[i] -= crop[i];
    }
    x = n.b.strided_slice(x, std::move(crop), Dims(image.size(), 1), std::move(dims));
    const DataType type = n.b.type(x);
    const ValueId y =
        convolve(n, x, reversed_weights(n, w, groups), window, static_cast<std::uint32_t>(groups),
                 {.a_type = type, .b_type = n.b.type(w), .result_type = type},
                 n.has(2) ? Values{n.b.cast(n.in(2), DataType::f32)} : Values());
    return {as_given(n, y, line)};
}

Values pool(const Node& n, PoolOp op) {
    const bool line = n.b.rank(n.in(0)) == 3;
    const ValueId x = as_image(n, n.in(0));
    const auto axes = image_axes(n, n.in(0), n.list("kernel_shape"));
    // The maximum of bytes is one of them.
    const bool bytes =
        op == PoolOp::max && (n.b.type(x) == DataType::u8 || n.b.type(x) == DataType::i8);
    const ValueId y = pool_over(n, bytes ? x : n.b.cast(x, DataType::f32), axes, op,
                                n.integer("count_include_pad", 0) != 0);
    return {n.b.cast(as_given(n, y, line), n.b.type(x))};
}
Values max_pool(const Node& n) {
    return n.output_count() > 1 ? max_pool_with_indices(n) : pool(n, PoolOp::max);
}

// A window that only ceil_mode lets exceed the padding counts no element outside the padding. So
// the padding becomes part of the image.
Values average_pool_with_padding(const Node& n) {
    const bool line = n.b.rank(n.in(0)) == 3;
    ValueId x = n.b.cast(as_image(n, n.in(0)), DataType::f32);
    auto axes = image_axes(n, n.in(0), n.list("kernel_shape"));
    const std::size_t given = axes.size() - (line ? 1 : 0);
    const Dims pads = n.list("pads", Dims(2 * given, 0));
    Dims before(axes.size() + 2, 0);
    Dims after(axes.size() + 2, 0);
    for (std::size_t i = 0; i < given; ++i) {
        const std::size_t axis = i + axes.size() - given;
        before[axis + 2] = axes[axis].before;
        after[axis + 2] = pads[given + i];
        axes[axis].before = 0;
    }
    x = n.b.pad(x, before, after, n.b.scalar(0.0F));
    return {n.b.cast(as_given(n, pool_over(n, x, axes, PoolOp::average, false), line),
                     n.b.type(n.in(0)))};
}

Values average_pool(const Node& n) {
    const bool whole = n.integer("count_include_pad", 0) != 0;
    return whole && n.integer("ceil_mode", 0) != 0 && n.text("auto_pad", "NOTSET") == "NOTSET"
               ? average_pool_with_padding(n)
               : pool(n, PoolOp::average);
}

// Reduces all pixels of each channel.
Values global_pool(const Node& n, ReduceOp op) {
    std::vector<std::size_t> axes;
    for (std::size_t i = 2; i < n.b.rank(n.in(0)); ++i) {
        axes.push_back(i);
    }
    return {n.b.cast(n.b.reduce(op, n.b.cast(n.in(0), DataType::f32), axes), n.b.type(n.in(0)))};
}
Values global_average(const Node& n) {
    return global_pool(n, ReduceOp::mean);
}
Values global_max(const Node& n) {
    return global_pool(n, ReduceOp::max);
}

// x / (bias + alpha / size * sum of squares of neighboring channels) ^ beta. An average pool, which
// counts elements outside, computes the sum: the channels are the rows of its images.
Values local_response(const Node& n) {
    const ValueId x = n.in(0);
    const Dims dims = n.b.dims(x);
    const std::int64_t size = n.integer("size");
    if (dims.size() < 3 || size < 1) {
        refuse("its input " + to_string(dims) +
               " has fewer than 3 dimensions, or its size is not positive");
    }
    const std::int64_t pixels = elements(spatial(dims));
    const ValueId columns = n.b.reshape(mul(n, x, x), {dims[0], 1, dims[1], pixels});
    const ValueId mean = pool_over(
        n, columns,
        {{.kernel = size, .before = (size - 1) / 2, .result = dims[1]}, {.result = pixels}},
        PoolOp::average, true);
    const ValueId scaled = mul(n, n.b.reshape(mean, dims), n.b.scalar(n.real("alpha", 1e-4F)));
    const ValueId base = add(n, scaled, n.b.scalar(n.real("bias", 1.0F)));
    return {mul(n, x, n.b.binary(ElementwiseOp::pow, base, n.b.scalar(-n.real("beta", 0.75F))))};
}

}  // namespace

ValueId convolve_axes(const Node& n, ValueId x, ValueId weights, std::vector<WindowAxis> axes,
                      const NumericFormat& format, const std::vector<ValueId>& channel_operands) {
    const bool line = n.b.rank(x) == 3;
    if (n.b.rank(x) != n.b.rank(weights)) {
        refuse("its weights have " + std::to_string(n.b.rank(weights)) +
               " dimensions, and its image has " + std::to_string(n.b.rank(x)));
    }
    if (axes.size() == 1) {
        axes.insert(axes.begin(), WindowAxis{});
    }
    const ValueId y = convolve(n, as_image(n, x), as_image(n, weights), axes, groups_of(n), format,
                               channel_operands);
    return as_given(n, y, line);
}

Values convolve_node(const Node& n, ValueId image, ValueId weights, const NumericFormat& format,
                     const std::vector<ValueId>& channel_operands) {
    const Dims kernel = spatial(n.b.dims(weights));
    if (const Dims stated = n.list("kernel_shape", kernel); stated != kernel) {
        refuse("its kernel_shape is " + to_string(stated) + ", and its weights have the shape " +
                   to_string(n.b.dims(weights)),
               "remove the attribute, which the weights imply");
    }
    const auto axes = window_axes(n, spatial(n.b.dims(image)), kernel);
    return {convolve_axes(n, image, weights, axes, format, channel_operands)};
}

void add_images(OperatorTable& table) {
    table.add({
        {"AveragePool", {1}, average_pool},
        {"Conv", {1}, conv},
        {"ConvTranspose", {1}, conv_transpose},
        {"GlobalAveragePool", {1}, global_average},
        {"GlobalMaxPool", {1}, global_max},
        {"LRN", {1}, local_response},
        {"MaxPool", {1}, max_pool},
    });
}

}  // namespace accel::compiler
