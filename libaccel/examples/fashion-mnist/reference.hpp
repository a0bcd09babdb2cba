// SPDX-License-Identifier: Apache-2.0
//
// The network in plain C++, with the numerics of the data sheet: the card must give the same bits.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "dataset.hpp"
#include "model.hpp"

namespace fashion {

/// `classes` logits an image.
[[nodiscard]] std::vector<float> reference_logits(const Model& model, const Dataset& data);

/// exp() as the data sheet has it (section 6).
[[nodiscard]] float reference_exp(float x);

/// SOFTMAX as the data sheet has it, over each image's logits.
[[nodiscard]] std::vector<float> reference_softmax(std::span<const float> logits);

/// The class of each image: the lowest index of the largest value.
[[nodiscard]] std::vector<std::uint32_t> argmax(std::span<const float> values);

/// How many of `classes_found` are right, from 0 to 1.
[[nodiscard]] double accuracy(std::span<const std::uint32_t> classes_found, const Dataset& data);

}  // namespace fashion
