// SPDX-License-Identifier: Apache-2.0
//
// accel::Model as applications use it: from many threads, by name, and with wrong arguments.
#include "accel/model.hpp"

#include <cstring>
#include <thread>

#include "fixture.hpp"
#include "suite.hpp"

namespace accel::test {
namespace {

class ModelTest : public SdkTest {
  protected:
    static std::string relu() { return std::string(suite_folder) + "/node/test_relu/model.onnx"; }

    static TensorData filled(const TensorInfo& info, float value) {
        TensorData data{info.type, info.shape, std::vector<std::byte>(info.bytes())};
        for (std::size_t i = 0; i < data.bytes.size(); i += sizeof value) {
            std::memcpy(&data.bytes[i], &value, sizeof value);
        }
        return data;
    }
};

TEST_F(ModelTest, ThreadsWithQueuesOfTheirOwnShareOneModel) {
    const Device device = open();
    const Model net = Model::load(device, relu());
    std::vector<std::jthread> threads;
    threads.reserve(4);
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&, t] {
            Queue queue = device.create_queue();
            for (int i = 0; i < 50; ++i) {
                const auto value = static_cast<float>(t * 100 + i);
                const TensorData in = filled(net.inputs()[0], value);
                const auto out = net.run(queue, std::vector{in});
                EXPECT_EQ(out.at(0).bytes, in.bytes) << "the result of another run";
            }
        });
    }
}

TEST_F(ModelTest, WrongArgumentsHaveDistinctMessages) {
    const Device device = open();
    Queue queue = device.create_queue();
    const Model net = Model::load(device, relu());
    expect_says(error_of([&] { net.submit(queue, {}); }), "1 inputs and then 1 outputs");
    TensorData in = filled(net.inputs()[0], 1);
    in.shape.pop_back();
    expect_says(error_of([&] { static_cast<void>(net.run(queue, std::vector{in})); }), "f32[3,4,5]",
                "f32[3,4]");
    expect_says(error_of([&] { static_cast<void>(Model::load(device, "/nowhere.onnx")); }),
                "/nowhere.onnx");
    const auto small = device.allocate<float>({10});
    const auto large = device.allocate<float>({60});
    // The names of the model, not the numbers of the arguments of its list.
    const Error input = error_of([&] { net.submit(queue, {small, large}); });
    EXPECT_EQ(input.errc(), std::errc::invalid_argument);
    expect_says(input, "input '" + net.inputs()[0].name + "', which is f32[3,4,5], touches 240");
    expect_says(error_of([&] {
                    net.submit(queue, {large, small});
                }),
                "output '" + net.outputs()[0].name + "', which is f32[3,4,5], touches 240");
    const std::string text = input.what();
    EXPECT_EQ(text.find("argument "), std::string::npos) << text;
    EXPECT_EQ(text.find("Invalid argument"), text.rfind("Invalid argument")) << text;
    expect_says(error_of([&] { static_cast<void>(Model::load(device, "")); }), "\"\"", "is empty");
    const Error batch =
        error_of([&] { static_cast<void>(Model::load(device, relu(), {.batch = -4})); });
    EXPECT_EQ(batch.errc(), std::errc::invalid_argument);
    expect_says(batch, "LoadOptions::batch", "-4");
}

TEST_F(ModelTest, InputsAndOutputsAreFoundByName) {
    const Device device = open();
    Queue queue = device.create_queue();
    const Model net = Model::load(device, std::string(suite_folder) + "/node/test_sub/model.onnx");
    const TensorData five = filled(net.inputs()[0], 5);
    const TensorData two = filled(net.inputs()[1], 2);
    const auto results = net.run(queue, {{"y", two}, {"x", five}});
    EXPECT_EQ(results.at("z").bytes, filled(net.outputs()[0], 3).bytes);
    expect_says(error_of([&] { static_cast<void>(net.run(queue, {{"x", five}})); }), "'y'");
    expect_says(error_of([&] {
                    static_cast<void>(net.run(queue, {{"x", five}, {"y", two}, {"w", two}}));
                }),
                "more names", "'z'");
    const auto memory = device.allocate<float>({60});
    net.submit(queue, {{"x", memory}, {"y", memory}, {"z", memory}}).wait();
    EXPECT_EQ(memory[0], 0);
    expect_says(error_of([&] { net.submit(queue, {{"x", memory}, {"y", memory}}); }), "'z'");
}

// Models and queues in every combination at the same time: no run sees the data of another.
TEST_F(ModelTest, SeveralModelsRunOnSeveralQueuesAtOnce) {
    const Device device = open();
    struct Case {
        const char* name;
        std::vector<float> operands;
        float result;
    };
    const std::vector<Case> cases{{"test_sub", {7, 3}, 4},
                                  {"test_mul", {7, 3}, 21},
                                  {"test_relu", {-2}, 0},
                                  {"test_abs", {-2}, 2},
                                  {"test_div", {8, 2}, 4}};
    std::vector<Model> models;
    std::vector<std::vector<TensorData>> inputs;
    for (const Case& one : cases) {
        models.push_back(
            Model::load(device, std::string(suite_folder) + "/node/" + one.name + "/model.onnx"));
        inputs.emplace_back();
        for (std::size_t i = 0; i < one.operands.size(); ++i) {
            inputs.back().push_back(filled(models.back().inputs()[i], one.operands[i]));
        }
    }
    std::vector<std::jthread> threads;
    for (std::size_t t = 0; t < 4; ++t) {
        threads.emplace_back([&, t] {
            std::vector<Queue> queues;
            queues.push_back(device.create_queue());
            queues.push_back(device.create_queue());
            for (std::size_t i = 0; i < 60; ++i) {
                const std::size_t which = (t + i) % cases.size();
                const auto out = models[which].run(queues[i % 2], inputs[which]).at(0);
                EXPECT_EQ(out.bytes, filled(models[which].outputs()[0], cases[which].result).bytes)
                    << cases[which].name;
            }
        });
    }
}

TEST_F(ModelTest, AnInputThatDecidesAShapeIsNamed) {
    const Device device = open();
    const std::string file =
        std::string(suite_folder) + "/node/test_reshape_reordered_all_dims/model.onnx";
    try {
        static_cast<void>(Model::load(device, file));
        ADD_FAILURE() << "nothing was thrown";
    } catch (const ConstantInputRequired& error) {
        EXPECT_EQ(error.input(), "shape");
        expect_says(error, file, "Reshape", "LoadOptions::constant_inputs");
    }
}

}  // namespace
}  // namespace accel::test
