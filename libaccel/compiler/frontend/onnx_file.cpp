// SPDX-License-Identifier: Apache-2.0
#include "frontend/onnx_file.hpp"

#include <onnx.pb.h>

#include <cstdint>
#include <set>

#include "frontend/external_weights.hpp"
#include "frontend/file_io.hpp"
#include "frontend/functions.hpp"
#include "frontend/onnx_tensor.hpp"

namespace accel::compiler {

namespace fs = std::filesystem;

onnx::ModelProto parse_model(std::span<const std::byte> bytes, const std::string& name) {
    if (bytes.empty()) {
        refuse_damaged(name + ": the file is empty", "copy or export the model again");
    }
    onnx::ModelProto model;
    const bool fits = bytes.size() <= static_cast<std::size_t>(INT32_MAX);
    if (!fits || !model.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
        refuse_damaged(name + ": it is not an ONNX model, or it is damaged",
                       "is the file complete?");
    }
    // Many texts happen to parse, with nothing in them that a model has.
    if (!model.has_graph() && model.opset_import_size() == 0) {
        refuse_damaged(name + ": it is not an ONNX model: it has no graph",
                       "name a file that an exporter wrote, or that Model::save() wrote");
    }
    in_context(name, [&] { inline_functions(model); });
    return model;
}

onnx::ModelProto read_model(const fs::path& file) {
    return read_model(read_file(file), file);
}

onnx::ModelProto read_model(std::span<const std::byte> bytes, const fs::path& file) {
    onnx::ModelProto model = parse_model(bytes, file.string());
    in_context(file.string(),
               [&] { load_external_weights(*model.mutable_graph(), file.parent_path()); });
    return model;
}

std::vector<TensorInfo> describe_inputs(const fs::path& file) {
    const onnx::ModelProto model = parse_model(read_file(file), file.string());
    std::set<std::string> weights;
    for (const auto& tensor : model.graph().initializer()) {
        weights.insert(tensor.name());
    }
    std::vector<TensorInfo> result;
    in_context(file.string(), [&] {
        for (const auto& input : model.graph().input()) {
            if (!weights.contains(input.name())) {
                result.push_back(describe_tensor(input));
            }
        }
    });
    return result;
}

TensorData read_tensor_file(const fs::path& file) {
    const auto bytes = read_file(file);
    onnx::TensorProto proto;
    if (bytes.size() > static_cast<std::size_t>(INT32_MAX) ||
        !proto.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
        throw Error(std::errc::invalid_argument,
                    file.string() + ": it is not an ONNX tensor, or it is damaged");
    }
    const Constant tensor = import_tensor(proto);
    return {tensor->type, tensor->dims, tensor->data};
}

}  // namespace accel::compiler
