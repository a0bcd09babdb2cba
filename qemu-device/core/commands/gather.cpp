// SPDX-License-Identifier: GPL-2.0
//
// GATHER: slices of a tensor, picked by the indices in another.
#include <algorithm>

#include "number.hpp"
#include "operation.hpp"

namespace accel::card {

namespace {

class Gather {
  public:
    Gather(Execution& execution, const accel_gather& params)
        : memory_(execution.memory),
          scratch_(execution.scratch),
          p_(params),
          t_(execution.command.tensor),
          elements_((params.flags & ACCEL_GATHER_ELEMENTS) != 0),
          index_bytes_(type_bytes(params.index_type)) {}

    [[nodiscard]] Status check() {
        const bool size = p_.size == 1 || p_.size == 2 || p_.size == 4 || p_.size == 8;
        if (!size || (p_.index_type != ACCEL_TYPE_I32 && p_.index_type != ACCEL_TYPE_I64) ||
            (p_.flags & ~ACCEL_GATHER_FLAGS) != 0 || !all_zero(p_.reserved) || t_.src2 != 0) {
            return ACCEL_BAD_FIELD;
        }
        if (!aligned(t_.dst, p_.size) || !aligned(t_.src0, p_.size) ||
            !aligned(t_.src1, index_bytes_)) {
            return ACCEL_BAD_ALIGNMENT;
        }
        if (empty()) {
            return ACCEL_OK;
        }
        std::uint64_t row = 0;
        std::uint64_t from = 0;
        std::uint64_t to = 0;
        std::uint64_t indices = index_bytes_;
        if (__builtin_mul_overflow(std::uint64_t{p_.inner} * p_.size, std::uint64_t{p_.n}, &from) ||
            __builtin_mul_overflow(std::uint64_t{p_.inner} * p_.size, std::uint64_t{p_.count},
                                   &to) ||
            (elements_ && __builtin_mul_overflow(std::uint64_t{p_.outer} * index_bytes_,
                                                 std::uint64_t{p_.inner}, &indices)) ||
            __builtin_mul_overflow(indices, std::uint64_t{p_.count}, &row)) {
            return ACCEL_BAD_SIZE;
        }
        for (const Status status :
             {check_extent(t_.dst, p_.outer, to, to), check_extent(t_.src0, p_.outer, from, from),
              check_extent(t_.src1, 1, 0, row)}) {
            if (status != ACCEL_OK) {
                return status;
            }
        }
        return ACCEL_OK;
    }

    [[nodiscard]] Status run() {
        if (empty()) {
            return ACCEL_OK;
        }
        const std::uint64_t line = elements_ ? p_.inner : 1;
        for (std::uint64_t outer = 0; outer < p_.outer; ++outer) {
            const std::uint64_t total = line * p_.count;
            for (std::uint64_t done = 0; done < total;) {
                const std::uint64_t now = std::min<std::uint64_t>(total - done, block_indices);
                const std::uint64_t first = done + (elements_ ? outer * total : 0);
                if (Status status = load_indices(first, now); status != ACCEL_OK) {
                    return status;
                }
                if (Status status = elements_ ? pick(outer, done, now) : slices(outer, done, now);
                    status != ACCEL_OK) {
                    return status;
                }
                done += now;
            }
        }
        return ACCEL_OK;
    }

  private:
    static constexpr std::uint64_t block_indices = Scratch::stage_floats / 2;

    [[nodiscard]] bool empty() const { return p_.outer == 0 || p_.count == 0 || p_.inner == 0; }
    [[nodiscard]] std::int64_t* indices() const {
        return reinterpret_cast<std::int64_t*>(scratch_.stage[0].get());
    }

    // All in range from here on.
    [[nodiscard]] Status load_indices(std::uint64_t first, std::uint64_t count) {
        void* const raw = scratch_.stage[1].get();
        if (Status status = memory_.read(t_.src1 + first * index_bytes_, raw, count * index_bytes_);
            status != ACCEL_OK) {
            return status;
        }
        load(p_.index_type, raw, count, indices());
        const std::int64_t n = p_.n;
        for (std::uint64_t i = 0; i < count; ++i) {
            std::int64_t& index = indices()[i];
            if (index < -n || index >= n) {
                return ACCEL_BAD_INDEX;
            }
            index += index < 0 ? n : 0;
        }
        return ACCEL_OK;
    }

    [[nodiscard]] Status slices(std::uint64_t outer, std::uint64_t first, std::uint64_t count) {
        const std::uint64_t bytes = std::uint64_t{p_.inner} * p_.size;
        const std::span<std::uint8_t> bounce(
            reinterpret_cast<std::uint8_t*>(scratch_.stage[1].get()), piece_bytes);
        for (std::uint64_t i = 0; i < count; ++i) {
            const std::uint64_t to = t_.dst + (outer * p_.count + first + i) * bytes;
            const auto index = static_cast<std::uint64_t>(indices()[i]);
            const std::uint64_t from = t_.src0 + (outer * p_.n + index) * bytes;
            if (Status status = memory_.copy(to, from, bytes, bounce); status != ACCEL_OK) {
                return status;
            }
        }
        return ACCEL_OK;
    }

    [[nodiscard]] Status pick(std::uint64_t outer, std::uint64_t first, std::uint64_t count) {
        auto* const values = reinterpret_cast<std::uint8_t*>(scratch_.stage[1].get());
        for (std::uint64_t i = 0; i < count; ++i) {
            const std::uint64_t inner = (first + i) % p_.inner;
            const auto index = static_cast<std::uint64_t>(indices()[i]);
            const std::uint64_t from = (outer * p_.n + index) * p_.inner + inner;
            if (Status status =
                    memory_.read(t_.src0 + from * p_.size, values + i * p_.size, p_.size);
                status != ACCEL_OK) {
                return status;
            }
        }
        const std::uint64_t to = outer * p_.count * p_.inner + first;
        return memory_.write(t_.dst + to * p_.size, values, count * p_.size);
    }

    Memory& memory_;
    Scratch& scratch_;
    const accel_gather& p_;
    const accel_tensor& t_;
    const bool elements_;
    const unsigned index_bytes_;
};

}  // namespace

Status run_gather(Execution& execution) {
    accel_gather params{};
    if (Status status = read_params(execution, &params, sizeof params); status != ACCEL_OK) {
        return status;
    }
    Gather gather(execution, params);
    if (Status status = gather.check(); status != ACCEL_OK) {
        return status;
    }
    return gather.run();
}

}  // namespace accel::card
