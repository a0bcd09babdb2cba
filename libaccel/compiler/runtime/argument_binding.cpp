// SPDX-License-Identifier: Apache-2.0
#include "runtime/argument_binding.hpp"

#include <algorithm>
#include <cstdint>

#include "codegen/list_arguments.hpp"
#include "ir/tensor.hpp"

namespace accel::compiler {

namespace {

std::string describe(DataType type, const Dims& shape) {
    return std::string(to_string(type)) + to_string(shape);
}

}  // namespace

void throw_unknown_name(const Model& model) {
    std::string names;
    for (const auto& tensors : {model.inputs(), model.outputs()}) {
        for (const TensorInfo& tensor : tensors) {
            names += (names.empty() ? "'" : ", '") + tensor.name + "'";
        }
    }
    throw Error(std::errc::invalid_argument,
                "there are more names than the model has tensors: its tensors are " + names);
}

void name_arguments(const CompiledModel& model, std::span<const std::uint32_t> ports,
                    CommandList& list) {
    std::uint32_t argument = first_port_argument(model.has_shape_weights());
    for (const std::uint32_t port : ports) {
        const bool is_input = port < model.inputs.size();
        const TensorInfo& tensor =
            is_input ? model.inputs[port] : model.outputs[port - model.inputs.size()];
        list.name_argument(argument++, (is_input ? "input '" : "output '") + tensor.name +
                                           "', which is " + describe(tensor.type, tensor.shape) +
                                           ",");
    }
}

Bindings bind_arguments(const CompiledModel& model, std::span<const TensorData> inputs) {
    if (inputs.size() != model.inputs.size()) {
        throw Error(std::errc::invalid_argument,
                    "the model has " + std::to_string(model.inputs.size()) + " inputs, not " +
                        std::to_string(inputs.size()));
    }
    Bindings result;
    const auto add = [&](const TensorInfo& tensor) -> Buffer<std::byte>& {
        result.buffers.push_back(
            model.device.allocate<std::byte>({std::max<std::uint64_t>(tensor.bytes(), 1)}));
        result.operands.emplace_back(result.buffers.back());
        return result.buffers.back();
    };
    for (std::size_t i = 0; i < inputs.size(); ++i) {
        const TensorInfo& wanted = model.inputs[i];
        const TensorData& given = inputs[i];
        if (given.type != wanted.type || given.shape != wanted.shape) {
            throw Error(std::errc::invalid_argument,
                        "input '" + wanted.name + "' is " + describe(wanted.type, wanted.shape) +
                            ", not " + describe(given.type, given.shape));
        }
        if (given.bytes.size() != wanted.bytes()) {
            throw Error(std::errc::invalid_argument,
                        "input '" + wanted.name + "' is " + describe(wanted.type, wanted.shape) +
                            " of " + std::to_string(wanted.bytes()) + " bytes, not " +
                            std::to_string(given.bytes.size()));
        }
        std::ranges::copy(given.bytes, add(wanted).begin());
    }
    for (const TensorInfo& output : model.outputs) {
        static_cast<void>(add(output));
    }
    return result;
}

std::vector<TensorData> fetch_outputs(const CompiledModel& model, const Bindings& bindings) {
    std::vector<TensorData> outputs;
    for (std::size_t i = 0; i < model.outputs.size(); ++i) {
        const TensorInfo& tensor = model.outputs[i];
        const auto bytes = bindings.buffers[model.inputs.size() + i].span().first(tensor.bytes());
        outputs.push_back({tensor.type, tensor.shape, {bytes.begin(), bytes.end()}});
    }
    return outputs;
}

}  // namespace accel::compiler
