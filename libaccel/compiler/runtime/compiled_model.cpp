// SPDX-License-Identifier: Apache-2.0
#include "runtime/compiled_model.hpp"

namespace accel::compiler {

std::vector<TensorInfo> results_of(const CompiledModel& model) {
    if (!model.host_fallback) {
        return model.outputs;
    }
    std::vector<TensorInfo> results;
    for (const std::size_t source : model.host_fallback->sources) {
        const std::size_t commands = model.outputs.size();
        results.push_back(source < commands ? model.outputs.at(source)
                                            : model.host_fallback->outputs.at(source - commands));
    }
    return results;
}

}  // namespace accel::compiler
