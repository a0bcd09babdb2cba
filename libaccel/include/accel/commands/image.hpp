// SPDX-License-Identifier: Apache-2.0
//
// Convolution and pooling of images in NHWC order. They need FEATURE_IMAGE of the card.
#pragma once

#include <cstdint>

#include "accel/commands/data_type.hpp"
#include "accel/commands/operand.hpp"
#include "accel/commands/unary_op.hpp"

namespace accel {

/// The layout of a batch of images in NHWC order: the channels of a pixel are adjacent. Strides are
/// in elements; zero means dense.
struct ImageLayout {
    std::uint32_t height = 1;
    std::uint32_t width = 1;
    std::uint32_t channels = 1;
    std::uint32_t pixel_stride = 0;
    std::uint32_t row_stride = 0;
    std::uint32_t image_stride = 0;
};

/// The window of a convolution or a pool. Padding at the bottom and at the right follows from the
/// size of the result.
struct ConvWindow {
    std::uint16_t height = 1;
    std::uint16_t width = 1;
    std::uint16_t stride_y = 1;
    std::uint16_t stride_x = 1;
    std::uint16_t dilation_y = 1;
    std::uint16_t dilation_x = 1;
    std::uint16_t pad_top = 0;
    std::uint16_t pad_left = 0;
};

/// A 2-D convolution with an activation. `weights` is dense, in the order
/// [window.height][window.width][src_layout.channels / groups][dst_layout.channels].
struct Conv2d {
    Operand dst = {};
    Operand src = {};
    Operand weights = {};
    Operand bias = {};  ///< dst_layout.channels values, see NumericFormat; not set: no bias
    std::uint32_t batch = 1;
    std::uint32_t groups = 1;
    ImageLayout src_layout = {};
    ImageLayout dst_layout = {};
    ConvWindow window = {};
    UnaryOp activation = UnaryOp::none;
    float activation_alpha = 0;  ///< see UnaryOp
    float activation_beta = 0;
    NumericFormat format = {};
};

enum class PoolOp : std::uint8_t { max = 0, average = 1 };

/// Max or average pooling of each channel, f32.
struct Pool {
    PoolOp op = PoolOp::max;
    Operand dst = {};
    Operand src = {};
    std::uint32_t batch = 1;
    ImageLayout src_layout = {};
    ImageLayout dst_layout = {};
    ConvWindow window = {};
    bool count_include_pad = false;  ///< an average divides by the whole window, padding included
    /// f32; for PoolOp::max also i8 or u8, which need FEATURE_SMALL_TYPES.
    DataType type = DataType::f32;
};

}  // namespace accel
