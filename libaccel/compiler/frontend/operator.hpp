// SPDX-License-Identifier: Apache-2.0
//
// What an operator of ONNX is to the compiler: a function that says it in instructions. A new one
// is a function in operators/ and a line in the table at the end of that file.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "ir/program.hpp"

namespace onnx {
class NodeProto;
class TensorProto;
class AttributeProto;
}  // namespace onnx

namespace accel::compiler {

/// An operator at one place of a graph.
class Node {
  public:
    Node(const onnx::NodeProto& proto, std::int64_t opset, Builder& builder,
         std::vector<std::optional<ValueId>> inputs, std::size_t outputs)
        : b(builder), opset(opset), outputs(outputs), proto_(proto), inputs_(std::move(inputs)) {}

    Builder& b;
    const std::int64_t opset;   // of the domain of the operator
    const std::size_t outputs;  // how many are wanted

    [[nodiscard]] std::size_t count() const { return inputs_.size(); }
    [[nodiscard]] bool has(std::size_t i) const {
        return i < inputs_.size() && inputs_[i].has_value();
    }
    /// Throws if it is not there.
    [[nodiscard]] ValueId in(std::size_t i) const;
    [[nodiscard]] std::vector<ValueId> all() const;
    /// What the input holds, known when the model is loaded.
    [[nodiscard]] std::vector<std::int64_t> integers(std::size_t i) const;
    [[nodiscard]] std::vector<float> floats(std::size_t i) const;

    [[nodiscard]] bool has(const char* attribute) const { return find(attribute) != nullptr; }
    [[nodiscard]] std::int64_t integer(const char* attribute, std::int64_t otherwise) const;
    [[nodiscard]] float real(const char* attribute, float otherwise) const;
    [[nodiscard]] std::string text(const char* attribute, const std::string& otherwise) const;
    [[nodiscard]] std::vector<std::int64_t> list(const char* attribute,
                                                 std::vector<std::int64_t> otherwise = {}) const;
    [[nodiscard]] std::vector<float> reals(const char* attribute) const;
    [[nodiscard]] std::vector<std::string> texts(const char* attribute) const;
    [[nodiscard]] Constant tensor(const char* attribute) const;
    [[nodiscard]] const onnx::NodeProto& proto() const { return proto_; }

    /// Axes from an input, an attribute, or all of them.
    [[nodiscard]] std::vector<std::size_t> axes(std::size_t input, std::size_t rank) const;

  private:
    [[nodiscard]] const onnx::AttributeProto* find(const char* attribute) const;
    const onnx::NodeProto& proto_;
    std::vector<std::optional<ValueId>> inputs_;
};

/// For engines that take f32 alone; refuses integers that f32 does not hold.
[[nodiscard]] ValueId as_f32(const Node& n, ValueId x);

using Lower = std::function<std::vector<ValueId>(const Node&)>;
using Operators = std::map<std::string, Lower, std::less<>>;

/// All that the compiler knows.
[[nodiscard]] const Operators& operators();

// One file of operators/ each.
void add_constants(Operators& table);
void add_einsum(Operators& table);
void add_contrib(Operators& table);  // behind those of which it takes some
void add_detections(Operators& table);
void add_elementwise(Operators& table);
void add_resizing(Operators& table);
void add_shapes(Operators& table);
void add_matrices(Operators& table);
void add_images(Operators& table);
void add_reductions(Operators& table);
void add_quantized(Operators& table);
void add_recurrent(Operators& table);
void add_sampling(Operators& table);
void add_scattering(Operators& table);
void add_selections(Operators& table);
void add_signals(Operators& table);

/// These numbers as i64.
[[nodiscard]] ValueId integer_list(const Node& n, const std::vector<std::int64_t>& values);

/// Integers of more than the 24 bits that f32 holds.
[[nodiscard]] bool is_wide(DataType type);
/// As Builder::reduce(), for such integers.
[[nodiscard]] ValueId reduce_integers(const Node& n, ReduceOp op, ValueId x,
                                      const std::vector<std::size_t>& axes);
[[nodiscard]] ValueId place_of_integer(const Node& n, ReduceOp op, ValueId x, std::size_t axis);
[[nodiscard]] ValueId running_sum(const Node& n, ValueId x, std::size_t axis, bool exclusive,
                                  bool back);

/// A convolution with the attributes of the node. `more`: the bias, or what requantizes.
[[nodiscard]] std::vector<ValueId> conv_of(const Node& n, ValueId image, ValueId weights,
                                           const NumericFormat& format,
                                           const std::vector<ValueId>& more);

/// The type that ONNX numbers; throws if the card has none such.
[[nodiscard]] DataType type_of(std::int64_t onnx_type);
/// And its number.
[[nodiscard]] std::int32_t number_of(DataType type);
[[nodiscard]] Constant read_tensor(const onnx::TensorProto& proto);

}  // namespace accel::compiler
