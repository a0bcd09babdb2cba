// SPDX-License-Identifier: Apache-2.0
//
// Regions: stretches of a guest program whose instructions are counted.
//
// A region begins and ends with an instruction that does nothing to the program (a nop with a
// displacement nobody else uses) and that the plugin in the emulator (tests/bench/plugin) knows.
// Between the two the plugin counts every instruction, by address, and every access to a device.
// Regions have no names there, only an order: the n-th region that the guest ends is the n-th that
// the plugin writes, so a program reports its regions in the order in which it ended them.
//
// The time-stamp counter tells the same number without the plugin: under `-icount shift=0` it is
// the count of executed instructions, and goes on while the processor sleeps.
#pragma once

#include <cstdint>

namespace accel::bench {

/// Under -icount shift=0: instructions executed since the machine was started.
[[gnu::always_inline]] inline std::uint64_t instructions() noexcept {
    return __builtin_ia32_rdtsc();
}

// Each is nopl disp32(%rax); the displacement is a letter and "CCA".

/// From here on the plugin instruments code; takes effect within a millisecond.
[[gnu::always_inline]] inline void arm_regions() noexcept {
    asm volatile(".byte 0x0f, 0x1f, 0x80, 'A', 'C', 'C', 'A'" ::: "memory");
}

[[gnu::always_inline]] inline void begin_region() noexcept {
    asm volatile(".byte 0x0f, 0x1f, 0x80, 'B', 'C', 'C', 'A'" ::: "memory");
}

[[gnu::always_inline]] inline void end_region() noexcept {
    asm volatile(".byte 0x0f, 0x1f, 0x80, 'E', 'C', 'C', 'A'" ::: "memory");
}

/// What lies between these two, inside a region, is left out: spinning.
[[gnu::always_inline]] inline void pause_region() noexcept {
    asm volatile(".byte 0x0f, 0x1f, 0x80, 'P', 'C', 'C', 'A'" ::: "memory");
}

[[gnu::always_inline]] inline void resume_region() noexcept {
    asm volatile(".byte 0x0f, 0x1f, 0x80, 'R', 'C', 'C', 'A'" ::: "memory");
}

}  // namespace accel::bench
