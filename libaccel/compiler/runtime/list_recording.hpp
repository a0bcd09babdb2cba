// SPDX-License-Identifier: Apache-2.0
//
// The command lists of a model, in the memory of the card.
#pragma once

#include <accel/command_list.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace accel::compiler {

struct CompiledModel;

/// A closed list. Its arguments are scratch memory, the weights, and `ports`: inputs, and then
/// outputs, of the commands of the model.
struct RecordedList {
    CommandList list;
    std::vector<std::uint32_t> ports;
    std::size_t first = 0;  // its first command in the model
};

/// Records the commands of a model: one list, or as many as the limits of the card need. With
/// `completions`, the argument behind the ports is an array, and each command writes its completion
/// record to the element of its number.
[[nodiscard]] std::vector<RecordedList> record_lists(const CompiledModel& model, bool completions);

}  // namespace accel::compiler
