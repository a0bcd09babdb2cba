// SPDX-License-Identifier: Apache-2.0
//
// Arguments of the recorded command list of a model. Operands of commands refer to arguments, so
// commands hold no addresses, and a file can store them.
#pragma once

#include <cstddef>
#include <cstdint>

namespace accel::compiler {

inline constexpr std::uint32_t scratch_argument = 0;
inline constexpr std::uint32_t weights_argument = 1;
/// The first input or output. The inputs of the model and then its outputs follow. If a list has
/// too few arguments for all of them, only those follow that the commands of the list use.
inline constexpr std::uint32_t first_port_argument = 2;

/// A call of a list has up to 64 arguments. The last is free for completion records.
inline constexpr std::size_t max_list_arguments = 63;
inline constexpr std::size_t max_ports = max_list_arguments - first_port_argument;

}  // namespace accel::compiler
