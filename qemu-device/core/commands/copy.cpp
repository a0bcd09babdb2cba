// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// COPY and FILL: the commands for rows of bytes.
#include <algorithm>
#include <utility>

#include "execution.hpp"

namespace accel::card {

namespace {

// Calls row(i, bytes) for every row. Rows that are dense on all sides are treated as one long row.
template <typename Row>
[[nodiscard]] Status for_each_row(std::uint64_t rows, std::uint64_t bytes, bool dense, Row&& row) {
    if (bytes == 0) {
        return ACCEL_OK;
    }
    if (dense) {
        bytes *= rows;
        rows = std::min<std::uint64_t>(rows, 1);
    }
    for (std::uint64_t i = 0; i < rows; ++i) {
        if (Status status = row(i, bytes); status != ACCEL_OK) {
            return status;
        }
    }
    return ACCEL_OK;
}

}  // namespace

Status run_copy(Execution& execution) {
    const accel_copy& copy = execution.command.copy;
    if (copy.reserved != 0) {
        return ACCEL_BAD_FIELD;
    }
    for (const auto& [address, stride] :
         {std::pair{copy.src, copy.src_stride}, std::pair{copy.dst, copy.dst_stride}}) {
        if (Status status = check_extent(address, copy.rows, stride, copy.bytes);
            status != ACCEL_OK) {
            return status;
        }
    }
    const bool dense = copy.dst_stride == copy.bytes && copy.src_stride == copy.bytes;
    return for_each_row(copy.rows, copy.bytes, dense, [&](std::uint64_t row, std::uint64_t bytes) {
        return execution.memory.copy(copy.dst + row * copy.dst_stride,
                                     copy.src + row * copy.src_stride, bytes,
                                     execution.scratch.bounce());
    });
}

Status run_fill(Execution& execution) {
    const accel_fill& fill = execution.command.fill;
    const std::uint64_t width = execution.command.variant;
    if ((width != 1 && width != 2 && width != 4 && width != 8) || !all_zero(fill.reserved)) {
        return ACCEL_BAD_FIELD;
    }
    if (!aligned(fill.dst, width) || !aligned(fill.bytes, width) ||
        (fill.rows > 1 && !aligned(fill.dst_stride, width))) {
        return ACCEL_BAD_ALIGNMENT;
    }
    if (Status status = check_extent(fill.dst, fill.rows, fill.dst_stride, fill.bytes);
        status != ACCEL_OK) {
        return status;
    }
    // A buffer of one piece serves the whole range, because the width divides the piece size.
    const std::span<std::uint8_t> pattern = execution.scratch.bounce();
    const bool dense = fill.dst_stride == fill.bytes;
    const std::uint64_t longest =
        dense ? piece_bytes : std::min<std::uint64_t>(fill.bytes, piece_bytes);
    for (std::uint64_t at = 0; at < longest; at += width) {
        std::memcpy(&pattern[at], &fill.pattern, width);
    }
    return for_each_row(
        fill.rows, fill.bytes, dense, [&](std::uint64_t row, std::uint64_t bytes) -> Status {
            std::uint64_t address = fill.dst + row * fill.dst_stride;
            while (bytes > 0) {
                const std::uint64_t now = std::min<std::uint64_t>(bytes, piece_bytes);
                if (Status status = execution.memory.write(address, pattern.data(), now);
                    status != ACCEL_OK) {
                    return status;
                }
                address += now;
                bytes -= now;
            }
            return ACCEL_OK;
        });
}

}  // namespace accel::card
