// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Reductions, written for vectors: a single column has its rows in the lanes of a vector, and
// several columns have a lane each.
#include "numerics/reduction.hpp"

#include <algorithm>
#include <cstring>

#include "numerics/math.hpp"
#include "numerics/vectorize.hpp"

namespace accel::card {

namespace {

constexpr std::size_t block = PairwiseReduction::block_rows;
constexpr std::size_t width = 16;

// GCC and Clang split such vectors for instruction sets with shorter ones.
using Vector = float __attribute__((vector_size(width * sizeof(float))));
using Integers = std::int32_t __attribute__((vector_size(width * sizeof(float))));

ACCEL_INLINE void load(Vector& to, const float* from) {
    std::memcpy(&to, from, sizeof to);
}

struct Add {
    static constexpr float identity = 0.0F;
    template <typename T>
    ACCEL_INLINE void operator()(T& to, const T& from) const {
        to = to + from;
    }
};
struct Multiply {
    static constexpr float identity = 1.0F;
    template <typename T>
    ACCEL_INLINE void operator()(T& to, const T& from) const {
        to = to * from;
    }
};
struct Greatest {
    ACCEL_INLINE void operator()(float& to, const float& from) const { to = maximum(to, from); }
    ACCEL_INLINE void operator()(Vector& to, const Vector& from) const {
        const auto both = reinterpret_cast<Vector>(reinterpret_cast<Integers>(to) &
                                                   reinterpret_cast<Integers>(from));
        const Vector best = to == from ? both : to > from ? to : from;
        to = to != to ? to : best;
    }
};
struct Least {
    ACCEL_INLINE void operator()(float& to, const float& from) const { to = minimum(to, from); }
    ACCEL_INLINE void operator()(Vector& to, const Vector& from) const {
        const auto both = reinterpret_cast<Vector>(reinterpret_cast<Integers>(to) |
                                                   reinterpret_cast<Integers>(from));
        const Vector best = to == from ? both : to < from ? to : from;
        to = to != to ? to : best;
    }
};

// Combines the halves of a vector until one lane is left.
template <typename Op>
ACCEL_INLINE float across(const Vector& lanes, const Op& op) {
    alignas(Vector) float t[width];
    std::memcpy(t, &lanes, sizeof t);
    for (std::size_t half = width / 2; half != 0; half /= 2) {
#pragma GCC unroll 8
        for (std::size_t i = 0; i < half; ++i) {
            op(t[i], t[i + half]);
        }
    }
    return t[0];
}

// A whole block of a single column.
template <typename Op>
ACCEL_INLINE float combine_block(const float* x, const Op& op) {
    Vector a{};
    Vector b{};
    Vector c{};
    Vector d{};
    load(a, x);
    load(b, x + width);
    load(c, x + 2 * width);
    load(d, x + 3 * width);
    op(a, c);
    op(b, d);
    op(a, b);
    return across(a, op);
}

// to = the rows first, first + step, … of a block of `count` rows, in the order of the halves;
// `most` is the next power of two. Rows that are missing for a whole block would be neutral, so
// they are skipped.
template <std::size_t most, std::size_t first, std::size_t step, typename Op>
ACCEL_INLINE void combine_rows(Vector& to, const float* rows, std::size_t count,
                               std::size_t columns, const Op& op) {
    if constexpr (step == most) {
        load(to, rows + first * columns);
    } else {
        combine_rows<most, first, 2 * step>(to, rows, count, columns, op);
        if (first + step < count) {
            Vector other{};
            combine_rows<most, first + step, 2 * step>(other, rows, count, columns, op);
            op(to, other);
        }
    }
}

// As many columns as fill vectors; returns the first that is left.
template <std::size_t most, typename Op>
ACCEL_INLINE std::size_t combine_vectors(float* to, const float* rows, std::size_t count,
                                         std::size_t columns, const Op& op) {
    // A constant lets the compiler drop the comparisons of a block that is filled.
    const bool filled = count == most;
    std::size_t column = 0;
    for (; column + width <= columns; column += width) {
        Vector sum{};
        if (filled) {
            combine_rows<most, 0, 1>(sum, rows + column, most, columns, op);
        } else {
            combine_rows<most, 0, 1>(sum, rows + column, count, columns, op);
        }
        std::memcpy(to + column, &sum, sizeof sum);
    }
    return column;
}

// A block of `count` rows of several columns.
template <typename Op>
ACCEL_INLINE void combine_columns(float* to, const float* rows, std::size_t count,
                                  std::size_t columns, const Op& op) {
    const std::size_t vectors = count > 16  ? combine_vectors<64>(to, rows, count, columns, op)
                                : count > 4 ? combine_vectors<16>(to, rows, count, columns, op)
                                            : combine_vectors<4>(to, rows, count, columns, op);
    for (std::size_t column = vectors; column < columns; ++column) {
        float t[block];
        for (std::size_t row = 0; row < count; ++row) {
            t[row] = rows[row * columns + column];
        }
        std::size_t left = count;
        for (std::size_t half = block / 2; half != 0; half /= 2) {
            for (std::size_t i = 0; i + half < left; ++i) {
                op(t[i], t[i + half]);
            }
            left = std::min(left, half);
        }
        to[column] = t[0];
    }
}

// State of a PairwiseReduction.
struct Levels {
    float* values;
    std::size_t columns;
    std::size_t depth;
    std::uint64_t blocks;

