// SPDX-License-Identifier: Apache-2.0
//
// accel::Model as a program uses it: from many threads, with wrong arguments.
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
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&, t] {
            Queue queue = device.create_queue();
            for (int i = 0; i < 50; ++i) {
                const auto value = static_cast<float>(t * 100 + i);
                const TensorData in = filled(net.inputs()[0], value);
                const auto out = net.run(queue, std::vector{in});
                EXPECT_EQ(out.at(0).bytes, in.bytes) << "another run's numbers";
            }
        });
    }
}

TEST_F(ModelTest, WrongArgumentsAreToldApart) {
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
    EXPECT_THROW(net.submit(queue, {small, small}), Error) << "shorter than the tensor";
}

TEST_F(ModelTest, AnInputThatDecidesAboutAShapeIsNamed) {
    const Device device = open();
    const std::string file =
        std::string(suite_folder) + "/node/test_reshape_reordered_all_dims/model.onnx";
    try {
        static_cast<void>(Model::load(device, file));
        ADD_FAILURE() << "nothing was thrown";
    } catch (const UnknownInput& error) {
        EXPECT_EQ(error.input(), "shape");
        expect_says(error, file, "Reshape", "LoadOptions::known");
    }
}

}  // namespace
}  // namespace accel::test
