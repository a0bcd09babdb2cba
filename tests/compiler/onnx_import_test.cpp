// SPDX-License-Identifier: Apache-2.0
//
// The import of files as converters write them: nodes in any order, and external weights.
#include <onnx.pb.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "accel/model.hpp"
#include "fixture.hpp"

namespace accel::test {
namespace {

namespace fs = std::filesystem;

// y = (x + w) * w, with two elements each.
class OnnxImportTest : public SdkTest {
  protected:
    OnnxImportTest() {
        fs::remove_all(folder_);
        fs::create_directories(folder_);
        model_.add_opset_import()->set_version(13);
        onnx::GraphProto& graph = *model_.mutable_graph();
        auto& input = *graph.add_input();
        input.set_name("x");
        auto& type = *input.mutable_type()->mutable_tensor_type();
        type.set_elem_type(onnx::TensorProto::FLOAT);
        type.mutable_shape()->add_dim()->set_dim_value(2);
        graph.add_output()->set_name("y");
        weights().set_name("w");
        weights().set_data_type(onnx::TensorProto::FLOAT);
        weights().add_dims(2);
        weights().add_float_data(3);
        weights().add_float_data(5);
    }
    onnx::TensorProto& weights() {
        onnx::GraphProto& graph = *model_.mutable_graph();
        return graph.initializer_size() == 0 ? *graph.add_initializer()
                                             : *graph.mutable_initializer(0);
    }
    void node(const char* op, const char* a, const char* b, const char* out) {
        auto& made = *model_.mutable_graph()->add_node();
        made.set_op_type(op);
        made.add_input(a);
        made.add_input(b);
        made.add_output(out);
    }
    void nodes() {
        node("Add", "x", "w", "s");
        node("Mul", "s", "w", "y");
    }

    // Moves the weights to `length` bytes of a file, from `offset` on.
    void make_external(const std::string& location, const std::string& offset,
                       const std::string& length) {
        weights().clear_float_data();
        weights().clear_external_data();
        weights().set_data_location(onnx::TensorProto::EXTERNAL);
        for (const auto& [key, value] : {std::pair<const char*, std::string>{"location", location},
                                         {"offset", offset},
                                         {"length", length}}) {
            auto& entry = *weights().add_external_data();
            entry.set_key(key);
            entry.set_value(value);
        }
    }
    fs::path save() {
        fs::path file = folder_ / "model.onnx";
        std::ofstream out(file, std::ios::binary);
        EXPECT_TRUE(model_.SerializeToOstream(&out));
        return file;
    }
    void save_weights(const std::vector<float>& values) const {
        std::ofstream(folder_ / "weights.bin", std::ios::binary)
            .write(reinterpret_cast<const char*>(values.data()),
                   static_cast<std::streamsize>(values.size() * sizeof(float)));
    }

    // Returns y for x = (1, 2).
    std::vector<float> run() {
        const Device device = open();
        Queue queue = device.create_queue();
        const Model net = Model::load(device, save());
        const std::vector<float> x{1, 2};
        TensorData in{DataType::f32, {2}, std::vector<std::byte>(sizeof(float) * 2)};
        std::memcpy(in.bytes.data(), x.data(), in.bytes.size());
        const auto out = net.run(queue, std::vector{in}).at(0);
        std::vector<float> y(2);
        std::memcpy(y.data(), out.bytes.data(), out.bytes.size());
        return y;
    }
    Error refusal() {
        return error_of([&] {
            const Device device = open();
            static_cast<void>(Model::load(device, save()));
        });
    }

    fs::path folder_ = std::string(MODEL_RESULTS) + "import";
    onnx::ModelProto model_;
    const std::vector<float> expected_{12, 35};
};

TEST_F(OnnxImportTest, NodesMayHaveAnyOrder) {
    node("Mul", "s", "w", "y");
    node("Add", "x", "w", "s");
    EXPECT_EQ(run(), expected_);
}

TEST_F(OnnxImportTest, ACycleOfNodesIsRefused) {
    node("Mul", "s", "w", "y");
    node("Add", "y", "w", "s");
    expect_says(refusal(), "model.onnx", "cycle");
}

TEST_F(OnnxImportTest, WeightsMayBeInAFileBesideTheModel) {
    nodes();
    save_weights({9, 3, 5});
    make_external("weights.bin", "4", "8");
    EXPECT_EQ(run(), expected_);
}

TEST_F(OnnxImportTest, ExternalWeightsInAShortMissingOrForeignFileAreRefused) {
    nodes();
    make_external("weights.bin", "0", "8");
    expect_says(refusal(), "model.onnx", "weights.bin", "beside the model");
    save_weights({3});
    expect_says(refusal(), "weights.bin", "copy or export the file again");
    for (const char* const location :
         {"../weights.bin", "/etc/passwd", "a/../../weights.bin", ""}) {
        make_external(location, "0", "8");
        expect_says(refusal(), "not in the folder of the model");
    }
    make_external("weights.bin", "four", "8");
    expect_says(refusal(), "'four'", "no number");
}

TEST_F(OnnxImportTest, ASmallFileCannotFillTheMemory) {
    nodes();
    save_weights({3, 5});
    make_external("weights.bin", "0", "8");
    EXPECT_EQ(run(), expected_);
    for (const char* const name : {"v", "u", "t"}) {
        auto& more = *model_.mutable_graph()->add_initializer();
        more = weights();
        more.set_name(name);
    }
    EXPECT_EQ(run(), expected_) << "tensors may share their bytes";
    for (int i = 1; i < 4; ++i) {
        auto& more = *model_.mutable_graph()->mutable_initializer(i);
        more.set_dims(0, 1);
        more.mutable_external_data(1)->set_value(std::to_string(i));
        more.mutable_external_data(2)->set_value("4");
    }
    expect_says(refusal(), "weights.bin", "twice");
}

}  // namespace
}  // namespace accel::test
