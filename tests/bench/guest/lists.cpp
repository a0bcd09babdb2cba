// SPDX-License-Identifier: Apache-2.0
//
// A command list of many nodes against the same nodes submitted one by one. Each node adds one to a
// tensor, so the result is the number of executions.
#include "copies.hpp"
#include "report.hpp"

namespace accel::bench {
namespace {

constexpr std::uint64_t nodes = 64;
constexpr std::size_t floats = 64;
constexpr std::uint64_t round_count = 128;

void measure(Report& report, const Device& card, bool recorded) {
    Queue queue = card.create_queue({.entries = 256});
    auto tensor = card.allocate<float>({floats});
    auto one = card.allocate<float>({1});
    one.fill(1.0F);
    const Command node = Elementwise{.op = ElementwiseOp::add,
                                     .dst = tensor,
                                     .a = tensor,
                                     .b = one,
                                     .shape = {floats},
                                     .b_strides = {0}};
    CommandList list = card.create_command_list(Placement::device);
    for (std::uint64_t i = 0; i < nodes; ++i) {
        list.add(node);
    }
    list.close();
    const auto run = [&](Region& region, std::uint64_t rounds) {
        for (std::uint64_t round = 0; round < rounds; ++round) {
            Job job;
            if (recorded) {
                job = queue.submit(list);
            } else {
                for (std::uint64_t i = 0; i < nodes; ++i) {
                    job = queue.submit(node);
                }
            }
            see_finished(region, queue, job);
        }
    };
    Region region(report, recorded ? "accel.list.node" : "accel.list.single",
                  {.jobs = round_count * nodes, .bytes = floats * sizeof(float)});
    run(region, 4);
    region.begin();
    run(region, round_count);
    region.end();
    region.note("nodes", nodes);
    const auto expected = static_cast<float>((4 + round_count) * nodes);
    region.verify(
        std::ranges::all_of(tensor.span(), [&](float value) { return value == expected; }),
        "a node did not run, or ran twice");
}

}  // namespace
}  // namespace accel::bench

int main(int argc, char** argv) {
    using namespace accel::bench;
    return program(argc, argv, [](Report& report) {
        const accel::Device card = accel::Device::open(0);
        measure(report, card, true);
        measure(report, card, false);
    });
}
