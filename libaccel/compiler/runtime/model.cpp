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
#include "runtime/specialization.hpp"
#include "runtime/weight_export.hpp"

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
    compiler::write_file(file, compiler::serialize(*state_));
}

FileDescriptor Model::export_weights() const {
    return compiler::export_weights(*compiler::with_shape(*state_));
}

const std::shared_ptr<compiler::CompiledModel>& Model::compiled() const {
    return state_->shape;
}

std::shared_ptr<compiler::CompiledModel> Model::shape_of(std::span<const TensorData> inputs) const {
    return compiler::shape_of_run(*state_, inputs);
}

std::vector<OpenDimension> Model::open_dimensions() const {
    return compiler::open_dimensions(*state_);
}

Model Model::specialize(const ModelShape& shape) const {
    return compiler::specialize(*state_, shape);
}

struct ModelRequest::Result {
    std::shared_ptr<const compiler::ModelState> state;
    std::shared_ptr<std::shared_ptr<compiler::CompiledModel>> shape;
};

ModelRequest Model::prepare(const ModelShape& shape) const {
    auto result = std::make_shared<ModelRequest::Result>();
    result->state = state_;
    result->shape = std::make_shared<std::shared_ptr<compiler::CompiledModel>>();
    const Request request = compiler::prepare(*state_, shape, result->shape);
    return {request, std::move(result)};
}

ModelRequest Model::prepare(const std::map<std::string, std::int64_t>& dimensions) const {
    return prepare(ModelShape{.dimensions = dimensions});
}

Model ModelRequest::get() const {
    wait();
    if (!result_) {
        throw Error(std::errc::invalid_argument,
                    "this ModelRequest is empty: use one that Model::prepare() returned");
    }
    return compiler::ModelAccess::wrap(*result_->shape, result_->state->shapes);
}

std::vector<Model> Model::specializations() const {
    return compiler::specializations(*state_);
}

std::span<const TensorInfo> Model::inputs() const {
    return compiled()->inputs;
}

std::span<const TensorInfo> Model::outputs() const {
    return compiled()->results;
}

std::span<const HostNode> Model::host_nodes() const {
    return compiled()->host_fallback ? std::span<const HostNode>(compiled()->host_fallback->nodes)
                                    : std::span<const HostNode>();
}

MemoryUse Model::memory() const {
    return compiled()->memory;
}

std::span<const ModelCommand> Model::commands() const {
    return compiled()->command_names;
}

Job Model::submit(Queue& queue, std::span<const Operand> arguments) const {
    if (compiled()->host_fallback) {
        throw Error(std::errc::not_supported,
                    "Model::submit() submits commands only, and the host computes nodes of this "
                    "model (Model::host_nodes()): use Model::run()");
    }
    const std::size_t inputs = compiled()->inputs.size();
    const std::size_t outputs = compiled()->outputs.size();
    if (arguments.size() != inputs + outputs) {
        throw Error(std::errc::invalid_argument,
                    "Model::submit() takes " + std::to_string(inputs) + " inputs and then " +
                        std::to_string(outputs) + " outputs, not " +
                        std::to_string(arguments.size()) + " arguments");
    }
    if (!compiled()->compiled) {
        throw Error(std::errc::invalid_argument,
                    "Model::submit() needs a shape, and the model leaves dimensions open: submit "
                    "to specialize(), or give a ModelShape");
    }
    if (compiled()->lists.empty()) {
        return queue.submit(Nop{});
    }
    return compiler::submit_lists(*compiled(), queue, compiled()->lists, arguments);
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
    const std::shared_ptr<CompiledModel> shape = shape_of(inputs);
    const Bindings bindings = bind_arguments(*shape, inputs);
    if (!shape->lists.empty()) {
        wait_for_run(*shape, shape->lists,
                     submit_lists(*shape, queue, shape->lists, bindings.operands));
    }
    return finish_on_host(*shape, queue, fetch_outputs(*shape, bindings));
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
    const std::shared_ptr<CompiledModel> shape = shape_of(inputs);
    const Bindings bindings = bind_arguments(*shape, inputs);
    records = profile_commands(*shape, queue, bindings);
    return finish_on_host(*shape, queue, fetch_outputs(*shape, bindings));
}

}  // namespace accel
