// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Images of CONV2D and POOL: their layout in memory, the window that slides over them, and the taps
// of a row of results that are inside of the image.
#pragma once

#include <algorithm>

#include "execution.hpp"
#include "units.hpp"

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
    // The bytes of all images. They passed their check().
    [[nodiscard]] Extent extent() const;
    [[nodiscard]] bool has_distinct_elements() const;
    [[nodiscard]] std::uint64_t pixel_bytes() const {
        return std::uint64_t{shape_.pixel} * element_;
    }

  private:
    std::uint64_t address_;
    const accel_image_layout& shape_;
    std::uint32_t batch_;
    std::uint64_t element_;  // bytes of an element
};

// Some results of one row.
struct RowBlock {
    std::uint64_t image;
    std::uint64_t y;
    std::uint64_t x;  // the first result
    std::uint64_t count;
};

// All results of a batch of images, in blocks of at most `max_results` results of a row.
class RowBlocks {
  public:
    RowBlocks(std::uint32_t batch, const accel_image_layout& shape, std::uint64_t max_results)
        : shape_(shape),
          max_results_(max_results),
          in_row_(divide_up(shape.width, max_results)),
          count_(saturated_product(saturated_product(batch, shape.height), in_row_)) {}

    [[nodiscard]] std::uint64_t count() const { return count_; }
    [[nodiscard]] RowBlock operator[](std::uint64_t index) const {
        const std::uint64_t row = index / in_row_;
        const std::uint64_t x = index % in_row_ * max_results_;
        return {.image = row / shape_.height,
                .y = row % shape_.height,
                .x = x,
                .count = std::min(shape_.width - x, max_results_)};
    }

  private:
    const accel_image_layout& shape_;
    std::uint64_t max_results_;
    std::uint64_t in_row_;  // blocks in a row
    std::uint64_t count_;
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
