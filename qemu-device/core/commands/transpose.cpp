// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// TRANSPOSE: a copy of up to six dimensions with separate strides for source and result.
//
// Rows that are dense on both sides are copied. If source and result are dense along different
// dimensions, tiles of these two dimensions are transposed in a buffer. All other shapes are copied
// element by element.
#include <algorithm>
#include <utility>

#include "units.hpp"

namespace accel::card {

namespace {

struct Dimension {
    std::uint64_t length;
    std::int64_t dst;  // stride in the result, in elements
    std::int64_t src;  // stride in the source
};

class Transpose {
  public:
    Transpose(Execution& execution, const accel_transpose& params)
        : memory_(execution.memory),
          scratch_(execution.scratch),
          params_(params),
          tensor_(execution.command.tensor) {}

    [[nodiscard]] Status check() {
        const bool size =
            params_.size == 1 || params_.size == 2 || params_.size == 4 || params_.size == 8;
        if (!size || params_.rank == 0 || params_.rank > ACCEL_RANK_MAX || params_.reserved0 != 0 ||
            params_.reserved1 != 0 || tensor_.src1 != 0 || tensor_.src2 != 0) {
            return ACCEL_BAD_FIELD;
        }
        for (unsigned i = params_.rank; i < ACCEL_RANK_MAX; ++i) {
            if ((params_.dims[i] | params_.dst_strides[i] | params_.src_strides[i]) != 0) {
                return ACCEL_BAD_FIELD;
            }
        }
        if (!aligned(tensor_.dst, params_.size) || !aligned(tensor_.src0, params_.size)) {
            return ACCEL_BAD_ALIGNMENT;
        }
        std::uint64_t elements = 1;
        for (unsigned i = 0; i < params_.rank; ++i) {
            if (params_.dims[i] == 0) {
                empty_ = true;
                return ACCEL_OK;
            }
            if (__builtin_mul_overflow(elements, std::uint64_t{params_.dims[i]}, &elements) ||
                elements > std::uint64_t{1} << ACCEL_VA_BITS) {
                return ACCEL_BAD_SIZE;
            }
        }
        return first_failure({check_side(tensor_.dst, params_.dst_strides),
                              check_side(tensor_.src0, params_.src_strides)});
    }

    // A unit is a piece of the dimensions that copy_inner() walks.
    [[nodiscard]] Units units() {
        if (empty_) {
            return {};
        }
        select_method();
        std::uint64_t count = divide_up(dims_[count_ - 1].length, unit_length());
        double elements = static_cast<double>(std::min(dims_[count_ - 1].length, unit_length()));
        if (method_ == Method::tiles) {
            count *= divide_up(dims_[count_ - 2].length, side_length);
            elements *= static_cast<double>(std::min(dims_[count_ - 2].length, side_length));
        }
        inner_units_ = count;
        for (unsigned i = 0; i < outer_; ++i) {
            count *= dims_[i].length;
        }
        const double cost = method_ == Method::rows ? params_.size / 10.0 : 2.0;
        return {.count = count, .nanoseconds = is_independent() ? 50 + elements * cost : 0};
    }

    [[nodiscard]] Status run(const UnitRange& range) {
        if (range.first == range.last) {
            return ACCEL_OK;
        }
        Place place = seek(range.first / inner_units_);
        std::uint64_t inner = range.first % inner_units_;
        for (std::uint64_t unit = range.first; unit < range.last; ++unit) {
            if (Status status = copy_inner(place.dst, place.src, inner); status != ACCEL_OK) {
                return status;
            }
            if (++inner == inner_units_) {
                inner = 0;
                advance(place);
            }
        }
        return ACCEL_OK;
    }

  private:
    // A place in the dimensions that run() walks.
    struct Place {
        std::uint64_t dst;
        std::uint64_t src;
        std::array<std::uint64_t, ACCEL_RANK_MAX> position;
    };

    [[nodiscard]] Place seek(std::uint64_t index) const {
        Place place{.dst = tensor_.dst, .src = tensor_.src0, .position = {}};
        for (unsigned i = outer_; i-- > 0;) {
            place.position[i] = index % dims_[i].length;
            index /= dims_[i].length;
            move(place, dims_[i], static_cast<std::int64_t>(place.position[i]));
        }
        return place;
    }
    // After the last place it returns to the first.
    void advance(Place& place) const {
        for (unsigned i = outer_; i-- > 0;) {
            const bool more = ++place.position[i] < dims_[i].length;
            move(place, dims_[i], more ? 1 : 1 - static_cast<std::int64_t>(dims_[i].length));
            if (more) {
                return;
            }
            place.position[i] = 0;
        }
    }
    void move(Place& place, const Dimension& d, std::int64_t steps) const {
        place.dst += static_cast<std::uint64_t>(d.dst * steps) * params_.size;
        place.src += static_cast<std::uint64_t>(d.src * steps) * params_.size;
    }

    enum class Method : std::uint8_t { rows, tiles, elements };
    static constexpr std::uint64_t side_length = 64;  // of a tile

