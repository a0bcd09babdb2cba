// SPDX-License-Identifier: GPL-2.0
//
// What SOFTMAX and REDUCE share: a dense outer x n x inner tensor, walked along its middle axis a
// bounded number of columns at a time.
#pragma once

#include <algorithm>

#include "operation.hpp"

namespace accel::card {

// Reads and checks the parameters and the operands that both have.
[[nodiscard]] Status read_axis(Execution& execution, accel_reduce& params);

class Axis {
  public:
    // Columns that are walked together, each with its own running values.
    static constexpr std::uint64_t most_columns = 4096;

    Axis(Execution& execution, const accel_reduce& params)
        : memory_(execution.memory),
          stage_(execution.scratch.stage[0].get()),
          p_(params),
          src_(execution.command.tensor.src0) {}

    // Calls visit(first, rows, values) for stretches of `rows` x `columns` values of one outer
    // index, in ascending order of the axis.
    template <typename Visit>
    [[nodiscard]] Status walk(std::uint64_t outer, std::uint64_t column, std::uint64_t columns,
                              Visit&& visit) {
        const std::uint64_t most = Scratch::stage_floats / columns;
        for (std::uint64_t row = 0; row < p_.n;) {
            const std::uint64_t rows = std::min<std::uint64_t>(p_.n - row, most);
            // An axis that fits the stage is read once for all walks.
            if (!loaded_) {
                if (Status status =
                        memory_.read_rows(src_ + offset(outer, row, column), row_bytes(), rows,
                                          columns * sizeof(float), stage_);
                    status != ACCEL_OK) {
                    return status;
                }
                loaded_ = rows == p_.n;
            }
            if (Status status = visit(row, rows, stage_); status != ACCEL_OK) {
                return status;
            }
            row += rows;
        }
        return ACCEL_OK;
    }

    // Calls visit(outer, column, columns) for every group of columns.
    template <typename Visit>
    [[nodiscard]] Status for_each_group(Visit&& visit) {
        for (std::uint64_t outer = 0; outer < p_.outer; ++outer) {
            for (std::uint64_t column = 0; column < p_.inner; column += most_columns) {
                loaded_ = false;
                const std::uint64_t columns =
                    std::min<std::uint64_t>(p_.inner - column, most_columns);
                if (Status status = visit(outer, column, columns); status != ACCEL_OK) {
                    return status;
                }
            }
        }
        return ACCEL_OK;
    }

    [[nodiscard]] std::uint64_t row_bytes() const { return p_.inner * sizeof(float); }
    [[nodiscard]] std::uint64_t offset(std::uint64_t outer, std::uint64_t row,
                                       std::uint64_t column) const {
        return ((outer * p_.n + row) * p_.inner + column) * sizeof(float);
    }

  private:
    Memory& memory_;
    float* stage_;
    const accel_reduce& p_;
    std::uint64_t src_;
    bool loaded_ = false;
};

}  // namespace accel::card
