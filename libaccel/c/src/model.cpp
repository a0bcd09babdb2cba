// SPDX-License-Identifier: Apache-2.0
//
// Models of the C interface.
#include <algorithm>
#include <cstring>
#include <string_view>

#include "handles.hpp"
#include "structure.hpp"

using accel::c::free_handle;
using accel::c::guarded;
using accel::c::make_handle;
using accel::c::read_options;
using accel::c::read_structure;
using accel::c::required;
using accel::c::submit_job;
using accel::c::to_bool;
using accel::c::write_structure;

namespace {

// More than the shapes of any model have.
constexpr std::uint64_t most_dimensions = 64;

// The elements of a C array with versioned structures of the caller's size.
std::vector<accel_tensor_t> to_tensors(const accel_tensor_t* first, std::uint64_t count,
                                       const char* name) {
    std::vector<accel_tensor_t> all;
    accel::c::check_count<accel_tensor_t>(count, name);
    if (count > 0) {
        const auto* next = reinterpret_cast<const char*>(&required(first, name));
        for (std::uint64_t i = 0; i < count; ++i) {
            const auto* const tensor = reinterpret_cast<const accel_tensor_t*>(next);
            all.push_back(read_structure(tensor, name));
            next += first->size;
        }
    }
    return all;
}

std::vector<std::int64_t> to_shape(const accel_tensor_t& tensor) {
    if (tensor.rank == 0) {
        return {};
    }
    if (tensor.rank > most_dimensions) {
        accel::c::throw_invalid("tensor.rank is " + std::to_string(tensor.rank) +
                                ", and a tensor has at most " + std::to_string(most_dimensions) +
                                " dimensions: set it to the number of elements of tensor.shape");
    }
    const std::int64_t* const first = &required(tensor.shape, "tensor.shape");
    return {first, first + tensor.rank};
}

accel::TensorData to_data(const accel_tensor_t& tensor) {
    accel::TensorData data{
        .type = accel::c::to_data_type(tensor.type), .shape = to_shape(tensor), .bytes = {}};
    if (tensor.bytes > 0) {
        accel::c::check_count<std::byte>(tensor.bytes, "tensor.bytes");
        const auto* const first =
            &required(static_cast<const std::byte*>(tensor.data), "tensor.data");
        data.bytes.assign(first, first + tensor.bytes);
    }
    return data;
}

void add_dimensions(std::map<std::string, std::int64_t>& to, const accel_dimension_t* first,
                    std::uint64_t count, const char* name) {
    accel::c::check_count<accel_dimension_t>(count, name);
    if (count > 0) {
        static_cast<void>(required(first, name));
    }
    for (const accel_dimension_t& dimension : std::span(first, count)) {
        to[&required(dimension.name, "dimension.name")] = dimension.length;
    }
}

accel::ModelShape to_model_shape(const accel_model_shape_t& from) {
    accel::ModelShape shape;
    add_dimensions(shape.dimensions, from.dimensions, from.dimension_count, "shape->dimensions");
    for (const auto& tensor : to_tensors(from.inputs, from.input_count, "shape->inputs")) {
        shape.inputs[&required(tensor.name, "shape->inputs[].name")] = to_shape(tensor);
    }
    return shape;
}

void add_open_dimensions(accel::LoadOptions& options, const accel_model_options_t& from) {
    if (!to_bool(from.lists_open, "options->lists_open")) {
        return;
    }
    accel::c::check_count<const char*>(from.open_dimension_count, "options->open_dimensions");
    auto& names = options.open_dimensions.emplace();
    if (from.open_dimension_count > 0) {
        static_cast<void>(required(from.open_dimensions, "options->open_dimensions"));
    }
    for (const char* const name : std::span(from.open_dimensions, from.open_dimension_count)) {
        names.emplace_back(&required(name, "options->open_dimensions[]"));
    }
}

void add_specializations(accel::LoadOptions& options, const accel_model_options_t& from) {
    const std::uint64_t count = from.specialization_count;
    accel::c::check_count<accel_model_shape_t>(count, "options->specializations");
    if (count == 0) {
        return;
    }
    const auto& first = required(from.specializations, "options->specializations");
    const auto* next = reinterpret_cast<const char*>(&first);
    for (std::uint64_t i = 0; i < count; ++i) {
        options.specializations.push_back(to_model_shape(
            read_structure(reinterpret_cast<const accel_model_shape_t*>(next), "specializations")));
        next += first.size;
    }
}

accel::LoadOptions to_options(const accel_model_options_t& from) {
    accel::LoadOptions options;
    options.batch = from.batch;
    options.allow_narrowing = to_bool(from.allow_narrowing, "options->allow_narrowing");
    options.host_fallback = to_bool(from.host_fallback, "options->host_fallback");
    add_dimensions(options.dimensions, from.dimensions, from.dimension_count,
                   "options->dimension_count");
    add_open_dimensions(options, from);
    add_specializations(options, from);
    if (from.max_shapes != 0) {
        options.max_shapes = from.max_shapes;
    }
    for (const auto& tensor : to_tensors(from.shapes, from.shape_count, "shapes")) {
        options.shapes[&required(tensor.name, "shapes[].name")] = to_shape(tensor);
    }
    for (const auto& tensor : to_tensors(from.constants, from.constant_count, "constants")) {
        options.constant_inputs[&required(tensor.name, "constants[].name")] = to_data(tensor);
    }
    return options;
}

accel_tensor_t describe(const accel::TensorInfo& info) {
    accel_tensor_t tensor{};
    tensor.type = static_cast<std::uint32_t>(info.type);
    tensor.name = info.name.c_str();
    tensor.shape = info.shape.data();
    tensor.rank = info.shape.size();
    tensor.bytes = info.bytes();
    return tensor;
}

template <typename Items>
const auto& at(const Items& items, std::size_t index, const char* name) {
    if (index >= items.size()) {
        accel::c::throw_invalid("there is no " + std::string(name) + " " + std::to_string(index) +
                                ": the model has " + std::to_string(items.size()));
    }
    return items[index];
}

// Where the tensor belongs among the inputs of the model.
std::size_t position(std::span<const accel::TensorInfo> inputs, const char* name) {
    const auto found = std::find_if(inputs.begin(), inputs.end(), [&](const auto& info) {
        return info.name == std::string_view(name);
    });
    if (found == inputs.end()) {
        accel::c::throw_invalid("the model has no input \"" + std::string(name) +
                                "\": accel_model_input() tells the names");
    }
    return static_cast<std::size_t>(found - inputs.begin());
}

// A wrong number is found before any tensor is read, because the array may be shorter.
void check_input_count(const accel::Model& model, std::size_t count) {
    if (const std::size_t inputs = model.inputs().size(); count != inputs) {
        accel::c::throw_invalid("the model has " + std::to_string(inputs) +
                                " inputs, and the call passes " + std::to_string(count));
    }
}

std::vector<accel::TensorData> to_inputs(const accel::Model& model,
                                         const std::vector<accel_tensor_t>& tensors) {
    const auto infos = model.inputs();
    const bool named = std::any_of(tensors.begin(), tensors.end(),
                                   [](const accel_tensor_t& t) { return t.name != nullptr; });
    std::vector<accel::TensorData> inputs(infos.size());
    std::vector<bool> given(infos.size(), false);
    for (std::size_t i = 0; i < tensors.size(); ++i) {
        const std::size_t to =
            named ? position(infos, &required(tensors[i].name, "inputs[].name")) : i;
        if (given[to]) {
            accel::c::throw_invalid("two inputs have the name \"" + infos[to].name + "\"");
        }
        given[to] = true;
        inputs[to] = to_data(tensors[i]);
        if (tensors[i].type == 0) {
            inputs[to].type = infos[to].type;
        }
        if (tensors[i].rank == 0) {
            inputs[to].shape = infos[to].shape;
        }
    }
    return inputs;
}

}  // namespace

