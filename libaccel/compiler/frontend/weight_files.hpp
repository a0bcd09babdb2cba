// SPDX-License-Identifier: Apache-2.0
//
// Elements of tensors that are not in the parsed model. They stay in the file of the model, or in
// files beside it ("external data" of ONNX), until the upload copies them to the card.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string_view>
#include <tuple>
#include <unordered_map>

#include "ir/byte_source.hpp"
#include "ir/tensor.hpp"

namespace onnx {
class GraphProto;
class TensorProto;
}  // namespace onnx

namespace accel::compiler {

/// The location of elements in the file of the model itself. As a path it would be absolute, so no
/// model can name a file of this name.
inline constexpr std::string_view model_location = "//model";

class WeightFiles {
  public:
    /// For a model without a file.
    WeightFiles() = default;
    /// `folder`: of files beside the model; without it, such files are refused.
    WeightFiles(Bytes model, std::optional<std::filesystem::path> folder)
        : model_(std::move(model)), folder_(std::move(folder)) {}

    /// The elements of an external tensor, shared with its file.
    [[nodiscard]] TensorStorage find(const onnx::TensorProto& tensor);

    /// A tensor of the model, as import_tensor().
    [[nodiscard]] Constant import(const onnx::TensorProto& tensor);
    /// From now on import() returns the same constant for the same tensor. The model must stay.
    void keep_imported() { keeps_ = true; }

    /// Copies the elements of all external tensors of a graph into it.
    void restore(onnx::GraphProto& graph, int depth = 0);

  private:
    struct File {
        Bytes bytes;
        std::uint64_t used = 0;  // bytes of tensors
    };

    [[nodiscard]] File& open(const onnx::TensorProto& tensor, const std::string& location);
    void restore(onnx::TensorProto& tensor);

    Bytes model_;
    std::optional<std::filesystem::path> folder_;
    std::map<std::filesystem::path, File> files_;
    // By location, offset and length: tensors may share elements.
    std::map<std::tuple<std::string, std::uint64_t, std::uint64_t>, TensorStorage> known_;
    bool keeps_ = false;
    std::unordered_map<const onnx::TensorProto*, Constant> imported_;
};

}  // namespace accel::compiler
