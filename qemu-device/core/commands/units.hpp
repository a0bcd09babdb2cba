// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Units: the independent parts of a command. A unit reads nothing that another unit of the command
// writes, and keeps the order of its sums, so the threads that compute units change no bit of a
// result. Units are numbered in the order in which one thread computes them.
#pragma once

#include <cstdint>
#include <span>

#include "execution.hpp"

namespace accel::card {

struct Units {
    std::uint64_t count = 0;
    // About how long a unit takes on one core. Zero: one thread must compute all units in order.
    double nanoseconds = 0;
    // Whether one thread would have other units, and so perhaps another failure first.
    bool cut_for_threads = false;
};

struct UnitRange {
    std::uint64_t first = 0;
    std::uint64_t last = 0;  // one past the end
};

// Hands units to a thread, in ascending order.
class UnitSource {
  public:
    UnitSource() = default;
    UnitSource(const UnitSource&) = delete;
    UnitSource& operator=(const UnitSource&) = delete;
    UnitSource(UnitSource&&) = delete;
    UnitSource& operator=(UnitSource&&) = delete;

    // False: nothing is left for this thread.
    [[nodiscard]] virtual bool take(UnitRange& range) = 0;

  protected:
    ~UnitSource() = default;
};

// A command, as each thread that computes units of it sees it.
class Parts {
  public:
    Parts() = default;
    Parts(const Parts&) = delete;
    Parts& operator=(const Parts&) = delete;
    Parts(Parts&&) = delete;
    Parts& operator=(Parts&&) = delete;

    // Computes all units that `source` hands to this thread. Several threads call it at once, each
    // with its own `execution`.
    [[nodiscard]] virtual Status run(Execution& execution, UnitSource& source) const = 0;

  protected:
    ~Parts() = default;
};

// Threads that can compute the units of one command.
class Crew {
  public:
    Crew() = default;
    Crew(const Crew&) = delete;
    Crew& operator=(const Crew&) = delete;
    Crew(Crew&&) = delete;
    Crew& operator=(Crew&&) = delete;

    // How many there are, the caller's included.
    [[nodiscard]] virtual unsigned threads() const = 0;

    // Computes all units, on the caller's thread and others. It fails as one thread would: with
    // the failure of the lowest unit that fails, whose address is then the fault address of
    // `execution`.
    [[nodiscard]] virtual Status run(Execution& execution, const Units& units,
                                     const Parts& parts) = 0;

  protected:
    ~Crew() = default;
};

// It takes about this long until a thread that sleeps helps, so less work is not shared.
inline constexpr double min_shared_nanoseconds = 40'000;

template <typename Command, typename Params>
class CommandParts final : public Parts {
  public:
    explicit CommandParts(const Params& params) : params_(params) {}

    [[nodiscard]] Status run(Execution& execution, UnitSource& source) const override {
        Command command(execution, params_);
        if (Status status = command.check(); status != ACCEL_OK) {
            return status;
        }
        (void)command.units();
        UnitRange range;
        while (source.take(range)) {
            if (Status status = command.run(range); status != ACCEL_OK) {
                return status;
            }
        }
        return ACCEL_OK;
    }

