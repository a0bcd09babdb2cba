// SPDX-License-Identifier: Apache-2.0
//
// A command list of a model, in the memory of the card.
#pragma once

#include <accel/command_list.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace accel::compiler {

/// A closed list. Its arguments are scratch memory, the weights, and `ports`: inputs, and then
/// outputs, of the commands of the model.
struct RecordedList {
    CommandList list;
    std::vector<std::uint32_t> ports;
    std::size_t first = 0;  // its first command in the model
};

}  // namespace accel::compiler
