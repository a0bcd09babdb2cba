// SPDX-License-Identifier: Apache-2.0
//
// The first job: computes y = max(0, x * w + b) on the card. docs/tutorials/first-job.md explains it.
#include <accel/accel.hpp>
#include <exception>
#include <iostream>

int main() {
    try {
        accel::Device card = accel::Device::open(0);

        auto x = card.allocate<float>({1, 4});
        auto w = card.allocate<float>({4, 3});
        auto b = card.allocate<float>({3});
        auto y = card.allocate<float>({1, 3});
        x.copy_from({{1, 2, 3, 4}});
        w.fill(0.5f);
        b.copy_from({{0, 1, -100}});

        accel::Queue queue = card.create_queue();
        accel::Job job = queue.submit(accel::Gemm{.d = y,
                                                  .a = x,
                                                  .b = w,
                                                  .bias = b,
                                                  .m = 1,
                                                  .n = 3,
                                                  .k = 4,
                                                  .activation = accel::UnaryOp::relu});
        job.wait();

        std::cout << y[0] << ' ' << y[1] << ' ' << y[2] << '\n';  // 5 6 0
    } catch (const std::exception& error) {
        std::cerr << error.what() << '\n';
        return 1;
    }
}
