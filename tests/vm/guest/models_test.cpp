// SPDX-License-Identifier: Apache-2.0
//
// Runs ONNX's operator suite through the driver, on the card in QEMU.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <iostream>

#include "accel/accel.hpp"
#include "card.hpp"
#include "process.hpp"
#include "suite.hpp"

namespace accel::test {
namespace {

TEST(Models, OfTheOperatorSuiteAreNeverWrongAndMostlyPass) {
    const Device device = Device::open(uapi::Card(0).address());
    Queue queue = device.create_queue();
    std::vector<Verdict> verdicts;
    for (const auto& folder : find_models(suite_folder)) {
        verdicts.push_back(judge(device, queue, folder));
        if (verdicts.size() % 100 == 0) {
            std::cout << verdicts.size() << " models" << std::endl;
        }
    }
    std::cout << summary(verdicts);
    EXPECT_EQ(std::ranges::count(verdicts, Outcome::wrong, &Verdict::outcome), 0);
    EXPECT_GE(std::ranges::count(verdicts, Outcome::passed, &Verdict::outcome), 600);
}

// The file descriptor is the only remaining reference to the first process's model.
TEST(Models, WeightsAreOnTheCardOnceForAllProcessesThatShareThem) {
    constexpr const char* mlp = "/usr/share/accel/fashion-mlp.onnx";
    constexpr const char* cnn = "/usr/share/accel/fashion-cnn.onnx";
    if (!std::filesystem::exists(mlp)) {
        GTEST_SKIP() << "the networks are not trained";
    }
    TensorData input;
    std::vector<std::byte> expected;
    FileDescriptor weights;
    std::uint64_t bytes = 0;
    {
        const Device device = Device::open(uapi::Card(0).address());
        Queue queue = device.create_queue();
        const Model net = Model::load(device, mlp);
        const TensorInfo& info = net.inputs()[0];
        input = {info.type, info.shape, std::vector<std::byte>(info.bytes(), std::byte{0x3e})};
        expected = net.run(queue, std::vector{input}).at(0).bytes;
        weights = net.export_weights();
        bytes = net.memory().weights;
        EXPECT_GT(bytes, 400'000U);
    }
    uapi::Process other([&] {
        const Device device = Device::open(uapi::Card(0).address());
        Queue queue = device.create_queue();
        const std::uint64_t free = device.info().memory_free;
        const Model net = Model::load(device, mlp, {.imported_weights = weights.get()});
        uapi::check(free - device.info().memory_free < bytes,
                    "the weights were copied a second time");
        uapi::check(net.run(queue, std::vector{input}).at(0).bytes == expected,
                    "the results differ");
        const auto memory = device.import_memory<std::byte>(weights.get());
        bool refused = false;
        try {
            queue.submit(Fill{.dst = memory.address(), .bytes = 64}).wait();
        } catch (const Error&) {
            refused = true;
        }
        uapi::check(refused, "a read-only import could be written");
    });
    EXPECT_EQ(other.wait(), 0);
    uapi::Process wrong([&] {
        const Device device = Device::open(uapi::Card(0).address());
        try {
            static_cast<void>(Model::load(device, cnn, {.imported_weights = weights.get()}));
            uapi::check(false, "the weights of another model were accepted");
        } catch (const Error& error) {
            uapi::check(
                std::string(error.what()).find("are not those of this model") != std::string::npos,
                error.what());
        }
    });
    EXPECT_EQ(wrong.wait(), 0);
}

}  // namespace
}  // namespace accel::test
