// SPDX-License-Identifier: Apache-2.0
//
// Checks whether a model is supported, without a card.
#pragma once

#include <accel/load_options.hpp>
#include <accel/model_info.hpp>

#include <vector>

#include "frontend/onnx_import.hpp"

namespace accel::compiler {

/// As Model::check().
[[nodiscard]] std::vector<Unsupported> check_model(const ModelSource& source,
                                                   const LoadOptions& options);

}  // namespace accel::compiler
