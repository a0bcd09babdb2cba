// SPDX-License-Identifier: Apache-2.0
//
// Windows of convolutions and pools over images and volumes.
#pragma once

#include <algorithm>

#include "frontend/operators/lowering.hpp"

namespace accel::compiler {

/// A window along one axis.
struct WindowAxis {
    std::int64_t kernel = 1;
    std::int64_t stride = 1;
    std::int64_t dilation = 1;
    std::int64_t before = 0;  // padding before the first element
    std::int64_t result = 1;  // length of the result

    /// The elements from the first to the last that the window covers.
    [[nodiscard]] std::int64_t reach() const { return (kernel - 1) * dilation + 1; }
    /// The padding after the last element that all windows need.
    [[nodiscard]] std::int64_t after(std::int64_t length) const {
        const std::int64_t covered = result == 0 ? 0 : (result - 1) * stride + reach();
        return std::max<std::int64_t>(covered - before - length, 0);
    }
};

/// The attribute auto_pad. Throws if its value is none of ONNX.
[[nodiscard]] std::string automatic_padding(const Node& n);

/// The window of a node, from its attributes, over axes of these lengths.
[[nodiscard]] std::vector<WindowAxis> window_axes(const Node& n, const Dims& lengths,
                                                  const Dims& kernel);

/// A line [n, c, w] as an image of one row. Images and volumes stay as they are.
[[nodiscard]] ValueId as_image(const Node& n, ValueId x);
/// The inverse.
[[nodiscard]] ValueId as_given(const Node& n, ValueId x, bool line);
/// The window of a node over `given`, for as_image(): a line gets a second axis.
[[nodiscard]] std::vector<WindowAxis> image_axes(const Node& n, ValueId given, const Dims& kernel);

/// MaxPool with its second output.
[[nodiscard]] Values max_pool_with_indices(const Node& n);

/// The lengths of the axes of an image or volume: the dimensions from the third on.
[[nodiscard]] Dims spatial(const Dims& dims);

/// Two axes as fields of a command.
[[nodiscard]] ConvWindow window_of(const std::vector<WindowAxis>& axes);

/// A convolution of [n, c, h, w] or [n, c, d, h, w]. `channel_operands` is empty, or holds the bias
/// or the biases and scales that requantize.
[[nodiscard]] ValueId convolve(const Node& n, ValueId x, ValueId weights,
                               const std::vector<WindowAxis>& axes, std::uint32_t groups,
                               const NumericFormat& format,
                               const std::vector<ValueId>& channel_operands);

/// The same, with the groups of the node, and for [n, c, w], too.
[[nodiscard]] ValueId convolve_axes(const Node& n, ValueId x, ValueId weights,
                                    std::vector<WindowAxis> axes, const NumericFormat& format,
                                    const std::vector<ValueId>& channel_operands);

/// A convolution with the attributes of the node.
[[nodiscard]] Values convolve_node(const Node& n, ValueId image, ValueId weights,
                                   const NumericFormat& format,
                                   const std::vector<ValueId>& channel_operands);

/// A pool of [n, c, h, w] or [n, c, d, h, w].
[[nodiscard]] ValueId pool_over(const Node& n, ValueId x, const std::vector<WindowAxis>& axes,
                                PoolOp op, bool count_include_pad);

}  // namespace accel::compiler
