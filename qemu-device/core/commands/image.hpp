// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Images of CONV2D and POOL: their layout in memory, the window that slides over them, and the taps
// of a row of results that are inside of the image.
#pragma once

#include <algorithm>

#include "execution.hpp"

namespace accel::card {

// A batch of images at an address.
class ImageBatch {
  public:
    ImageBatch(std::uint64_t address, const accel_image_layout& shape, std::uint32_t batch,
               std::uint64_t element = sizeof(float))
        : address_(address), shape_(shape), batch_(batch), element_(element) {}

    [[nodiscard]] Status check() const;
    [[nodiscard]] std::uint64_t at(std::uint64_t image, std::uint64_t y, std::uint64_t x,
                                   std::uint64_t channel) const {
        return address_ +
               (image * shape_.image + y * shape_.row + x * shape_.pixel + channel) * element_;
    }
    [[nodiscard]] const accel_image_layout& shape() const { return shape_; }
    [[nodiscard]] std::uint64_t pixel_bytes() const {
        return std::uint64_t{shape_.pixel} * element_;
    }

  private:
    std::uint64_t address_;
    const accel_image_layout& shape_;
    std::uint32_t batch_;
    std::uint64_t element_;  // bytes of an element
};

[[nodiscard]] Status check_window(const accel_conv_window& window);

// The results, among [x, x + count) of a row, whose tap is inside the source: [first, last),
// counted from x. `column` is the source column of the first one's tap.
struct InsideRange {
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    std::uint64_t column = 0;
};

class SlidingWindow {
  public:
    SlidingWindow(const accel_conv_window& window, const accel_image_layout& src)
        : window_(window), src_(src) {}

    [[nodiscard]] std::uint64_t taps() const {
        return std::uint64_t{window_.height} * window_.width;
    }
    // The source row of tap row `i` for result row `y`. False: it is outside of the image.
    [[nodiscard]] bool row(std::uint64_t y, std::uint64_t i, std::uint64_t& row) const {
        const std::uint64_t at = y * window_.stride_y + i * window_.dilation_y;
        row = at - window_.pad_top;
        return at >= window_.pad_top && row < src_.height;
    }
    [[nodiscard]] InsideRange columns(std::uint64_t x, std::uint64_t count, std::uint64_t j) const;
    [[nodiscard]] std::uint64_t step() const { return window_.stride_x; }

  private:
    const accel_conv_window& window_;
    const accel_image_layout& src_;
};

}  // namespace accel::card
