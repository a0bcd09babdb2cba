// SPDX-License-Identifier: Apache-2.0
//
// The features that a card must have to run models.
#pragma once

#include <accel/device.hpp>
#include <accel/model_info.hpp>

#include <cstdint>
#include <vector>

namespace accel::compiler {

/// The features that these commands of a model need, as bits of DeviceInfo::features.
[[nodiscard]] std::uint64_t needed_features(const std::vector<ModelCommand>& commands);

/// Throws Error if a card lacks a feature.
void check_card(const DeviceInfo& card, std::uint64_t features);

}  // namespace accel::compiler
