// SPDX-License-Identifier: Apache-2.0
#include "runtime/profiler.hpp"

#include "codegen/list_arguments.hpp"
#include "runtime/list_submission.hpp"

namespace accel::compiler {

namespace {

// The commands of a model, each with a completion record in argument `index`.
CommandList record_with_completions(const CompiledModel& model, std::uint32_t index) {
    CommandList list = model.device.create_command_list(Placement::device);
    for (std::size_t i = 0; i < model.commands.size(); ++i) {
        list.add(model.commands[i].with_record(argument(index, i * sizeof(CompletionRecord))));
    }
    list.close();
    return list;
}

const CommandList& profiled_list(CompiledModel& model, std::uint32_t index) {
    const std::lock_guard lock(model.profiled_mutex);
    if (!model.profiled) {
        model.profiled.emplace(record_with_completions(model, index));
    }
    return *model.profiled;
}

}  // namespace

std::vector<CompletionRecord> profile_commands(CompiledModel& model, Queue& queue,
                                               const Bindings& bindings) {
    if (model.commands.empty()) {
        return {};
    }
    const auto records = model.device.allocate<CompletionRecord>({model.commands.size()});
    const auto index = static_cast<std::uint32_t>(first_port_argument + bindings.operands.size());
    std::vector<Operand> arguments = bindings.operands;
    arguments.emplace_back(records);
    submit_list(model, queue, profiled_list(model, index), arguments).wait();
    const auto written = records.span();
    return {written.begin(), written.end()};
}

}  // namespace accel::compiler
