// SPDX-License-Identifier: Apache-2.0
#include "frontend/graph_inputs.hpp"

#include <onnx.pb.h>

#include <algorithm>
#include <set>

#include "frontend/onnx_tensor.hpp"
#include "ir/error.hpp"

namespace accel::compiler {

namespace {

Constant constant_input(const onnx::ValueInfoProto& input, const TensorData& given) {
    const DataType wanted = data_type_of(input.type().tensor_type().elem_type());
    if (given.type != wanted) {
        refuse("LoadOptions::constant_inputs gives input '" + input.name() + "' as " +
                   std::string(to_string(given.type)) + ", and the model declares " +
                   std::string(to_string(wanted)),
               "give it the data type of the model");
    }
    auto tensor = std::make_shared<Tensor>(given.type, given.shape);
    if (tensor->data.size() != given.bytes.size()) {
        refuse("LoadOptions::constant_inputs gives input '" + input.name() + "' " +
                   std::to_string(given.bytes.size()) + " bytes, and its shape needs " +
                   std::to_string(tensor->data.size()),
               "give as many bytes as the shape needs");
    }
    tensor->data = given.bytes;
    return tensor;
}

Dims shape_of(const onnx::ValueInfoProto& input, const LoadOptions& options) {
    const auto given = options.shapes.find(input.name());
    if (given != options.shapes.end()) {
        return given->second;
    }
    const auto& tensor = input.type().tensor_type();
    if (!tensor.has_shape()) {
        refuse("input '" + input.name() + "' has no shape in the model",
               "give one in LoadOptions::shapes (accelctl --shape)");
    }
    Dims dims;
    for (const auto& dim : tensor.shape().dim()) {
        const auto named = options.dimensions.find(dim.dim_param());
        if (dim.has_dim_value() && dim.dim_value() >= 0) {
            const bool is_batch = dims.empty() && dim.dim_value() == 1 && options.batch > 0 &&
                                  tensor.shape().dim_size() > 1;
            dims.push_back(is_batch ? options.batch : dim.dim_value());
        } else if (named != options.dimensions.end()) {
            dims.push_back(named->second);
        } else if (dims.empty()) {
            dims.push_back(std::max<std::int64_t>(options.batch, 1));
        } else {
            const std::string name = dim.dim_param().empty() ? "" : " ('" + dim.dim_param() + "')";
            refuse("dimension " + std::to_string(dims.size()) + name + " of input '" +
                       input.name() + "' is open",
                   "give its length in LoadOptions::dimensions or shapes (accelctl "
                   "--dimension or --shape)");
        }
    }
    return dims;
}

}  // namespace

void check_options(const onnx::GraphProto& graph, const LoadOptions& options) {
    if (options.batch < 0) {
        throw Error(std::errc::invalid_argument,
                    "LoadOptions::batch (accelctl --batch) is " + std::to_string(options.batch) +
                        ": it must be at least 1, or 0 for the batch of the model");
    }
    std::set<std::string> inputs;
    std::set<std::string> dims;
    for (const auto& input : graph.input()) {
        inputs.insert(input.name());
        for (const auto& dim : input.type().tensor_type().shape().dim()) {
            dims.insert(dim.dim_param());
        }
    }
    const auto check = [](const auto& given, const std::set<std::string>& names, const char* option,
                          const char* flag, const char* what) {
        for (const auto& [name, value] : given) {
            if (!names.contains(name)) {
                std::string has;
                for (const std::string& one : names) {
                    has += one.empty() ? "" : (has.empty() ? "'" : ", '") + one + "'";
                }
                throw Error(std::errc::argument_out_of_domain,
                            "the model has no " + std::string(what) + " '" + name +
                                "', which LoadOptions::" + option + " (accelctl " + flag +
                                ") names: it has " + (has.empty() ? "none" : has));
            }
        }
    };
    check(options.constant_inputs, inputs, "constant_inputs", "--constant-input", "input");
    check(options.shapes, inputs, "shapes", "--shape", "input");
    check(options.dimensions, dims, "dimensions", "--dimension", "dimension");
}

void import_inputs(const onnx::GraphProto& graph, const LoadOptions& options, Builder& builder,
                   Scope& scope) {
    std::set<std::string> weights;
    for (const auto& tensor : graph.initializer()) {
        weights.insert(tensor.name());
    }
    for (const auto& input : graph.input()) {
        if (weights.contains(input.name())) {
            continue;
        }
        const auto constant = options.constant_inputs.find(input.name());
        if (constant != options.constant_inputs.end()) {
            scope[input.name()] = builder.constant(constant_input(input, constant->second));
            continue;
        }
        const TensorInfo declared = describe_tensor(input);
        scope[input.name()] = builder.input(input.name(), declared.type, shape_of(input, options));
    }
}

}  // namespace accel::compiler
