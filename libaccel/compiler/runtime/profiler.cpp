// SPDX-License-Identifier: Apache-2.0
#include "runtime/profiler.hpp"

#include "runtime/list_recording.hpp"
#include "runtime/list_submission.hpp"

namespace accel::compiler {

namespace {

const std::vector<RecordedList>& profiled_lists(CompiledModel& model) {
    const std::lock_guard lock(model.profiled_mutex);
    if (model.profiled.empty()) {
        model.profiled = record_lists(model, true);
    }
    return model.profiled;
}

}  // namespace

std::vector<CompletionRecord> profile_commands(CompiledModel& model, Queue& queue,
                                               const Bindings& bindings) {
    if (model.commands.empty()) {
        return {};
    }
    const auto records = model.device.allocate<CompletionRecord>({model.commands.size()});
    std::vector<Operand> arguments = bindings.operands;
    arguments.emplace_back(records);
    submit_lists(model, queue, profiled_lists(model), arguments).wait();
    const auto written = records.span();
    return {written.begin(), written.end()};
}

}  // namespace accel::compiler
