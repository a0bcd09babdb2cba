// SPDX-License-Identifier: GPL-2.0
//
// What CONV2D and POOL share: images in memory, the window that moves over them, and which taps of
// a row of results lie inside.
#pragma once

#include <algorithm>

#include "operation.hpp"

namespace accel::card {

// A batch of images at an address.
class Images {
  public:
    Images(std::uint64_t address, const accel_image_layout& shape, std::uint32_t batch,
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
    std::uint64_t element_;  // bytes
};

[[nodiscard]] Status check_window(const accel_conv_window& window);

// Of the results [x, x + count) of a row, those whose tap lies inside the source: [first, last),
// counted from x. `column` is where the tap of the first of these is.
struct Inside {
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    std::uint64_t column = 0;
};

class Window {
  public:
    Window(const accel_conv_window& window, const accel_image_layout& src)
        : w_(window), src_(src) {}

    [[nodiscard]] std::uint64_t taps() const { return std::uint64_t{w_.height} * w_.width; }
    // The row of the source that tap row `i` of result row `y` looks at; false: outside.
    [[nodiscard]] bool row(std::uint64_t y, std::uint64_t i, std::uint64_t& row) const {
        const std::uint64_t at = y * w_.stride_y + i * w_.dilation_y;
        row = at - w_.pad_top;
        return at >= w_.pad_top && row < src_.height;
    }
    [[nodiscard]] Inside columns(std::uint64_t x, std::uint64_t count, std::uint64_t j) const;
    [[nodiscard]] std::uint64_t step() const { return w_.stride_x; }

  private:
    const accel_conv_window& w_;
    const accel_image_layout& src_;
};

}  // namespace accel::card
