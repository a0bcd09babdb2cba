// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
#include "numerics/attention.hpp"

#include <algorithm>
#include <limits>

#include "numerics/math.hpp"
#include "numerics/vectorize.hpp"

namespace accel::card {

namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

struct Scale {
    ACCEL_INLINE void operator()(float* values, std::size_t count, float scale) const {
        for (std::size_t i = 0; i < count; ++i) {
            values[i] = values[i] * scale;
        }
    }
};

struct AddToKeys {
    ACCEL_INLINE void operator()(float* values, std::size_t keys, std::size_t rows,
                                 const float* mask) const {
        for (std::size_t key = 0; key < keys; ++key, values += rows) {
            for (std::size_t row = 0; row < rows; ++row) {
                values[row] = values[row] + mask[key];
            }
        }
    }
};

struct Block {
    ACCEL_INLINE void operator()(float* values, std::size_t count, const float* mask) const {
        for (std::size_t i = 0; i < count; ++i) {
            values[i] = mask[i] == 0.0F ? -infinity : values[i];
        }
    }
};

// totals = fma(totals, factor, products), unless the tile was empty for a row.
struct Rescale {
    ACCEL_INLINE void operator()(float* totals, const float* products, std::size_t rows,
                                 std::size_t width, const float* factors,
                                 const float* is_empty) const {
        for (std::size_t row = 0; row < rows; ++row, totals += width, products += width) {
            if (is_empty[row] != 0.0F) {
                continue;
            }
            const float factor = factors[row];
            for (std::size_t i = 0; i < width; ++i) {
                totals[i] = std::fma(totals[i], factor, products[i]);
            }
        }
    }
};

// The state of the rows after a tile whose maxima are `tops`; `tops` becomes what is subtracted.
struct Advance {
    ACCEL_INLINE void operator()(float* peaks, float* tops, float* factors, float* is_empty,
                                 std::size_t rows) const {
        for (std::size_t row = 0; row < rows; ++row) {
            const bool empty = tops[row] == -infinity;
            const float peak = maximum(peaks[row], tops[row]);
            factors[row] = empty ? 1.0F : exp_f32(peaks[row] - peak);
            is_empty[row] = empty ? 1.0F : 0.0F;
            peaks[row] = peak;
            // The scores of an empty tile are -inf; their exponentials are 0.
            tops[row] = empty ? 0.0F : peak;
        }
    }
};

struct AddSums {
    ACCEL_INLINE void operator()(float* sums, const float* factors, const float* tile,
                                 const float* is_empty, std::size_t rows) const {
        for (std::size_t row = 0; row < rows; ++row) {
            const float sum = std::fma(sums[row], factors[row], tile[row]);
            sums[row] = is_empty[row] != 0.0F ? sums[row] : sum;
        }
    }
};

}  // namespace

void scale_scores(float* values, std::size_t count, float scale, float softcap) {
    run_vectorized<Scale>(values, count, scale);
    if (softcap != 0.0F) {
        divide_values(values, count, softcap);
        apply_unary(values, count, UnaryOp(ACCEL_UNARY_TANH, 0, 0));
        run_vectorized<Scale>(values, count, softcap);
    }
}

void mask_scores(float* values, std::size_t keys, std::size_t rows, const float* mask, bool dense,
                 bool is_boolean) {
    if (dense) {
        if (is_boolean) {
            run_vectorized<Block>(values, keys * rows, mask);
        } else {
            add_values(values, mask, keys * rows);
        }
        return;
    }
    if (!is_boolean) {
        run_vectorized<AddToKeys>(values, keys, rows, mask);
        return;
    }
    for (std::size_t key = 0; key < keys; ++key) {
        if (mask[key] == 0.0F) {
            std::fill_n(values + key * rows, rows, -infinity);
        }
    }
}

RunningSoftmax::RunningSoftmax(std::size_t rows, std::size_t width, float* totals)
    : rows_(rows), width_(width), totals_(totals) {
    std::fill_n(peaks_.begin(), rows, -infinity);
    std::fill_n(totals, rows * width, 0.0F);
}

void RunningSoftmax::add_scores(float* scores, std::size_t keys) {
    Row tops;
    std::fill_n(tops.begin(), rows_, -infinity);
    reduce_extremes(false, scores, keys, rows_, tops.data());
    run_vectorized<Advance>(peaks_.data(), tops.data(), factors_.data(), is_empty_.data(), rows_);
    exponentials(scores, keys, rows_, tops.data());
    PairwiseReduction sum(PairwiseReduction::Kind::sum, rows_, levels_.data());
    sum.add(scores, keys);
    const float* const tile = sum.finish();
    run_vectorized<AddSums>(sums_.data(), factors_.data(), tile, is_empty_.data(), rows_);
}

void RunningSoftmax::add_products(const float* products) {
    run_vectorized<Rescale>(totals_, products, rows_, width_, factors_.data(), is_empty_.data());
}

void RunningSoftmax::finish(float empty) {
    for (std::size_t row = 0; row < rows_; ++row) {
        float* const total = totals_ + row * width_;
        if (peaks_[row] == -infinity) {
            std::fill_n(total, width_, empty);
        } else {
            divide_values(total, width_, sums_[row]);
        }
    }
}

}  // namespace accel::card
