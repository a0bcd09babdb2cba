// SPDX-License-Identifier: Apache-2.0
//
// The text of EDQUOT: one errno stands for several limits of a user, and the program needs to know
// which of them is used up.
#pragma once

#include <cstdint>
#include <string>

#include "device_impl.hpp"

namespace accel::detail {

enum class Resource : std::uint8_t { queues, device_memory, host_memory, registered_memory };

/// Throws Error(EDQUOT) with the text "what: why". It names the limit that `amount` more of the
/// resource exceed, its current use, and how to raise it.
[[noreturn]] void throw_over_quota(const DeviceImpl& device, Resource resource,
                                   std::uint64_t amount, const std::string& what);

}  // namespace accel::detail
