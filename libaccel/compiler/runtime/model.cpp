// SPDX-License-Identifier: Apache-2.0
//
// The public class: each member delegates to a file of this folder.
#include <accel/model.hpp>

#include "frontend/file_io.hpp"
#include "frontend/onnx_file.hpp"
#include "runtime/argument_binding.hpp"
#include "runtime/compiled_model.hpp"
#include "runtime/host_fallback.hpp"
#include "runtime/list_submission.hpp"
#include "runtime/model_check.hpp"
#include "runtime/model_loading.hpp"
#include "runtime/profiler.hpp"
#include "runtime/serialization.hpp"

namespace accel {

Model Model::load(const Device& device, const std::filesystem::path& file,
                  const LoadOptions& options) {
    return compiler::load_model(device, compiler::model_file(file), options, nullptr);
}

Model Model::load(const Device& device, std::span<const std::byte> model,
                  const LoadOptions& options, const std::filesystem::path& folder) {
    return compiler::load_model(device, compiler::model_in_memory(model, folder), options, nullptr);
}

std::vector<Unsupported> Model::check(const std::filesystem::path& file,
                                      const LoadOptions& options) {
    return compiler::check_model(compiler::model_file(file), options);
}

std::vector<Unsupported> Model::check(std::span<const std::byte> model, const LoadOptions& options,
                                      const std::filesystem::path& folder) {
    return compiler::check_model(compiler::model_in_memory(model, folder), options);
}

std::vector<TensorInfo> Model::describe_inputs(const std::filesystem::path& file) {
    return compiler::describe_inputs(compiler::read_file(file), file.string());
}

std::vector<TensorInfo> Model::describe_inputs(std::span<const std::byte> model) {
    const compiler::ModelSource source = compiler::model_in_memory(model, {});
    return compiler::describe_inputs(source.bytes, source.name);
}

void Model::save(const std::filesystem::path& file) const {
    compiler::save_compiled(*compiled_, file);
}

FileDescriptor Model::export_weights() const {
    return compiled_->device.export_memory(compiled_->weights);
}

std::span<const TensorInfo> Model::inputs() const {
    return compiled_->inputs;
}

std::span<const TensorInfo> Model::outputs() const {
    return compiled_->results;
}

std::span<const HostNode> Model::host_nodes() const {
    return compiled_->host_fallback ? std::span<const HostNode>(compiled_->host_fallback->nodes)
                                    : std::span<const HostNode>();
}

MemoryUse Model::memory() const {
    return compiled_->memory;
}

std::span<const ModelCommand> Model::commands() const {
    return compiled_->command_names;
}

Job Model::submit(Queue& queue, std::span<const Operand> arguments) const {
    if (compiled_->host_fallback) {
        throw Error(std::errc::not_supported,
                    "Model::submit() submits commands only, and the host computes nodes of this "
                    "model (Model::host_nodes()): use Model::run()");
    }
    const std::size_t inputs = compiled_->inputs.size();
    const std::size_t outputs = compiled_->outputs.size();
    if (arguments.size() != inputs + outputs) {
        throw Error(std::errc::invalid_argument,
                    "Model::submit() takes " + std::to_string(inputs) + " inputs and then " +
                        std::to_string(outputs) + " outputs, not " +
                        std::to_string(arguments.size()) + " arguments");
    }
    if (compiled_->lists.empty()) {
        return queue.submit(Nop{});
    }
    return compiler::submit_lists(*compiled_, queue, compiled_->lists, arguments);
}

Job Model::submit(Queue& queue, const std::map<std::string, Operand>& arguments) const {
    std::size_t unused = arguments.size();
    std::vector<Operand> ordered = compiler::order_by_name(inputs(), arguments, unused);
    for (Operand& output : compiler::order_by_name(outputs(), arguments, unused)) {
        ordered.push_back(std::move(output));
    }
    if (unused != 0) {
        compiler::throw_unknown_name(*this);
    }
    return submit(queue, ordered);
}

std::vector<TensorData> Model::run(Queue& queue, std::span<const TensorData> inputs) const {
    using namespace compiler;
    const Bindings bindings = bind_arguments(*compiled_, inputs);
    if (!compiled_->lists.empty()) {
        wait_for_run(*compiled_, compiled_->lists,
                     submit_lists(*compiled_, queue, compiled_->lists, bindings.operands));
    }
    return finish_on_host(*compiled_, queue, fetch_outputs(*compiled_, bindings));
}

std::map<std::string, TensorData> Model::run(
    Queue& queue, const std::map<std::string, TensorData>& inputs) const {
    std::size_t unused = inputs.size();
    const std::vector<TensorData> ordered = compiler::order_by_name(this->inputs(), inputs, unused);
    if (unused != 0) {
        compiler::throw_unknown_name(*this);
    }
    std::vector<TensorData> results = run(queue, ordered);
    std::map<std::string, TensorData> named;
    for (std::size_t i = 0; i < results.size(); ++i) {
        named[outputs()[i].name] = std::move(results[i]);
    }
    return named;
}

std::vector<TensorData> Model::profile(Queue& queue, std::span<const TensorData> inputs,
                                       std::vector<std::uint64_t>& ticks) const {
    std::vector<CompletionRecord> records;
    std::vector<TensorData> results = profile(queue, inputs, records);
    ticks.clear();
    for (const CompletionRecord& record : records) {
        ticks.push_back(record.end - record.start);
    }
    return results;
}

std::vector<TensorData> Model::profile(Queue& queue, std::span<const TensorData> inputs,
                                       std::vector<CompletionRecord>& records) const {
    using namespace compiler;
    const Bindings bindings = bind_arguments(*compiled_, inputs);
    records = profile_commands(*compiled_, queue, bindings);
    return finish_on_host(*compiled_, queue, fetch_outputs(*compiled_, bindings));
}

}  // namespace accel
