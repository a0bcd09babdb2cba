// SPDX-License-Identifier: Apache-2.0
#include "runtime/list_submission.hpp"

#include "ir/error.hpp"

namespace accel::compiler {

Job submit_list(CompiledModel& model, Queue& queue, const CommandList& list,
                std::span<const Operand> ports) {
    ScratchPool::Lease lease(model.scratch, model.device, model.memory.peak, queue.id());
    std::vector<Operand> arguments{Operand(lease.memory()), Operand(model.weights)};
    arguments.insert(arguments.end(), ports.begin(), ports.end());
    // A list has no arguments behind the last one that its commands use.
    arguments.resize(list.arguments());
    Job job = queue.submit(list, arguments);
    lease.used_by(job);
    return job;
}

void wait_for_run(const CompiledModel& model, const Job& job) {
    try {
        job.wait();
    } catch (const Error& error) {
        const auto& failure = error.failure();
        if (!failure || !failure->list_index ||
            *failure->list_index >= model.command_names.size()) {
            throw;
        }
        const ModelCommand& command = model.command_names[*failure->list_index];
        throw Error(error.errc(),
                    "node '" + command.node + "' of the model (" + command.command +
                        "): " + message_of(error),
                    *failure);
    }
}

}  // namespace accel::compiler
