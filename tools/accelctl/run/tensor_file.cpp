// SPDX-License-Identifier: Apache-2.0
#include "run/tensor_file.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "exit.hpp"
#include "models.hpp"
#include "run/npy.hpp"
#include "run/numbers.hpp"
#include "run/onnx_tensor.hpp"
#include "run/picture.hpp"

namespace accel::tools {

namespace {

// Where height, width and channels are in the shape of an input.
struct PictureShape {
    std::size_t channels = 1;
    std::size_t height = 0;
    std::size_t width = 0;
    bool channels_last = false;
};

constexpr const char* layout_hint =
    "a picture fits [H,W], [C,H,W] or [H,W,C] with one or three channels, with or without a batch "
    "of 1; --layout chw or hwc decides between the last two";

PictureShape picture_shape(const std::string& path, const TensorInfo& info,
                           const std::string& layout) {
    std::vector<std::int64_t> shape = info.shape;
    if (shape.size() == 4) {
        if (shape[0] != 1) {
            throw Failure(Exit::usage,
                          fmt::format("{} is one picture, and input {} takes {}", path,
                                      describe(info), shape[0]),
                          "set --batch 1, or give all pictures in one .npy file");
        }
        shape.erase(shape.begin());
    }
    const auto length = [&](std::size_t i) { return static_cast<std::size_t>(shape[i]); };
    const auto color = [&](std::size_t i) { return shape[i] == 1 || shape[i] == 3; };
    const bool positive = std::ranges::all_of(shape, [](std::int64_t n) { return n > 0; });
    if (positive && shape.size() == 2) {
        return {.channels = 1, .height = length(0), .width = length(1), .channels_last = false};
    }
    if (positive && shape.size() == 3 && color(0) && layout != "hwc") {
        return {length(0), length(1), length(2), false};
    }
    if (positive && shape.size() == 3 && color(2) && layout != "chw") {
        return {length(2), length(0), length(1), true};
    }
    throw Failure(
        Exit::usage,
        fmt::format("{} is a picture, and input {} is not of that kind", path, describe(info)),
        layout_hint);
}

double of_channel(const std::vector<double>& values, std::size_t channel, double otherwise) {
    if (values.empty()) {
        return otherwise;
    }
    return values.size() == 1 ? values[0] : values[channel];
}

void check_channels(const std::vector<double>& values, std::size_t channels, const char* option) {
    if (values.size() > 1 && values.size() != channels) {
        throw Failure(Exit::usage,
                      fmt::format("{} has {} numbers, and the input has {} channel{}", option,
                                  values.size(), channels, channels == 1 ? "" : "s"),
                      "give one number, or one for each channel");
    }
}

TensorData picture_tensor(const std::string& path, std::span<const std::byte> bytes,
                          const TensorInfo& info, const PictureOptions& options) {
    const PictureShape shape = picture_shape(path, info, options.layout);
    check_channels(options.mean, shape.channels, "--mean");
    check_channels(options.scale, shape.channels, "--scale");
    Picture picture = decode_picture(path, bytes, shape.channels);
    if (picture.width != shape.width || picture.height != shape.height) {
        picture = resize(picture, shape.width, shape.height);
    }
    const std::size_t pixels = shape.width * shape.height;
    std::vector<double> numbers(pixels * shape.channels);
    for (std::size_t pixel = 0; pixel < pixels; ++pixel) {
        for (std::size_t c = 0; c < shape.channels; ++c) {
            const std::size_t source = options.bgr ? shape.channels - 1 - c : c;
            const double sample = picture.samples[pixel * shape.channels + source];
            numbers[shape.channels_last ? pixel * shape.channels + c : c * pixels + pixel] =
                (sample - of_channel(options.mean, c, 0)) * of_channel(options.scale, c, 1);
        }
    }
    return {info.type, info.shape, from_numbers(info.type, numbers)};
}

// The shape without dimensions of length 1, which may be left out.
std::vector<std::int64_t> essential(std::vector<std::int64_t> shape) {
    std::erase(shape, 1);
    return shape;
}

// Whether a shape is that of `info` but for the lengths of open dimensions.
bool fits(const std::vector<std::int64_t>& shape, const TensorInfo& info,
          std::span<const std::size_t> open_axes) {
    if (shape.size() != info.shape.size()) {
        return false;
    }
    for (std::size_t i = 0; i < shape.size(); ++i) {
        if (shape[i] != info.shape[i] &&
            std::ranges::find(open_axes, i) == open_axes.end()) {
            return false;
        }
    }
    return true;
}

// The tensor of a file that states its data type and shape, if that is what `info` needs.
TensorData checked(const std::string& path, TensorData tensor, const TensorInfo& info,
                   std::span<const std::size_t> open_axes) {
    const bool same = essential(tensor.shape) == essential(info.shape);
    const bool open = !same && fits(tensor.shape, info, open_axes);
    if (tensor.type != info.type || (!open && !same)) {
        throw Failure(
            Exit::usage,
            fmt::format("{} holds {}, and {} is needed", path,
                        describe({"", tensor.type, tensor.shape}).substr(1), describe(info)),
            tensor.type != info.type
                ? conversion_hint(info.type)
                : "--batch, --dimension and --shape change the shapes of a model");
    }
    if (!open) {
        tensor.shape = info.shape;
    }
    return tensor;
}

}  // namespace

TensorData read_tensor_file(const std::string& path, const TensorInfo& info,
                            const PictureOptions& pictures,
                            std::span<const std::size_t> open_axes) {
    const std::vector<std::byte> bytes = read_bytes(path);
    if (path.ends_with(".npy")) {
        return checked(path, parse_npy(path, bytes, info.type), info, open_axes);
    }
    if (path.ends_with(".pb")) {
        return checked(path, parse_onnx_tensor(path, bytes), info, open_axes);
    }
    if (is_picture(bytes) && bytes.size() != info.bytes()) {
        return picture_tensor(path, bytes, info, pictures);
    }
    if (bytes.size() != info.bytes()) {
        throw Failure(
            Exit::usage,
            fmt::format("{} holds {} bytes, and {} needs {}", path, bytes.size(), describe(info),
                        info.bytes()),
            "give a .npy or .pb file, a picture (PNG, JPEG), or the elements in memory order and "
            "nothing else");
    }
    return {info.type, info.shape, bytes};
}

std::vector<std::byte> read_elements(const std::string& path, DataType type) {
    std::vector<std::byte> bytes = read_bytes(path);
    if (!path.ends_with(".npy")) {
        return bytes;
    }
    TensorData tensor = parse_npy(path, bytes, type);
    if (tensor.type != type) {
        throw Failure(
            Exit::usage,
            fmt::format("{} holds {}, and {} is needed", path, name_of(tensor.type), name_of(type)),
            conversion_hint(type));
    }
    return std::move(tensor.bytes);
}

std::vector<std::byte> tensor_file(const std::string& path, const std::string& name,
                                   const TensorData& tensor) {
    if (path.ends_with(".npy")) {
        return to_npy(tensor);
    }
    return path.ends_with(".pb") ? to_onnx_tensor(name, tensor) : tensor.bytes;
}

}  // namespace accel::tools
