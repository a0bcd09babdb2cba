// SPDX-License-Identifier: Apache-2.0
//
// The texts of EDQUOT and ENOSPC: one errno stands for several limits of a user or of the card, and
// the program needs to know which of them is used up.
#pragma once

#include <cstdint>
#include <string>

#include "device_impl.hpp"

namespace accel::detail {

enum class Resource : std::uint8_t { queues, device_memory, host_memory, registered_memory };

/// Throws the Error of a call that asked for `amount` more of the resource and got `error`.
[[noreturn]] void throw_refused(const DeviceImpl& device, Resource resource, std::uint64_t amount,
                                int error, const std::string& what);

/// Throws Error(EDQUOT) with the text "what: why". It names the limit that `amount` more of the
/// resource exceed, its current use, and how to raise it.
[[noreturn]] void throw_over_quota(const DeviceImpl& device, Resource resource,
                                   std::uint64_t amount, const std::string& what);

/// Throws Error(ENOSPC) with the text "what: why". It names the resource of the card that is used
/// up.
[[noreturn]] void throw_card_full(const DeviceImpl& device, Resource resource, std::uint64_t amount,
                                  const std::string& what);

}  // namespace accel::detail
