// SPDX-License-Identifier: Apache-2.0
//
// Trained models for text and speech, compared with ONNX Runtime, and with the text that a person
// reads.
#include <algorithm>
#include <fstream>
#include <iostream>

#include "accel/model.hpp"
#include "fixture.hpp"
#include "reference_models.hpp"

namespace accel::test {
namespace {

class Networks : public SdkTest {
  protected:
    Networks() : SdkTest({{.memory = 64 << 20}}) {}
    void SetUp() override {
        ASSERT_FALSE(data_folder().empty()) << MODEL_DATA " could not fetch the models";
    }

    static TensorData input(const Model& net, std::size_t i, const std::string& file) {
        const TensorInfo& info = net.inputs()[i];
        TensorData data{info.type, info.shape, data_file(file)};
        EXPECT_EQ(data.bytes.size(), info.bytes()) << file;
        return data;
    }
};

TEST_F(Networks, TextIsRecognized) {
    const Device device = open();
    Queue queue = device.create_queue();
    const Model net =
        Model::load(device, data_folder() / "text.onnx", {.shapes = {{"x", {1, 3, 48, 320}}}});
    const auto out = net.run(queue, std::vector{input(net, 0, "text.in.f32")}).at(0);
    Distance distance;
    distance.add(floats(out.bytes), floats(data_file("text.0.f32")));
    EXPECT_EQ(distance.beyond, 0);

    // The class of each position: none, a line of the file, or a blank. Equal neighbors are one
    // letter.
    std::vector<std::string> keys{""};
    std::ifstream file(data_folder() / "text-keys.txt");
    for (std::string line; std::getline(file, line);) {
        keys.push_back(line);
    }
    keys.emplace_back(" ");
    const auto classes = static_cast<std::size_t>(out.shape.back());
    ASSERT_EQ(keys.size(), classes);
    const auto scores = floats(out.bytes);
    std::string text;
    std::size_t last = 0;
    for (std::size_t at = 0; at < scores.size(); at += classes) {
        const auto first = scores.begin() + static_cast<std::ptrdiff_t>(at);
        const auto best = static_cast<std::size_t>(
            std::max_element(first, first + static_cast<std::ptrdiff_t>(classes)) - first);
        text += best != last ? keys[best] : "";
        last = best;
    }
    std::cout << "text: \"" << text << "\", " << distance.text() << ", " << net.commands().size()
              << " commands\n";
    EXPECT_EQ(text, "one doorbell a run");
}

// The model has a branch for each sample rate, a Fourier transform, 1-D convolutions and an LSTM.
TEST_F(Networks, SpeechDetectionEqualsOnnxRuntime) {
    const Device device = open();
    Queue queue = device.create_queue();
    TensorData rate{DataType::i64, {}, std::vector<std::byte>(sizeof(std::int64_t))};
    const std::int64_t hertz = 16000;
    std::memcpy(rate.bytes.data(), &hertz, sizeof hertz);
    const Model net = Model::load(device, data_folder() / "voice.onnx",
                                  {.shapes = {{"input", {1, 512}}, {"state", {2, 1, 128}}},
                                   .constant_inputs = {{"sr", rate}}});
    const auto out =
        net.run(queue, std::vector{input(net, 0, "voice.in0.f32"), input(net, 1, "voice.in1.f32")});
    Distance distance;
    for (std::size_t i = 0; i < out.size(); ++i) {
        distance.add(floats(out[i].bytes),
                     floats(data_file("voice." + std::to_string(i) + ".f32")));
    }
    std::cout << "voice: " << floats(out.at(0).bytes).at(0) << ", " << distance.text() << ", "
              << net.commands().size() << " commands\n";
    EXPECT_EQ(distance.beyond, 0);
}

}  // namespace
}  // namespace accel::test
