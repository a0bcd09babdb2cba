// SPDX-License-Identifier: Apache-2.0
#include "runtime/compile.hpp"

#include <ostream>

#include "runtime/card_features.hpp"
#include "runtime/compiled_model.hpp"

namespace accel::compiler {

namespace {

std::vector<TensorInfo> describe_ports(const Program& program, const std::vector<Port>& ports) {
    std::vector<TensorInfo> result;
    for (const Port& port : ports) {
        const Value& value = program.values[port.value];
        result.push_back({port.name, value.type, value.dims});
    }
    return result;
}

void log_program(const Program& program, std::ostream& log) {
    if (program.host_fallback) {
        for (const HostNode& node : program.host_fallback->nodes) {
            log << "  host fallback for " << node.node << ": " << node.reason << '\n';
        }
    }
    for (const Instruction& x : program.instructions) {
        log << "  %" << x.result << " = " << to_string(x.operation);
        for (const ValueId id : x.operands) {
            log << " %" << id << (program.values[id].constant ? "c" : "")
                << to_string(program.values[id].dims);
        }
        log << " -> " << to_string(program.values[x.result].type)
            << to_string(program.values[x.result].dims) << "  (" << x.node << ")\n";
    }
}

}  // namespace

Model compile(const Device& device, Program program, std::ostream* log,
              const WeightSource& weights) {
    return ModelAccess::wrap(compile_shape(device, std::move(program), log, weights));
}

std::shared_ptr<CompiledModel> compile_shape(const Device& device, Program program,
                                             std::ostream* log, const WeightSource& weights) {
    check_card(device.info(), needed_features({}));
    auto compiled = std::make_shared<CompiledModel>(device.alias());
    if (weights.scratch) {
        compiled->scratch = weights.scratch;
    }
    compiled->inputs = describe_ports(program, program.inputs);
    compiled->outputs = describe_ports(program, program.outputs);
    compiled->host_fallback = program.host_fallback;
    compiled->results = results_of(*compiled);
    if (log != nullptr) {
        log_program(program, *log);
    }
    Compilation compilation{.program = std::move(program), .placed = weights.placed, .log = log};
    for (const Pass& pass : passes()) {
        run_pass(pass, compilation);
    }
    compiled->features = needed_features(compilation.plan);
    check_card(device.info(), compiled->features);
    // Constants that are no weights end here.
    compilation.program = {};
    compilation.plan = {};
    GeneratedCode& code = compilation.code;
    compiled->memory = compilation.memory;
    compiled->commands = std::move(code.commands);
    compiled->command_names = std::move(code.names);
    compiled->parts = std::move(code.parts);
    upload(*compiled, std::move(code.weights), weights, {code.largest_bytes, code.largest_node});
    return compiled;
}

}  // namespace accel::compiler
