// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// COPY and FILL: the commands for rows of bytes.
#include <algorithm>
#include <array>

#include "units.hpp"

namespace accel::card {

namespace {

// About how many bytes a core copies or fills in a nanosecond.
constexpr double bytes_each_nanosecond = 10;

// Rows of bytes, cut into units of at most a piece. Rows that are dense on all sides are treated as
// one long row.
class Rows {
  public:
    Rows(std::uint64_t rows, std::uint64_t bytes, bool dense)
        : rows_(dense && bytes != 0 ? std::min<std::uint64_t>(rows, 1) : rows),
          bytes_(dense ? bytes * rows : bytes) {}

    [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

    // `independent`: whether the order of the units changes no result.
    [[nodiscard]] Units units(bool independent) const {
        const auto bytes = static_cast<double>(std::min<std::uint64_t>(bytes_, piece_bytes));
        return {.count = saturated_product(rows_, units_of_row()),
                .nanoseconds = independent ? 50 + bytes / bytes_each_nanosecond : 0};
    }

    // Calls piece(row, offset, bytes) for every unit.
    template <typename Piece>
    [[nodiscard]] Status for_each(const UnitRange& range, Piece&& piece) const {
        const std::uint64_t in_row = std::max<std::uint64_t>(units_of_row(), 1);
        for (std::uint64_t unit = range.first; unit < range.last; ++unit) {
            const std::uint64_t offset = unit % in_row * piece_bytes;
            if (Status status = piece(unit / in_row, offset,
                                      std::min<std::uint64_t>(bytes_ - offset, piece_bytes));
                status != ACCEL_OK) {
                return status;
            }
        }
        return ACCEL_OK;
    }

  private:
    [[nodiscard]] std::uint64_t units_of_row() const { return divide_up(bytes_, piece_bytes); }

    std::uint64_t rows_;
    std::uint64_t bytes_;  // of a row
};

// The bytes of rows that passed check_extent().
Extent extent_of(std::uint64_t address, std::uint64_t rows, std::uint64_t stride,
                 std::uint64_t bytes) {
    return {.begin = address, .bytes = rows == 0 || bytes == 0 ? 0 : (rows - 1) * stride + bytes};
}

bool have_distinct_bytes(std::uint64_t rows, std::uint64_t stride, std::uint64_t bytes) {
    return are_distinct(std::array<Spacing, 2>{{{rows, stride}, {bytes, 1}}});
}

class Copy {
  public:
    Copy(Execution& execution, const accel_copy& copy)
        : memory_(execution.memory),
          bounce_(execution.scratch.bounce()),
          copy_(copy),
          rows_(copy.rows, copy.bytes,
                copy.dst_stride == copy.bytes && copy.src_stride == copy.bytes) {}

    [[nodiscard]] Status check() const {
        if (copy_.reserved != 0) {
            return ACCEL_BAD_FIELD;
        }
        return first_failure({check_extent(copy_.src, copy_.rows, copy_.src_stride, copy_.bytes),
                              check_extent(copy_.dst, copy_.rows, copy_.dst_stride, copy_.bytes)});
    }

    [[nodiscard]] Units units() const {
        const Extent dst = extent_of(copy_.dst, copy_.rows, copy_.dst_stride, copy_.bytes);
        const Extent src = extent_of(copy_.src, copy_.rows, copy_.src_stride, copy_.bytes);
        return rows_.units(have_distinct_bytes(copy_.rows, copy_.dst_stride, copy_.bytes) &&
                           !dst.overlaps(src));
    }

    [[nodiscard]] Status run(const UnitRange& range) {
        return rows_.for_each(
            range, [this](std::uint64_t row, std::uint64_t offset, std::uint64_t bytes) {
                return memory_.copy(copy_.dst + row * copy_.dst_stride + offset,
                                    copy_.src + row * copy_.src_stride + offset, bytes, bounce_);
            });
    }

  private:
    Memory& memory_;
    const std::span<std::uint8_t> bounce_;
    const accel_copy& copy_;
    const Rows rows_;
};

// The low `width` bytes of a pattern.
class Fill {
  public:
    Fill(Execution& execution, const accel_fill& fill)
        : memory_(execution.memory),
          pattern_(execution.scratch.bounce()),
          fill_(fill),
          width_(execution.command.variant),
          rows_(fill.rows, fill.bytes, is_dense()) {}

    [[nodiscard]] Status check() {
        if ((width_ != 1 && width_ != 2 && width_ != 4 && width_ != 8) ||
            !all_zero(fill_.reserved)) {
            return ACCEL_BAD_FIELD;
        }
        if (!aligned(fill_.dst, width_) || !aligned(fill_.bytes, width_) ||
            (fill_.rows > 1 && !aligned(fill_.dst_stride, width_))) {
            return ACCEL_BAD_ALIGNMENT;
        }
        if (Status status = check_extent(fill_.dst, fill_.rows, fill_.dst_stride, fill_.bytes);
            status != ACCEL_OK) {
            return status;
        }
        // A buffer of one piece serves the whole range, because the width divides the piece size.
        const std::uint64_t longest = std::min<std::uint64_t>(rows_.bytes(), piece_bytes);
        if (longest > 0) {
            std::memcpy(pattern_.data(), &fill_.pattern, width_);
        }
        for (std::uint64_t done = width_; done < longest; done *= 2) {
            std::memcpy(&pattern_[done], pattern_.data(), std::min(done, longest - done));
        }
        return ACCEL_OK;
    }

    [[nodiscard]] Units units() const {
        return rows_.units(have_distinct_bytes(fill_.rows, fill_.dst_stride, fill_.bytes));
    }

    [[nodiscard]] Status run(const UnitRange& range) {
        return rows_.for_each(range,
                              [this](std::uint64_t row, std::uint64_t offset, std::uint64_t bytes) {
                                  return memory_.write(fill_.dst + row * fill_.dst_stride + offset,
                                                       pattern_.data(), bytes);
                              });
    }

  private:
    [[nodiscard]] bool is_dense() const { return fill_.dst_stride == fill_.bytes; }

    Memory& memory_;
    const std::span<std::uint8_t> pattern_;
    const accel_fill& fill_;
    const std::uint64_t width_;
    const Rows rows_;
};

template <typename Command, typename Fields>
Status run_command(Execution& execution, const Fields& fields) {
    Command command(execution, fields);
    if (Status status = command.check(); status != ACCEL_OK) {
        return status;
    }
    return run_units(execution, command, fields);
}

}  // namespace

Status run_copy(Execution& execution) {
    return run_command<Copy>(execution, execution.command.copy);
}

Status run_fill(Execution& execution) {
    return run_command<Fill>(execution, execution.command.fill);
}

}  // namespace accel::card
