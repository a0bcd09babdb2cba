// SPDX-License-Identifier: Apache-2.0
//
// Checking and encoding commands on images.
#include <string>

#include "encoder.hpp"

namespace accel {

namespace {

using detail::Encoder;
using detail::f32_bytes;
using detail::Name;
using detail::throw_invalid;

// ImageLayout as the card is told of them, and the bytes from their first element to the last.
struct Laid {
    accel_image_layout shape{};
    std::uint64_t bytes = 0;
};

Laid lay(const ImageLayout& images, std::uint32_t batch, std::uint32_t element, Name name) {
    Laid laid;
    accel_image_layout& shape = laid.shape;
    shape.height = images.height;
    shape.width = images.width;
    shape.channels = images.channels;
    shape.pixel = images.pixel != 0 ? images.pixel : images.channels;
    shape.row =
        images.row != 0 ? images.row : to_u32(std::uint64_t{shape.pixel} * shape.width, name);
    shape.image =
        images.image != 0 ? images.image : to_u32(std::uint64_t{shape.row} * shape.height, name);
    if (shape.pixel < shape.channels) {
        throw_invalid(name.text() + " has pixels of " + std::to_string(shape.channels) +
                      " channels that are only " + std::to_string(shape.pixel) + " apart");
    }
    if (batch != 0 && shape.height != 0 && shape.width != 0 && shape.channels != 0) {
        std::uint64_t elements = shape.channels;
        elements = sum(elements, product(shape.width - 1, shape.pixel, name), name);
        elements = sum(elements, product(shape.height - 1, shape.row, name), name);
        elements = sum(elements, product(batch - 1, shape.image, name), name);
        laid.bytes = product(elements, element, name);
    }
    return laid;
}

accel_conv_window to_raw(const ConvWindow& window, const char* type) {
    if (window.height == 0 || window.width == 0 || window.stride_y == 0 || window.stride_x == 0 ||
        window.dilation_y == 0 || window.dilation_x == 0) {
        throw_invalid(std::string(type) + "::window: sizes, strides and dilations are at least 1");
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
        throw_invalid("Conv2d::groups divides the channels of both images, and " +
                      std::to_string(conv.groups) + " does not");
    }
    const Laid from =
        lay(conv.src_layout, conv.batch, size_of(conv.format.a), encoder.name("src_layout"));
    const Laid to =
        lay(conv.dst_layout, conv.batch, size_of(conv.format.result), encoder.name("dst_layout"));
    accel_conv2d params{};
    params.type = static_cast<std::uint8_t>(conv.format.a);
    params.format = detail::to_raw(conv.format, encoder.name("format"));
    detail::set_activation(params, conv.activation, conv.alpha, conv.beta, "Conv2d");
    params.flags =
        static_cast<std::uint16_t>((conv.format.requantize ? ACCEL_CONV2D_REQUANTIZE
                                    : conv.bias            ? ACCEL_CONV2D_BIAS
                                                           : 0) |
                                   (conv.format.accumulate ? ACCEL_CONV2D_ACCUMULATE : 0));
    params.batch = conv.batch;
    params.groups = conv.groups;
    params.src = from.shape;
    params.dst = to.shape;
    params.window = to_raw(conv.window, "Conv2d");
    const std::uint64_t taps = std::uint64_t{conv.window.height} * conv.window.width;
    const std::uint64_t weights = detail::product(
        detail::product(
            detail::product(taps, conv.src_layout.channels / conv.groups, encoder.name("weights")),
            conv.dst_layout.channels, encoder.name("weights")),
        size_of(conv.format.b), encoder.name("weights"));

    accel_tensor& raw = encoder.raw().tensor;
    raw.dst = encoder.use("dst", conv.dst, to.bytes,
                          conv.format.accumulate ? Access::read_write : Access::write,
                          size_of(conv.format.result));
    raw.src0 = encoder.use("src", conv.src, from.bytes, Access::read, size_of(conv.format.a));
    raw.src1 = encoder.use("weights", conv.weights, weights, Access::read, size_of(conv.format.b));
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
        throw_invalid("Pool: source and result have the same channels");
    }
    if (pool.count_outside && pool.op != PoolOp::average) {
        throw_invalid("Pool::count_outside is for averages");
    }
    const Laid from = lay(pool.src_layout, pool.batch, f32_bytes, encoder.name("src_layout"));
    const Laid to = lay(pool.dst_layout, pool.batch, f32_bytes, encoder.name("dst_layout"));
    accel_pool params{};
    params.type = ACCEL_TYPE_F32;
    params.op = static_cast<std::uint8_t>(pool.op);
    params.flags = pool.count_outside ? ACCEL_POOL_COUNT_OUTSIDE : 0;
    params.batch = pool.batch;
    params.src = from.shape;
    params.dst = to.shape;
    params.window = to_raw(pool.window, "Pool");

    accel_tensor& raw = encoder.raw().tensor;
    raw.dst = encoder.use("dst", pool.dst, to.bytes, Access::write, f32_bytes);
    raw.src0 = encoder.use("src", pool.src, from.bytes, Access::read, f32_bytes);
    encoder.params(params);
    encoder.finish();
}

}  // namespace accel
