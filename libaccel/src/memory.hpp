// SPDX-License-Identifier: Apache-2.0
//
// Card-visible memory without its element type: the owner behind Buffer, lists and parameters.
#pragma once

#include <cstdint>
#include <memory>

#include "accel/buffer.hpp"
#include "accel/file_descriptor.hpp"
#include "device_impl.hpp"

namespace accel::detail {

/// The driver's memory on host or card, zeroed.
[[nodiscard]] Allocation allocate(const std::shared_ptr<DeviceImpl>& device, std::uint64_t bytes,
                                  const BufferOptions& options);

/// Memory of the caller, pinned.
[[nodiscard]] Allocation register_user(const std::shared_ptr<DeviceImpl>& device, void* memory,
                                       std::uint64_t bytes, Access access);

/// A dma-buf of memory that allocate() gave, all of it.
[[nodiscard]] FileDescriptor export_memory(const Allocation& memory);

/// The memory of a dma-buf, without a CPU mapping.
[[nodiscard]] Allocation import_memory(const std::shared_ptr<DeviceImpl>& device, int fd,
                                       Access access);

}  // namespace accel::detail
