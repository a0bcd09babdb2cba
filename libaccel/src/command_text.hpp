// SPDX-License-Identifier: Apache-2.0
//
// The names of commands, for messages.
#pragma once

#include <cstdint>
#include <string>

namespace accel::detail {

/// "0x1f"
[[nodiscard]] std::string hex(std::uint64_t value);

/// The name of a command in the data sheet: "GEMM"; "opcode 0x7f" for one that it does not have.
[[nodiscard]] std::string command_name(std::uint32_t opcode);

}  // namespace accel::detail
