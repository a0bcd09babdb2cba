// SPDX-License-Identifier: Apache-2.0
#include "runtime/list_recording.hpp"

#include <accel_hw.h>

#include <cstring>
#include <span>
#include <string>

#include "codegen/list_arguments.hpp"
#include "runtime/argument_binding.hpp"
#include "runtime/compiled_model.hpp"

namespace accel::compiler {

namespace {

// The number of commands that one list holds: at most `limit`, and no part of a loop or a branch.
std::size_t whole_regions(std::span<const Command> commands, std::size_t limit) {
    std::size_t end = 0;
    while (end < commands.size()) {
        const std::size_t next = end + 1 + controlled_commands(commands[end]);
        if (next > limit) {
            break;
        }
        end = next;
    }
    if (end == 0) {
        throw Error(std::errc::invalid_argument,
                    "a loop of the model has more than " + std::to_string(limit) +
                        " commands, the most of a list of this card: split its body");
    }
    return end;
}

}  // namespace

std::size_t controlled_commands(const Command& command, bool* is_loop) {
    accel_command raw;
    const std::vector<std::byte> bytes = command.serialize();
    std::memcpy(&raw, bytes.data(), sizeof raw);
    if (is_loop != nullptr) {
        *is_loop = raw.opcode == ACCEL_OP_LOOP;
    }
    return raw.opcode == ACCEL_OP_LOOP   ? raw.loop.commands
           : raw.opcode == ACCEL_OP_SKIP ? raw.skip.commands
                                         : 0;
}

std::vector<RecordedList> record_lists(const CompiledModel& model, bool completions) {
    const std::size_t limit = model.device.info().max_list_commands;
    std::vector<RecordedList> lists;
    std::size_t next = 0;
    for (const ListPart& part : model.parts) {
        const auto record = first_port_argument + static_cast<std::uint32_t>(part.ports.size());
        for (std::size_t left = part.commands; left > 0;) {
            const std::size_t count =
                left <= limit ? left
                              : whole_regions(std::span(model.commands).subspan(next, left), limit);
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
