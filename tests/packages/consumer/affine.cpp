// SPDX-License-Identifier: Apache-2.0
//
// A model of the SDK: affine MODEL.onnx runs y = relu(x * w + b) for four ones, and prints y.
#include <accel/accel.hpp>
#include <accel/model.hpp>
#include <array>
#include <cstring>
#include <exception>
#include <iostream>
#include <vector>

int main(int argc, char** argv) {
    if (argc != 2) {
        std::cerr << "usage: affine MODEL.onnx\n";
        return 2;
    }
    try {
        const accel::Device card = accel::Device::open();
        const accel::Model model = accel::Model::load(card, argv[1]);
        const std::array<float, 4> ones{1, 1, 1, 1};
        accel::TensorData x{.type = accel::DataType::f32, .shape = {1, 4}, .bytes = {}};
        x.bytes.resize(sizeof ones);
        std::memcpy(x.bytes.data(), ones.data(), sizeof ones);

        accel::Queue queue = card.create_queue();
        const std::vector<accel::TensorData> outputs = model.run(queue, std::vector{x});

        std::array<float, 3> y{};
        std::memcpy(y.data(), outputs.at(0).bytes.data(), sizeof y);
        std::cout << "affine: " << y[0] << ' ' << y[1] << ' ' << y[2] << '\n';
    } catch (const std::exception& error) {
        std::cerr << "affine: " << error.what() << '\n';
        return 1;
    }
}