  private:
    const Params& params_;
};

// Computes all units of a command that passed its check().
template <typename Command, typename Params>
[[nodiscard]] Status run_units(Execution& execution, Command& command, const Params& params) {
    const Units units = command.units();
    if (execution.crew == nullptr || units.count < 2 ||
        static_cast<double>(units.count) * units.nanoseconds < min_shared_nanoseconds) {
        return command.run({0, units.count});
    }
    const Status status =
        execution.crew->run(execution, units, CommandParts<Command, Params>(params));
    if (status == ACCEL_OK || status == ACCEL_ABORTED || status == ACCEL_TIME_LIMIT ||
        !units.cut_for_threads) {
        return status;
    }
    // One thread finds the failure that does not depend on the number of threads. The results of a
    // failed command are undefined, so it can be run again.
    const std::uint64_t address = execution.memory.fault_address();
    Execution alone{
        .command = execution.command, .memory = execution.memory, .scratch = execution.scratch};
    Command again(alone, params);
    (void)again.check();
    if (Status failure = again.run({0, again.units().count}); failure != ACCEL_OK) {
        return failure;
    }
    execution.memory.set_fault_address(address);
    return status;
}

// Runs a tensor command that is a class made of an Execution and its parameter block: reads the
// block, and then calls check(), units() and run().
template <typename Command, typename Params>
[[nodiscard]] Status run_tensor_command(Execution& execution,
                                        std::uint32_t min_size = sizeof(Params)) {
    Params params{};
    if (Status status = read_params(execution, &params, sizeof params, min_size);
        status != ACCEL_OK) {
        return status;
    }
    Command command(execution, params);
    if (Status status = command.check(); status != ACCEL_OK) {
        return status;
    }
    return run_units(execution, command, params);
}

// ---- whether units are independent

// The bytes of an operand, from the first to the last.
struct Extent {
    std::uint64_t begin = 0;
    std::uint64_t bytes = 0;

    [[nodiscard]] bool overlaps(const Extent& other) const {
        return bytes != 0 && other.bytes != 0 &&
               (begin <= other.begin ? other.begin - begin < bytes
                                     : begin - other.begin < other.bytes);
    }
};

struct Spacing {
    std::uint64_t length;
    std::uint64_t stride;  // elements
};

// Whether no two of the elements that the dimensions address have the same address. It may answer
// no for unusual strides.
[[nodiscard]] bool are_distinct(std::span<const Spacing> dimensions);

// A product, or the largest number. A command with that many units does not end within years.
[[nodiscard]] inline std::uint64_t saturated_product(std::uint64_t a, std::uint64_t b) {
    std::uint64_t product = 0;
    return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

[[nodiscard]] constexpr std::uint64_t divide_up(std::uint64_t value, std::uint64_t by) {
    return value / by + (value % by != 0 ? 1 : 0);
}

// ---- the shape of units of GEMM and CONV2D

// How matrices of results are cut into units: for each matrix, for each block of columns, parts of
// some blocks of rows.
struct Tiling {
    std::uint64_t width = 0;  // columns of a block, except the last
    std::uint64_t column_blocks = 0;
    std::uint64_t rows = 0;  // blocks of rows of a part, except the last
    std::uint64_t row_parts = 0;

    // A place among the units.
    struct Tile {
        std::uint64_t matrix;
        std::uint64_t column_block;
        std::uint64_t row_part;
    };
    [[nodiscard]] Tile tile(std::uint64_t unit) const {
        const std::uint64_t block = unit / row_parts;
        return {.matrix = block / column_blocks,
                .column_block = block % column_blocks,
                .row_part = unit % row_parts};
    }
};

// Computes the tiles of a range of units, up to the first failure.
template <typename RunTile>
[[nodiscard]] Status run_tiles(const Tiling& tiling, const UnitRange& range, RunTile&& run_tile) {
    for (std::uint64_t unit = range.first; unit < range.last; ++unit) {
        if (Status status = run_tile(tiling.tile(unit)); status != ACCEL_OK) {
            return status;
        }
    }
    return ACCEL_OK;
}

struct TilingInput {
    std::uint64_t matrices;
    std::uint64_t results;     // rows of a matrix
    std::uint64_t row_blocks;  // the same in blocks
    std::uint64_t columns;
    std::uint64_t max_width;  // a multiple of the columns of a tile
    double nanoseconds;       // about how long all of it takes
    unsigned threads;         // 1 if the results depend on each other
};

// About how many multiply-adds of products a core computes in a nanosecond.
inline constexpr double macs_each_nanosecond = 40;

// With one thread the units are as large as possible. Otherwise they are about as many as the
// threads need: each unit packs its own columns of the one operand and its own rows of the other.
[[nodiscard]] Tiling make_tiling(const TilingInput& input);

}  // namespace accel::card
