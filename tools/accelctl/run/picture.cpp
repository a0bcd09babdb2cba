// SPDX-License-Identifier: Apache-2.0
#include "run/picture.hpp"

#include <fmt/core.h>
#include <png.h>
#include <turbojpeg.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>

#include "exit.hpp"

namespace accel::tools {

namespace {

// A file of some kilobytes can state a size of gigabytes.
constexpr std::size_t max_pixels = std::size_t{1} << 28;

constexpr std::array<std::byte, 4> png_magic{std::byte{0x89}, std::byte{'P'}, std::byte{'N'},
                                             std::byte{'G'}};
constexpr std::array<std::byte, 3> jpeg_magic{std::byte{0xff}, std::byte{0xd8}, std::byte{0xff}};

[[noreturn]] void refuse(const std::string& name, const std::string& why) {
    throw Failure(Exit::file, name + ": the picture cannot be read: " + why);
}

void check_size(const std::string& name, std::size_t width, std::size_t height) {
    if (width == 0 || height == 0 || width > max_pixels / height) {
        refuse(name, fmt::format("{}x{} pixels are more than the {} that are supported", width,
                                 height, max_pixels));
    }
}

std::vector<std::uint8_t> decode_png(const std::string& name, std::span<const std::byte> bytes,
                                     Picture& picture) {
    png_image image{};
    image.version = PNG_IMAGE_VERSION;
    const std::unique_ptr<png_image, void (*)(png_image*)> release(&image, png_image_free);
    if (png_image_begin_read_from_memory(&image, bytes.data(), bytes.size()) == 0) {
        refuse(name, image.message);
    }
    check_size(name, image.width, image.height);
    picture.width = image.width;
    picture.height = image.height;
    image.format = picture.channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
    const png_color black{.red = 0, .green = 0, .blue = 0};
    std::vector<std::uint8_t> samples(PNG_IMAGE_SIZE(image));
    if (png_image_finish_read(&image, &black, samples.data(), 0, nullptr) == 0) {
        refuse(name, image.message);
    }
    return samples;
}

std::vector<std::uint8_t> decode_jpeg(const std::string& name, std::span<const std::byte> bytes,
                                      Picture& picture) {
    const std::unique_ptr<void, int (*)(tjhandle)> decoder(tjInitDecompress(), tjDestroy);
    const auto* const data = reinterpret_cast<const unsigned char*>(bytes.data());
    int width = 0;
    int height = 0;
    int subsampling = 0;
    int colors = 0;
    if (tjDecompressHeader3(decoder.get(), data, bytes.size(), &width, &height, &subsampling,
                            &colors) != 0) {
        refuse(name, tjGetErrorStr2(decoder.get()));
    }
    picture.width = static_cast<std::size_t>(width);
    picture.height = static_cast<std::size_t>(height);
    check_size(name, picture.width, picture.height);
    std::vector<std::uint8_t> samples(picture.width * picture.height * picture.channels);
    // A warning means that a part of the picture is missing: it is refused, too.
    if (tjDecompress2(decoder.get(), data, bytes.size(), samples.data(), width, 0, height,
                      picture.channels == 1 ? TJPF_GRAY : TJPF_RGB, TJFLAG_ACCURATEDCT) != 0) {
        refuse(name, tjGetErrorStr2(decoder.get()));
    }
    return samples;
}

template <std::size_t N>
bool begins_with(std::span<const std::byte> bytes, const std::array<std::byte, N>& magic) {
    return bytes.size() >= N && std::equal(magic.begin(), magic.end(), bytes.begin());
}

// The pixels that one new pixel is made of, and their weights. The sum of the weights is one.
struct Sources {
    std::size_t first = 0;
    std::vector<float> weights;
};

std::vector<Sources> sources(std::size_t from, std::size_t to) {
    const double scale = static_cast<double>(from) / static_cast<double>(to);
    const double reach = std::max(scale, 1.0);  // of the triangle, to each side
    std::vector<Sources> all(to);
    for (std::size_t i = 0; i < to; ++i) {
        const double center = (static_cast<double>(i) + 0.5) * scale;
        const auto last = static_cast<std::size_t>(
            std::min(static_cast<double>(from), std::ceil(center + reach)));
        all[i].first = static_cast<std::size_t>(std::max(0.0, std::floor(center - reach)));
        double sum = 0;
        std::vector<double> weights;
        for (std::size_t x = all[i].first; x < last; ++x) {
            const double distance = std::fabs(static_cast<double>(x) + 0.5 - center);
            weights.push_back(std::max(0.0, 1 - distance / reach));
            sum += weights.back();
        }
        for (const double weight : weights) {
            all[i].weights.push_back(static_cast<float>(weight / sum));
        }
    }
    return all;
}

}  // namespace

bool is_picture(std::span<const std::byte> bytes) {
    return begins_with(bytes, png_magic) || begins_with(bytes, jpeg_magic);
}

Picture decode_picture(const std::string& name, std::span<const std::byte> bytes,
                       std::size_t channels) {
    Picture picture;
    picture.channels = channels;
    const std::vector<std::uint8_t> samples = begins_with(bytes, png_magic)
                                                  ? decode_png(name, bytes, picture)
                                                  : decode_jpeg(name, bytes, picture);
    picture.samples.assign(samples.begin(), samples.end());
    return picture;
}

Picture resize(const Picture& picture, std::size_t width, std::size_t height) {
    const std::size_t channels = picture.channels;
    Picture wide{.width = width,
                 .height = picture.height,
                 .channels = channels,
                 .samples = std::vector<float>(width * picture.height * channels)};
    const std::vector<Sources> columns = sources(picture.width, width);
    auto sample = wide.samples.begin();
    for (std::size_t y = 0; y < picture.height; ++y) {
        for (const Sources& column : columns) {
            for (std::size_t c = 0; c < channels; ++c, ++sample) {
                for (std::size_t k = 0; k < column.weights.size(); ++k) {
                    const std::size_t x = column.first + k;
                    *sample +=
                        column.weights[k] * picture.samples[(y * picture.width + x) * channels + c];
                }
            }
        }
    }
    Picture result{.width = width,
                   .height = height,
                   .channels = channels,
                   .samples = std::vector<float>(width * height * channels)};
    const std::vector<Sources> rows = sources(picture.height, height);
    const std::size_t stride = width * channels;
    sample = result.samples.begin();
    for (const Sources& row : rows) {
        for (std::size_t x = 0; x < stride; ++x, ++sample) {
            for (std::size_t k = 0; k < row.weights.size(); ++k) {
                *sample += row.weights[k] * wide.samples[(row.first + k) * stride + x];
            }
        }
    }
    return result;
}

}  // namespace accel::tools
