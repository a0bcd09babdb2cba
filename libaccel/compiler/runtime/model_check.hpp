// SPDX-License-Identifier: Apache-2.0
//
// Checks whether a model is supported, without a card.
#pragma once

#include <accel/load_options.hpp>
#include <accel/model_info.hpp>

#include <filesystem>
#include <vector>

namespace accel::compiler {

/// As Model::check().
[[nodiscard]] std::vector<Unsupported> check_model(const std::filesystem::path& file,
                                                   const LoadOptions& options);

}  // namespace accel::compiler
