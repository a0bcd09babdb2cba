// SPDX-License-Identifier: Apache-2.0
//
// Plain reads and writes of a buffer in device memory, from and to unregistered memory.
#include <unistd.h>

#include "copies.hpp"
#include "report.hpp"

namespace accel::bench {
namespace {

// One call a job; the jobs use `slots` slots in turn.
void transfers(Report& report, const Device& card, const std::string& name, std::size_t bytes,
               bool write) {
    constexpr std::uint64_t job_count = 256;
    constexpr std::size_t slots = 16;
    Queue queue = card.create_queue();
    Pages memory(slots * bytes);
    const auto device = card.allocate_device<std::uint32_t>({memory.span().size()});
    const auto at = static_cast<std::uint64_t>(device.address());
    bool right = true;
    const auto run = [&](std::uint64_t jobs) {
        for (std::uint64_t i = 0; i < jobs; ++i) {
            const std::size_t offset = i % slots * bytes;
            auto* const pointer = reinterpret_cast<std::byte*>(memory.data()) + offset;
            const auto where = static_cast<off_t>(at + offset);
            const ssize_t moved = write ? pwrite(card.fd(), pointer, bytes, where)
                                        : pread(card.fd(), pointer, bytes, where);
            right &= moved == static_cast<ssize_t>(bytes);
        }
    };
    std::vector<std::uint32_t> expected(memory.span().size());
    memory.fill(7);
    std::ranges::copy(memory.span(), expected.begin());
    if (write) {
        queue.submit(accel::fill(device, 0U)).wait();
    } else {
        accel::upload(card, queue, device, std::span<const std::uint32_t>(expected));
        memory.fill(8);
    }
    Region region(report, name, {.jobs = job_count, .bytes = bytes, .interrupts = "accel"});
    run(2 * slots);
    region.begin();
    run(job_count);
    region.end();
    std::vector<std::uint32_t> got(expected.size());
    if (write) {
        accel::download(card, queue, std::span(got), device);
    } else {
        std::ranges::copy(memory.span(), got.begin());
    }
    region.verify(right && got == expected, "a transfer failed or its data are wrong");
}

}  // namespace
}  // namespace accel::bench

int main(int argc, char** argv) {
    using namespace accel::bench;
    return program(argc, argv, [](Report& report) {
        const accel::Device card = accel::Device::open(0);
        transfers(report, card, "accel.pread.4k", 4096, false);
        transfers(report, card, "accel.pread.64k", 65536, false);
        transfers(report, card, "accel.pwrite.64k", 65536, true);
    });
}
