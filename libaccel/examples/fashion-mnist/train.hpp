// SPDX-License-Identifier: Apache-2.0
//
// Training on the host by stochastic gradient descent, with the same result to the bit on every
// run.
#pragma once

#include <cstddef>
#include <functional>

#include "dataset.hpp"
#include "weights.hpp"

namespace fashion {

/// Called after each epoch with its number, from 1, its mean loss, and the weights so far.
using Progress = std::function<void(std::size_t epoch, double loss, const MlpWeights& weights)>;

/// Returns the weights after `epochs` passes over the data.
[[nodiscard]] MlpWeights train(const Dataset& data, std::size_t epochs, const Progress& progress);

}  // namespace fashion
