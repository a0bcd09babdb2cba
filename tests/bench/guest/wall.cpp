// SPDX-License-Identifier: Apache-2.0
//
// The only comparison in real time: one job at a time, polled on the user's queue, against a sleep
// in the driver's ioctl. Both run in one boot in the order A-B-B-A, so that other load of the
// machine affects both.
#include <algorithm>

#include "copies.hpp"
#include "report.hpp"

namespace accel::bench {
namespace {

constexpr std::size_t slots = 32;
constexpr std::size_t job_count = 400;  // in each round
constexpr int round_count = 9;

std::uint64_t stretch(Queue& queue, const Copies& copies) {
    const std::uint64_t start = now_ns();
    for (std::size_t i = 0; i < job_count; ++i) {
        queue.submit(copies.commands()[i % slots]).wait();
    }
    return now_ns() - start;
}

}  // namespace
}  // namespace accel::bench

int main(int argc, char** argv) {
    using namespace accel::bench;
    return program(argc, argv, [](Report& report) {
        const accel::Device card = accel::Device::open(0);
        accel::Queue polled = card.create_queue({.spin = accel::never_sleep});
        accel::Queue slept = card.create_queue({.spin = std::chrono::nanoseconds(0)});
        Copies copies(card, slots, 4096);
        copies.poison(polled, 21);
        stretch(polled, copies);
        stretch(slept, copies);
        std::vector<double> ratios;
        for (int round = 0; round < round_count; ++round) {
            const std::uint64_t a = stretch(polled, copies);
            const std::uint64_t b = stretch(slept, copies) + stretch(slept, copies);
            ratios.push_back(static_cast<double>(b) /
                             static_cast<double>(a + stretch(polled, copies)));
        }
        std::ranges::sort(ratios);
        report.value("accel.wall", ratios[ratios.size() / 2], "times as fast",
                     copies.arrived(polled),
                     {{"rounds", round_count}, {"least", ratios.front()}, {"most", ratios.back()}});
    });
}
