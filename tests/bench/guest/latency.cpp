// SPDX-License-Identifier: Apache-2.0
//
// The latency of one job at a time, and the rate of jobs with several in flight, in virtual time.
#include <deque>

#include "copies.hpp"
#include "report.hpp"

namespace accel::bench {
namespace {

constexpr std::size_t transfer_size = 4096;
constexpr std::size_t slots = 32;

void latency(Report& report, const Device& card, const std::string& name, bool copy,
             std::chrono::nanoseconds spin) {
    constexpr std::size_t job_count = 2048;
    Queue queue = card.create_queue({.spin = spin});
    Copies copies(card, slots, transfer_size);
    copies.poison(queue, 11);
    const Command nop = Nop{};
    std::vector<std::uint64_t> samples;
    for (std::size_t i = 0; i < job_count; ++i) {
        const std::uint64_t start = now_ns();
        queue.submit(copy ? copies.commands()[i % slots] : nop).wait();
        samples.push_back(now_ns() - start);
    }
    report.latency(name, samples, !copy || copies.arrived(queue),
                   {{"bytes", copy ? transfer_size : 0}});
}

void rate(Report& report, const Device& card, std::size_t depth) {
    const std::size_t jobs = std::max<std::size_t>(2048, 8 * depth);
    Queue queue = card.create_queue({.entries = 512, .spin = never_sleep});
    Copies copies(card, slots, transfer_size);
    copies.poison(queue, 12);
    std::uint64_t next = 0;
    const auto submit = [&] { return queue.submit(copies.commands()[next++ % slots]); };
    std::deque<Job> flying;
    const std::uint64_t start = now_ns();
    while (flying.size() < depth) {
        flying.push_back(submit());
    }
    for (std::size_t i = depth; i < jobs; ++i) {
        flying.front().wait();
        flying.pop_front();
        flying.push_back(submit());
    }
    queue.synchronize();
    const double seconds = static_cast<double>(now_ns() - start) * 1e-9;
    report.value("accel.rate." + std::to_string(depth), static_cast<double>(jobs) / seconds,
                 "jobs/s", copies.arrived(queue), {{"depth", depth}, {"bytes", transfer_size}});
}

}  // namespace
}  // namespace accel::bench

int main(int argc, char** argv) {
    using namespace accel::bench;
    return program(argc, argv, [](Report& report) {
        const accel::Device card = accel::Device::open(0);
        constexpr std::chrono::nanoseconds sleep{0};
        latency(report, card, "accel.latency.nop.polled", false, accel::never_sleep);
        latency(report, card, "accel.latency.nop.slept", false, sleep);
        latency(report, card, "accel.latency.copy.polled", true, accel::never_sleep);
        latency(report, card, "accel.latency.copy.slept", true, sleep);
        for (std::size_t depth = 1; depth <= 256; depth *= 2) {
            rate(report, card, depth);
        }
    });
}
