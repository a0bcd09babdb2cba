// SPDX-License-Identifier: Apache-2.0
//
// Windows over images and volumes: what the attributes of convolutions and pools say.
#pragma once

#include "frontend/operator.hpp"

namespace accel::compiler {

/// An axis of a window, and how many places it takes.
struct WindowAxis {
    std::int64_t kernel = 1;
    std::int64_t stride = 1;
    std::int64_t dilation = 1;
    std::int64_t before = 0;  // padding
    std::int64_t result = 1;

    [[nodiscard]] std::int64_t reach() const { return (kernel - 1) * dilation + 1; }
};

/// Of a convolution or pool of the node over axes of these lengths.
[[nodiscard]] std::vector<WindowAxis> window_axes(const Node& n, const Dims& lengths,
                                                  const Dims& kernel);

/// The lengths from the third dimension on: those of an image or a volume.
[[nodiscard]] Dims spatial(const Dims& dims);

/// Two axes as the engine takes them.
[[nodiscard]] ConvWindow window_of(const std::vector<WindowAxis>& axes);

/// A convolution of [n, c, h, w] or [n, c, d, h, w]. `more`: the bias, or what requantizes.
[[nodiscard]] ValueId convolve(const Node& n, ValueId x, ValueId weights,
                               const std::vector<WindowAxis>& axes, std::uint32_t groups,
                               const NumericFormat& format, const std::vector<ValueId>& more);

/// The same of [n, c, w], too, with the groups of the node.
[[nodiscard]] ValueId conv_over(const Node& n, ValueId x, ValueId weights,
                                std::vector<WindowAxis> axes, const NumericFormat& format,
                                const std::vector<ValueId>& more);

/// A pool of the same.
[[nodiscard]] ValueId pool_over(const Node& n, ValueId x, const std::vector<WindowAxis>& axes,
                                PoolOp op, bool count_outside);

}  // namespace accel::compiler
