// SPDX-License-Identifier: Apache-2.0
//
// The fixture of CONV2D and POOL: random images with gaps, and random windows.
#pragma once

#include <vector>

#include "card_fixture.hpp"
#include "reference.hpp"

namespace accel::test {

struct ImageCase {
    std::uint32_t batch = 1;
    std::uint32_t height = 8;
    std::uint32_t width = 8;
    std::uint32_t channels = 4;
    accel_conv_window window = {.height = 3,
                                .width = 3,
                                .stride_y = 1,
                                .stride_x = 1,
                                .dilation_y = 1,
                                .dilation_x = 1,
                                .pad_top = 0,
                                .pad_left = 0};
    std::uint32_t out_height = 6;
    std::uint32_t out_width = 6;
    std::uint32_t gap = 0;  // elements after each pixel, row and image
    Layout layout = Layout::host;
};

class ImageTest : public CardTest {
  protected:
    ImageTest() : CardTest({.device_memory = 64 << 20, .host_memory = 128 << 20}) {}

    static accel_image_layout image(std::uint32_t height, std::uint32_t width,
                                    std::uint32_t channels, std::uint32_t gap) {
        accel_image_layout shape{};
        shape.height = height;
        shape.width = width;
        shape.channels = channels;
        shape.pixel = channels + gap;
        shape.row = shape.pixel * width + gap;
        shape.image = shape.row * height + gap;
        return shape;
    }
    static std::uint64_t elements(const accel_image_layout& shape, std::uint32_t batch) {
        return std::uint64_t{shape.image} * batch + 1;
    }
    template <typename T>
    std::uint64_t upload(const std::vector<T>& values, Layout layout) {
        const std::uint64_t address =
            space.allocate(values.size() * sizeof(T), layout, random.below(512) * 4);
        space.store(address, values);
        return address;
    }
    std::uint32_t up_to(std::uint32_t most) {
        return 1 + static_cast<std::uint32_t>(random.below(most));
    }

    // Any window over any image. The result may be larger or smaller than the window implies.
    ImageCase any() {
        ImageCase c;
        c.batch = up_to(2);
        c.height = up_to(12);
        c.width = up_to(80);
        c.window.height = static_cast<std::uint16_t>(up_to(4));
        c.window.width = static_cast<std::uint16_t>(up_to(4));
        c.window.stride_y = static_cast<std::uint16_t>(up_to(3));
        c.window.stride_x = static_cast<std::uint16_t>(up_to(3));
        c.window.dilation_y = static_cast<std::uint16_t>(up_to(3));
        c.window.dilation_x = static_cast<std::uint16_t>(up_to(3));
        c.window.pad_top = static_cast<std::uint16_t>(random.below(5));
        c.window.pad_left = static_cast<std::uint16_t>(random.below(5));
        c.out_height = up_to(8);
        c.out_width = up_to(80);
        c.gap = static_cast<std::uint32_t>(random.coin() ? 0 : random.below(4));
        c.layout = random.coin() ? Layout::scattered : Layout::device;
        return c;
    }

    Random random{7};
};

}  // namespace accel::test
