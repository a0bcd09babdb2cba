// SPDX-License-Identifier: GPL-2.0
//
// What a command is to the processor: one row of a table. A new command is one file in commands/
// and one row in operations.cpp.
#pragma once

#include <array>
#include <concepts>
#include <cstring>
#include <memory>
#include <span>

#include "accel_hw.h"
#include "memory.hpp"
#include "queue.hpp"

namespace accel::card {

// Buffers of an engine, allocated with the card, so that no command can fail for want of memory.
struct Scratch {
    static constexpr std::size_t panel_floats = std::size_t{1} << 20;
    static constexpr std::size_t tile_floats = std::size_t{1} << 16;
    static constexpr std::size_t stage_floats = std::size_t{1} << 15;
    static_assert(stage_floats * sizeof(float) >= piece_bytes);

    std::unique_ptr<float[]> panel = std::make_unique<float[]>(panel_floats);
    std::array<std::unique_ptr<float[]>, 2> tile{std::make_unique<float[]>(tile_floats),
                                                 std::make_unique<float[]>(tile_floats)};
    std::array<std::unique_ptr<float[]>, 3> stage{std::make_unique<float[]>(stage_floats),
                                                  std::make_unique<float[]>(stage_floats),
                                                  std::make_unique<float[]>(stage_floats)};

    [[nodiscard]] std::span<std::uint8_t> bounce() {
        return {reinterpret_cast<std::uint8_t*>(stage[0].get()), piece_bytes};
    }
};

// A command about to run: copied, its header checked, its addresses resolved.
struct Execution {
    const accel_command& command;
    Memory& memory;
    Scratch& scratch;
};

struct Operation {
    std::uint8_t opcode;
    Engine engine;
    std::uint8_t addresses;  // bit i: words[i] is an address
    bool variants;           // `variant` means something
    // Checks and runs a command of an engine. Null: the processor runs it itself.
    Status (*run)(Execution&);
};

// Null: no such command.
[[nodiscard]] const Operation* find_operation(std::uint8_t opcode);

// ---- checks that commands share

template <typename T>
[[nodiscard]] bool all_zero(const T& words) {
    for (const auto& word : words) {
        if (word != 0) {
            return false;
        }
    }
    return true;
}

[[nodiscard]] inline bool aligned(std::uint64_t address, std::uint64_t to) {
    return address % to == 0;
}

// Whether `rows` rows of `bytes` bytes, `stride` apart, starting at `address`, lie in a context's
// address space. An address that is no context address passes: it faults when it is used.
[[nodiscard]] Status check_extent(std::uint64_t address, std::uint64_t rows, std::uint64_t stride,
                                  std::uint64_t bytes);

// The longest list of a TRANSFER.
inline constexpr std::uint32_t segments = 65536;

// Reads the parameter block of a tensor command into `known` bytes at `params`. A block that has
// grown may be as short as it was: `least` bytes, and zeros behind.
[[nodiscard]] Status read_params(Execution& execution, void* params, std::uint32_t known,
                                 std::uint32_t least);
[[nodiscard]] inline Status read_params(Execution& execution, void* params, std::uint32_t known) {
    return read_params(execution, params, known, known);
}

// ---- the commands of the engines

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
[[nodiscard]] Status run_resize(Execution& execution);

}  // namespace accel::card
