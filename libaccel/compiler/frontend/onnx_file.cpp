// SPDX-License-Identifier: Apache-2.0
#include "frontend/onnx_file.hpp"

#include <cstdint>
#include <set>

#include "frontend/file_io.hpp"
#include "frontend/functions.hpp"
#include "frontend/onnx_tensor.hpp"
#include "frontend/parsed_model.hpp"
#include "frontend/weight_stripping.hpp"

namespace accel::compiler {

namespace fs = std::filesystem;

ParsedModel parse_model(const Bytes& file, const std::string& name,
                        std::optional<fs::path> folder) {
    const std::span<const std::byte> bytes = file->bytes();
    if (bytes.empty()) {
        refuse_damaged(name + ": the file is empty", "copy or export the model again");
    }
    if (bytes.size() > static_cast<std::size_t>(INT32_MAX)) {
        refuse(name + ": the file has " + std::to_string(bytes.size()) +
                   " bytes, and an ONNX file ends at 2 GiB, the limit of Protocol Buffers",
               "save the weights in a file of their own: onnx.save_model(model, file, "
               "save_as_external_data=True)");
    }
    ParsedModel parsed{.proto = {}, .weights = WeightFiles(file, std::move(folder))};
    onnx::ModelProto& model = parsed.proto;
    const auto stripped = strip_weights(bytes);
    file->evict(bytes);
    const bool valid = stripped
                           ? model.ParseFromString(*stripped)
                           : model.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
    if (!valid) {
        refuse_damaged(name + ": it is not an ONNX model, or it is damaged",
                       "copy or export the model again");
    }
    // Many texts happen to parse, with nothing in them that a model has.
    if (!model.has_graph() && model.opset_import_size() == 0) {
        refuse_damaged(name + ": it is not an ONNX model: it has no graph",
                       "name a file that an exporter wrote, or that Model::save() wrote");
    }
    in_context(name, [&] { inline_functions(model); });
    return parsed;
}

ParsedModel parse_model_file(const fs::path& file) {
    return parse_model(read_file(file), file.string(), file.parent_path());
}

onnx::ModelProto read_model(const fs::path& file) {
    ParsedModel parsed = parse_model_file(file);
    in_context(file.string(), [&] { parsed.weights.restore(*parsed.proto.mutable_graph()); });
    return std::move(parsed.proto);
}

std::vector<TensorInfo> describe_inputs(const Bytes& file, const std::string& name) {
    const onnx::ModelProto model = parse_model(file, name).proto;
    std::set<std::string> weights;
    for (const auto& tensor : model.graph().initializer()) {
        weights.insert(tensor.name());
    }
    std::vector<TensorInfo> result;
    in_context(name, [&] {
        for (const auto& input : model.graph().input()) {
            if (!weights.contains(input.name())) {
                result.push_back(describe_tensor(input));
            }
        }
    });
    return result;
}

TensorData read_tensor_file(const fs::path& file) {
    const Bytes content = read_file(file);
    const std::span<const std::byte> bytes = content->bytes();
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
