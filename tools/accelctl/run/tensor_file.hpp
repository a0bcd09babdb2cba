// SPDX-License-Identifier: Apache-2.0
//
// Files of inputs and outputs: the ending of the name says which kind of file it is.
#pragma once

#include <accel/tensor.hpp>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace accel::tools {

/// How a picture becomes a tensor: value = (sample - mean) * scale, with samples from 0 to 255.
struct PictureOptions {
    std::vector<double> mean;   ///< one, or one for each channel; empty: 0
    std::vector<double> scale;  ///< the same; empty: 1
    std::string layout = "auto";
    bool bgr = false;  ///< blue, green, red

    [[nodiscard]] bool given() const { return !mean.empty() || !scale.empty(); }
};

/// The tensor of a file for `info`: .npy, .pb (ONNX), a PNG or JPEG picture, otherwise the elements
/// as they are in memory. The lengths of `open_axes` may be others than those of `info`. Throws Failure that says what the file has and what is needed.
[[nodiscard]] TensorData read_tensor_file(const std::string& path, const TensorInfo& info,
                                          const PictureOptions& pictures,
                                          std::span<const std::size_t> open_axes = {});

/// The elements of a file of any length: .npy of the data type, or raw elements. Throws Failure.
[[nodiscard]] std::vector<std::byte> read_elements(const std::string& path, DataType type);

/// The bytes of such a file; never a picture.
[[nodiscard]] std::vector<std::byte> tensor_file(const std::string& path, const std::string& name,
                                                 const TensorData& tensor);

}  // namespace accel::tools
