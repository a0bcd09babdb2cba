// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// GATHER: it copies the slices or elements of a tensor that the indices in another tensor select.
#include <algorithm>

#include "data_type.hpp"
#include "indexed.hpp"

namespace accel::card {

namespace {

class Gather {
  public:
    Gather(Execution& execution, const accel_gather& params)
        : memory_(execution.memory),
          scratch_(execution.scratch),
          params_(params),
          tensor_(execution.command.tensor),
          operands_{.whole = tensor_.src0,
                    .part = tensor_.dst,
                    .indices = tensor_.src1,
                    .outer = params.outer,
                    .n = params.n,
                    .count = params.count,
                    .inner = params.inner,
                    .element_bytes = params.size,
                    .index_bytes = type_bytes(params.index_type),
                    .elements = (params.flags & ACCEL_GATHER_ELEMENTS) != 0} {}

    [[nodiscard]] Status check() {
        const bool size =
            params_.size == 1 || params_.size == 2 || params_.size == 4 || params_.size == 8;
        if (!size ||
            (params_.index_type != ACCEL_TYPE_I32 && params_.index_type != ACCEL_TYPE_I64) ||
            (params_.flags & ~ACCEL_GATHER_FLAGS) != 0 || !all_zero(params_.reserved) ||
            tensor_.src2 != 0) {
            return ACCEL_BAD_FIELD;
        }
        return operands_.check();
    }

    // A unit is some of the indices of a block. Each thread loads and checks all indices of a block
    // before it copies for any of them.
    [[nodiscard]] Units units() {
        if (operands_.empty()) {
            return {};
        }
        const std::uint64_t total = indices_of_outer();
        const Extent dst = operands_.part_extent();
        const bool independent =
            !dst.overlaps(operands_.whole_extent()) && !dst.overlaps(operands_.index_extent());
        // Each unit has about a piece of traffic.
        unit_indices_ = operands_.elements
                            ? block_indices
                            : std::clamp<std::uint64_t>(piece_bytes / operands_.slice_bytes(), 1,
                                                        block_indices);
        block_units_ = divide_up(std::min(total, block_indices), unit_indices_);
        const auto copies = static_cast<double>(std::min(total, unit_indices_));
        const auto bytes =
            static_cast<double>(operands_.elements ? params_.size : operands_.slice_bytes());
        return {.count = saturated_product(params_.outer * divide_up(total, block_indices),
                                           block_units_),
                .nanoseconds = independent ? copies * (50 + bytes / 10) : 0};
    }

    [[nodiscard]] Status run(const UnitRange& range) {
        const std::uint64_t total = indices_of_outer();
        const std::uint64_t blocks = divide_up(total, block_indices);
        for (std::uint64_t unit = range.first; unit < range.last; ++unit) {
            const std::uint64_t outer = unit / block_units_ / blocks;
            const std::uint64_t done = unit / block_units_ % blocks * block_indices;
            const std::uint64_t held = std::min(total - done, block_indices);
            const std::uint64_t skip = unit % block_units_ * unit_indices_;
            if (skip >= held) {
                continue;  // the last block has fewer units
            }
            const std::uint64_t first = done + (operands_.elements ? outer * total : 0);
            if (Status status = load_block(unit / block_units_, first, held); status != ACCEL_OK) {
                return status;
            }
            const std::uint64_t now = std::min(held - skip, unit_indices_);
            if (Status status = operands_.elements ? gather_elements(outer, done, now)
                                                   : gather_slices(outer, done, skip, now);
                status != ACCEL_OK) {
                return status;
            }
        }
        return ACCEL_OK;
    }

  private:
    static constexpr std::uint64_t block_indices = Scratch::stage_floats / 2;

    [[nodiscard]] std::uint64_t indices_of_outer() const {
        return std::uint64_t{params_.count} *
               (operands_.elements ? std::uint64_t{params_.inner} : 1);
    }
    [[nodiscard]] Status load_block(std::uint64_t block, std::uint64_t first, std::uint64_t count) {
        if (loaded_ == block) {
            return ACCEL_OK;
        }
        loaded_ = block;
        return load_indices(first, count);
    }

    [[nodiscard]] std::int64_t* indices() const {
        return reinterpret_cast<std::int64_t*>(scratch_.stage[0].get());
    }

    // Reads indices, and checks that each of them is in range.
    [[nodiscard]] Status load_indices(std::uint64_t first, std::uint64_t count) {
        void* const raw = scratch_.stage[1].get();
        if (Status status = memory_.read(tensor_.src1 + first * operands_.index_bytes, raw,
                                         count * operands_.index_bytes);
            status != ACCEL_OK) {
            return status;
        }
        load(params_.index_type, raw, count, indices());
        return resolve_indices({indices(), count}, params_.n);
    }

    // Copies the slices of `count` indices of the block, from `skip` on.
    [[nodiscard]] Status gather_slices(std::uint64_t outer, std::uint64_t block, std::uint64_t skip,
                                       std::uint64_t count) {
        const std::uint64_t bytes = operands_.slice_bytes();
        const std::span<std::uint8_t> bounce(
            reinterpret_cast<std::uint8_t*>(scratch_.stage[1].get()), piece_bytes);
        for (std::uint64_t i = skip; i < skip + count; ++i) {
            const std::uint64_t to = tensor_.dst + (outer * params_.count + block + i) * bytes;
            const auto index = static_cast<std::uint64_t>(indices()[i]);
            const std::uint64_t from = tensor_.src0 + (outer * params_.n + index) * bytes;
            if (Status status = memory_.copy(to, from, bytes, bounce); status != ACCEL_OK) {
                return status;
            }
        }
        return ACCEL_OK;
    }

    [[nodiscard]] Status gather_elements(std::uint64_t outer, std::uint64_t first,
                                         std::uint64_t count) {
        auto* const values = reinterpret_cast<std::uint8_t*>(scratch_.stage[1].get());
        for (std::uint64_t i = 0; i < count; ++i) {
            const std::uint64_t inner = (first + i) % params_.inner;
            const auto index = static_cast<std::uint64_t>(indices()[i]);
            const std::uint64_t from = (outer * params_.n + index) * params_.inner + inner;
            if (Status status = memory_.read(tensor_.src0 + from * params_.size,
                                             values + i * params_.size, params_.size);
                status != ACCEL_OK) {
                return status;
            }
        }
        const std::uint64_t to = outer * params_.count * params_.inner + first;
        return memory_.write(tensor_.dst + to * params_.size, values, count * params_.size);
    }

    Memory& memory_;
    Scratch& scratch_;
    const accel_gather& params_;
    const accel_tensor& tensor_;
    const IndexedOperands operands_;
    std::uint64_t unit_indices_ = 1;     // indices of a unit, at most
    std::uint64_t block_units_ = 1;      // units of a block, at most
    std::uint64_t loaded_ = UINT64_MAX;  // the block whose indices stage 0 holds
};

}  // namespace

Status run_gather(Execution& execution) {
    return run_tensor_command<Gather, accel_gather>(execution);
}

}  // namespace accel::card
