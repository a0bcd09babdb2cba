// SPDX-License-Identifier: Apache-2.0
//
// Regions: parts of a guest program whose instructions are counted.
//
// A marker instruction begins and ends a region: a nop with a displacement that no other code uses.
// The plugin in the emulator (tests/bench/plugin) recognizes it. Within a region the plugin counts
// every instruction, by address, and every access to a device. It identifies regions by their order
// only, so a program must report its regions in the order of their ends.
//
// The time-stamp counter has the same count without the plugin: under `-icount shift=0` it counts
// executed instructions. It also advances while the processor sleeps.
#pragma once

#include <cstdint>

namespace accel::bench {

/// Under -icount shift=0: the instructions since the start of the machine.
[[gnu::always_inline]] inline std::uint64_t instructions() noexcept {
    return __builtin_ia32_rdtsc();
}

// Each marker is nopl disp32(%rax); the displacement is a letter and "CCA".

/// Makes the plugin instrument code; this takes effect within a millisecond.
[[gnu::always_inline]] inline void arm_regions() noexcept {
    asm volatile(".byte 0x0f, 0x1f, 0x80, 'A', 'C', 'C', 'A'" ::: "memory");
}

[[gnu::always_inline]] inline void begin_region() noexcept {
    asm volatile(".byte 0x0f, 0x1f, 0x80, 'B', 'C', 'C', 'A'" ::: "memory");
}

[[gnu::always_inline]] inline void end_region() noexcept {
    asm volatile(".byte 0x0f, 0x1f, 0x80, 'E', 'C', 'C', 'A'" ::: "memory");
}

/// Instructions between these two are not counted, for spinning within a region.
[[gnu::always_inline]] inline void pause_region() noexcept {
    asm volatile(".byte 0x0f, 0x1f, 0x80, 'P', 'C', 'C', 'A'" ::: "memory");
}

[[gnu::always_inline]] inline void resume_region() noexcept {
    asm volatile(".byte 0x0f, 0x1f, 0x80, 'R', 'C', 'C', 'A'" ::: "memory");
}

}  // namespace accel::bench
