// SPDX-License-Identifier: Apache-2.0
#include "runtime/list_submission.hpp"

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

}  // namespace accel::compiler
