// SPDX-License-Identifier: Apache-2.0
//
// The nodes of the host fallback are an ONNX model whose inputs are outputs of the commands. Each
// run imports that model with the values of its inputs as constants, so constant folding computes
// the nodes. If nodes remain whose operands the compiler does not fold, the card computes them.
#include "runtime/host_fallback.hpp"

#include <iterator>
#include <span>

#include "frontend/onnx_import.hpp"
#include "runtime/compile.hpp"

namespace accel::compiler {

namespace {

// `inputs` are in the order of the fallback's inputs.
std::vector<TensorData> compute(const Device& device, Queue& queue, const HostFallback& fallback,
                                std::vector<TensorData> inputs) {
    LoadOptions options{.allow_narrowing = fallback.allow_narrowing, .host_fallback = true};
    for (std::size_t i = 0; i < inputs.size(); ++i) {
        options.constant_inputs[fallback.inputs[i]] = std::move(inputs[i]);
    }
    const Program program =
        import_onnx(std::as_bytes(std::span(fallback.model)), "host fallback", options);
    std::vector<TensorData> results;
    for (const Port& output : program.outputs) {
        const Constant& constant = program.values[output.value].constant;
        if (!constant || program.host_fallback) {
            return compile(device, program).run(queue, std::span<const TensorData>());
        }
        results.push_back({constant->type, constant->dims, constant->data});
    }
    return results;
}

}  // namespace

std::vector<TensorData> finish_on_host(const CompiledModel& model, Queue& queue,
                                       std::vector<TensorData> outputs) {
    if (!model.host_fallback) {
        return outputs;
    }
    const HostFallback& fallback = *model.host_fallback;
    const auto first = outputs.end() - static_cast<std::ptrdiff_t>(fallback.inputs.size());
    std::vector<TensorData> inputs(std::make_move_iterator(first),
                                   std::make_move_iterator(outputs.end()));
    std::vector<TensorData> computed = compute(model.device, queue, fallback, std::move(inputs));
    if (computed.size() != fallback.outputs.size()) {
        throw Error(std::errc::invalid_argument,
                    "the host fallback of the compiled model has " +
                        std::to_string(computed.size()) + " outputs, not " +
                        std::to_string(fallback.outputs.size()) +
                        ": the file is damaged; compile the model again");
    }
    std::vector<TensorData> results;
    for (const std::size_t source : fallback.sources) {
        results.push_back(source < outputs.size() ? std::move(outputs[source])
                                                  : std::move(computed[source - outputs.size()]));
    }
    return results;
}

}  // namespace accel::compiler
