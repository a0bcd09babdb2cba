// SPDX-License-Identifier: Apache-2.0
//
// Reading Fashion-MNIST as Debian's package dataset-fashion-mnist installs it: gzipped IDX files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

namespace fashion {

inline constexpr std::size_t pixels = std::size_t{28} * 28;
inline constexpr std::size_t classes = 10;

struct Dataset {
    std::vector<std::uint8_t> images;  // size() x pixels
    std::vector<std::uint8_t> labels;

    [[nodiscard]] std::size_t size() const noexcept { return labels.size(); }
    [[nodiscard]] std::span<const std::uint8_t> image(std::size_t i) const {
        return std::span(images).subspan(i * pixels, pixels);
    }
};

/// Reads the set "train" or "t10k". Throws std::runtime_error with the name of the file.
[[nodiscard]] Dataset load_dataset(const std::filesystem::path& directory, std::string_view set);

/// Converts pixels to the inputs of the network, from 0 to 1. `out` is as long as `image`.
inline void decode(std::span<const std::uint8_t> image, std::span<float> out) {
    for (std::size_t i = 0; i < image.size(); ++i) {
        out[i] = static_cast<float>(image[i]) * (1.0f / 255.0f);
    }
}

}  // namespace fashion
