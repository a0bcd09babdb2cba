// SPDX-License-Identifier: Apache-2.0
//
// Checks and encoding of Conv2d and Pool.
#include <cstdint>
#include <string>

#include "encoder.hpp"

namespace accel {

namespace {

using detail::Encoder;
using detail::f32_bytes;
using detail::OperandName;
using detail::throw_invalid;

// A layout as the card reads it, and the bytes from the first element to the end of the last.
struct EncodedLayout {
    accel_image_layout raw{};
    std::uint64_t bytes = 0;
};

EncodedLayout encode(const ImageLayout& layout, std::uint32_t batch, std::uint32_t element_size,
                     OperandName name) {
    const auto or_dense = [&](std::uint32_t stride, std::uint64_t dense) {
        return stride != 0 ? stride : to_u32(dense, name);
    };
    EncodedLayout result;
    accel_image_layout& raw = result.raw;
    raw.height = layout.height;
    raw.width = layout.width;
    raw.channels = layout.channels;
    raw.pixel = or_dense(layout.pixel_stride, layout.channels);
    raw.row = or_dense(layout.row_stride, std::uint64_t{raw.pixel} * raw.width);
    raw.image = or_dense(layout.image_stride, std::uint64_t{raw.row} * raw.height);
    if (raw.pixel < raw.channels) {
        throw_invalid(name.text() + " has pixels of " + std::to_string(raw.channels) +
                      " channels that are only " + std::to_string(raw.pixel) +
                      " apart: make pixel_stride at least as large as channels");
    }
    if (batch != 0 && raw.height != 0 && raw.width != 0 && raw.channels != 0) {
        std::uint64_t elements = raw.channels;
        elements = sum(elements, product(raw.width - 1, raw.pixel, name), name);
        elements = sum(elements, product(raw.height - 1, raw.row, name), name);
        elements = sum(elements, product(batch - 1, raw.image, name), name);
        result.bytes = product(elements, element_size, name);
    }
    return result;
}

accel_conv_window to_raw(const ConvWindow& window, const char* type) {
    if (window.height == 0 || window.width == 0 || window.stride_y == 0 || window.stride_x == 0 ||
        window.dilation_y == 0 || window.dilation_x == 0) {
        throw_invalid(std::string(type) +
                      "::window has a size, stride or dilation of 0: each must be at least 1");
    }
    accel_conv_window raw{};
    raw.height = window.height;
    raw.width = window.width;
    raw.stride_y = window.stride_y;
    raw.stride_x = window.stride_x;
    raw.dilation_y = window.dilation_y;
    raw.dilation_x = window.dilation_x;
    raw.pad_top = window.pad_top;
    raw.pad_left = window.pad_left;
    return raw;
}

}  // namespace

Command::Command(const Conv2d& conv) {
    Encoder encoder(*this, "Conv2d", ACCEL_OP_CONV2D);
    if (conv.groups == 0 || conv.src_layout.channels % conv.groups != 0 ||
        conv.dst_layout.channels % conv.groups != 0) {
        throw_invalid("Conv2d::groups is " + std::to_string(conv.groups) +
                      ", but must divide the channels of src_layout (" +
                      std::to_string(conv.src_layout.channels) + ") and of dst_layout (" +
                      std::to_string(conv.dst_layout.channels) + ")");
    }
    const EncodedLayout src = encode(conv.src_layout, conv.batch, size_of(conv.format.a_type),
                                     encoder.name("src_layout"));
    const EncodedLayout dst = encode(conv.dst_layout, conv.batch, size_of(conv.format.result_type),
                                     encoder.name("dst_layout"));
    accel_conv2d params{};
    params.type = static_cast<std::uint8_t>(conv.format.a_type);
    params.format = detail::to_raw(conv.format, encoder.name("format"));
    detail::set_activation(params, conv.activation, conv.activation_alpha, conv.activation_beta,
                           "Conv2d");
    params.flags =
        static_cast<std::uint16_t>((conv.format.requantize ? ACCEL_CONV2D_REQUANTIZE
                                    : conv.bias            ? ACCEL_CONV2D_BIAS
                                                           : 0) |
                                   (conv.format.accumulate ? ACCEL_CONV2D_ACCUMULATE : 0));
    params.batch = conv.batch;
    params.groups = conv.groups;
    params.src = src.raw;
    params.dst = dst.raw;
    params.window = to_raw(conv.window, "Conv2d");
    const std::uint64_t taps = std::uint64_t{conv.window.height} * conv.window.width;
    const std::uint64_t weights = detail::product(
        detail::product(
            detail::product(taps, conv.src_layout.channels / conv.groups, encoder.name("weights")),
            conv.dst_layout.channels, encoder.name("weights")),
        size_of(conv.format.b_type), encoder.name("weights"));

    accel_tensor& raw = encoder.raw().tensor;
    raw.dst = encoder.use("dst", conv.dst, dst.bytes,
                          conv.format.accumulate ? Access::read_write : Access::write,
                          size_of(conv.format.result_type));
    raw.src0 = encoder.use("src", conv.src, src.bytes, Access::read, size_of(conv.format.a_type));
    raw.src1 =
        encoder.use("weights", conv.weights, weights, Access::read, size_of(conv.format.b_type));
    if (conv.bias || conv.format.requantize) {
        raw.src2 = encoder.use(
            "bias", conv.bias,
            std::uint64_t{conv.dst_layout.channels} * detail::channel_bytes(conv.format),
            Access::read, f32_bytes);
    }
    encoder.params(params);
    encoder.finish();
}

Command::Command(const Pool& pool) {
    Encoder encoder(*this, "Pool", ACCEL_OP_POOL);
    if (pool.src_layout.channels != pool.dst_layout.channels) {
        throw_invalid("Pool::src_layout has " + std::to_string(pool.src_layout.channels) +
                      " channels and Pool::dst_layout " + std::to_string(pool.dst_layout.channels) +
                      ": make them equal");
    }
    if (pool.count_include_pad && pool.op != PoolOp::average) {
        throw_invalid("Pool::count_include_pad has no meaning for this op: use PoolOp::average");
    }
    const bool int8 = pool.type == DataType::i8 || pool.type == DataType::u8;
    if (pool.type != DataType::f32 && (!int8 || pool.op != PoolOp::max)) {
        throw_invalid("Pool::type is not f32: for PoolOp::max it may be i8 or u8, too");
    }
    const std::uint32_t element = size_of(pool.type);
    const EncodedLayout src =
        encode(pool.src_layout, pool.batch, element, encoder.name("src_layout"));
    const EncodedLayout dst =
        encode(pool.dst_layout, pool.batch, element, encoder.name("dst_layout"));
    accel_pool params{};
    params.type = static_cast<std::uint8_t>(pool.type);
    params.op = static_cast<std::uint8_t>(pool.op);
    params.flags = pool.count_include_pad ? ACCEL_POOL_COUNT_INCLUDE_PAD : 0;
    params.batch = pool.batch;
    params.src = src.raw;
    params.dst = dst.raw;
    params.window = to_raw(pool.window, "Pool");

    accel_tensor& raw = encoder.raw().tensor;
    raw.dst = encoder.use("dst", pool.dst, dst.bytes, Access::write, element);
    raw.src0 = encoder.use("src", pool.src, src.bytes, Access::read, element);
    encoder.params(params);
    encoder.finish();
}

}  // namespace accel
