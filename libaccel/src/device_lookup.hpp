// SPDX-License-Identifier: Apache-2.0
//
// Finding cards by name, and listing them, through a kernel that the caller chooses: Device uses
// the real one, tests use another.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "device_impl.hpp"

namespace accel::detail {

/// Opens the card that Device::open(name) describes.
[[nodiscard]] std::shared_ptr<DeviceImpl> open_device(const std::shared_ptr<Kernel>& kernel,
                                                      std::string_view name);

/// Opens each card for a moment, to ask for its properties.
[[nodiscard]] std::vector<DeviceEntry> list_devices(const std::shared_ptr<Kernel>& kernel);

}  // namespace accel::detail
