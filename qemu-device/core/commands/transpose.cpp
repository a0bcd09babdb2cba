// SPDX-License-Identifier: GPL-2.0
//
// TRANSPOSE: a copy of up to six dimensions, each with a stride of its own on either side.
//
// Rows that are dense on both sides are copied. Where the source is dense along another dimension
// than the result, squares of the two are turned over in a buffer. What is left goes element by
// element.
#include <algorithm>
#include <utility>

#include "operation.hpp"

namespace accel::card {

namespace {

struct Dimension {
    std::uint64_t length;
    std::int64_t dst;  // elements
    std::int64_t src;
};

class Transpose {
  public:
    Transpose(Execution& execution, const accel_transpose& params)
        : memory_(execution.memory),
          scratch_(execution.scratch),
          p_(params),
          t_(execution.command.tensor) {}

    [[nodiscard]] Status check() {
        const bool size = p_.size == 1 || p_.size == 2 || p_.size == 4 || p_.size == 8;
        if (!size || p_.rank == 0 || p_.rank > ACCEL_RANK_MAX || p_.reserved0 != 0 ||
            p_.reserved1 != 0 || t_.src1 != 0 || t_.src2 != 0) {
            return ACCEL_BAD_FIELD;
        }
        for (unsigned i = p_.rank; i < ACCEL_RANK_MAX; ++i) {
            if ((p_.dims[i] | p_.dst_strides[i] | p_.src_strides[i]) != 0) {
                return ACCEL_BAD_FIELD;
            }
        }
        if (!aligned(t_.dst, p_.size) || !aligned(t_.src0, p_.size)) {
            return ACCEL_BAD_ALIGNMENT;
        }
        std::uint64_t elements = 1;
        for (unsigned i = 0; i < p_.rank; ++i) {
            if (p_.dims[i] == 0) {
                empty_ = true;
                return ACCEL_OK;
            }
            if (__builtin_mul_overflow(elements, std::uint64_t{p_.dims[i]}, &elements) ||
                elements > std::uint64_t{1} << ACCEL_VA_BITS) {
                return ACCEL_BAD_SIZE;
            }
        }
        for (const Status status :
             {check_side(t_.dst, p_.dst_strides), check_side(t_.src0, p_.src_strides)}) {
            if (status != ACCEL_OK) {
                return status;
            }
        }
        return ACCEL_OK;
    }

    [[nodiscard]] Status run() {
        if (empty_) {
            return ACCEL_OK;
        }
        arrange();
        std::array<std::uint64_t, ACCEL_RANK_MAX> position{};
        std::uint64_t dst = t_.dst;
        std::uint64_t src = t_.src0;
        for (;;) {
            if (Status status = piece(dst, src); status != ACCEL_OK) {
                return status;
            }
            unsigned i = outer_;
            while (i-- > 0) {
                const Dimension& d = dims_[i];
                const bool more = ++position[i] < d.length;
                const std::int64_t steps = more ? 1 : 1 - static_cast<std::int64_t>(d.length);
                dst += static_cast<std::uint64_t>(d.dst * steps) * p_.size;
                src += static_cast<std::uint64_t>(d.src * steps) * p_.size;
                if (more) {
                    break;
                }
                position[i] = 0;
            }
            if (i == ~0U) {
                return ACCEL_OK;
            }
        }
    }

  private:
    enum class Way : std::uint8_t { rows, squares, elements };

    static std::int64_t signed_stride(std::uint32_t stride) {
        return static_cast<std::int32_t>(stride);
    }

    // From the lowest element to the end of the highest.
    [[nodiscard]] Status check_side(std::uint64_t address, const __le32* strides) const {
        constexpr std::int64_t limit = std::int64_t{1} << ACCEL_VA_BITS;
        std::int64_t low = 0;
        std::int64_t high = 1;
        for (unsigned i = 0; i < p_.rank; ++i) {
            // Not beyond 63 bits; and six that are within the limit do not overflow.
            const std::int64_t span = (std::int64_t{p_.dims[i]} - 1) * signed_stride(strides[i]);
            if (span > limit || span < -limit) {
                return ACCEL_BAD_SIZE;
            }
            (span < 0 ? low : high) += span;
        }
        low *= p_.size;
        high *= p_.size;
        if (high - low > limit) {
            return ACCEL_BAD_SIZE;
        }
        // Other addresses fault when they are used.
        if (address < std::uint64_t{limit}) {
            const auto start = static_cast<std::int64_t>(address);
            if (start + low < 0 || start + high > limit) {
                return ACCEL_BAD_SIZE;
            }
        }
        return ACCEL_OK;
    }