    // How much of the last dimension a unit has.
    [[nodiscard]] std::uint64_t unit_length() const {
        switch (method_) {
            case Method::rows:
                return piece_bytes / params_.size;
            case Method::tiles:
                return side_length;
            default:
                return Scratch::stage_floats * sizeof(float) / params_.size;
        }
    }

    [[nodiscard]] bool is_independent() const {
        std::array<Spacing, ACCEL_RANK_MAX> spacing{};
        for (unsigned i = 0; i < count_; ++i) {
            spacing[i] = {dims_[i].length, static_cast<std::uint64_t>(std::abs(dims_[i].dst))};
        }
        return are_distinct(std::span(spacing).first(count_)) &&
               !extent(tensor_.dst, &Dimension::dst)
                    .overlaps(extent(tensor_.src0, &Dimension::src));
    }
    // The bytes of a side that passed its check.
    [[nodiscard]] Extent extent(std::uint64_t address, std::int64_t Dimension::*side) const {
        Extent extent{.begin = address, .bytes = params_.size};
        for (unsigned i = 0; i < count_; ++i) {
            const std::int64_t span =
                (static_cast<std::int64_t>(dims_[i].length) - 1) * (dims_[i].*side) * params_.size;
            extent.begin += static_cast<std::uint64_t>(std::min<std::int64_t>(span, 0));
            extent.bytes += static_cast<std::uint64_t>(std::abs(span));
        }
        return extent;
    }

    static std::int64_t signed_stride(std::uint32_t stride) {
        return static_cast<std::int32_t>(stride);
    }

    // Checks the range from the lowest element to the end of the highest.
    [[nodiscard]] Status check_side(std::uint64_t address, const __le32* strides) const {
        constexpr std::int64_t limit = std::int64_t{1} << ACCEL_VA_BITS;
        std::int64_t low = 0;
        std::int64_t high = 1;
        for (unsigned i = 0; i < params_.rank; ++i) {
            // A span fits 63 bits, and the sum of six spans within the limit does not overflow.
            const std::int64_t span =
                (std::int64_t{params_.dims[i]} - 1) * signed_stride(strides[i]);
            if (span > limit || span < -limit) {
                return ACCEL_BAD_SIZE;
            }
            (span < 0 ? low : high) += span;
        }
        low *= params_.size;
        high *= params_.size;
        if (high - low > limit) {
            return ACCEL_BAD_SIZE;
        }
        // An address beyond the limit faults on access.
        if (address < std::uint64_t{limit}) {
            const auto start = static_cast<std::int64_t>(address);
            if (start + low < 0 || start + high > limit) {
                return ACCEL_BAD_SIZE;
            }
        }
        return ACCEL_OK;
    }

    // Drops dimensions of length 1, and joins dimensions that are contiguous on both sides.
    void join_dimensions() {
        count_ = 0;
        for (unsigned i = 0; i < params_.rank; ++i) {
            const Dimension d{params_.dims[i], signed_stride(params_.dst_strides[i]),
                              signed_stride(params_.src_strides[i])};
            if (d.length == 1) {
                continue;
            }
            const auto length = static_cast<std::int64_t>(d.length);
            if (count_ > 0 && dims_[count_ - 1].dst == d.dst * length &&
                dims_[count_ - 1].src == d.src * length) {
                dims_[count_ - 1] = {dims_[count_ - 1].length * d.length, d.dst, d.src};
            } else {
                dims_[count_++] = d;
            }
        }
        if (count_ == 0) {
            dims_[count_++] = {1, 1, 1};
        }
    }

    // Selects the method, and moves the dimensions that copy_inner() walks to the end.
    void select_method() {
        join_dimensions();
        const auto dst = find(&Dimension::dst);
        const auto src = find(&Dimension::src);
        if (dst < count_ && dims_[dst].src == 1) {
            method_ = Method::rows;
            to_back(dst, count_ - 1);
            outer_ = count_ - 1;
        } else if (dst < count_ && src < count_ && dims_[dst].src >= 0 && dims_[src].dst >= 0) {
            method_ = Method::tiles;
            to_back(dst, count_ - 1);
            to_back(src > dst ? src - 1 : src, count_ - 2);
            outer_ = count_ - 2;
        } else {
            method_ = Method::elements;
            outer_ = count_ - 1;
        }
    }
    // The dimension that is dense on a side, or count_.
    [[nodiscard]] unsigned find(std::int64_t Dimension::*side) const {
        unsigned i = 0;
        while (i < count_ && dims_[i].*side != 1) {
            ++i;
        }
        return i;
    }
    void to_back(unsigned from, unsigned to) {
        std::rotate(&dims_[from], &dims_[from + 1], &dims_[to + 1]);
    }

