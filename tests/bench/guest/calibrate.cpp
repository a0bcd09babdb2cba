// SPDX-License-Identifier: Apache-2.0
//
// Checks the counting with a loop of known length, and with the cheapest system call.
#include <sys/syscall.h>
#include <unistd.h>

#include "report.hpp"

using accel::bench::Region;
using accel::bench::Report;

namespace {

constexpr std::uint64_t iterations = 1'000'000;

// Two instructions an iteration.
void known_loop(Region& region) {
    std::uint64_t left = iterations;
    region.begin();
    asm volatile("1: dec %0\n\tjnz 1b" : "+r"(left) : : "cc");
    region.end();
    region.verify(left == 0, "the loop ended early");
}

// The same, with as many uncounted instructions.
void paused_loop(Region& region) {
    std::uint64_t left = iterations;
    std::uint64_t other = iterations;
    region.begin();
    asm volatile("1: dec %0\n\tjnz 1b" : "+r"(left) : : "cc");
    region.pause();
    asm volatile("1: dec %0\n\tjnz 1b" : "+r"(other) : : "cc");
    region.resume();
    region.end();
    region.verify(left == 0 && other == 0, "a loop ended early");
}

void system_calls(Region& region, std::uint64_t calls) {
    const pid_t parent = getppid();
    bool same = true;
    region.begin();
    for (std::uint64_t i = 0; i < calls; ++i) {
        same &= syscall(SYS_getppid) == parent;
    }
    region.end();
    region.verify(same, "getppid() returned different values");
}

}  // namespace

int main(int argc, char** argv) {
    using namespace accel::bench;
    return program(argc, argv, [](Report& report) {
        {
            Region region(report, "calibrate.loop", {.jobs = iterations});
            known_loop(region);
        }
        {
            Region region(report, "calibrate.pause", {.jobs = iterations});
            paused_loop(region);
        }
        constexpr std::uint64_t call_count = 4096;
        Region region(report, "getppid", {.jobs = call_count});
        system_calls(region, call_count);
    });
}
