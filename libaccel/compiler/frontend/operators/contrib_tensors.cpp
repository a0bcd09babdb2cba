// SPDX-License-Identifier: Apache-2.0
//
// Operators of the domain com.microsoft on tensors and matrices: shapes, inverses, spectra.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "frontend/operators/attention_core.hpp"
#include "frontend/operators/contrib.hpp"

namespace accel::compiler {

namespace {

Values expand_dims(const Node& n) {
    Dims dims = n.b.dims(n.in(0));
    const std::size_t axis = normalize_axis(n.first_integer(1), dims.size() + 1);
    dims.insert(dims.begin() + static_cast<std::ptrdiff_t>(axis), 1);
    return {n.b.reshape(n.in(0), std::move(dims))};
}

// The pads may have the shape [1, 2 * rank].
Values pad(const Node& n) {
    const ValueId pads = n.b.reshape(n.in(1), {elements(n.b.dims(n.in(1)))});
    std::optional<ValueId> value = optional_input(n, 2);
    if (value) {
        value = n.b.reshape(*value, {});
    }
    return lowered_as(n, "Pad", {n.in(0), pads, value});
}

// The distinct elements in the order of their first occurrence.
Values unique(const Node& n) {
    const Tensor& x = n.b.require_constant(n.in(0), "its input");
    if (x.dims.size() != 1) {
        refuse("its input " + to_string(x.dims) + " does not have one dimension");
    }
    const std::vector<float> reals = is_integer(x.type) ? std::vector<float>() : x.floats();
    const std::vector<std::int64_t> whole =
        is_integer(x.type) ? x.integers() : std::vector<std::int64_t>();
    const auto same = [&](std::size_t i, std::size_t j) {
        return is_integer(x.type) ? whole[i] == whole[j] : reals[i] == reals[j];
    };
    std::vector<std::int64_t> first;
    std::vector<std::int64_t> index;
    std::vector<std::int64_t> counts;
    for (std::size_t i = 0; i < static_cast<std::size_t>(x.dims[0]); ++i) {
        const auto found = std::ranges::find_if(
            first, [&](std::int64_t at) { return same(static_cast<std::size_t>(at), i); });
        const auto at = static_cast<std::size_t>(found - first.begin());
        if (found == first.end()) {
            first.push_back(static_cast<std::int64_t>(i));
            counts.push_back(0);
        }
        ++counts[at];
        index.push_back(static_cast<std::int64_t>(at));
    }
    return {n.b.gather(n.in(0), integer_list(n, first), 0, false), integer_list(n, index),
            integer_list(n, counts)};
}

// ---- spectra of one axis, as products with tables of cosines and sines

constexpr std::int64_t max_signal = 4096;

void check_spectrum(const Node& n, std::int64_t length) {
    if (n.integer("signal_ndim", 1) != 1 || n.integer("onesided", 1) != 1 ||
        n.integer("normalized", 0) != 0) {
        refuse("only one-sided spectra of one axis, without normalization, are supported");
    }
    if (length < 2 || length % 2 != 0 || length > max_signal) {
        refuse("its signal has " + std::to_string(length) + " elements, and an even number up to " +
               std::to_string(max_signal) + " is supported");
    }
}

ValueId table(const Node& n, std::int64_t rows, std::int64_t columns,
              const std::function<double(std::int64_t, std::int64_t)>& entry) {
    std::vector<float> values;
    values.reserve(static_cast<std::size_t>(rows * columns));
    for (std::int64_t i = 0; i < rows; ++i) {
        for (std::int64_t j = 0; j < columns; ++j) {
            values.push_back(static_cast<float>(entry(i, j)));
        }
    }
    return n.b.constant(
        make_constant(DataType::f32, {rows, columns}, std::span<const float>(values)));
}

// cos(2 pi a / length), or -sin for an odd index: the parts of a complex number alternate.
double wave(std::int64_t a, std::int64_t length, bool imaginary) {
    const double angle =
        2 * std::numbers::pi * static_cast<double>(a % length) / static_cast<double>(length);
    return imaginary ? -std::sin(angle) : std::cos(angle);
}

Values rfft(const Node& n) {
    const ValueId x = n.in(0);
    Dims dims = n.b.dims(x);
    const std::int64_t length = dims.empty() ? 0 : dims.back();
    check_spectrum(n, length);
    const std::int64_t count = length / 2 + 1;
    const ValueId waves = table(n, length, 2 * count, [&](auto t, auto j) {
        return wave(t * (j / 2), length, j % 2 != 0);
    });
    const ValueId rows = n.b.reshape(n.b.cast(x, DataType::f32), {elements(dims) / length, length});
    dims.back() = count;
    dims.push_back(2);
    return {n.b.cast(n.b.reshape(n.b.matmul(rows, waves), std::move(dims)), n.b.type(x))};
}

Values irfft(const Node& n) {
    const ValueId x = n.in(0);
    Dims dims = n.b.dims(x);
    if (dims.size() < 2 || dims.back() != 2) {
        refuse("its input " + to_string(dims) + " has no pairs along its last axis");
    }
    const std::int64_t count = dims[dims.size() - 2];
    const std::int64_t length = 2 * (count - 1);
    check_spectrum(n, length);
    // All frequencies but the first and the last stand for two.
    const ValueId waves = table(n, 2 * count, length, [&](auto j, auto t) {
        const std::int64_t frequency = j / 2;
        const double twice = frequency == 0 || frequency == count - 1 ? 1 : 2;
        return twice * wave(t * frequency, length, j % 2 != 0) / static_cast<double>(length);
    });
    const ValueId rows =
        n.b.reshape(n.b.cast(x, DataType::f32), {elements(dims) / (2 * count), 2 * count});
    dims.pop_back();
    dims.back() = length;
    return {n.b.cast(n.b.reshape(n.b.matmul(rows, waves), std::move(dims)), n.b.type(x))};
}

// ---- the inverse of matrices, by elimination

constexpr std::int64_t max_inverse = 64;

// Each step swaps the row with the largest element of a column to the diagonal, and subtracts
// multiples of it from all other rows. `x` is [matrices, size, 2 * size].
ValueId eliminated(const Node& n, ValueId x, std::int64_t size, std::int64_t step) {
    const std::int64_t count = n.b.dims(x)[0];
    const ValueId row = counting(n, size, {1, size, 1});
    const ValueId here = n.b.scalar(DataType::i64, static_cast<double>(step));
    const ValueId open = n.b.compare(ElementwiseOp::less_equal, here, row);
    const ValueId column = unary(n, UnaryOp::abs, n.b.slice(x, 2, step, 1));
    const ValueId best =
        n.b.cast(n.b.reduce(ReduceOp::argmax, n.b.select(open, column, n.b.scalar(-1.0F)), {1}),
                 DataType::i64);  // [matrices, 1, 1]
    const ValueId offset = mul(n, counting(n, count, {count, 1, 1}),
                               n.b.scalar(DataType::i64, static_cast<double>(size)));
    const auto row_at = [&](ValueId index) {
        const ValueId flat = n.b.reshape(x, {count * size, 2 * size});
        const ValueId at = n.b.reshape(add(n, offset, index), {count});
        return n.b.reshape(n.b.gather(flat, at, 0, false), {count, 1, 2 * size});
    };
    const ValueId largest = row_at(best);
    const ValueId pivot = div(n, largest, n.b.slice(largest, 2, step, 1));
    // The exchange: the row of the diagonal moves to where the pivot was.
    const ValueId is_here = n.b.compare(ElementwiseOp::equal, row, here);
    const ValueId is_best = n.b.compare(ElementwiseOp::equal, row, best);
    const ValueId moved = n.b.select(is_best, row_at(here), x);
    const ValueId rest = sub(n, moved, mul(n, n.b.slice(moved, 2, step, 1), pivot));
    return n.b.select(is_here, pivot, rest);
}

Values inverse(const Node& n) {
    const ValueId given = n.in(0);
    const Dims dims = n.b.dims(given);
    if (dims.size() < 2 || dims.back() != dims[dims.size() - 2]) {
        refuse("its input " + to_string(dims) + " does not hold square matrices");
    }
    const std::int64_t size = dims.back();
    if (size < 1 || size > max_inverse) {
        refuse("its matrices have " + std::to_string(size) + " rows, and the limit is " +
               std::to_string(max_inverse));
    }
    const std::int64_t count = elements(dims) / (size * size);
    const ValueId unit = table(n, size, size, [](auto i, auto j) { return i == j ? 1.0 : 0.0; });
    const ValueId units = n.b.broadcast(n.b.reshape(unit, {1, size, size}), {count, size, size});
    ValueId x =
        n.b.concat({n.b.reshape(n.b.cast(given, DataType::f32), {count, size, size}), units}, 2);
    for (std::int64_t step = 0; step < size; ++step) {
        x = eliminated(n, x, size, step);
    }
    return {n.b.cast(n.b.reshape(n.b.slice(x, 2, size, size), dims), n.b.type(given))};
}

}  // namespace

void add_contrib_tensors(OperatorTable& table) {
    table.add({
        {"com.microsoft.ExpandDims", expand_dims},
        {"com.microsoft.Inverse", inverse},
        {"com.microsoft.Irfft", irfft},
        {"com.microsoft.Pad", pad},
        {"com.microsoft.Rfft", rfft},
        {"com.microsoft.Unique", unique},
    });
}

}  // namespace accel::compiler
