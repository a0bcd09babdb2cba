// SPDX-License-Identifier: Apache-2.0
//
// The weights of the network: an MLP with one hidden layer. Files of weights and of logits.
#pragma once

#include <cstddef>
#include <filesystem>
#include <vector>

#include "dataset.hpp"

namespace fashion {

inline constexpr std::size_t hidden = 128;

/// logits = relu(x * w1 + b1) * w2 + b2; matrices are row-major.
struct MlpWeights {
    std::vector<float> w1 = std::vector<float>(pixels * hidden);
    std::vector<float> b1 = std::vector<float>(hidden);
    std::vector<float> w2 = std::vector<float>(hidden * classes);
    std::vector<float> b2 = std::vector<float>(classes);
};

void save_weights(const MlpWeights& weights, const std::filesystem::path& path);
[[nodiscard]] MlpWeights load_weights(const std::filesystem::path& path);

/// The logits of a number of images, `classes` for each.
void save_logits(const std::vector<float>& logits, const std::filesystem::path& path);
[[nodiscard]] std::vector<float> load_logits(const std::filesystem::path& path, std::size_t images);

}  // namespace fashion