int accel_model_load(const accel_device_t* device, const char* file,
                     const accel_model_options_t* options, accel_model_t** out,
                     accel_error_t* error) {
    return make_handle(out, error, [&] {
        return accel_model_t{accel::Model::load(required(device, "device").device,
                                                &required(file, "file"),
                                                to_options(read_options(options, "options")))};
    });
}

int accel_model_load_memory(const accel_device_t* device, const void* content, std::uint64_t bytes,
                            const char* folder, const accel_model_options_t* options,
                            accel_model_t** out, accel_error_t* error) {
    return make_handle(out, error, [&] {
        accel::c::check_count<std::byte>(bytes, "bytes");
        const auto* const first = &required(static_cast<const std::byte*>(content), "content");
        return accel_model_t{accel::Model::load(
            required(device, "device").device, std::span(first, bytes),
            to_options(read_options(options, "options")), folder != nullptr ? folder : "")};
    });
}

int accel_model_specialize(const accel_model_t* model, const accel_model_shape_t* shape,
                           accel_model_t** out, accel_error_t* error) {
    return make_handle(out, error, [&] {
        const accel::Model& net = required(model, "model").model;
        return accel_model_t{net.specialize(
            to_model_shape(read_structure(&required(shape, "shape"), "shape")))};
    });
}

