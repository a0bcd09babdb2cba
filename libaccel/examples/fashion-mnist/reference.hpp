// SPDX-License-Identifier: Apache-2.0
//
// The network in plain C++ with the numerics of the data sheet: the results of the card must be
// equal to the bit.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "dataset.hpp"
#include "weights.hpp"

namespace fashion {

/// Returns `classes` logits for each image.
[[nodiscard]] std::vector<float> reference_logits(const MlpWeights& weights, const Dataset& data);

/// exp() as section 6 of the data sheet defines it.
[[nodiscard]] float reference_exp(float x);

/// Softmax of the logits of each image, as the data sheet defines it.
[[nodiscard]] std::vector<float> reference_softmax(std::span<const float> logits);

/// The class of each image: the lowest index of the largest value.
[[nodiscard]] std::vector<std::uint32_t> argmax(std::span<const float> values);

/// The fraction of `classes_found` that is correct, from 0 to 1.
[[nodiscard]] double accuracy(std::span<const std::uint32_t> classes_found, const Dataset& data);

}  // namespace fashion
