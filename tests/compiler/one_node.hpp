// SPDX-License-Identifier: Apache-2.0
//
// A fixture of tests of operators: models of one node.
#pragma once

#include <onnx.pb.h>

#include <algorithm>
#include <cstring>

#include "fixture.hpp"
#include "frontend/onnx_import.hpp"
#include "frontend/onnx_tensor.hpp"
#include "runtime/compile.hpp"

namespace accel::test {

using Sizes = std::vector<std::int64_t>;

template <typename T>
TensorData tensor(DataType type, Sizes shape, const std::vector<T>& values) {
    TensorData data{type, std::move(shape), std::vector<std::byte>(values.size() * sizeof(T))};
    std::memcpy(data.bytes.data(), values.data(), data.bytes.size());
    return data;
}
inline TensorData floats(Sizes shape, const std::vector<float>& values) {
    return tensor(DataType::f32, std::move(shape), values);
}
inline TensorData integers(Sizes shape, const std::vector<std::int64_t>& values) {
    return tensor(DataType::i64, std::move(shape), values);
}

template <typename T>
std::vector<T> values(const TensorData& data) {
    std::vector<T> result(data.bytes.size() / sizeof(T));
    std::memcpy(result.data(), data.bytes.data(), data.bytes.size());
    return result;
}

inline onnx::AttributeProto attribute(const char* name, std::int64_t value) {
    onnx::AttributeProto made;
    made.set_name(name);
    made.set_type(onnx::AttributeProto::INT);
    made.set_i(value);
    return made;
}
inline onnx::AttributeProto attribute(const char* name, const std::string& value) {
    onnx::AttributeProto made;
    made.set_name(name);
    made.set_type(onnx::AttributeProto::STRING);
    made.set_s(value);
    return made;
}
inline onnx::AttributeProto real_attribute(const char* name, float value) {
    onnx::AttributeProto made;
    made.set_name(name);
    made.set_type(onnx::AttributeProto::FLOAT);
    made.set_f(value);
    return made;
}
inline onnx::AttributeProto list_attribute(const char* name, const Sizes& values) {
    onnx::AttributeProto made;
    made.set_name(name);
    made.set_type(onnx::AttributeProto::INTS);
    made.mutable_ints()->Add(values.begin(), values.end());
    return made;
}

class OneNode : public SdkTest {
  protected:
    // The inputs that are weights of the model, and so constants.
    std::vector<std::size_t> constants;
    // The opset of ai.onnx.
    std::int64_t opset = 13;

    std::vector<TensorData> run(const char* op, const std::vector<TensorData>& inputs,
                                const std::vector<onnx::AttributeProto>& attributes = {},
                                int outputs = 1) {
        onnx::ModelProto file;
        file.add_opset_import()->set_version(opset);
        onnx::GraphProto& graph = *file.mutable_graph();
        onnx::NodeProto& node = *graph.add_node();
        node.set_op_type(op);
        for (const std::string domain : {"com.microsoft", "ai.onnx.preview.training"}) {
            if (const std::string name = op; name.starts_with(domain + ".")) {
                node.set_domain(domain);
                node.set_op_type(name.substr(domain.size() + 1));
                onnx::OperatorSetIdProto& import = *file.add_opset_import();
                import.set_domain(domain);
                import.set_version(1);
            }
        }
        std::vector<TensorData> given;
        for (std::size_t i = 0; i < inputs.size(); ++i) {
            const std::string name = "x" + std::to_string(i);
            node.add_input(inputs[i].shape == Sizes{-1} ? "" : name);
            if (inputs[i].shape == Sizes{-1}) {
                continue;
            }
            if (std::ranges::find(constants, i) != constants.end()) {
                onnx::TensorProto& weights = *graph.add_initializer();
                weights.set_name(name);
                weights.set_data_type(compiler::onnx_type_of(inputs[i].type));
                weights.mutable_dims()->Add(inputs[i].shape.begin(), inputs[i].shape.end());
                weights.set_raw_data(inputs[i].bytes.data(), inputs[i].bytes.size());
                continue;
            }
            onnx::ValueInfoProto& input = *graph.add_input();
            input.set_name(name);
            auto& type = *input.mutable_type()->mutable_tensor_type();
            type.set_elem_type(compiler::onnx_type_of(inputs[i].type));
            onnx::TensorShapeProto& shape = *type.mutable_shape();  // also of a scalar
            for (const std::int64_t n : inputs[i].shape) {
                shape.add_dim()->set_dim_value(n);
            }
            given.push_back(inputs[i]);
        }
        for (const auto& a : attributes) {
            *node.add_attribute() = a;
        }
        for (int i = 0; i < outputs; ++i) {
            node.add_output("y" + std::to_string(i));
            graph.add_output()->set_name("y" + std::to_string(i));
        }
        const Device device = open();
        Queue queue = device.create_queue();
        const Model net = compiler::compile(device, compiler::import_onnx(file, "one.onnx", {}));
        return net.run(queue, given);
    }

    const TensorData absent{DataType::f32, {-1}, {}};
};

}  // namespace accel::test
