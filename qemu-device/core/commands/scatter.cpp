// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// SCATTER: it updates the slices or elements of a tensor that the indices in another tensor name.
#include <algorithm>

#include "data_type.hpp"
#include "numerics/elementwise.hpp"
#include "units.hpp"

namespace accel::card {

namespace {

[[nodiscard]] bool is_float(std::uint8_t type) {
    return type == ACCEL_TYPE_F32 || type == ACCEL_TYPE_BF16 || type == ACCEL_TYPE_F16;
}

// The tensors are cut into columns: runs of elements along `inner`, for each of `outer`. Updates of
// one column touch no other, so each unit is a column, and applies its updates in order.
class Scatter {
  public:
    Scatter(Execution& execution, const accel_scatter& params)
        : memory_(execution.memory),
          scratch_(execution.scratch),
          params_(params),
          tensor_(execution.command.tensor),
          elements_((params.flags & ACCEL_SCATTER_ELEMENTS) != 0),
          size_(type_bytes(params.type)),
          index_bytes_(type_bytes(params.index_type)) {}

    [[nodiscard]] Status check() {
        const bool wide = params_.type == ACCEL_TYPE_F64 || params_.type == ACCEL_TYPE_U64;
        if (size_ == 0 || params_.op > ACCEL_SCATTER_MAX ||
            (wide && params_.op != ACCEL_SCATTER_SET) ||
            (params_.index_type != ACCEL_TYPE_I32 && params_.index_type != ACCEL_TYPE_I64) ||
            (params_.flags & ~ACCEL_SCATTER_FLAGS) != 0 || !all_zero(params_.reserved) ||
            tensor_.src2 != 0) {
            return ACCEL_BAD_FIELD;
        }
        if (!aligned(tensor_.dst, size_) || !aligned(tensor_.src0, size_) ||
            !aligned(tensor_.src1, index_bytes_)) {
            return ACCEL_BAD_ALIGNMENT;
        }
        if (empty()) {
            return ACCEL_OK;
        }
        const std::uint64_t slice = std::uint64_t{params_.inner} * size_;
        std::uint64_t dst = 0;
        std::uint64_t src = 0;
        std::uint64_t index = index_bytes_;
        std::uint64_t all_indices = 0;
        if (__builtin_mul_overflow(slice, std::uint64_t{params_.n}, &dst) ||
            __builtin_mul_overflow(slice, std::uint64_t{params_.count}, &src) ||
            (elements_ && __builtin_mul_overflow(std::uint64_t{params_.outer} * index_bytes_,
                                                 std::uint64_t{params_.inner}, &index)) ||
            __builtin_mul_overflow(index, std::uint64_t{params_.count}, &all_indices)) {
            return ACCEL_BAD_SIZE;
        }
        return first_failure({check_extent(tensor_.dst, params_.outer, dst, dst),
                              check_extent(tensor_.src0, params_.outer, src, src),
                              check_extent(tensor_.src1, 1, 0, all_indices)});
    }

    [[nodiscard]] Units units() {
        if (empty()) {
            return {};
        }
        const Extent dst{.begin = tensor_.dst,
                         .bytes = std::uint64_t{params_.outer} * params_.n * slice_bytes()};
        const Extent src{.begin = tensor_.src0,
                         .bytes = std::uint64_t{params_.outer} * params_.count * slice_bytes()};
        const Extent index{.begin = tensor_.src1, .bytes = index_extent()};
        const bool independent = !dst.overlaps(src) && !dst.overlaps(index);
        columns_ = divide_up(params_.inner, max_width());
        const auto width = static_cast<double>(std::min<std::uint64_t>(params_.inner, max_width()));
        const double update = elements_ ? 100 * width : 100 + width;
        return {.count = std::uint64_t{params_.outer} * columns_,
                .nanoseconds = independent ? update * params_.count : 0};
    }

    [[nodiscard]] Status run(const UnitRange& range) {
        for (std::uint64_t unit = range.first; unit < range.last; ++unit) {
            const Column column = column_of(unit);
            const std::uint64_t block = block_elements / column.width;
            for (std::uint64_t done = 0; done < params_.count; done += block) {
                const std::uint64_t rows = std::min<std::uint64_t>(params_.count - done, block);
                if (Status status = update_block(column, done, rows); status != ACCEL_OK) {
                    return status;
                }
            }
        }
        return ACCEL_OK;
    }

  private:
    // Updates that are in the buffers at once.
    static constexpr std::uint64_t block_elements =
        Scratch::stage_floats * sizeof(float) / sizeof(std::int64_t);
    static_assert(Scratch::tile_floats * sizeof(float) >= block_elements * sizeof(std::int64_t));

    struct Column {
        std::uint64_t outer;
        std::uint64_t inner;  // the first
        std::uint64_t width;
    };

