// SPDX-License-Identifier: Apache-2.0
//
// Builds small ONNX models for tests, and saves them.
#pragma once

#include <onnx.pb.h>

#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <string>
#include <variant>
#include <vector>

namespace accel::test {

/// A length, or the name of an open dimension.
using TestDim = std::variant<std::int64_t, std::string>;

class ModelBuilder {
  public:
    explicit ModelBuilder(std::int64_t opset = 21) {
        model.set_ir_version(10);
        import("", opset);
    }

    void import(const std::string& domain, std::int64_t version) {
        auto& made = *model.add_opset_import();
        made.set_domain(domain);
        made.set_version(version);
    }
    onnx::GraphProto& graph() { return *model.mutable_graph(); }

    void input(const std::string& name, const std::vector<TestDim>& dims,
               int type = onnx::TensorProto::FLOAT) {
        auto& made = *graph().add_input();
        made.set_name(name);
        auto& tensor = *made.mutable_type()->mutable_tensor_type();
        tensor.set_elem_type(type);
        static_cast<void>(tensor.mutable_shape());
        for (const TestDim& dim : dims) {
            auto& one = *tensor.mutable_shape()->add_dim();
            if (const auto* const length = std::get_if<std::int64_t>(&dim)) {
                one.set_dim_value(*length);
            } else {
                one.set_dim_param(std::get<std::string>(dim));
            }
        }
    }
    void output(const std::string& name) { graph().add_output()->set_name(name); }

    /// `op` may have its domain in front, as in "com.microsoft.Gelu".
    onnx::NodeProto& node(const std::string& op, const std::vector<std::string>& inputs,
                          const std::vector<std::string>& outputs, const std::string& name = "") {
        return fill(*graph().add_node(), op, inputs, outputs, name);
    }
    static onnx::NodeProto& fill(onnx::NodeProto& made, const std::string& op,
                                 const std::vector<std::string>& inputs,
                                 const std::vector<std::string>& outputs,
                                 const std::string& name = "") {
        const std::size_t dot = op.rfind('.');
        made.set_domain(dot == std::string::npos ? "" : op.substr(0, dot));
        made.set_op_type(dot == std::string::npos ? op : op.substr(dot + 1));
        for (const std::string& one : inputs) {
            made.add_input(one);
        }
        for (const std::string& one : outputs) {
            made.add_output(one);
        }
        made.set_name(name);
        return made;
    }

    /// Writes the model into the folder of the tests' results.
    [[nodiscard]] std::filesystem::path save(const std::string& name = "built.onnx") const {
        std::filesystem::path file = std::filesystem::path(MODEL_RESULTS) / name;
        std::ofstream out(file, std::ios::binary);
        model.SerializeToOstream(&out);
        return file;
    }

    onnx::ModelProto model;
};

inline onnx::AttributeProto& attribute(onnx::NodeProto& node, const std::string& name) {
    auto& made = *node.add_attribute();
    made.set_name(name);
    return made;
}
inline void integer(onnx::NodeProto& node, const std::string& name, std::int64_t value) {
    auto& made = attribute(node, name);
    made.set_type(onnx::AttributeProto::INT);
    made.set_i(value);
}
inline void real(onnx::NodeProto& node, const std::string& name, float value) {
    auto& made = attribute(node, name);
    made.set_type(onnx::AttributeProto::FLOAT);
    made.set_f(value);
}
/// The attribute has the value of an attribute of the function around the node.
inline void reference(onnx::NodeProto& node, const std::string& name, const std::string& of) {
    attribute(node, name).set_ref_attr_name(of);
}

}  // namespace accel::test
