// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Checks of image layouts, and the ranges of taps inside of an image.
#include "image.hpp"

namespace accel::card {

Status ImageBatch::check() const {
    if (!aligned(address_, element_)) {
        return ACCEL_BAD_ALIGNMENT;
    }
    if (shape_.pixel < shape_.channels) {
        return ACCEL_BAD_FIELD;
    }
    if (batch_ == 0 || shape_.height == 0 || shape_.width == 0 || shape_.channels == 0) {
        return ACCEL_OK;
    }
    // Each product has two 32-bit factors, so only the sums can overflow.
    std::uint64_t elements = (std::uint64_t{batch_} - 1) * shape_.image;
    std::uint64_t bytes = 0;
    if (__builtin_add_overflow(elements, (std::uint64_t{shape_.height} - 1) * shape_.row,
                               &elements) ||
        __builtin_add_overflow(elements, (std::uint64_t{shape_.width} - 1) * shape_.pixel,
                               &elements) ||
        __builtin_add_overflow(elements, std::uint64_t{shape_.channels}, &elements) ||
        __builtin_mul_overflow(elements, element_, &bytes)) {
        return ACCEL_BAD_SIZE;
    }
    return check_extent(address_, 1, 0, bytes);
}

Extent ImageBatch::extent() const {
    if (batch_ == 0 || shape_.height == 0 || shape_.width == 0 || shape_.channels == 0) {
        return {};
    }
    const std::uint64_t elements = (std::uint64_t{batch_} - 1) * shape_.image +
                                   (std::uint64_t{shape_.height} - 1) * shape_.row +
                                   (std::uint64_t{shape_.width} - 1) * shape_.pixel +
                                   shape_.channels;
    return {.begin = address_, .bytes = elements * element_};
}

bool ImageBatch::has_distinct_elements() const {
    return are_distinct(std::array<Spacing, 4>{{{batch_, shape_.image},
                                                {shape_.height, shape_.row},
                                                {shape_.width, shape_.pixel},
                                                {shape_.channels, 1}}});
}

Status check_window(const accel_conv_window& window) {
    const bool whole = window.height != 0 && window.width != 0 && window.stride_y != 0 &&
                       window.stride_x != 0 && window.dilation_y != 0 && window.dilation_x != 0;
    return whole ? ACCEL_OK : ACCEL_BAD_FIELD;
}

InsideRange SlidingWindow::columns(std::uint64_t x, std::uint64_t count, std::uint64_t j) const {
    // The tap of result x + i is in column (x + i) * stride + offset - pad.
    const std::uint64_t start = x * window_.stride_x + j * window_.dilation_x;
    const std::uint64_t pad = window_.pad_left;
    const std::uint64_t first =
        start >= pad ? 0 : (pad - start + window_.stride_x - 1) / window_.stride_x;
    const std::uint64_t end =
        std::uint64_t{src_.width} + pad;  // one past the last column inside, counted with padding
    const std::uint64_t last =
        start >= end ? 0 : (end - start + window_.stride_x - 1) / window_.stride_x;
    InsideRange inside{.first = std::min(first, count), .last = std::min(last, count), .column = 0};
    inside.last = std::max(inside.last, inside.first);
    inside.column = start + inside.first * window_.stride_x - pad;
    return inside;
}

}  // namespace accel::card
