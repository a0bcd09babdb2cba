// SPDX-License-Identifier: Apache-2.0
#include "runtime/list_recording.hpp"

#include <algorithm>

#include "codegen/list_arguments.hpp"
#include "runtime/argument_binding.hpp"
#include "runtime/compiled_model.hpp"

namespace accel::compiler {

std::vector<RecordedList> record_lists(const CompiledModel& model, bool completions) {
    const std::size_t limit = model.device.info().max_list_commands;
    std::vector<RecordedList> lists;
    std::size_t next = 0;
    for (const ListPart& part : model.parts) {
        const auto record = first_port_argument(model.has_shape_weights()) +
                            static_cast<std::uint32_t>(part.ports.size());
        for (std::size_t left = part.commands; left > 0;) {
            const std::size_t count = std::min(left, limit);
            CommandList list = model.device.create_command_list(Placement::device);
            const std::size_t first = next;
            for (; next < first + count; ++next) {
                const Command& command = model.commands[next];
                list.add(completions ? command.with_record(
                                           argument(record, next * sizeof(CompletionRecord)))
                                     : command);
            }
            name_arguments(model, part.ports, list);
            list.close();
            lists.push_back({std::move(list), part.ports, first});
            left -= count;
        }
    }
    return lists;
}

}  // namespace accel::compiler
