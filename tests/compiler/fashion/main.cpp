// SPDX-License-Identifier: Apache-2.0
//
// Trains two networks on Fashion-MNIST and writes them as ONNX files: fashion-models DATA FOLDER.
#include <onnx.pb.h>

#include <array>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <vector>

#include "cnn.hpp"
#include "reference.hpp"
#include "train.hpp"

namespace fashion {
namespace {

using Sizes = std::vector<std::int64_t>;

// Writes a model of opset 13 whose first dimension is open.
class Writer {
  public:
    Writer(const std::string& name, const Sizes& image) {
        model_.set_ir_version(8);
        model_.set_producer_name("fashion-models");
        auto& opset = *model_.add_opset_import();
        opset.set_domain("");
        opset.set_version(13);
        graph_.set_name(name);
        port(*graph_.add_input(), "image", image);
        port(*graph_.add_output(), "logits", {static_cast<std::int64_t>(classes)});
    }

    void weights(const std::string& name, const Sizes& dims, const std::vector<float>& values) {
        auto& tensor = *graph_.add_initializer();
        tensor.set_name(name);
        tensor.set_data_type(onnx::TensorProto::FLOAT);
        tensor.mutable_dims()->Add(dims.begin(), dims.end());
        tensor.set_raw_data(values.data(), values.size() * sizeof(float));
    }

    struct Attribute {
        const char* name;
        Sizes values;
    };
    void node(const char* op, std::initializer_list<const char*> inputs, const char* output,
              std::initializer_list<Attribute> attributes = {}) {
        auto& node = *graph_.add_node();
        node.set_op_type(op);
        node.set_name(std::string(op) + "_" + output);
        for (const char* input : inputs) {
            node.add_input(input);
        }
        node.add_output(output);
        for (const auto& [name, values] : attributes) {
            auto& attribute = *node.add_attribute();
            attribute.set_name(name);
            attribute.set_type(onnx::AttributeProto::INTS);
            attribute.mutable_ints()->Add(values.begin(), values.end());
        }
    }

    void write(const std::filesystem::path& file, double accuracy) {
        auto& property = *model_.add_metadata_props();
        property.set_key("accuracy");
        property.set_value(std::to_string(accuracy));
        std::ofstream out(file, std::ios::binary);
        if (!model_.SerializeToOstream(&out) || !out.flush()) {
            throw std::runtime_error("cannot write " + file.string());
        }
        std::printf("%s: %.2f %% of the test images\n", file.c_str(), 100 * accuracy);
    }

  private:
    static void port(onnx::ValueInfoProto& info, const char* name, const Sizes& dims) {
        info.set_name(name);
        auto& type = *info.mutable_type()->mutable_tensor_type();
        type.set_elem_type(onnx::TensorProto::FLOAT);
        type.mutable_shape()->add_dim()->set_dim_param("batch");
        for (const std::int64_t n : dims) {
            type.mutable_shape()->add_dim()->set_dim_value(n);
        }
    }

    onnx::ModelProto model_;
    onnx::GraphProto& graph_ = *model_.mutable_graph();
};

void write_mlp(const Dataset& data, const Dataset& test, const std::filesystem::path& folder) {
    const MlpWeights mlp = train(data, 3, [](std::size_t, double, const MlpWeights&) {});
    Writer file("fashion-mlp", {static_cast<std::int64_t>(pixels)});
    file.weights("w1", {static_cast<std::int64_t>(pixels), hidden}, mlp.w1);
    file.weights("b1", {hidden}, mlp.b1);
    file.weights("w2", {hidden, static_cast<std::int64_t>(classes)}, mlp.w2);
    file.weights("b2", {static_cast<std::int64_t>(classes)}, mlp.b2);
    file.node("MatMul", {"image", "w1"}, "p1");
    file.node("Add", {"p1", "b1"}, "s1");
    file.node("Relu", {"s1"}, "h");
    file.node("Gemm", {"h", "w2", "b2"}, "logits");
    file.write(folder / "fashion-mlp.onnx",
               fashion::accuracy(argmax(reference_logits(mlp, test)), test));
}

// Permutes weights from the layout of the trainer to the layout of ONNX.
std::vector<float> permuted(const std::vector<float>& from, const std::array<std::size_t, 4>& dims,
                            const std::array<std::size_t, 4>& order) {
    std::array<std::size_t, 4> step{};
    std::size_t all = 1;
    for (std::size_t i = 4; i-- > 0;) {
        step.at(i) = all;
        all *= dims.at(i);
    }
    std::vector<float> to;
    std::array<std::size_t, 4> at{};
    for (std::size_t n = 0; n < all; ++n) {
        std::size_t rest = n;
        std::size_t index = 0;
        for (std::size_t i = 4; i-- > 0;) {
            const std::size_t axis = order.at(i);
            at.at(i) = rest % dims.at(axis);
            rest /= dims.at(axis);
            index += at.at(i) * step.at(axis);
        }
        to.push_back(from[index]);
    }
    return to;
}

void write_cnn(const Dataset& data, const Dataset& test, const std::filesystem::path& folder) {
    const Cnn cnn = train_cnn(data, 2);
    Writer file("fashion-cnn", {1, Cnn::side, Cnn::side});
    file.weights("w1", {Cnn::first, 1, 3, 3},
                 permuted(cnn.w1, {3, 3, 1, Cnn::first}, {3, 2, 0, 1}));
    file.weights("b1", {Cnn::first}, cnn.b1);
    file.weights("w2", {Cnn::second, Cnn::first, 3, 3},
                 permuted(cnn.w2, {3, 3, Cnn::first, Cnn::second}, {3, 2, 0, 1}));
    file.weights("b2", {Cnn::second}, cnn.b2);
    file.weights("w3", {Cnn::last * Cnn::last * Cnn::second, static_cast<std::int64_t>(classes)},
                 permuted(cnn.w3, {Cnn::last, Cnn::last, Cnn::second, classes}, {2, 0, 1, 3}));
    file.weights("b3", {static_cast<std::int64_t>(classes)}, cnn.b3);
    file.node("Conv", {"image", "w1", "b1"}, "c1",
              {{"kernel_shape", {3, 3}}, {"pads", {1, 1, 1, 1}}});
    file.node("Relu", {"c1"}, "r1");
    file.node("MaxPool", {"r1"}, "m1", {{"kernel_shape", {2, 2}}, {"strides", {2, 2}}});
    file.node("Conv", {"m1", "w2", "b2"}, "c2",
              {{"kernel_shape", {3, 3}}, {"pads", {1, 1, 1, 1}}, {"strides", {2, 2}}});
    file.node("Relu", {"c2"}, "r2");
    file.node("Flatten", {"r2"}, "f");
    file.node("Gemm", {"f", "w3", "b3"}, "logits");
    file.write(folder / "fashion-cnn.onnx", accuracy(cnn, test));
}

}  // namespace
}  // namespace fashion

int main(int argc, char** argv) {
    if (argc != 3) {
        std::fprintf(stderr, "usage: fashion-models DATA FOLDER\n");
        return 2;
    }
    try {
        const auto data = fashion::load_dataset(argv[1], "train");
        const auto test = fashion::load_dataset(argv[1], "t10k");
        std::filesystem::create_directories(argv[2]);
        fashion::write_mlp(data, test, argv[2]);
        fashion::write_cnn(data, test, argv[2]);
        return 0;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "fashion-models: %s\n", error.what());
        return 1;
    }
}
