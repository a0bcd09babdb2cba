// SPDX-License-Identifier: Apache-2.0
//
// The checksum of weights and of compiled models.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace accel::compiler {

/// Detects damage. It is no protection against an attacker, who can compute it, too.
[[nodiscard]] std::uint64_t fingerprint(std::span<const std::byte> bytes);

}  // namespace accel::compiler