    // Elements of a slice are updated one by one if each has an index, so few of them suffice.
    [[nodiscard]] std::uint64_t max_width() const { return elements_ ? 16 : 1024; }
    [[nodiscard]] Column column_of(std::uint64_t unit) const {
        const std::uint64_t inner = unit % columns_ * max_width();
        return {.outer = unit / columns_,
                .inner = inner,
                .width = std::min<std::uint64_t>(params_.inner - inner, max_width())};
    }
    [[nodiscard]] std::uint64_t slice_bytes() const { return std::uint64_t{params_.inner} * size_; }
    [[nodiscard]] std::uint64_t index_extent() const {
        const std::uint64_t each =
            elements_ ? std::uint64_t{params_.outer} * params_.inner : std::uint64_t{1};
        return each * params_.count * index_bytes_;
    }
    [[nodiscard]] bool empty() const {
        return params_.outer == 0 || params_.count == 0 || params_.inner == 0;
    }

    [[nodiscard]] std::int64_t* indices() const {
        return reinterpret_cast<std::int64_t*>(scratch_.stage[0].get());
    }
    [[nodiscard]] std::uint8_t* updates() const {
        return reinterpret_cast<std::uint8_t*>(scratch_.stage[1].get());
    }

    // Applies the updates of `rows` rows of a column, from `first` on.
    [[nodiscard]] Status update_block(const Column& column, std::uint64_t first,
                                      std::uint64_t rows) {
        if (Status status = load_indices(column, first, rows); status != ACCEL_OK) {
            return status;
        }
        const std::uint64_t row = column.outer * params_.count + first;
        if (Status status =
                memory_.read_rows(tensor_.src0 + (row * params_.inner + column.inner) * size_,
                                  slice_bytes(), rows, column.width * size_, updates());
            status != ACCEL_OK) {
            return status;
        }
        memory_.work(Work::elements, rows * column.width);
        if (params_.op == ACCEL_SCATTER_SET) {
            return set(column, rows);
        }
        return is_float(params_.type) ? reduce<float>(column, rows)
                                      : reduce<std::int64_t>(column, rows);
    }

    // Reads the indices of rows, and checks that each of them is in range.
    [[nodiscard]] Status load_indices(const Column& column, std::uint64_t first,
                                      std::uint64_t rows) {
        void* const raw = scratch_.tile[1].get();
        const std::uint64_t row = column.outer * params_.count + first;
        const std::uint64_t width = elements_ ? column.width : 1;
        const std::uint64_t at = elements_ ? row * params_.inner + column.inner : first;
        const std::uint64_t stride = elements_ ? params_.inner : 1;
        if (Status status =
                memory_.read_rows(tensor_.src1 + at * index_bytes_, stride * index_bytes_, rows,
                                  width * index_bytes_, raw);
            status != ACCEL_OK) {
            return status;
        }
        load(params_.index_type, raw, rows * width, indices());
        const std::int64_t n = params_.n;
        for (std::uint64_t i = 0; i < rows * width; ++i) {
            std::int64_t& index = indices()[i];
            if (index < -n || index >= n) {
                return ACCEL_BAD_INDEX;
            }
            index += index < 0 ? n : 0;
        }
        return ACCEL_OK;
    }

    // Calls visit(address in dst, first update, count) for each run of updates of neighbors.
    template <typename Visit>
    [[nodiscard]] Status for_each_target(const Column& column, std::uint64_t rows,
                                         Visit&& visit) const {
        const std::uint64_t run = elements_ ? 1 : column.width;
        for (std::uint64_t i = 0; i < rows * column.width; i += run) {
            const auto index = static_cast<std::uint64_t>(indices()[i / run]);
            const std::uint64_t inner = column.inner + i % column.width;
            const std::uint64_t at = (column.outer * params_.n + index) * params_.inner + inner;
            if (Status status = visit(tensor_.dst + at * size_, i, run); status != ACCEL_OK) {
                return status;
            }
        }
        return ACCEL_OK;
    }

    [[nodiscard]] Status set(const Column& column, std::uint64_t rows) {
        return for_each_target(
            column, rows, [this](std::uint64_t to, std::uint64_t update, std::uint64_t count) {
                return memory_.write(to, updates() + update * size_, count * size_);
            });
    }

    template <typename Number>
    [[nodiscard]] Status reduce(const Column& column, std::uint64_t rows) {
        auto* const numbers = reinterpret_cast<Number*>(scratch_.tile[0].get());
        auto* const old = reinterpret_cast<Number*>(scratch_.tile[1].get());
        void* const raw = scratch_.stage[2].get();
        const std::uint8_t op = update_operation(params_.op);
        load(params_.type, updates(), rows * column.width, numbers);
        return for_each_target(
            column, rows, [&](std::uint64_t to, std::uint64_t update, std::uint64_t count) {
                if (Status status = memory_.read(to, raw, count * size_); status != ACCEL_OK) {
                    return status;
                }
                load(params_.type, raw, count, old);
                apply_elementwise(op, old, numbers + update, nullptr, count);
                store(params_.type, old, count, raw);
                return memory_.write(to, raw, count * size_);
            });
    }

    Memory& memory_;
    Scratch& scratch_;
    const accel_scatter& params_;
    const accel_tensor& tensor_;
    const bool elements_;
    const unsigned size_;
    const unsigned index_bytes_;
    std::uint64_t columns_ = 0;  // of each of `outer`
};

}  // namespace

Status run_scatter(Execution& execution) {
    return run_tensor_command<Scatter, accel_scatter>(execution);
}

}  // namespace accel::card
