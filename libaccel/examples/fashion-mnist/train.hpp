// SPDX-License-Identifier: Apache-2.0
//
// Training on the host: stochastic gradient descent, the same bits on every run.
#pragma once

#include <cstddef>
#include <functional>

#include "dataset.hpp"
#include "model.hpp"

namespace fashion {

/// Called after each epoch with its number, from 1, and the mean loss over it.
using Progress = std::function<void(std::size_t epoch, double loss, const Model& model)>;

[[nodiscard]] Model train(const Dataset& data, std::size_t epochs, const Progress& progress);

}  // namespace fashion
