// SPDX-License-Identifier: Apache-2.0
//
// A node of a graph, as the lowering of its operator reads it: inputs, attributes, and the builder.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "frontend/weight_files.hpp"
#include "ir/builder.hpp"

namespace onnx {
class GraphProto;
class NodeProto;
class AttributeProto;
}  // namespace onnx

namespace accel::compiler {

enum class AttributeKind : int;

class Node {
  public:
    using Inputs = std::vector<std::optional<ValueId>>;
    /// Imports a graph that is an attribute of the node, with these inputs; returns its outputs.
    using Inliner =
        std::function<std::vector<ValueId>(const char* attribute, const std::vector<ValueId>&)>;

    /// `weights` has the elements of attributes that are external tensors.
    Node(const onnx::NodeProto& proto, Builder& builder, Inputs inputs, std::int64_t opset,
         Inliner inliner = {}, WeightFiles* weights = nullptr)
        : b(builder),
          proto_(proto),
          inputs_(std::move(inputs)),
          opset_(opset),
          inliner_(std::move(inliner)),
          weights_(weights) {}

    Builder& b;

    [[nodiscard]] const onnx::NodeProto& proto() const { return proto_; }
    /// The opset of the operator's domain.
    [[nodiscard]] std::int64_t opset() const { return opset_; }
    /// The number of outputs that the graph uses.
    [[nodiscard]] std::size_t output_count() const;

    // ---- inputs

    [[nodiscard]] std::size_t count() const { return inputs_.size(); }
    [[nodiscard]] bool has(std::size_t i) const {
        return i < inputs_.size() && inputs_[i].has_value();
    }
    /// Throws if the input is missing or no tensor.
    [[nodiscard]] ValueId in(std::size_t i) const;
    /// The same for an input that may be a sequence or an optional, too.
    [[nodiscard]] ValueId any(std::size_t i) const;
    /// The elements of an input that must be a sequence.
    [[nodiscard]] const std::vector<ValueId>& sequence(std::size_t i) const;
    [[nodiscard]] std::vector<ValueId> all() const;

    /// The elements of an input that must be a constant.
    [[nodiscard]] std::vector<std::int64_t> integers(std::size_t i) const;
    [[nodiscard]] std::vector<float> floats(std::size_t i) const;
    /// The first element of an input that must be a constant. Throws if it is empty.
    [[nodiscard]] std::int64_t first_integer(std::size_t i) const;
    [[nodiscard]] float first_float(std::size_t i) const;

    // ---- attributes; `otherwise` is the value of an absent one. One of another type is refused.

    [[nodiscard]] bool has(const char* attribute) const { return find(attribute) != nullptr; }
    [[nodiscard]] std::int64_t integer(const char* attribute, std::int64_t otherwise) const;
    /// Throws if the attribute is absent.
    [[nodiscard]] std::int64_t integer(const char* attribute) const;
    [[nodiscard]] float real(const char* attribute, float otherwise) const;
    /// Throws if the attribute is absent.
    [[nodiscard]] std::string text(const char* attribute) const;
    [[nodiscard]] std::string text(const char* attribute, const std::string& otherwise) const;
    [[nodiscard]] std::vector<std::int64_t> list(const char* attribute,
                                                 std::vector<std::int64_t> otherwise = {}) const;
    [[nodiscard]] std::vector<float> reals(const char* attribute) const;
    [[nodiscard]] std::vector<std::string> texts(const char* attribute) const;
    [[nodiscard]] Constant tensor(const char* attribute) const;

    /// The outputs of a graph that is an attribute, whose nodes are imported for these inputs.
    [[nodiscard]] std::vector<ValueId> inlined(const char* attribute,
                                               const std::vector<ValueId>& inputs) const;

    /// Axes from an input if the node has it, else from the attribute "axes"; may be empty.
    [[nodiscard]] std::vector<std::size_t> axes(std::size_t input, std::size_t rank) const;

  private:
    [[nodiscard]] const onnx::AttributeProto* find(const char* attribute) const;
    /// Throws if the attribute has another type.
    [[nodiscard]] const onnx::AttributeProto* find(const char* attribute, AttributeKind kind) const;
    const onnx::NodeProto& proto_;
    Inputs inputs_;
    std::int64_t opset_;
    Inliner inliner_;
    WeightFiles* weights_;
};

/// A graph inside of a node, such as the body of a Loop. Throws if it has none of this name.
[[nodiscard]] const onnx::GraphProto& inner_graph(const onnx::NodeProto& node, const char* name);

}  // namespace accel::compiler
