// SPDX-License-Identifier: Apache-2.0
#include "runtime/compile.hpp"

#include <ostream>

#include "codegen/list_arguments.hpp"
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

void check_ports(const Program& program) {
    const std::size_t inputs = program.inputs.size();
    const std::size_t outputs = program.outputs.size();
    if (inputs + outputs <= max_ports) {
        return;
    }
    const std::size_t passed = program.host_fallback ? program.host_fallback->inputs.size() : 0;
    refuse("it has " + std::to_string(inputs) + " inputs and " + std::to_string(outputs) +
               " outputs" +
               (passed == 0
                    ? ""
                    : ", " + std::to_string(passed) + " of them values for the host fallback") +
               ", and a command list supports " + std::to_string(max_ports) + " of both",
           passed == 0 ? "join inputs, and outputs, of one shape by Concat or Stack in the model, "
                         "or split the model"
                       : "make fewer nodes need the host (Model::host_nodes), by constant inputs "
                         "or known shapes, or split the model");
}

Model compile(const Device& device, Program program, std::ostream* log,
              const WeightSource& weights) {
    check_card(device.info(), needed_features({}));
    auto compiled = std::make_shared<CompiledModel>(device.alias());
    compiled->inputs = describe_ports(program, program.inputs);
    compiled->outputs = describe_ports(program, program.outputs);
    compiled->host_fallback = program.host_fallback;
    compiled->results = results_of(*compiled);
    check_ports(program);
    if (log != nullptr) {
        log_program(program, *log);
    }
    Compilation compilation{.program = std::move(program), .log = log};
    for (const Pass& pass : passes()) {
        run_pass(pass, compilation);
    }
    compiled->features = needed_features(compilation.plan);
    check_card(device.info(), compiled->features);
    compiled->memory = compilation.memory;
    compiled->commands = std::move(compilation.code.commands);
    compiled->command_names = std::move(compilation.code.names);
    upload(*compiled, compilation.code.weights, weights);
    return ModelAccess::wrap(std::move(compiled));
}

}  // namespace accel::compiler
