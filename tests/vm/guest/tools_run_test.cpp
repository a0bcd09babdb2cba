// SPDX-License-Identifier: Apache-2.0
//
// `accelctl run` with valid and invalid models of ONNX's operator suite.
#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>

#include "tools.hpp"

namespace {

using Json = nlohmann::json;

const std::string suite = "/usr/share/libonnx-testdata/data/node/";

class RunModel : public uapi::ToolTest {};

TEST_F(RunModel, ShowsShapesCommandsAndTimes) {
    const Json document = uapi::document({"accelctl", "run", suite + "test_relu/model.onnx",
                                          "--card", uapi::card(), "--repeat", "3", "--json"});
    EXPECT_EQ(document["runs"], 3);
    EXPECT_EQ(document["inputs"][0]["shape"], Json({3, 4, 5}));
    ASSERT_EQ(document["commands"].size(), 1U) << document.dump(2);
    EXPECT_EQ(document["commands"][0]["command"], "ELEMENTWISE");
    EXPECT_GT(document["commands"][0]["seconds"].get<double>(), 0);
    EXPECT_GT(document["seconds"]["min"].get<double>(), 0);
    ASSERT_EQ(document["nodes"].size(), 1U) << document.dump(2);
    EXPECT_EQ(document["nodes"][0]["node"], "Relu");
    EXPECT_NE(uapi::run({"accelctl", "run", suite + "test_relu/model.onnx", "--card", uapi::card(),
                         "--nodes"})
                  .out.find("Relu"),
              std::string::npos);
}

TEST_F(RunModel, ComparesWithTheExpectedOutput) {
    const std::vector<float> in(60, -1.0F);
    std::vector<float> out(60, 0.0F);
    const auto write = [](const std::string& path, const std::vector<float>& values) {
        std::ofstream(path, std::ios::binary)
            .write(reinterpret_cast<const char*>(values.data()),
                   static_cast<std::streamsize>(values.size() * sizeof(float)));
    };
    const std::vector<std::string> command{
        "accelctl",    "run",        suite + "test_relu/model.onnx",
        "--card",      uapi::card(), "--input",
        "/tmp/in.f32", "--expect",   "/tmp/out.f32"};
    write("/tmp/in.f32", in);
    write("/tmp/out.f32", out);
    EXPECT_EQ(uapi::run(command).status, 0);
    out[7] = 1;
    write("/tmp/out.f32", out);
    const uapi::ToolResult wrong = uapi::run(command);
    EXPECT_EQ(wrong.status, 1);
    EXPECT_NE(wrong.err.find("element 7"), std::string::npos) << wrong.err;
    out.pop_back();
    write("/tmp/out.f32", out);
    EXPECT_NE(uapi::run(command).err.find("holds 236 bytes"), std::string::npos);
}

TEST_F(RunModel, NamesTheFileAndTheUnsupportedOperator) {
    const std::string nms = suite + "test_nonmaxsuppression_single_box/model.onnx";
    const uapi::ToolResult unknown = uapi::run({"accelctl", "run", nms, "--card", uapi::card()});
    EXPECT_EQ(unknown.status, 8);
    EXPECT_NE(unknown.err.find("NonMaxSuppression"), std::string::npos) << unknown.err;
    EXPECT_NE(unknown.err.find(nms), std::string::npos) << unknown.err;
    const Json asked = uapi::document(
        {"accelctl", "run", nms, "--card", uapi::card(), "--host-fallback", "--json"});
    ASSERT_EQ(asked["host_nodes"].size(), 1U) << asked.dump(2);
    EXPECT_EQ(asked["host_nodes"][0]["node"], "NonMaxSuppression");
    std::ofstream("/tmp/broken.onnx") << "not a model";
    const uapi::ToolResult broken =
        uapi::run({"accelctl", "run", "/tmp/broken.onnx", "--card", uapi::card()});
    EXPECT_EQ(broken.status, 7);
    EXPECT_NE(broken.err.find("not an ONNX model"), std::string::npos) << broken.err;
    EXPECT_EQ(uapi::run({"accelctl", "run", "/nowhere.onnx", "--card", uapi::card()}).status, 7);
}

// The tools alone quantize an f32 model to int8 and compile it.
TEST_F(RunModel, IsQuantizedAndCompiledByTheTools) {
    const std::string source = "/usr/share/accel/fashion-cnn.onnx";
    if (!std::filesystem::exists(source)) {
        GTEST_SKIP() << "the networks are not trained";
    }
    std::vector<float> images;
    for (std::size_t i = 0; i < std::size_t{8} * 28 * 28; ++i) {
        images.push_back(static_cast<float>(i * i % 251) / 250);
    }
    const auto write = [](const std::string& path, const std::vector<float>& values) {
        std::ofstream(path, std::ios::binary)
            .write(reinterpret_cast<const char*>(values.data()),
                   static_cast<std::streamsize>(values.size() * sizeof(float)));
    };
    write("/tmp/images.f32", images);
    const Json made =
        uapi::document({"accelctl", "quantize", source, "--card", uapi::card(), "--calibrate",
                        "/tmp/images.f32", "--output", "/tmp/bytes.onnx", "--json"});
    EXPECT_EQ(made["runs"], 8);
    EXPECT_GE(made["nodes"].size(), 3U) << "the products, and the nodes between them";
    for (const Json& node : made["nodes"]) {
        EXPECT_EQ(node["quantized"], true) << node.dump();
    }
    EXPECT_GT(made["outputs"][0]["signal_to_noise"], 20);
    const Json compiled =
        uapi::document({"accelctl", "compile", "/tmp/bytes.onnx", "--card", uapi::card(),
                        "--dimension", "batch=4", "--output", "/tmp/bytes.accel", "--json"});
    EXPECT_EQ(compiled["inputs"][0]["shape"], Json({4, 1, 28, 28}));
    const Json ran = uapi::document(
        {"accelctl", "run", "/tmp/bytes.accel", "--card", uapi::card(), "--repeat", "2", "--json"});
    EXPECT_EQ(ran["inputs"], compiled["inputs"]);
    EXPECT_EQ(ran["memory"], compiled["memory"]);

    const auto says = [](const std::vector<std::string>& command, int status,
                         const std::string& text) {
        const uapi::ToolResult ended = uapi::run(command);
        EXPECT_EQ(ended.status, status) << ended.err;
        EXPECT_NE(ended.err.find(text), std::string::npos) << ended.err;
    };
    images.pop_back();
    write("/tmp/images.f32", images);
    says({"accelctl", "quantize", source, "--card", uapi::card(), "--calibrate", "/tmp/images.f32",
          "-o", "/tmp/x.onnx"},
         2, "no multiple");
    says({"accelctl", "run", "/tmp/bytes.accel", "--card", uapi::card(), "--batch", "2"}, 8,
         "compile it again");
    says({"accelctl", "run", source, "--card", uapi::card(), "--dimension", "batch"}, 2,
         "NAME=VALUE");
    says({"accelctl", "run", source, "--card", uapi::card(), "--shape", "image=2,x"}, 2,
         "'x' is no length");
    says({"accelctl", "run", source, "--card", uapi::card(), "--constant-input", "rate=1"}, 2,
         "no such input");
    const std::string clip = suite + "test_clip/model.onnx";
    EXPECT_EQ(uapi::document({"accelctl", "run", clip, "--card", uapi::card(), "--constant-input",
                              "min=-0.5", "--constant-input", "max=0.5", "--json"})["inputs"]
                  .size(),
              1U)
        << "a constant input must not be an input of the model";
    says({"accelctl", "run", source, "--card", uapi::card(), "--dimension", "rows=2"}, 2,
         "no dimension 'rows'");
    says({"accelctl", "compile", source, "--card", uapi::card(), "-o", "/nowhere/x"}, 7,
         "/nowhere/x");
}

TEST_F(RunModel, TheTutorialsProgramFindsTheLargestElement) {
    if (uapi::run({"onnx"}).status == 127) {
        GTEST_SKIP() << "the examples are not built";
    }
    std::vector<float> in(60, -1.0F);
    in[41] = 2.5F;
    std::ofstream("/tmp/in.f32", std::ios::binary)
        .write(reinterpret_cast<const char*>(in.data()), 60 * sizeof(float));
    const uapi::ToolResult good =
        uapi::run({"onnx", suite + "test_relu/model.onnx", "/tmp/in.f32"});
    EXPECT_EQ(good.status, 0) << good.err;
    EXPECT_NE(good.out.find("the largest of y is element 41: 2.5"), std::string::npos) << good.out;
    const uapi::ToolResult bad = uapi::run({"onnx", "/nowhere.onnx"});
    EXPECT_EQ(bad.status, 1);
    EXPECT_NE(bad.err.find("/nowhere.onnx"), std::string::npos) << bad.err;
}

}  // namespace
