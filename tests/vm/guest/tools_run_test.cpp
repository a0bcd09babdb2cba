// SPDX-License-Identifier: Apache-2.0
//
// accelctl run: models of ONNX's suite, good and bad.
#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>

#include "tools.hpp"

namespace {

using Json = nlohmann::json;

const std::string suite = "/usr/share/libonnx-testdata/data/node/";

class RunModel : public bench::ToolTest {};

TEST_F(RunModel, ShowsShapesCommandsAndTimes) {
    const Json document = bench::document({"accelctl", "run", suite + "test_relu/model.onnx",
                                           "--card", bench::card(), "--repeat", "3", "--json"});
    EXPECT_EQ(document["runs"], 3);
    EXPECT_EQ(document["inputs"][0]["shape"], Json({3, 4, 5}));
    ASSERT_EQ(document["commands"].size(), 1U) << document.dump(2);
    EXPECT_EQ(document["commands"][0]["command"], "ELEMENTWISE");
    EXPECT_GT(document["commands"][0]["seconds"].get<double>(), 0);
    EXPECT_GT(document["seconds"]["min"].get<double>(), 0);
    ASSERT_EQ(document["nodes"].size(), 1U) << document.dump(2);
    EXPECT_EQ(document["nodes"][0]["node"], "Relu");
    EXPECT_NE(bench::run({"accelctl", "run", suite + "test_relu/model.onnx", "--card",
                          bench::card(), "--nodes"})
                  .out.find("Relu"),
              std::string::npos);
}

TEST_F(RunModel, ComparesWithWhatIsExpected) {
    const std::vector<float> in(60, -1.0F);
    std::vector<float> out(60, 0.0F);
    const auto write = [](const std::string& path, const std::vector<float>& values) {
        std::ofstream(path, std::ios::binary)
            .write(reinterpret_cast<const char*>(values.data()),
                   static_cast<std::streamsize>(values.size() * sizeof(float)));
    };
    const std::vector<std::string> command{
        "accelctl",    "run",         suite + "test_relu/model.onnx",
        "--card",      bench::card(), "--input",
        "/tmp/in.f32", "--expect",    "/tmp/out.f32"};
    write("/tmp/in.f32", in);
    write("/tmp/out.f32", out);
    EXPECT_EQ(bench::run(command).status, 0);
    out[7] = 1;
    write("/tmp/out.f32", out);
    const bench::Ended wrong = bench::run(command);
    EXPECT_EQ(wrong.status, 1);
    EXPECT_NE(wrong.err.find("element 7"), std::string::npos) << wrong.err;
    out.pop_back();
    write("/tmp/out.f32", out);
    EXPECT_NE(bench::run(command).err.find("holds 236 bytes"), std::string::npos);
}

TEST_F(RunModel, NamesWhatItCannotDoAndTheFile) {
    const std::string nms = suite + "test_nonmaxsuppression_single_box/model.onnx";
    const bench::Ended unknown = bench::run({"accelctl", "run", nms, "--card", bench::card()});
    EXPECT_EQ(unknown.status, 8);
    EXPECT_NE(unknown.err.find("NonMaxSuppression"), std::string::npos) << unknown.err;
    EXPECT_NE(unknown.err.find(nms), std::string::npos) << unknown.err;
    const Json asked = bench::document(
        {"accelctl", "run", nms, "--card", bench::card(), "--host-fallback", "--json"});
    ASSERT_EQ(asked["host_nodes"].size(), 1U) << asked.dump(2);
    EXPECT_EQ(asked["host_nodes"][0]["node"], "NonMaxSuppression");
    std::ofstream("/tmp/broken.onnx") << "this is no model";
    const bench::Ended broken =
        bench::run({"accelctl", "run", "/tmp/broken.onnx", "--card", bench::card()});
    EXPECT_EQ(broken.status, 8);
    EXPECT_NE(broken.err.find("not an ONNX model"), std::string::npos) << broken.err;
    EXPECT_EQ(bench::run({"accelctl", "run", "/nowhere.onnx", "--card", bench::card()}).status, 7);
}

// From f32 to bytes to a file of commands, by the tools alone.
TEST_F(RunModel, IsQuantizedAndCompiledByCommands) {
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
        bench::document({"accelctl", "quantize", source, "--card", bench::card(), "--calibrate",
                         "/tmp/images.f32", "--output", "/tmp/bytes.onnx", "--json"});
    EXPECT_EQ(made["runs"], 8);
    EXPECT_EQ(made["nodes"].size(), 3U);
    for (const Json& node : made["nodes"]) {
        EXPECT_EQ(node["quantized"], true) << node.dump();
    }
    EXPECT_GT(made["outputs"][0]["signal_to_noise"], 20);
    const Json compiled =
        bench::document({"accelctl", "compile", "/tmp/bytes.onnx", "--card", bench::card(),
                         "--dimension", "batch=4", "--output", "/tmp/bytes.accel", "--json"});
    EXPECT_EQ(compiled["inputs"][0]["shape"], Json({4, 1, 28, 28}));
    const Json ran = bench::document({"accelctl", "run", "/tmp/bytes.accel", "--card",
                                      bench::card(), "--repeat", "2", "--json"});
    EXPECT_EQ(ran["inputs"], compiled["inputs"]);
    EXPECT_EQ(ran["memory"], compiled["memory"]);

    const auto says = [](const std::vector<std::string>& command, int status,
                         const std::string& text) {
        const bench::Ended ended = bench::run(command);
        EXPECT_EQ(ended.status, status) << ended.err;
        EXPECT_NE(ended.err.find(text), std::string::npos) << ended.err;
    };
    images.pop_back();
    write("/tmp/images.f32", images);
    says({"accelctl", "quantize", source, "--card", bench::card(), "--calibrate", "/tmp/images.f32",
          "-o", "/tmp/x.onnx"},
         2, "no multiple");
    says({"accelctl", "run", "/tmp/bytes.accel", "--card", bench::card(), "--batch", "2"}, 8,
         "compile it again");
    says({"accelctl", "run", source, "--card", bench::card(), "--dimension", "batch"}, 2,
         "NAME=VALUE");
    says({"accelctl", "run", source, "--card", bench::card(), "--shape", "image=2,x"}, 2,
         "'x' is no length");
    says({"accelctl", "run", source, "--card", bench::card(), "--constant-input", "rate=1"}, 2,
         "no such input");
    const std::string clip = suite + "test_clip/model.onnx";
    EXPECT_EQ(bench::document({"accelctl", "run", clip, "--card", bench::card(), "--constant-input",
                               "min=-0.5", "--constant-input", "max=0.5", "--json"})["inputs"]
                  .size(),
              1U)
        << "what is known is no input";
    says({"accelctl", "run", source, "--card", bench::card(), "--dimension", "rows=2"}, 8,
         "no such dimension");
    says({"accelctl", "compile", source, "--card", bench::card(), "-o", "/nowhere/x"}, 7,
         "/nowhere/x");
}

TEST_F(RunModel, TheTutorialsProgramFindsTheLargestElement) {
    if (bench::run({"onnx"}).status == 127) {
        GTEST_SKIP() << "the examples are not built";
    }
    std::vector<float> in(60, -1.0F);
    in[41] = 2.5F;
    std::ofstream("/tmp/in.f32", std::ios::binary)
        .write(reinterpret_cast<const char*>(in.data()), 60 * sizeof(float));
    const bench::Ended good = bench::run({"onnx", suite + "test_relu/model.onnx", "/tmp/in.f32"});
    EXPECT_EQ(good.status, 0) << good.err;
    EXPECT_NE(good.out.find("the largest of y is element 41: 2.5"), std::string::npos) << good.out;
    const bench::Ended bad = bench::run({"onnx", "/nowhere.onnx"});
    EXPECT_EQ(bad.status, 1);
    EXPECT_NE(bad.err.find("/nowhere.onnx"), std::string::npos) << bad.err;
}

}  // namespace
