// SPDX-License-Identifier: Apache-2.0
//
// Networks that the build trains, on the 10,000 test images of Fashion-MNIST: in f32, and
// quantized.
#include <onnx.pb.h>

#include <accel/quantize.hpp>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <random>

#include "dataset.hpp"
#include "examples/fashion-mnist/reference.hpp"
#include "fixture.hpp"

namespace accel::test {
namespace {

constexpr std::int64_t batch = 100;

std::string fashion_file(const std::string& name) {
    return std::string(FASHION_MODELS) + name + ".onnx";
}

class FashionTest : public SdkTest {
  protected:
    // Several models of 400 images are loaded at a time.
    FashionTest() : SdkTest({fake::CardOptions{.memory = std::uint64_t{64} << 20}}) {}

    fashion::Dataset images = fashion::load_dataset(FASHION_DATA, "t10k");

    // `batch` images, from the image `first` on.
    static TensorData input(const Model& net, const fashion::Dataset& data, std::size_t first) {
        const TensorInfo& info = net.inputs()[0];
        TensorData made{info.type, info.shape, std::vector<std::byte>(info.bytes())};
        std::vector<float> pixels(info.elements());
        fashion::decode(std::span(data.images).subspan(first * fashion::pixels, pixels.size()),
                        pixels);
        std::memcpy(made.bytes.data(), pixels.data(), made.bytes.size());
        return made;
    }

    double accuracy(const Device& device, const Model& net) {
        Queue queue = device.create_queue();
        std::size_t right = 0;
        for (std::size_t first = 0; first < images.size(); first += batch) {
            const auto out = net.run(queue, std::vector{input(net, images, first)}).at(0);
            const auto* const logits = reinterpret_cast<const float*>(out.bytes.data());
            for (std::size_t i = 0; i < batch; ++i) {
                const float* const scores = logits + i * fashion::classes;
                const auto best = std::max_element(scores, scores + fashion::classes) - scores;
                right += static_cast<std::size_t>(best) == images.labels[first + i] ? 1 : 0;
            }
        }
        return static_cast<double>(right) / static_cast<double>(images.size());
    }

    // The accuracy that the trainer computed.
    static double trained_accuracy(const std::string& file) {
        onnx::ModelProto model;
        std::ifstream in(file, std::ios::binary);
        EXPECT_TRUE(model.ParseFromIstream(&in));
        return std::stod(model.metadata_props(0).value());
    }

    std::string quantized(const Device& device, const std::string& name,
                          const QuantizeOptions& options, QuantizeReport* report = nullptr) {
        const fashion::Dataset training = fashion::load_dataset(FASHION_DATA, "train");
        const Model net = Model::load(device, fashion_file(name), options.load);
        std::vector<std::vector<TensorData>> calibration;
        for (std::size_t first = 0; first < 500; first += batch) {
            calibration.push_back({input(net, training, first)});
        }
        std::string result = std::string(MODEL_RESULTS) + name + "-int8.onnx";
        const auto reported = quantize(device, fashion_file(name), calibration, result, options);
        if (report != nullptr) {
            *report = reported;
        }
        return result;
    }

