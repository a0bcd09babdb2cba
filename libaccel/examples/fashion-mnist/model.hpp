// SPDX-License-Identifier: Apache-2.0
//
// The network's weights, and the files for them and for reference results.
#pragma once

#include <cstddef>
#include <filesystem>
#include <vector>

#include "dataset.hpp"

namespace fashion {

inline constexpr std::size_t hidden = 128;

/// logits = relu(x * w1 + b1) * w2 + b2; matrices row by row.
struct Model {
    std::vector<float> w1 = std::vector<float>(pixels * hidden);
    std::vector<float> b1 = std::vector<float>(hidden);
    std::vector<float> w2 = std::vector<float>(hidden * classes);
    std::vector<float> b2 = std::vector<float>(classes);
};

void save_model(const Model& model, const std::filesystem::path& path);
[[nodiscard]] Model load_model(const std::filesystem::path& path);

/// `classes` logits an image.
void save_logits(const std::vector<float>& logits, const std::filesystem::path& path);
[[nodiscard]] std::vector<float> load_logits(const std::filesystem::path& path, std::size_t images);

}  // namespace fashion