    // Joins what can be joined and puts the dimensions that piece() walks last.
    void arrange() {
        for (unsigned i = 0; i < p_.rank; ++i) {
            const Dimension d{p_.dims[i], signed_stride(p_.dst_strides[i]),
                              signed_stride(p_.src_strides[i])};
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
        const auto dst = find(&Dimension::dst);
        const auto src = find(&Dimension::src);
        if (dst < count_ && dims_[dst].src == 1) {
            way_ = Way::rows;
            to_back(dst, count_ - 1);
            outer_ = count_ - 1;
        } else if (dst < count_ && src < count_ && dims_[dst].src >= 0 && dims_[src].dst >= 0) {
            way_ = Way::squares;
            to_back(dst, count_ - 1);
            to_back(src > dst ? src - 1 : src, count_ - 2);
            outer_ = count_ - 2;
        } else {
            way_ = Way::elements;
            outer_ = count_ - 1;
        }
    }
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

    [[nodiscard]] Status piece(std::uint64_t dst, std::uint64_t src) {
        const Dimension& last = dims_[count_ - 1];
        switch (way_) {
            case Way::rows:
                return memory_.copy(dst, src, last.length * p_.size, scratch_.bounce());
            case Way::squares:
                return squares(dst, src);
            default:
                return elements(dst, src, last);
        }
    }

    // The last dimension is dense in the result, the one before it in the source.
    [[nodiscard]] Status squares(std::uint64_t dst, std::uint64_t src) {
        constexpr std::uint64_t side_length = 64;
        const Dimension& rows = dims_[count_ - 1];
        const Dimension& columns = dims_[count_ - 2];
        auto* const in = reinterpret_cast<std::uint8_t*>(scratch_.stage[0].get());
        auto* const out = reinterpret_cast<std::uint8_t*>(scratch_.stage[1].get());
        static_assert(side_length * side_length * 8 <= Scratch::stage_floats * sizeof(float));
        for (std::uint64_t row = 0; row < rows.length; row += side_length) {
            for (std::uint64_t column = 0; column < columns.length; column += side_length) {
                const std::uint64_t height = std::min(rows.length - row, side_length);
                const std::uint64_t width = std::min(columns.length - column, side_length);
                const std::uint64_t from =
                    src + (row * static_cast<std::uint64_t>(rows.src) + column) * p_.size;
                if (Status status =
                        memory_.read_rows(from, static_cast<std::uint64_t>(rows.src) * p_.size,
                                          height, width * p_.size, in);
                    status != ACCEL_OK) {
                    return status;
                }
                turn(in, height, width, out);
                const std::uint64_t to =
                    dst + (column * static_cast<std::uint64_t>(columns.dst) + row) * p_.size;
                if (Status status =
                        memory_.write_rows(to, static_cast<std::uint64_t>(columns.dst) * p_.size,
                                           width, height * p_.size, out);
                    status != ACCEL_OK) {
                    return status;
                }
            }
        }
        return ACCEL_OK;
    }

    void turn(const std::uint8_t* in, std::uint64_t height, std::uint64_t width,
              std::uint8_t* out) const {
        switch (p_.size) {
            case 1:
                return turn<std::uint8_t>(in, height, width, out);
            case 2:
                return turn<std::uint16_t>(in, height, width, out);
            case 4:
                return turn<std::uint32_t>(in, height, width, out);
            default:
                return turn<std::uint64_t>(in, height, width, out);
        }
    }
    template <typename T>
    static void turn(const std::uint8_t* in, std::uint64_t height, std::uint64_t width,
                     std::uint8_t* out) {
        for (std::uint64_t column = 0; column < width; ++column) {
            for (std::uint64_t row = 0; row < height; ++row) {
                std::memcpy(out + (column * height + row) * sizeof(T),
                            in + (row * width + column) * sizeof(T), sizeof(T));
            }
        }
    }

    // Backwards along a dimension is forwards from its end, turned round.
    [[nodiscard]] Status elements(std::uint64_t dst, std::uint64_t src, const Dimension& d) {
        auto* const values = reinterpret_cast<std::uint8_t*>(scratch_.stage[0].get());
        const std::uint64_t most = Scratch::stage_floats * sizeof(float) / p_.size;
        for (std::uint64_t done = 0; done < d.length;) {
            const std::uint64_t now = std::min(d.length - done, most);
            const Side from = side(src, d.src, done, now);
            const Side to = side(dst, d.dst, done, now);
            if (Status status = memory_.gather(from.address, from.stride, now, p_.size, values);
                status != ACCEL_OK) {
                return status;
            }
            if ((d.src < 0) != (d.dst < 0)) {
                reverse(values, now);
            }
            if (Status status = memory_.scatter(to.address, to.stride, now, p_.size, values);
                status != ACCEL_OK) {
                return status;
            }
            done += now;
        }
        return ACCEL_OK;
    }

    struct Side {
        std::uint64_t address;
        std::uint64_t stride;
    };
    [[nodiscard]] Side side(std::uint64_t address, std::int64_t stride, std::uint64_t done,
                            std::uint64_t now) const {
        const std::uint64_t first = stride < 0 ? done + now - 1 : done;
        return {address + first * static_cast<std::uint64_t>(stride) * p_.size,
                static_cast<std::uint64_t>(stride < 0 ? -stride : stride)};
    }
    void reverse(std::uint8_t* values, std::uint64_t count) const {
        for (std::uint64_t i = 0; i < count / 2; ++i) {
            std::swap_ranges(values + i * p_.size, values + (i + 1) * p_.size,
                             values + (count - 1 - i) * p_.size);
        }
    }

    Memory& memory_;
    Scratch& scratch_;
    const accel_transpose& p_;
    const accel_tensor& t_;
    std::array<Dimension, ACCEL_RANK_MAX> dims_{};
    unsigned count_ = 0;
    unsigned outer_ = 0;  // dimensions that run() walks
    Way way_ = Way::elements;
    bool empty_ = false;
};

}  // namespace

Status run_transpose(Execution& execution) {
    accel_transpose params{};
    if (Status status = read_params(execution, &params, sizeof params); status != ACCEL_OK) {
        return status;
    }
    Transpose transpose(execution, params);
    if (Status status = transpose.check(); status != ACCEL_OK) {
        return status;
    }
    return transpose.run();
}

}  // namespace accel::card