    [[nodiscard]] float* at(std::size_t level) const { return values + level * columns; }
};

template <typename Op>
ACCEL_INLINE void merge(Levels& levels, const Op& op) {
    --levels.depth;
    float* const to = levels.at(levels.depth - 1);
    const float* const from = levels.at(levels.depth);
    for (std::size_t i = 0; i < levels.columns; ++i) {
        op(to[i], from[i]);
    }
}

// Puts blocks on the stack of levels. Two neighbors that cover equally many blocks merge.
template <typename Op>
struct PushBlocks {
    ACCEL_INLINE void operator()(Levels* levels, const float* rows, std::size_t count) const {
        const Op op;
        for (std::size_t done = 0; done < count; done += block) {
            const std::size_t now = std::min(count - done, block);
            const float* const in = rows + done * levels->columns;
            if (levels->columns != 1) {
                combine_columns(levels->at(levels->depth), in, now, levels->columns, op);
            } else if (now == block) {
                *levels->at(levels->depth) = combine_block(in, op);
            } else {
                alignas(Vector) float padded[block];
                std::fill(std::copy_n(in, now, padded), padded + block, Op::identity);
                *levels->at(levels->depth) = combine_block(padded, op);
            }
            ++levels->depth;
            for (std::uint64_t bits = levels->blocks++; (bits & 1) != 0; bits >>= 1) {
                merge(*levels, op);
            }
        }
    }
};

template <typename Op>
struct MergeAll {
    ACCEL_INLINE void operator()(Levels* levels) const {
        const Op op;
        while (levels->depth > 1) {
            merge(*levels, op);
        }
        for (std::size_t i = 0; i < levels->columns; ++i) {
            // A sum starts at +0, so it is never −0.
            levels->values[i] = levels->depth == 0 ? Op::identity : levels->values[i];
            float start = Op::identity;
            op(start, levels->values[i]);
            levels->values[i] = start;
        }
    }
};

template <typename Op>
struct ReduceExtremes {
    ACCEL_INLINE void operator()(const float* rows, std::size_t count, std::size_t columns,
                                 float* best) const {
        const Op op;
        if (columns == 1) {
            std::size_t i = 0;
            if (count >= block) {
                Vector lanes[block / width];  // independent, so that they overlap
                std::memcpy(lanes, rows, sizeof lanes);
                for (i = block; i + block <= count; i += block) {
#pragma GCC unroll 4
                    for (std::size_t j = 0; j < block / width; ++j) {
                        Vector next{};
                        load(next, rows + i + j * width);
                        op(lanes[j], next);
                    }
                }
                op(lanes[0], lanes[2]);
                op(lanes[1], lanes[3]);
                op(lanes[0], lanes[1]);
                op(*best, across(lanes[0], op));
            }
            for (; i < count; ++i) {
                op(*best, rows[i]);
            }
            return;
        }
        for (std::size_t row = 0; row < count; ++row, rows += columns) {
            for (std::size_t c = 0; c < columns; ++c) {
                op(best[c], rows[c]);
            }
        }
    }
};

// A NaN is better than every number, and the first of equal values is the best.
template <bool least>
ACCEL_INLINE bool is_better(float x, float than) {
    return (least ? x < than : x > than) || (x != x && than == than);
}

template <bool least>
struct ReduceIndices {
    ACCEL_INLINE void operator()(const float* rows, std::size_t count, std::size_t columns,
                                 std::uint64_t first, float* best, std::uint32_t* index) const {
        for (std::size_t row = 0; row < count; ++row, rows += columns) {
            const auto here = static_cast<std::uint32_t>(first + row);
            for (std::size_t c = 0; c < columns; ++c) {
                const bool better = first + row == 0 || is_better<least>(rows[c], best[c]);
                best[c] = better ? rows[c] : best[c];
                index[c] = better ? here : index[c];
            }
        }
    }
};

// A vector of results at a time, whose values come from as many rows.
struct TransposeValues {
    ACCEL_INLINE void operator()(const float* from, std::size_t rows, std::size_t columns,
                                 float* to) const {
        std::size_t row = 0;
        for (; row + width <= rows; row += width) {
            for (std::size_t c = 0; c < columns; ++c) {
                const float* const in = from + row * columns + c;
                float lanes[width];
#pragma GCC unroll 16
                for (std::size_t i = 0; i < width; ++i) {
                    lanes[i] = in[i * columns];
                }
                std::memcpy(to + c * rows + row, lanes, sizeof lanes);
            }
        }
        for (; row < rows; ++row) {
            for (std::size_t c = 0; c < columns; ++c) {
                to[c * rows + row] = from[row * columns + c];
            }
        }
    }
};

struct AddValues {
    ACCEL_INLINE void operator()(float* to, const float* from, std::size_t count) const {
        for (std::size_t i = 0; i < count; ++i) {
            to[i] = to[i] + from[i];
        }
    }
};
struct TakeMaxima {
    ACCEL_INLINE void operator()(float* to, const float* from, std::size_t count) const {
        for (std::size_t i = 0; i < count; ++i) {
            to[i] = maximum(to[i], from[i]);
        }
    }
};
struct DivideValues {
    ACCEL_INLINE void operator()(float* to, std::size_t count, float by) const {
        for (std::size_t i = 0; i < count; ++i) {
            to[i] = to[i] / by;
        }
    }
};

// The extreme value of a column is cheap to find, and the search for its place then stops early.
void reduce_index(bool least, const float* rows, std::size_t count, std::uint64_t first,
                  float* best, std::uint32_t* index) {
    float extreme = rows[0];
    reduce_extremes(least, rows, count, 1, &extreme);
    const bool unordered = extreme != extreme;
    const bool better =
        first == 0 || (least ? is_better<true>(extreme, *best) : is_better<false>(extreme, *best));
    if (!better) {
        return;
    }
    const float* const at = std::find_if(
        rows, rows + count, [=](float x) { return unordered ? x != x : x == extreme; });
    *best = *at;
    *index = static_cast<std::uint32_t>(first + static_cast<std::uint64_t>(at - rows));
}

}  // namespace

void PairwiseReduction::add(const float* rows, std::size_t count) {
    Levels levels{.values = levels_, .columns = columns_, .depth = depth_, .blocks = blocks_};
    if (kind_ == Kind::sum) {
        run_vectorized<PushBlocks<Add>>(&levels, rows, count);
    } else {
        run_vectorized<PushBlocks<Multiply>>(&levels, rows, count);
    }
    depth_ = levels.depth;
    blocks_ = levels.blocks;
}

float* PairwiseReduction::finish() {
    Levels levels{.values = levels_, .columns = columns_, .depth = depth_, .blocks = blocks_};
    if (kind_ == Kind::sum) {
        run_vectorized<MergeAll<Add>>(&levels);
    } else {
        run_vectorized<MergeAll<Multiply>>(&levels);
    }
    return levels_;
}

void reduce_extremes(bool least, const float* rows, std::size_t count, std::size_t columns,
                     float* best) {
    if (least) {
        run_vectorized<ReduceExtremes<Least>>(rows, count, columns, best);
    } else {
        run_vectorized<ReduceExtremes<Greatest>>(rows, count, columns, best);
    }
}

void reduce_indices(bool least, const float* rows, std::size_t count, std::size_t columns,
                    std::uint64_t first, float* best, std::uint32_t* index) {
    if (columns == 1 && count != 0) {
        reduce_index(least, rows, count, first, best, index);
    } else if (least) {
        run_vectorized<ReduceIndices<true>>(rows, count, columns, first, best, index);
    } else {
        run_vectorized<ReduceIndices<false>>(rows, count, columns, first, best, index);
    }
}

void transpose_values(const float* from, std::size_t rows, std::size_t columns, float* to) {
    run_vectorized<TransposeValues>(from, rows, columns, to);
}

void add_values(float* to, const float* from, std::size_t count) {
    run_vectorized<AddValues>(to, from, count);
}

void take_maxima(float* to, const float* from, std::size_t count) {
    run_vectorized<TakeMaxima>(to, from, count);
}

void divide_values(float* to, std::size_t count, float by) {
    run_vectorized<DivideValues>(to, count, by);
}

}  // namespace accel::card
