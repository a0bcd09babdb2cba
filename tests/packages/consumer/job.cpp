// SPDX-License-Identifier: Apache-2.0
//
// A job of the SDK: copies numbers on the card, and prints them.
#include <accel/accel.hpp>
#include <chrono>
#include <exception>
#include <iostream>
#include <stdexcept>

// Each compiler must be able to make a time span before the program starts.
constexpr accel::Duration limit = std::chrono::seconds(10);

int main() {
    try {
        accel::Device card = accel::Device::open();
        auto source = card.allocate<float>({3});
        auto target = card.allocate<float>({3});
        source.copy_from({{1, 2, 3}});
        target.fill(0);

        accel::Queue queue = card.create_queue();
        const accel::Job job =
            queue.submit(accel::Copy{.dst = target, .src = source, .bytes = 3 * sizeof(float)});
        if (job.wait(limit) != accel::WaitResult::done) {
            throw std::runtime_error("the copy takes too long");
        }

        std::cout << "job: " << target[0] << ' ' << target[1] << ' ' << target[2] << '\n';
    } catch (const std::exception& error) {
        std::cerr << "job: " << error.what() << '\n';
        return 1;
    }
}