    static std::vector<std::string> commands(const Model& net) {
        std::vector<std::string> names;
        for (const ModelCommand& command : net.commands()) {
            names.push_back(command.command);
        }
        return names;
    }
};

TEST_F(FashionTest, ModelsHaveTheAccuracyThatTheirTrainerComputed) {
    const Device device = open();
    for (const char* const name : {"fashion-mlp", "fashion-cnn"}) {
        const Model net = Model::load(device, fashion_file(name), {.batch = batch});
        const double found = accuracy(device, net);
        std::printf("%s: %.2f %%\n", name, 100 * found);
        EXPECT_NEAR(found, trained_accuracy(fashion_file(name)), 0.0005) << name;
        EXPECT_GT(found, 0.86) << name;
    }
}

// `make run` shows it for the trained network, in the VM.
TEST_F(FashionTest, ThePlainNetworkOfTheExampleHasTheBitsOfTheCard) {
    fashion::MlpWeights weights;
    std::minstd_rand random(3);
    std::uniform_real_distribution<float> uniform(-0.1F, 0.1F);
    for (std::vector<float>* const each : {&weights.w1, &weights.b1, &weights.w2, &weights.b2}) {
        std::ranges::generate(*each, [&] { return uniform(random); });
    }
    images.images.resize(batch * fashion::pixels);
    images.labels.resize(batch);
    const std::vector<float> logits = fashion::reference_logits(weights, images);
    const std::vector<float> probabilities = fashion::reference_softmax(logits);

    const Device device = open();
    Queue queue = device.create_queue();
    const auto on_card = [&](const std::vector<float>& values) {
        auto buffer = device.allocate<float>({values.size()});
        buffer.copy_from(values);
        return buffer;
    };
    std::vector<float> pixels(images.images.size());
    fashion::decode(images.images, pixels);
    const auto x = on_card(pixels);
    const auto w1 = on_card(weights.w1);
    const auto b1 = on_card(weights.b1);
    const auto w2 = on_card(weights.w2);
    const auto b2 = on_card(weights.b2);
    const auto h = device.allocate<float>({batch * fashion::hidden});
    const auto y = device.allocate<float>({logits.size()});
    const auto p = device.allocate<float>({logits.size()});
    queue.submit(Gemm{.d = h,
                      .a = x,
                      .b = w1,
                      .bias = b1,
                      .m = batch,
                      .n = fashion::hidden,
                      .k = fashion::pixels,
                      .activation = UnaryOp::relu});
    queue.submit(Gemm{.d = y,
                      .a = h,
                      .b = w2,
                      .bias = b2,
                      .m = batch,
                      .n = fashion::classes,
                      .k = fashion::hidden});
    queue.submit(Softmax{.dst = p, .src = y, .outer = batch, .n = fashion::classes}).wait();
    EXPECT_EQ(std::memcmp(y.data(), logits.data(), logits.size() * sizeof(float)), 0);
    EXPECT_EQ(std::memcmp(p.data(), probabilities.data(), logits.size() * sizeof(float)), 0);
}

TEST_F(FashionTest, QuantizedModelsLoseLessThanOnePercentagePoint) {
    const Device device = open();
    for (const char* const name : {"fashion-mlp", "fashion-cnn"}) {
        QuantizeReport report;
        const std::string file = quantized(device, name, {.load = {.batch = batch}}, &report);
        const Model before = Model::load(device, fashion_file(name), {.batch = batch});
        const Model after = Model::load(device, file, {.batch = batch});
        const double found = accuracy(device, after);
        std::printf("%s quantized: %.2f %%, %.1f dB\n", name, 100 * found,
                    report.outputs.at(0).signal_to_noise);
        EXPECT_NEAR(found, accuracy(device, before), 0.01) << name;
        EXPECT_GT(report.outputs.at(0).signal_to_noise, 25) << name;
        for (const QuantizedNode& node : report.nodes) {
            EXPECT_EQ(node.reason, "") << node.node;
        }
        EXPECT_LT(after.memory().weights, before.memory().weights / 3) << "weights are i8";
    }
}

TEST_F(FashionTest, QuantizedLayersAreOneCommandEach) {
    const Device device = open();
    const std::string mlp = quantized(device, "fashion-mlp", {.load = {.batch = batch}});
    EXPECT_EQ(commands(Model::load(device, mlp, {.batch = batch})),
              (std::vector<std::string>{"ELEMENTWISE", "GEMM", "GEMM"}))
        << "only the image is quantized by itself";
    const std::string cnn = quantized(device, "fashion-cnn", {.load = {.batch = batch}});
    const auto names = commands(Model::load(device, cnn, {.batch = batch}));
    EXPECT_EQ(std::ranges::count(names, "CONV2D"), 2);
    EXPECT_LE(names.size(), 9U) << ::testing::PrintToString(names);
}

TEST_F(FashionTest, PercentileAndKeepAreHonored) {
    const Device device = open();
    QuantizeOptions options{
        .load = {.batch = batch}, .nodes_to_exclude = {"Gemm_logits"}, .percentile = 99.9};
    QuantizeReport report;
    double progress = 0;
    options.progress = [&](double done) { progress = done; };
    const std::string file = quantized(device, "fashion-cnn", options, &report);
    EXPECT_EQ(progress, 1);
    EXPECT_EQ(report.nodes.back().node, "Gemm_logits");
    EXPECT_EQ(report.nodes.back().reason, "QuantizeOptions::nodes_to_exclude names it");
    const double found = accuracy(device, Model::load(device, file, {.batch = batch}));
    EXPECT_GT(found, 0.86);
    expect_says(error_of([&] {
                    options.nodes_to_exclude = {"missing"};
                    static_cast<void>(quantized(device, "fashion-cnn", options));
                }),
                "fashion-cnn.onnx", "missing", "no such node");
    expect_says(error_of([&] {
                    options.nodes_to_exclude.clear();
                    options.percentile = 20;
                    static_cast<void>(quantized(device, "fashion-cnn", options));
                }),
                "percentile");
}

TEST_F(FashionTest, QuantizingWithoutDataOrTwiceIsRefused) {
    const Device device = open();
    const std::string nowhere = std::string(MODEL_RESULTS) + "nothing.onnx";
    std::filesystem::remove(nowhere);
    expect_says(error_of([&] {
                    static_cast<void>(quantize(device, fashion_file("fashion-mlp"), {}, nowhere));
                }),
                "calibration data");
    const std::string done = quantized(device, "fashion-mlp", {.load = {.batch = batch}});
    const std::vector<std::vector<TensorData>> some(1);
    expect_says(error_of([&] { static_cast<void>(quantize(device, done, some, nowhere)); }),
                "no Conv, Gemm or MatMul", "weights are not constant");
    EXPECT_FALSE(std::filesystem::exists(nowhere));
}

}  // namespace
}  // namespace accel::test
