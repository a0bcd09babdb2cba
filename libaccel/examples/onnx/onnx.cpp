// SPDX-License-Identifier: Apache-2.0
//
// Runs an ONNX model: onnx MODEL.onnx [INPUT.f32]. docs/tutorials/first-job.md explains it.
#include <accel/accel.hpp>
#include <accel/model.hpp>
#include <algorithm>
#include <exception>
#include <fstream>
#include <iostream>

int main(int argc, char** argv) {
    if (argc < 2 || argc > 3) {
        std::cerr << "usage: onnx MODEL.onnx [INPUT.f32]\n";
        return 2;
    }
    try {
        const accel::Device card = accel::Device::open(0);
        const accel::Model net = accel::Model::load(card, argv[1]);

        // A buffer for each input and output, all zero until something is written to it.
        std::vector<accel::Buffer<float>> buffers;
        std::vector<accel::Operand> arguments;
        for (const auto& ports : {net.inputs(), net.outputs()}) {
            for (const accel::TensorInfo& info : ports) {
                buffers.push_back(card.allocate<float>({info.bytes() / sizeof(float) + 1}));
                arguments.emplace_back(buffers.back());
                std::cout << info.name << ": " << info.elements() << " elements\n";
            }
        }
        if (argc == 3) {
            std::ifstream file(argv[2], std::ios::binary);
            const auto bytes = static_cast<std::streamsize>(net.inputs()[0].bytes());
            if (!file.read(reinterpret_cast<char*>(buffers[0].data()), bytes)) {
                std::cerr << argv[2] << ": it cannot be read, or is shorter than the input\n";
                return 1;
            }
        }

        accel::Queue queue = card.create_queue();
        net.submit(queue, arguments).wait();  // one command, one doorbell

        const auto result = buffers[net.inputs().size()].span().first(net.outputs()[0].elements());
        const auto best = std::max_element(result.begin(), result.end());
        std::cout << "the largest of " << net.outputs()[0].name << " is element "
                  << best - result.begin() << ": " << *best << '\n';
    } catch (const std::exception& error) {
        std::cerr << "onnx: " << error.what() << '\n';
        return 1;
    }
}
