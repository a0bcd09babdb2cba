// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// GATHER: it copies the slices or elements of a tensor that the indices in another tensor select.
#include <algorithm>

#include "data_type.hpp"
#include "units.hpp"

namespace accel::card {

namespace {

class Gather {
  public:
    Gather(Execution& execution, const accel_gather& params)
        : memory_(execution.memory),
          scratch_(execution.scratch),
          params_(params),
          tensor_(execution.command.tensor),
          elements_((params.flags & ACCEL_GATHER_ELEMENTS) != 0),
          index_bytes_(type_bytes(params.index_type)) {}

    [[nodiscard]] Status check() {
        const bool size =
            params_.size == 1 || params_.size == 2 || params_.size == 4 || params_.size == 8;
        if (!size ||
            (params_.index_type != ACCEL_TYPE_I32 && params_.index_type != ACCEL_TYPE_I64) ||
            (params_.flags & ~ACCEL_GATHER_FLAGS) != 0 || !all_zero(params_.reserved) ||
            tensor_.src2 != 0) {
            return ACCEL_BAD_FIELD;
        }
        if (!aligned(tensor_.dst, params_.size) || !aligned(tensor_.src0, params_.size) ||
            !aligned(tensor_.src1, index_bytes_)) {
            return ACCEL_BAD_ALIGNMENT;
        }
        if (empty()) {
            return ACCEL_OK;
        }
        const std::uint64_t slice = std::uint64_t{params_.inner} * params_.size;
        std::uint64_t src = 0;
        std::uint64_t dst = 0;
        std::uint64_t index = index_bytes_;
        std::uint64_t all_indices = 0;
        if (__builtin_mul_overflow(slice, std::uint64_t{params_.n}, &src) ||
            __builtin_mul_overflow(slice, std::uint64_t{params_.count}, &dst) ||
            (elements_ && __builtin_mul_overflow(std::uint64_t{params_.outer} * index_bytes_,
                                                 std::uint64_t{params_.inner}, &index)) ||
            __builtin_mul_overflow(index, std::uint64_t{params_.count}, &all_indices)) {
            return ACCEL_BAD_SIZE;
        }
        return first_failure({check_extent(tensor_.dst, params_.outer, dst, dst),
                              check_extent(tensor_.src0, params_.outer, src, src),
                              check_extent(tensor_.src1, 1, 0, all_indices)});
    }

    // A unit is some of the indices of a block. Each thread loads and checks all indices of a block
    // before it copies for any of them.
    [[nodiscard]] Units units() {
        if (empty()) {
            return {};
        }
        const std::uint64_t total = indices_of_outer();
        const Extent dst{.begin = tensor_.dst,
                         .bytes = std::uint64_t{params_.outer} * params_.count * slice_bytes()};
        const Extent src{.begin = tensor_.src0,
                         .bytes = std::uint64_t{params_.outer} * params_.n * slice_bytes()};
        const Extent index{
            .begin = tensor_.src1,
            .bytes = total * (elements_ ? std::uint64_t{params_.outer} : 1) * index_bytes_};
        const bool independent = !dst.overlaps(src) && !dst.overlaps(index);
        // Each unit has about a piece of traffic.
        unit_indices_ =
            elements_ ? block_indices
                      : std::clamp<std::uint64_t>(piece_bytes / slice_bytes(), 1, block_indices);
        block_units_ = divide_up(std::min(total, block_indices), unit_indices_);
        const auto copies = static_cast<double>(std::min(total, unit_indices_));
        const auto bytes = static_cast<double>(elements_ ? params_.size : slice_bytes());
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
            const std::uint64_t first = done + (elements_ ? outer * total : 0);
            if (Status status = load_block(unit / block_units_, first, held); status != ACCEL_OK) {
                return status;
            }
            const std::uint64_t now = std::min(held - skip, unit_indices_);
            if (Status status = elements_ ? gather_elements(outer, done, now)
                                          : gather_slices(outer, done, skip, now);
                status != ACCEL_OK) {
                return status;
            }
        }
        return ACCEL_OK;
    }

  private:
    static constexpr std::uint64_t block_indices = Scratch::stage_floats / 2;

    [[nodiscard]] std::uint64_t slice_bytes() const {
        return std::uint64_t{params_.inner} * params_.size;
    }
    [[nodiscard]] std::uint64_t indices_of_outer() const {
        return std::uint64_t{params_.count} * (elements_ ? std::uint64_t{params_.inner} : 1);
    }
    [[nodiscard]] Status load_block(std::uint64_t block, std::uint64_t first, std::uint64_t count) {
        if (loaded_ == block) {
            return ACCEL_OK;
        }
        loaded_ = block;
        return load_indices(first, count);
    }

    [[nodiscard]] bool empty() const {
        return params_.outer == 0 || params_.count == 0 || params_.inner == 0;
    }
    [[nodiscard]] std::int64_t* indices() const {
        return reinterpret_cast<std::int64_t*>(scratch_.stage[0].get());
    }

    // Reads indices, and checks that each of them is in range.
    [[nodiscard]] Status load_indices(std::uint64_t first, std::uint64_t count) {
        void* const raw = scratch_.stage[1].get();
        if (Status status =
                memory_.read(tensor_.src1 + first * index_bytes_, raw, count * index_bytes_);
            status != ACCEL_OK) {
            return status;
        }
        load(params_.index_type, raw, count, indices());
        const std::int64_t n = params_.n;
        for (std::uint64_t i = 0; i < count; ++i) {
            std::int64_t& index = indices()[i];
            if (index < -n || index >= n) {
                return ACCEL_BAD_INDEX;
            }
            index += index < 0 ? n : 0;
        }
        return ACCEL_OK;
    }

    // Copies the slices of `count` indices of the block, from `skip` on.
    [[nodiscard]] Status gather_slices(std::uint64_t outer, std::uint64_t block, std::uint64_t skip,
                                       std::uint64_t count) {
        const std::uint64_t bytes = slice_bytes();
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
    const bool elements_;
    const unsigned index_bytes_;
    std::uint64_t unit_indices_ = 1;     // indices of a unit, at most
    std::uint64_t block_units_ = 1;      // units of a block, at most
    std::uint64_t loaded_ = UINT64_MAX;  // the block whose indices stage 0 holds
};

}  // namespace

Status run_gather(Execution& execution) {
    return run_tensor_command<Gather, accel_gather>(execution);
}

}  // namespace accel::card
