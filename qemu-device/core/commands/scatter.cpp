// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// SCATTER: it updates the slices or elements of a tensor that the indices in another tensor name.
#include <algorithm>

#include "data_type.hpp"
#include "indexed.hpp"
#include "numerics/elementwise.hpp"

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
          operands_{.whole = tensor_.dst,
                    .part = tensor_.src0,
                    .indices = tensor_.src1,
                    .outer = params.outer,
                    .n = params.n,
                    .count = params.count,
                    .inner = params.inner,
                    .element_bytes = type_bytes(params.type),
                    .index_bytes = type_bytes(params.index_type),
                    .elements = (params.flags & ACCEL_SCATTER_ELEMENTS) != 0} {}

    [[nodiscard]] Status check() {
        // Types in which the card does not compute.
        const bool stored = params_.type >= ACCEL_TYPE_F64;
        if (operands_.element_bytes == 0 || params_.op > ACCEL_SCATTER_MAX ||
            (stored && params_.op != ACCEL_SCATTER_SET) ||
            (params_.index_type != ACCEL_TYPE_I32 && params_.index_type != ACCEL_TYPE_I64) ||
            (params_.flags & ~ACCEL_SCATTER_FLAGS) != 0 || !all_zero(params_.reserved) ||
            tensor_.src2 != 0) {
            return ACCEL_BAD_FIELD;
        }
        return operands_.check();
    }

    [[nodiscard]] Units units() {
        if (operands_.empty()) {
            return {};
        }
        const Extent dst = operands_.whole_extent();
        const bool independent =
            !dst.overlaps(operands_.part_extent()) && !dst.overlaps(operands_.index_extent());
        columns_ = divide_up(params_.inner, max_width());
        const auto width = static_cast<double>(std::min<std::uint64_t>(params_.inner, max_width()));
        const double update = operands_.elements ? 100 * width : 100 + width;
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
    [[nodiscard]] std::uint64_t max_width() const { return operands_.elements ? 16 : 1024; }
    [[nodiscard]] Column column_of(std::uint64_t unit) const {
        const std::uint64_t inner = unit % columns_ * max_width();
        return {.outer = unit / columns_,
                .inner = inner,
                .width = std::min<std::uint64_t>(params_.inner - inner, max_width())};
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
        if (Status status = memory_.read_rows(
                tensor_.src0 + (row * params_.inner + column.inner) * operands_.element_bytes,
                operands_.slice_bytes(), rows, column.width * operands_.element_bytes, updates());
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
        const std::uint64_t width = operands_.elements ? column.width : 1;
        const std::uint64_t at = operands_.elements ? row * params_.inner + column.inner : first;
        const std::uint64_t stride = operands_.elements ? params_.inner : 1;
        if (Status status = memory_.read_rows(tensor_.src1 + at * operands_.index_bytes,
                                              stride * operands_.index_bytes, rows,
                                              width * operands_.index_bytes, raw);
            status != ACCEL_OK) {
            return status;
        }
        load(params_.index_type, raw, rows * width, indices());
        return resolve_indices({indices(), rows * width}, params_.n);
    }

    // Calls visit(address in dst, first update, count) for each run of updates of neighbors.
    template <typename Visit>
    [[nodiscard]] Status for_each_target(const Column& column, std::uint64_t rows,
                                         Visit&& visit) const {
        const std::uint64_t run = operands_.elements ? 1 : column.width;
        for (std::uint64_t i = 0; i < rows * column.width; i += run) {
            const auto index = static_cast<std::uint64_t>(indices()[i / run]);
            const std::uint64_t inner = column.inner + i % column.width;
            const std::uint64_t at = (column.outer * params_.n + index) * params_.inner + inner;
            if (Status status = visit(tensor_.dst + at * operands_.element_bytes, i, run);
                status != ACCEL_OK) {
                return status;
            }
        }
        return ACCEL_OK;
    }

    [[nodiscard]] Status set(const Column& column, std::uint64_t rows) {
        return for_each_target(
            column, rows, [this](std::uint64_t to, std::uint64_t update, std::uint64_t count) {
                return memory_.write(to, updates() + update * operands_.element_bytes,
                                     count * operands_.element_bytes);
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
                if (Status status = memory_.read(to, raw, count * operands_.element_bytes);
                    status != ACCEL_OK) {
                    return status;
                }
                load(params_.type, raw, count, old);
                apply_elementwise(op, old, numbers + update, nullptr, count);
                store(params_.type, old, count, raw);
                return memory_.write(to, raw, count * operands_.element_bytes);
            });
    }

    Memory& memory_;
    Scratch& scratch_;
    const accel_scatter& params_;
    const accel_tensor& tensor_;
    const IndexedOperands operands_;
    std::uint64_t columns_ = 0;  // of each of `outer`
};

}  // namespace

Status run_scatter(Execution& execution) {
    return run_tensor_command<Scatter, accel_scatter>(execution);
}

}  // namespace accel::card