int accel_model_save(const accel_model_t* model, const char* file, accel_error_t* error) {
    return guarded(error, [&] {
        required(model, "model").model.save(&required(file, "file"));
        return 0;
    });
}

std::size_t accel_model_input_count(const accel_model_t* model) {
    return model != nullptr ? model->model.inputs().size() : 0;
}

std::size_t accel_model_output_count(const accel_model_t* model) {
    return model != nullptr ? model->model.outputs().size() : 0;
}

int accel_model_input(const accel_model_t* model, std::size_t index, accel_tensor_t* out,
                      accel_error_t* error) {
    return guarded(error, [&] {
        const auto inputs = required(model, "model").model.inputs();
        write_structure(out, describe(at(inputs, index, "input")), "out");
        return 0;
    });
}

int accel_model_output(const accel_model_t* model, std::size_t index, accel_tensor_t* out,
                       accel_error_t* error) {
    return guarded(error, [&] {
        const auto outputs = required(model, "model").model.outputs();
        write_structure(out, describe(at(outputs, index, "output")), "out");
        return 0;
    });
}

int accel_model_submit(const accel_model_t* model, accel_queue_t* queue,
                       const accel_operand_t* arguments, std::size_t count, accel_job_t** job,
                       accel_error_t* error) {
    return submit_job(job, error, [&] {
        const auto operands = accel::c::to_operands(arguments, count);
        return required(model, "model")
            .model.submit(required(queue, "queue").queue,
                          std::span<const accel::Operand>(operands));
    });
}

int accel_model_run(const accel_model_t* model, accel_queue_t* queue, const accel_tensor_t* inputs,
                    std::size_t count, accel_results_t** out, accel_error_t* error) {
    return make_handle(out, error, [&] {
        const accel::Model& net = required(model, "model").model;
        check_input_count(net, count);
        const auto given = to_inputs(net, to_tensors(inputs, count, "inputs"));
        accel_results_t results{net.run(required(queue, "queue").queue, given), {}};
        for (const accel::TensorInfo& info : net.outputs()) {
            results.names.push_back(info.name);
        }
        return results;
    });
}

void accel_model_free(accel_model_t* model) {
    free_handle(model);
}

std::size_t accel_results_count(const accel_results_t* results) {
    return results != nullptr ? results->tensors.size() : 0;
}

int accel_results_get(const accel_results_t* results, std::size_t index, accel_tensor_t* out,
                      accel_error_t* error) {
    return guarded(error, [&] {
        const auto& all = required(results, "results");
        const accel::TensorData& data = at(all.tensors, index, "output");
        accel_tensor_t tensor{};
        tensor.type = static_cast<std::uint32_t>(data.type);
        tensor.name = all.names.at(index).c_str();
        tensor.shape = data.shape.data();
        tensor.rank = data.shape.size();
        tensor.data = data.bytes.data();
        tensor.bytes = data.bytes.size();
        write_structure(out, tensor, "out");
        return 0;
    });
}

void accel_results_free(accel_results_t* results) {
    free_handle(results);
}
