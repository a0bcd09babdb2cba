// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The tensor of SOFTMAX and REDUCE: dense, outer x n x inner, walked along its middle axis with a
// bounded number of columns at a time.
#pragma once

#include <algorithm>

#include "numerics/reduction.hpp"
#include "units.hpp"

namespace accel::card {

// Checks the parameters and operands that both commands have.
[[nodiscard]] Status check_axis(const Execution& execution, const accel_reduce& params);

class Axis {
  public:
    // The columns that are walked together, each with its own running values. Axes shorter than a
    // block of a sum allow more.
    static constexpr std::uint64_t block_rows = PairwiseReduction::block_rows;
    static constexpr std::uint64_t min_group = Scratch::stage_floats / block_rows;
    static constexpr std::uint64_t max_group = 4096;
    static_assert(PairwiseReduction::max_levels * min_group <= Scratch::stage_floats);
    // Short rows are computed together, as the columns of a matrix: about as many values.
    static constexpr std::uint64_t together = 8192;

    Axis(Execution& execution, const accel_reduce& params)
        : memory_(execution.memory),
          stage_(execution.scratch.stage[0].get()),
          turned_(execution.scratch.tile[0].get()),
          params_(params),
          src_(execution.command.tensor.src0),
          threads_(execution.threads) {}

    // Calls visit(first, rows, values) for blocks of `rows` x `columns` values of one outer index,
    // in ascending order of the axis. `rows` is a multiple of block_rows, except in the last call.
    template <typename Visit>
    [[nodiscard]] Status walk(std::uint64_t outer, std::uint64_t column, std::uint64_t columns,
                              Visit&& visit) {
        std::uint64_t max_rows = Scratch::stage_floats / columns;
        if (max_rows < params_.n) {
            max_rows = max_rows / block_rows * block_rows;
        }
        for (std::uint64_t row = 0; row < params_.n;) {
            const std::uint64_t rows = std::min<std::uint64_t>(params_.n - row, max_rows);
            // An axis that fits the stage is read only once for all walks.
            if (!loaded_) {
                if (Status status =
                        memory_.read_rows(src_ + offset(outer, row, column), row_bytes(), rows,
                                          columns * sizeof(float), stage_);
                    status != ACCEL_OK) {
                    return status;
                }
                loaded_ = rows == params_.n;
            }
            float* const values = are_turned_ ? turned_ : stage_;
            if (Status status = visit(row, rows, values); status != ACCEL_OK) {
                return status;
            }
            row += rows;
        }
        return ACCEL_OK;
    }

    // A unit is a group of columns of one outer index. `nanoseconds`: of a value of the source.
    [[nodiscard]] Units units(const Extent& dst, bool may_be_in_place, double nanoseconds);

    // Writes what visit() was given, after a change, to a tensor of the same shape.
    [[nodiscard]] Status write(std::uint64_t to, std::uint64_t outer, std::uint64_t row,
                               std::uint64_t column, std::uint64_t rows, std::uint64_t columns,
                               const float* values) {
        if (are_turned_) {
            transpose_values(values, rows, columns, stage_);
            return memory_.write(to + offset(outer, 0, 0), stage_, rows * row_bytes() * columns);
        }
        return memory_.write_rows(to + offset(outer, row, column), row_bytes(), rows,
                                  columns * sizeof(float), values);
    }

    // Calls visit(outer, column, columns) for every unit of a range. Follows units(). The columns
    // of a call may be the rows of several outer indices, if these have a single column each.
    template <typename Visit>
    [[nodiscard]] Status for_each_group(const UnitRange& range, Visit&& visit) {
        std::uint64_t unit = range.first;
        while (short_rows_ && range.last - unit > 1) {
            const std::uint64_t now = std::min(range.last - unit, together / params_.n);
            if (Status status = load_rows(unit, now); status != ACCEL_OK) {
                if (status == ACCEL_ABORTED || status == ACCEL_TIME_LIMIT) {
                    return status;
                }
                break;  // one after the other they find the first failure
            }
            if (Status status = visit(unit, 0, now); status != ACCEL_OK) {
                return status;
            }
            unit += now;
        }
        are_turned_ = false;
        for (; unit < range.last; ++unit) {
            const std::uint64_t column = unit % groups_ * columns_;
            loaded_ = false;
            if (Status status = visit(unit / groups_, column,
                                      std::min<std::uint64_t>(params_.inner - column, columns_));
                status != ACCEL_OK) {
                return status;
            }
        }
        return ACCEL_OK;
    }

    [[nodiscard]] std::uint64_t row_bytes() const { return params_.inner * sizeof(float); }
    [[nodiscard]] std::uint64_t offset(std::uint64_t outer, std::uint64_t row,
                                       std::uint64_t column) const {
        return ((outer * params_.n + row) * params_.inner + column) * sizeof(float);
    }

  private:
    // Reads the rows of `count` outer indices, and makes them columns.
    [[nodiscard]] Status load_rows(std::uint64_t first, std::uint64_t count);

    Memory& memory_;
    float* const stage_;
    float* const turned_;
    const accel_reduce& params_;
    std::uint64_t src_;
    const unsigned threads_;
    std::uint64_t columns_ = 1;  // of a group, except the last
    std::uint64_t groups_ = 1;   // of an outer index
    bool loaded_ = false;
    bool short_rows_ = false;
    bool are_turned_ = false;
};

}  // namespace accel::card
