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
/// The first input or output. The inputs and then the outputs of the model follow from here, or, if
/// these are more than a list has arguments, those that the commands of this list use.
inline constexpr std::uint32_t first_port_argument = 2;

/// A call of a list has up to 64 arguments. The last is free for completion records.
inline constexpr std::size_t max_list_arguments = 63;
inline constexpr std::size_t max_ports = max_list_arguments - first_port_argument;

}  // namespace accel::compiler
