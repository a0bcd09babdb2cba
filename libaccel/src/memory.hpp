// SPDX-License-Identifier: Apache-2.0
//
// Allocation, registration, export and import of card-visible memory: the owners behind Buffer,
// command lists and parameters.
#pragma once

#include <cstdint>
#include <memory>

#include "accel/buffer.hpp"
#include "accel/file_descriptor.hpp"
#include "device_impl.hpp"

namespace accel::detail {

/// Allocates zeroed host or device memory of the driver.
[[nodiscard]] Allocation allocate(const std::shared_ptr<DeviceImpl>& device, std::uint64_t bytes,
                                  const BufferOptions& options);

/// Registers memory of the caller: the driver pins it.
[[nodiscard]] Allocation register_memory(const std::shared_ptr<DeviceImpl>& device, void* memory,
                                         std::uint64_t bytes, Access access);

/// Exports all memory of an allocate() as a dma-buf.
[[nodiscard]] FileDescriptor export_memory(const Allocation& memory);

/// Imports the memory of a dma-buf, without a CPU mapping.
[[nodiscard]] Allocation import_memory(const std::shared_ptr<DeviceImpl>& device, int fd,
                                       Access access);

}  // namespace accel::detail
