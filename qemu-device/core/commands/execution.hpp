// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The execution of a command by an engine: its inputs, checks that commands share, and the
// functions that run each command.
#pragma once

#include <array>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <new>
#include <span>

#include "accel_hw.h"
#include "checks.hpp"
#include "memory.hpp"

namespace accel::card {

// Buffers of a worker, aligned for vectors. They are allocated before it runs a command, so that no
// command fails for lack of memory. Their content is undefined: a page that no command uses takes
// no memory.
struct Scratch {
    static constexpr std::size_t panel_floats = std::size_t{1} << 20;
    static constexpr std::size_t tile_floats = std::size_t{1} << 16;
    static constexpr std::size_t stage_floats = std::size_t{1} << 15;
    static_assert(stage_floats * sizeof(float) >= piece_bytes);

    // Of BlockSums: a level for each power of two of blocks, up to the longest sum that an address
    // space has room for.
    static constexpr std::size_t level_count = 40;

    static constexpr std::align_val_t alignment{64};
    struct Free {
        void operator()(float* floats) const { ::operator delete[](floats, alignment); }
    };
    using Floats = std::unique_ptr<float[], Free>;
    [[nodiscard]] static Floats allocate(std::size_t floats) {
        return Floats(static_cast<float*>(::operator new[](floats * sizeof(float), alignment)));
    }

    Floats panel = allocate(panel_floats);
    std::array<Floats, 2> tile{allocate(tile_floats), allocate(tile_floats)};
    std::array<Floats, 3> stage{allocate(stage_floats), allocate(stage_floats),
                                allocate(stage_floats)};
    Floats levels = allocate(level_count * tile_floats / 2);

    // Of the thread that uses these buffers: see Memory::set_thread().
    RecentTranslations recent;
    unsigned lane = 0;

    [[nodiscard]] std::span<std::uint8_t> bounce() {
        return {reinterpret_cast<std::uint8_t*>(stage[0].get()), piece_bytes};
    }
};

class Crew;
struct CallState;

// A command that is ready to run: copied from the ring, its header checked, its addresses resolved.
struct Execution {
    const accel_command& command;
    Memory& memory;
    Scratch& scratch;
    unsigned threads = 1;  // how many may compute it: some commands have smaller units then
    Crew* crew = nullptr;  // these threads; null: the caller computes it alone
    const CallState* call = nullptr;  // whose list the command is in; null: none
};

// ---- checks that commands share

// The first status that is not ACCEL_OK, if any.
[[nodiscard]] inline Status first_failure(std::initializer_list<Status> statuses) {
    for (const Status status : statuses) {
        if (status != ACCEL_OK) {
            return status;
        }
    }
    return ACCEL_OK;
}

// Checks that `rows` rows of `bytes` bytes, `stride` apart, from `address` on, are inside a
// context's address space. An address that is no context address passes: it faults on access.
[[nodiscard]] Status check_extent(std::uint64_t address, std::uint64_t rows, std::uint64_t stride,
                                  std::uint64_t bytes);

// The longest list of a TRANSFER.
inline constexpr std::uint32_t max_segments = 65536;

// Reads the parameter block of a tensor command into `size` bytes at `params`. Older software may
// pass a shorter block, of at least `min_size` bytes; zeros replace the rest. A longer block must
// have zeros after `size`.
[[nodiscard]] Status read_params(Execution& execution, void* params, std::uint32_t size,
                                 std::uint32_t min_size);
[[nodiscard]] inline Status read_params(Execution& execution, void* params, std::uint32_t size) {
    return read_params(execution, params, size, size);
}

// ---- the commands, each in the file of its name

[[nodiscard]] Status run_copy(Execution& execution);
[[nodiscard]] Status run_fill(Execution& execution);
[[nodiscard]] Status run_transfer(Execution& execution);
[[nodiscard]] Status run_gemm(Execution& execution);
[[nodiscard]] Status run_elementwise(Execution& execution);
[[nodiscard]] Status run_softmax(Execution& execution);
[[nodiscard]] Status run_reduce(Execution& execution);
[[nodiscard]] Status run_conv2d(Execution& execution);
[[nodiscard]] Status run_pool(Execution& execution);
[[nodiscard]] Status run_transpose(Execution& execution);
[[nodiscard]] Status run_gather(Execution& execution);
[[nodiscard]] Status run_scatter(Execution& execution);
[[nodiscard]] Status run_resize(Execution& execution);
[[nodiscard]] Status run_attention(Execution& execution);

}  // namespace accel::card
