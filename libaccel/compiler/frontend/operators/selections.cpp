// SPDX-License-Identifier: Apache-2.0
//
// Operators that select elements by values.
#include <algorithm>
#include <cstdint>
#include <numeric>

#include "frontend/operators/indices.hpp"

namespace accel::compiler {

namespace {

// TopK compares all pairs, so its memory grows with the square of the axis length.
constexpr std::int64_t max_top_k_length = 4096;

// 0, 1, 2, …
std::vector<std::int64_t> iota(std::int64_t count) {
    std::vector<std::int64_t> values(static_cast<std::size_t>(count));
    std::iota(values.begin(), values.end(), 0);
    return values;
}

// Integers in the order of real numbers, with NaNs above all others, and with one zero.
ValueId ordered_keys(const Node& n, ValueId x) {
    if (is_integer(n.b.type(x))) {
        return x;
    }
    const auto integer = [&](double value) { return n.b.scalar(DataType::i32, value); };
    const ValueId wide = n.b.cast(x, DataType::f32);
    const ValueId bits = n.b.bitcast(wide, DataType::i32);
    const ValueId mirrored = sub(n, integer(INT32_MIN), bits);
    const ValueId key =
        n.b.select(n.b.compare(ElementwiseOp::less, bits, integer(0)), mirrored, bits);
    return n.b.select(n.b.compare(ElementwiseOp::equal, wide, wide), key, integer(INT32_MAX));
}

// The position of an element in the order is the number of elements before it: larger ones, and
// equal ones with a lower index. Result p is the element at position p.
Values top_k(const Node& n) {
    const ValueId given = n.in(0);
    const std::size_t rank = n.b.rank(given);
    const std::size_t axis = normalize_axis(n.integer("axis", -1), rank);
    const std::int64_t k = n.has(1) ? n.first_integer(1) : n.integer("k");
    const std::int64_t length = n.b.dims(given)[axis];
    const bool largest = n.integer("largest", 1) != 0;
    if (k < 0 || k > length) {
        refuse("its k is " + std::to_string(k) + ", and its axis has the length " +
               std::to_string(length));
    }
    if (length > max_top_k_length) {
        refuse("its axis has " + std::to_string(length) + " elements, and the limit is " +
                   std::to_string(max_top_k_length),
               "split the axis, or select outside of the model");
    }
    const auto order = swapped_axes(rank, axis, rank - 1);
    const ValueId x = n.b.permute(given, order);
    const ValueId keys = ordered_keys(n, x);
    Dims wide = n.b.dims(x);  // [..., length]
    wide.push_back(1);
    const ValueId rows = n.b.reshape(keys, wide);
    std::swap(wide[rank], wide[rank - 1]);
    const ValueId columns = n.b.reshape(keys, wide);
    const ValueId ahead = largest ? n.b.compare(ElementwiseOp::less, rows, columns)
                                  : n.b.compare(ElementwiseOp::less, columns, rows);
    const ValueId equal = n.b.compare(ElementwiseOp::equal, rows, columns);
    std::vector<std::int64_t> earlier;
    for (std::int64_t i = 0; i < length; ++i) {
        for (std::int64_t j = 0; j < length; ++j) {
            earlier.push_back(j < i);
        }
    }
    const ValueId triangle = n.b.constant(
        make_constant(DataType::boolean, {length, length}, std::span<const std::int64_t>(earlier)));
    const ValueId before = n.b.select(equal, triangle, ahead);
    const ValueId positions_in_order =
        n.b.reduce(ReduceOp::sum, n.b.cast(before, DataType::f32), {rank});
    // Compares [..., 1, length] with [k, 1].
    Dims row = n.b.dims(positions_in_order);
    std::swap(row[rank], row[rank - 1]);
    const ValueId wanted_positions =
        n.b.cast(n.b.reshape(integer_list(n, iota(k)), {k, 1}), DataType::f32);
    const ValueId matches =
        n.b.compare(ElementwiseOp::equal, n.b.reshape(positions_in_order, row), wanted_positions);
    const ValueId axis_indices = n.b.cast(integer_list(n, iota(length)), DataType::f32);
    const ValueId index_sums =
        n.b.reduce(ReduceOp::sum, n.b.select(matches, axis_indices, n.b.scalar(0.0F)), {rank});
    Dims dims = n.b.dims(x);
    dims.back() = k;
    const ValueId indices = n.b.cast(n.b.reshape(index_sums, std::move(dims)), DataType::i64);
    const ValueId values = n.b.gather(x, indices, rank - 1, true);
    return {n.b.permute(values, order), n.b.permute(indices, order)};
}

// The number of results depends on the values of the input, so the input must be constant.
Values non_zero(const Node& n) {
    const Dims& dims = n.b.dims(n.in(0));
    const Tensor& x = n.b.require_constant(n.in(0), "its input");
    std::vector<bool> set;
    if (is_integer(x.type)) {
        std::ranges::transform(x.integers(), std::back_inserter(set),
                               [](auto v) { return v != 0; });
    } else {
        std::ranges::transform(x.floats(), std::back_inserter(set), [](auto v) { return v != 0; });
    }
    if (std::ssize(set) > max_listed) {
        refuse("its input " + to_string(dims) + " has more than " + std::to_string(max_listed) +
               " elements");
    }
    const Dims strides = dense_strides(dims);
    std::vector<std::int64_t> positions;
    for (std::size_t d = 0; d < dims.size(); ++d) {
        for (std::size_t i = 0; i < set.size(); ++i) {
            if (set[i]) {
                positions.push_back(static_cast<std::int64_t>(i) / strides[d] % dims[d]);
            }
        }
    }
    const auto rank = static_cast<std::int64_t>(dims.size());
    const std::int64_t count = rank == 0 ? 0 : std::ssize(positions) / rank;
    return {n.b.reshape(integer_list(n, positions), {rank, count})};
}

Values compress(const Node& n) {
    const std::vector<std::int64_t> keep = n.integers(1);
    const bool flat = !n.has("axis");
    const ValueId x = flat ? n.b.reshape(n.in(0), {elements(n.b.dims(n.in(0)))}) : n.in(0);
    const std::size_t axis = flat ? 0 : normalize_axis(n.integer("axis", 0), n.b.rank(x));
    if (std::ssize(keep) > n.b.dims(x)[axis]) {
        refuse("its condition has " + std::to_string(keep.size()) + " elements, and its axis has " +
               std::to_string(n.b.dims(x)[axis]));
    }
    std::vector<std::int64_t> indices;
    for (std::size_t i = 0; i < keep.size(); ++i) {
        if (keep[i] != 0) {
            indices.push_back(static_cast<std::int64_t>(i));
        }
    }
    return {n.b.gather(x, integer_list(n, indices), axis, false)};
}

// For each element of `batch` sequences, the index of the element that takes its place. A length
// that exceeds the sequences gives an index that is out of range.
ValueId reversed_indices(const Node& n, std::int64_t batch, std::int64_t time) {
    if (n.b.dims(n.in(1)) != Dims{batch}) {
        refuse("it has lengths of the shape " + to_string(n.b.dims(n.in(1))) + " for " +
               std::to_string(batch) + " sequences");
    }
    if (batch * time > max_listed) {
        refuse("its sequences have " + std::to_string(batch * time) +
                   " elements along the time axis in total, and the limit is " +
                   std::to_string(max_listed),
               "split the batch, or reverse on the host");
    }
    if (n.b.value(n.in(1)).constant) {
        for (const std::int64_t length : n.integers(1)) {
            if (length < 0 || length > time) {
                refuse("a sequence has the length " + std::to_string(length) +
                       ", and its axis has " + std::to_string(time));
            }
        }
    }
    using Op = ElementwiseOp;
    const auto integer = [&](std::int64_t x) {
        return n.b.scalar(DataType::i64, static_cast<double>(x));
    };
    const ValueId lengths = n.b.reshape(n.b.cast(n.in(1), DataType::i64), {batch, 1});
    const ValueId bounded =
        n.b.binary(Op::min, n.b.binary(Op::max, lengths, integer(0)), integer(time));
    const ValueId valid = n.b.compare(Op::equal, bounded, lengths);
    const ValueId at = integer_list(n, iota(time));
    const ValueId from = n.b.select(n.b.compare(Op::less, at, lengths),
                                    sub(n, n.b.binary(Op::sub, lengths, integer(1)), at), at);
    std::vector<std::int64_t> first = iota(batch);
    std::ranges::for_each(first, [&](std::int64_t& x) { x *= time; });
    const ValueId flat = add(n, from, n.b.reshape(integer_list(n, first), {batch, 1}));
    return n.b.reshape(index_if(n, valid, flat), {batch * time});
}

// Reverses the first elements of each sequence, as many as its length states.
Values reverse_sequence(const Node& n) {
    const auto time = static_cast<std::size_t>(n.integer("time_axis", 0));
    const auto batch = static_cast<std::size_t>(n.integer("batch_axis", 1));
    if (time > 1 || batch > 1 || time == batch || n.b.rank(n.in(0)) < 2) {
        refuse("time_axis and batch_axis must be 0 and 1, or 1 and 0");
    }
    const std::size_t rank = n.b.rank(n.in(0));
    const auto order = time == 0 ? swapped_axes(rank, 0, 1) : all_axes(rank);
    const ValueId x = n.b.permute(n.in(0), order);  // [batch, time, ...]
    const Dims dims = n.b.dims(x);
    const ValueId flat_index = reversed_indices(n, dims[0], dims[1]);
    Dims flat(dims.begin() + 1, dims.end());
    flat[0] = dims[0] * dims[1];
    const ValueId rows = n.b.gather(n.b.reshape(x, std::move(flat)), flat_index, 0, false);
    return {n.b.permute(n.b.reshape(rows, dims), order)};
}

}  // namespace

void add_selections(OperatorTable& table) {
    table.add({
        {"Compress", {9}, compress},
        {"NonZero", {9}, non_zero},
        {"ReverseSequence", {10}, reverse_sequence},
        {"TopK", {1}, top_k},
    });
}

}  // namespace accel::compiler
