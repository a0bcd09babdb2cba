// SPDX-License-Identifier: Apache-2.0
#include "runtime/profiler.hpp"

#include <algorithm>
#include <span>

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

std::uint64_t ticks_of(const CompletionRecord& record) {
    return record.end - record.start;
}

// Gives each of these commands the time of all its passes, `passes` times that of its record, which
// has the last pass. A LOOP keeps the rest of its time. Returns the sum.
std::uint64_t spread(std::span<const Command> commands, std::span<CompletionRecord> records,
                     double passes) {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < commands.size(); ++i) {
        bool is_loop = false;
        const std::size_t body = controlled_commands(commands[i], &is_loop);
        CompletionRecord& record = records[i];
        auto ticks = static_cast<std::uint64_t>(passes * static_cast<double>(ticks_of(record)));
        sum += ticks;
        if (is_loop && body != 0) {
            const std::uint64_t last_pass = record.end - records[i + 1].start;
            const bool ran = records[i + 1].end != 0 && last_pass != 0;
            const double all =
                ran ? static_cast<double>(ticks_of(record)) / static_cast<double>(last_pass) : 1;
            const std::uint64_t of_body =
                spread(commands.subspan(i + 1, body), records.subspan(i + 1, body), passes * all);
            ticks -= std::min(ticks, of_body);
            i += body;
        }
        record.end = record.start + ticks;
    }
    return sum;
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
    std::vector<CompletionRecord> result(written.begin(), written.end());
    static_cast<void>(spread(model.commands, result, 1));
    return result;
}

}  // namespace accel::compiler
