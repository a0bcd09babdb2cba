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
/// Only lists of a model whose shape has weights of its own have this argument.
inline constexpr std::uint32_t shape_weights_argument = 2;

/// The first input or output. The inputs of the model and then its outputs follow. If a list has
/// too few arguments for all of them, only those follow that the commands of the list use.
[[nodiscard]] constexpr std::uint32_t first_port_argument(bool has_shape_weights) {
    return has_shape_weights ? 3 : 2;
}

/// A call of a list has up to 64 arguments. The last is free for completion records.
inline constexpr std::size_t max_list_arguments = 63;
[[nodiscard]] constexpr std::size_t max_ports(bool has_shape_weights) {
    return max_list_arguments - first_port_argument(has_shape_weights);
}

}  // namespace accel::compiler
