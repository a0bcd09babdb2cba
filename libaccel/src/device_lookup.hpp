// SPDX-License-Identifier: Apache-2.0
//
// Finding cards by name, and listing them: those of the driver, those that the environment variable
// ACCEL_DEVICE names, or those of a kernel that the caller chooses, as tests do.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "device_impl.hpp"

namespace accel::detail {

/// Opens the card that Device::open(name) describes, among those of one kernel.
[[nodiscard]] std::shared_ptr<DeviceImpl> open_device(const std::shared_ptr<Kernel>& kernel,
                                                      std::string_view name);

/// See Device::open().
[[nodiscard]] std::shared_ptr<DeviceImpl> open_default_device();
[[nodiscard]] std::shared_ptr<DeviceImpl> open_device(unsigned index);
[[nodiscard]] std::shared_ptr<DeviceImpl> open_device(std::string_view name);

/// Opens each card for a moment, to ask for its properties.
[[nodiscard]] std::vector<DeviceEntry> list_devices(const std::shared_ptr<Kernel>& kernel);
[[nodiscard]] std::vector<DeviceEntry> list_devices();

}  // namespace accel::detail
