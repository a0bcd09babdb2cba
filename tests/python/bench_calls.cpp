// SPDX-License-Identifier: Apache-2.0
//
// The C++ side of bench_calls.py: prints the fewest microseconds of a run of a model, on buffers
// that are allocated once.
//
//   bench_calls FILE CALLS
#include <accel/model.hpp>
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <limits>
#include <vector>

int main(int argc, char** argv) {
    try {
        if (argc != 3) {
            std::cerr << "usage: bench_calls FILE CALLS\n";
            return 2;
        }
        const accel::Device device = accel::Device::open();
        const accel::Model model = accel::Model::load(device, argv[1]);
        accel::Queue queue = device.create_queue();
        std::vector<accel::Operand> operands;
        for (const auto& tensors : {model.inputs(), model.outputs()}) {
            for (const accel::TensorInfo& tensor : tensors) {
                operands.emplace_back(device.allocate<std::byte>({tensor.bytes()}));
            }
        }
        double fewest = std::numeric_limits<double>::max();
        for (int i = 0; i < std::atoi(argv[2]); ++i) {
            const auto start = std::chrono::steady_clock::now();
            model.submit(queue, operands).wait();
            const std::chrono::duration<double, std::micro> spent =
                std::chrono::steady_clock::now() - start;
            fewest = std::min(fewest, spent.count());
        }
        std::cout << fewest << '\n';
        return 0;
    } catch (const std::exception& error) {
        std::cerr << error.what() << '\n';
        return 1;
    }
}
