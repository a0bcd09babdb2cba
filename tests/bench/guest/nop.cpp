// SPDX-License-Identifier: Apache-2.0
//
// io_uring with NOPs: the lower bound for every design that uses it.
#include "io_uring.hpp"
#include "report.hpp"

namespace accel::bench {
namespace {

void nops(Report& report, unsigned batch) {
    constexpr std::uint64_t job_count = 4096;
    IoUring ring(64);
    bool right = true;
    const auto run = [&](std::uint64_t jobs) {
        for (std::uint64_t done = 0; done < jobs; done += batch) {
            for (unsigned i = 0; i < batch; ++i) {
                io_uring_prep_nop(ring.entry());
            }
            right &= ring.finish(batch);
        }
    };
    Region region(report, "nop." + std::to_string(batch), {.jobs = job_count});
    run(64);
    region.begin();
    run(job_count);
    region.end();
    region.verify(right, "a NOP failed");
}

}  // namespace
}  // namespace accel::bench

int main(int argc, char** argv) {
    using namespace accel::bench;
    return program(argc, argv, [](Report& report) {
        accel::bench::nops(report, 1);
        accel::bench::nops(report, 32);
    });
}
