// SPDX-License-Identifier: Apache-2.0
//
// The features that a card must have to run models.
#pragma once

#include <accel/device.hpp>

#include <cstdint>

namespace accel::compiler {

/// The engines that the compiler uses, as bits of DeviceInfo::features.
extern const std::uint64_t needed_features;

/// Throws Error if a card lacks a feature.
void check_card(const DeviceInfo& card, std::uint64_t features);

}  // namespace accel::compiler
