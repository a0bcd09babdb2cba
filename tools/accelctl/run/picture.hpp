// SPDX-License-Identifier: Apache-2.0
//
// Pictures in PNG and JPEG files, by libpng and libjpeg-turbo.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace accel::tools {

/// Rows from top to bottom, pixels from left to right, channels gray or red, green, blue.
struct Picture {
    std::size_t width = 0;
    std::size_t height = 0;
    std::size_t channels = 0;    ///< 1 or 3
    std::vector<float> samples;  ///< 0 to 255
};

/// True if the bytes begin as a PNG or JPEG file does.
[[nodiscard]] bool is_picture(std::span<const std::byte> bytes);

/// `channels` is 1 or 3: colors become gray, or gray three equal channels. Transparent pixels are
/// blended with black. Throws Failure that begins with `name`.
[[nodiscard]] Picture decode_picture(const std::string& name, std::span<const std::byte> bytes,
                                     std::size_t channels);

/// The picture stretched to a size: linear between pixels when it grows, the weighted mean of all
/// pixels that a new one covers when it shrinks.
[[nodiscard]] Picture resize(const Picture& picture, std::size_t width, std::size_t height);

}  // namespace accel::tools