    // Copies a unit of the dimensions that run() does not walk.
    [[nodiscard]] Status copy_inner(std::uint64_t dst, std::uint64_t src, std::uint64_t unit) {
        const Dimension& last = dims_[count_ - 1];
        if (method_ == Method::tiles) {
            const std::uint64_t in_row = divide_up(dims_[count_ - 2].length, side_length);
            return copy_tile(dst, src, unit / in_row * side_length, unit % in_row * side_length);
        }
        const std::uint64_t done = unit * unit_length();
        const std::uint64_t now = std::min(last.length - done, unit_length());
        if (method_ == Method::elements) {
            return copy_elements(dst, src, last, done, now);
        }
        const std::uint64_t offset = done * params_.size;
        return memory_.copy(dst + offset, src + offset, now * params_.size, scratch_.bounce());
    }

    // The last dimension is dense in the result, and the one before it in the source.
    [[nodiscard]] Status copy_tile(std::uint64_t dst, std::uint64_t src, std::uint64_t row,
                                   std::uint64_t column) {
        const Dimension& rows = dims_[count_ - 1];
        const Dimension& columns = dims_[count_ - 2];
        auto* const in = reinterpret_cast<std::uint8_t*>(scratch_.stage[0].get());
        auto* const out = reinterpret_cast<std::uint8_t*>(scratch_.stage[1].get());
        static_assert(side_length * side_length * 8 <= Scratch::stage_floats * sizeof(float));
        const std::uint64_t height = std::min(rows.length - row, side_length);
        const std::uint64_t width = std::min(columns.length - column, side_length);
        const std::uint64_t from =
            src + (row * static_cast<std::uint64_t>(rows.src) + column) * params_.size;
        if (Status status =
                memory_.read_rows(from, static_cast<std::uint64_t>(rows.src) * params_.size, height,
                                  width * params_.size, in);
            status != ACCEL_OK) {
            return status;
        }
        transpose_tile(in, height, width, out);
        const std::uint64_t to =
            dst + (column * static_cast<std::uint64_t>(columns.dst) + row) * params_.size;
        return memory_.write_rows(to, static_cast<std::uint64_t>(columns.dst) * params_.size, width,
                                  height * params_.size, out);
    }

    void transpose_tile(const std::uint8_t* in, std::uint64_t height, std::uint64_t width,
                        std::uint8_t* out) const {
        switch (params_.size) {
            case 1:
                return transpose_tile<std::uint8_t>(in, height, width, out);
            case 2:
                return transpose_tile<std::uint16_t>(in, height, width, out);
            case 4:
                return transpose_tile<std::uint32_t>(in, height, width, out);
            default:
                return transpose_tile<std::uint64_t>(in, height, width, out);
        }
    }
    template <typename T>
    static void transpose_tile(const std::uint8_t* in, std::uint64_t height, std::uint64_t width,
                               std::uint8_t* out) {
        for (std::uint64_t column = 0; column < width; ++column) {
            for (std::uint64_t row = 0; row < height; ++row) {
                std::memcpy(out + (column * height + row) * sizeof(T),
                            in + (row * width + column) * sizeof(T), sizeof(T));
            }
        }
    }

    // A dimension with a negative stride is copied forward from its end, and then reversed.
    [[nodiscard]] Status copy_elements(std::uint64_t dst, std::uint64_t src, const Dimension& d,
                                       std::uint64_t done, std::uint64_t now) {
        auto* const values = reinterpret_cast<std::uint8_t*>(scratch_.stage[0].get());
        const Side from = side(src, d.src, done, now);
        const Side to = side(dst, d.dst, done, now);
        if (Status status = memory_.gather(from.address, from.stride, now, params_.size, values);
            status != ACCEL_OK) {
            return status;
        }
        if ((d.src < 0) != (d.dst < 0)) {
            reverse(values, now);
        }
        return memory_.scatter(to.address, to.stride, now, params_.size, values);
    }

    struct Side {
        std::uint64_t address;
        std::uint64_t stride;
    };
    [[nodiscard]] Side side(std::uint64_t address, std::int64_t stride, std::uint64_t done,
                            std::uint64_t now) const {
        const std::uint64_t first = stride < 0 ? done + now - 1 : done;
        return {address + first * static_cast<std::uint64_t>(stride) * params_.size,
                static_cast<std::uint64_t>(stride < 0 ? -stride : stride)};
    }
    void reverse(std::uint8_t* values, std::uint64_t count) const {
        for (std::uint64_t i = 0; i < count / 2; ++i) {
            std::swap_ranges(values + i * params_.size, values + (i + 1) * params_.size,
                             values + (count - 1 - i) * params_.size);
        }
    }

    Memory& memory_;
    Scratch& scratch_;
    const accel_transpose& params_;
    const accel_tensor& tensor_;
    std::array<Dimension, ACCEL_RANK_MAX> dims_{};
    unsigned count_ = 0;
    unsigned outer_ = 0;             // how many dimensions run() walks
    std::uint64_t inner_units_ = 0;  // units of the others
    Method method_ = Method::elements;
    bool empty_ = false;
};

}  // namespace

Status run_transpose(Execution& execution) {
    return run_tensor_command<Transpose, accel_transpose>(execution);
}

}  // namespace accel::card
