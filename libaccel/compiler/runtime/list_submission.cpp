// SPDX-License-Identifier: Apache-2.0
#include "runtime/list_submission.hpp"

#include <accel/batch.hpp>

#include "ir/error.hpp"

namespace accel::compiler {

namespace {

std::vector<Operand> arguments_of(const CompiledModel& model, const RecordedList& recorded,
                                  const Buffer<std::byte>& scratch,
                                  std::span<const Operand> ports) {
    std::vector<Operand> arguments{Operand(scratch), Operand(model.weights)};
    if (model.has_shape_weights()) {
        arguments.emplace_back(model.shape_weights);
    }
    for (const std::uint32_t port : recorded.ports) {
        arguments.push_back(ports[port]);
    }
    if (ports.size() > model.inputs.size() + model.outputs.size()) {
        arguments.push_back(ports.back());
    }
    // A list has no arguments behind the last one that its commands use.
    arguments.resize(recorded.list.arguments());
    return arguments;
}

}  // namespace

Job submit_lists(CompiledModel& model, Queue& queue, std::span<const RecordedList> lists,
                 std::span<const Operand> ports) {
    ScratchPool::Lease lease(*model.scratch, model.device, model.memory.peak, queue.id());
    const auto arguments = [&](const RecordedList& recorded) {
        return arguments_of(model, recorded, lease.memory(), ports);
    };
    Job job;
    if (lists.size() == 1) {
        job = queue.submit(lists[0].list, arguments(lists[0]));
    } else {
        Batch batch = queue.batch();
        for (const RecordedList& recorded : lists) {
            batch.add(recorded.list, arguments(recorded));
        }
        job = batch.submit();
    }
    lease.used_by(job);
    return job;
}

void wait_for_run(const CompiledModel& model, std::span<const RecordedList> lists, const Job& job) {
    try {
        job.wait();
    } catch (const Error& error) {
        const auto& failure = error.failure();
        // The lists of a run have consecutive sequence numbers.
        const std::uint64_t behind = failure ? job.sequence() - failure->sequence : 0;
        if (!failure || !failure->list_index || behind >= lists.size()) {
            throw;
        }
        const std::size_t at = lists[lists.size() - 1 - behind].first + *failure->list_index;
        if (at >= model.command_names.size()) {
            throw;
        }
        const ModelCommand& command = model.command_names[at];
        throw Error(error.errc(),
                    "node '" + command.node + "' of the model (" + command.command +
                        "): " + message_of(error),
                    *failure);
    }
}

}  // namespace accel::compiler
