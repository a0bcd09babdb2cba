// SPDX-License-Identifier: Apache-2.0
//
// Arguments of the recorded command list of a model. Operands of commands refer to arguments, so
// commands hold no addresses, and a file can store them.
#pragma once

#include <accel_hw.h>

#include <cstddef>
#include <cstdint>

namespace accel::compiler {

inline constexpr std::uint32_t scratch_argument = 0;
inline constexpr std::uint32_t weights_argument = 1;
/// The first input or output. The inputs of the model and then its outputs follow. If a list has
/// too few arguments for all of them, only those follow that the commands of the list use.
inline constexpr std::uint32_t first_port_argument = 2;

/// The arguments that the list itself sets are numbered downwards from the last one of a call. A
/// body that needs more of them than this is refused.
inline constexpr std::uint32_t last_set_argument = ACCEL_CALL_ARGS_MAX - 1;
inline constexpr std::uint32_t max_set_arguments = 256;
/// One argument behind the ports is free for completion records.
inline constexpr std::size_t max_ports =
    ACCEL_CALL_ARGS_MAX - max_set_arguments - first_port_argument - 1;

}  // namespace accel::compiler
