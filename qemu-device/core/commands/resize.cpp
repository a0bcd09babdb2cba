// SPDX-License-Identifier: GPL-2.0
//
// RESIZE along the middle axis: each result is a weighted sum of a few slices. Which and how much
// stands in a table, so that nearest, linear, cubic and every rule for coordinates are one command.
#include <algorithm>
#include <bit>

#include "fma_kernel.hpp"
#include "operation.hpp"

namespace accel::card {

namespace {

[[nodiscard]] Status check(const accel_resize& p, const accel_tensor& t) {
    if (p.type != ACCEL_TYPE_F32 || p.reserved0 != 0 || !all_zero(p.reserved1) || t.src2 != 0) {
        return ACCEL_BAD_FIELD;
    }
    if (!aligned(t.dst, sizeof(float)) || !aligned(t.src0, sizeof(float)) ||
        !aligned(t.src1, sizeof(float))) {
        return ACCEL_BAD_ALIGNMENT;
    }
    if (p.outer == 0 || p.count == 0 || p.inner == 0) {
        return ACCEL_OK;
    }
    const std::uint64_t row = std::uint64_t{p.inner} * sizeof(float);
    std::uint64_t from = 0;
    std::uint64_t to = 0;
    if (__builtin_mul_overflow(row, std::uint64_t{p.n}, &from) ||
        __builtin_mul_overflow(row, std::uint64_t{p.count}, &to)) {
        return ACCEL_BAD_SIZE;
    }
    for (const Status status :
         {check_extent(t.dst, p.outer, to, to), check_extent(t.src0, p.outer, from, from),
          check_extent(t.src1, p.count, p.taps * sizeof(accel_tap), p.taps * sizeof(accel_tap))}) {
        if (status != ACCEL_OK) {
            return status;
        }
    }
    return ACCEL_OK;
}

}  // namespace

Status run_resize(Execution& execution) {
    accel_resize p{};
    if (Status status = read_params(execution, &p, sizeof p); status != ACCEL_OK) {
        return status;
    }
    const accel_tensor& t = execution.command.tensor;
    if (Status status = check(p, t); status != ACCEL_OK) {
        return status;
    }
    if (p.outer == 0 || p.count == 0 || p.inner == 0) {
        return ACCEL_OK;
    }
    Memory& memory = execution.memory;
    float* const sums = execution.scratch.stage[0].get();
    float* const in = execution.scratch.stage[1].get();
    float* const weights = execution.scratch.stage[2].get();
    const FmaKernel kernel = fma_kernel();
    for (std::uint64_t outer = 0; outer < p.outer; ++outer) {
        for (std::uint64_t i = 0; i < p.count; ++i) {
            for (std::uint64_t inner = 0; inner < p.inner; inner += Scratch::stage_floats) {
                const std::uint64_t now =
                    std::min<std::uint64_t>(p.inner - inner, Scratch::stage_floats);
                if (Status status = memory.check(); status != ACCEL_OK) {
                    return status;
                }
                std::fill_n(sums, now, 0.0F);
                for (std::uint64_t k = 0; k < p.taps; ++k) {
                    accel_tap tap{};
                    if (Status status =
                            memory.read(t.src1 + (i * p.taps + k) * sizeof tap, &tap, sizeof tap);
                        status != ACCEL_OK) {
                        return status;
                    }
                    if (tap.index >= p.n) {
                        return ACCEL_BAD_INDEX;
                    }
                    const std::uint64_t from = ((outer * p.n + tap.index) * p.inner + inner);
                    if (Status status =
                            memory.read(t.src0 + from * sizeof(float), in, now * sizeof(float));
                        status != ACCEL_OK) {
                        return status;
                    }
                    std::fill_n(weights, now, std::bit_cast<float>(tap.weight));
                    memory.work(Work::macs, now);
                    kernel(sums, in, weights, now);
                }
                const std::uint64_t to = (outer * p.count + i) * p.inner + inner;
                if (Status status =
                        memory.write(t.dst + to * sizeof(float), sums, now * sizeof(float));
                    status != ACCEL_OK) {
                    return status;
                }
            }
        }
    }
    return ACCEL_OK;
}

}  // namespace accel::card
