// SPDX-License-Identifier: Apache-2.0
//
// Operators that move elements, or change shapes.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "frontend/operators/indices.hpp"

namespace accel::compiler {

namespace {

Values reshape(const Node& n) {
    Dims wanted = n.count() > 1 ? n.integers(1) : n.list("shape");
    const Dims& from = n.b.dims(n.in(0));
    std::int64_t known = 1;
    std::size_t open = wanted.size();
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        if (wanted[i] == 0 && n.integer("allowzero", 0) == 0) {
            if (i >= from.size()) {
                refuse("its shape copies dimension " + std::to_string(i) + " of an input with " +
                       std::to_string(from.size()) + " dimensions");
            }
            wanted[i] = from[i];
        }
        if (wanted[i] == -1 && open == wanted.size()) {
            open = i;
        } else if (wanted[i] < 0 || __builtin_mul_overflow(known, wanted[i], &known)) {
            refuse("its shape " + to_string(wanted) + " is not possible");
        }
    }
    if (open < wanted.size()) {
        wanted[open] = known == 0 ? 0 : elements(from) / known;
    }
    return {n.b.reshape(n.in(0), std::move(wanted))};
}

Values flatten(const Node& n) {
    const Dims& dims = n.b.dims(n.in(0));
    const std::int64_t at = n.integer("axis", 1);
    const auto rank = static_cast<std::int64_t>(dims.size());
    const std::int64_t axis = at < 0 ? at + rank : at;
    if (axis < 0 || axis > rank) {
        refuse("its axis is " + std::to_string(at) + ", and its input has " + std::to_string(rank) +
               " dimensions");
    }
    const std::int64_t outer = elements(Dims(dims.begin(), dims.begin() + axis));
    const std::int64_t inner = elements(Dims(dims.begin() + axis, dims.end()));
    return {n.b.reshape(n.in(0), {outer, inner})};
}

Values squeeze(const Node& n) {
    const Dims& dims = n.b.dims(n.in(0));
    const std::vector<std::size_t> axes = n.axes(1, dims.size());
    const bool all = axes.empty();  // as in ONNX Runtime, also for a list without elements
    Dims result;
    for (std::size_t i = 0; i < dims.size(); ++i) {
        const bool named = std::ranges::find(axes, i) != axes.end();
        if (named && dims[i] != 1) {
            refuse("axis " + std::to_string(i) + " has the length " + std::to_string(dims[i]) +
                   ", and only axes of the length 1 can be removed");
        }
        if (all ? dims[i] != 1 : !named) {
            result.push_back(dims[i]);
        }
    }
    return {n.b.reshape(n.in(0), std::move(result))};
}

Values unsqueeze(const Node& n) {
    const Dims& dims = n.b.dims(n.in(0));
    const std::size_t given = n.has(1) ? n.integers(1).size() : n.list("axes").size();
    const std::vector<std::size_t> axes = n.axes(1, dims.size() + given);
    Dims result;
    std::size_t next = 0;
    for (std::size_t i = 0; i < dims.size() + given; ++i) {
        result.push_back(std::ranges::find(axes, i) != axes.end() ? 1 : dims.at(next++));
    }
    return {n.b.reshape(n.in(0), std::move(result))};
}

Values transpose(const Node& n) {
    const std::size_t rank = n.b.rank(n.in(0));
    std::vector<std::size_t> axes;
    for (const std::int64_t axis : n.list("perm")) {
        axes.push_back(normalize_axis(axis, rank));
    }
    if (!n.has("perm")) {
        axes.resize(rank);
        std::iota(axes.rbegin(), axes.rend(), 0);
    }
    return {n.b.permute(n.in(0), std::move(axes))};
}

Values concat(const Node& n) {
    const std::int64_t axis = n.opset() < 4 ? n.integer("axis", 1) : n.integer("axis");
    return {n.b.concat(n.all(), normalize_axis(axis, n.b.rank(n.in(0))))};
}

Values slice_along(const Node& n, const Dims& starts, const Dims& ends, Dims axes) {
    const ValueId x = n.in(0);
    const Dims& dims = n.b.dims(x);
    Dims steps = n.has(4) ? n.integers(4) : Dims(starts.size(), 1);
    if (axes.empty()) {
        axes.resize(starts.size());
        std::iota(axes.begin(), axes.end(), 0);
    }
    if (ends.size() != starts.size() || axes.size() != starts.size() ||
        steps.size() != starts.size()) {
        refuse("its starts, ends, axes and steps have different lengths");
    }
    Dims first(dims.size(), 0);
    Dims step(dims.size(), 1);
    Dims result = dims;
    for (std::size_t i = 0; i < starts.size(); ++i) {
        const std::size_t axis = normalize_axis(axes[i], dims.size());
        const std::int64_t length = dims[axis];
        if (steps[i] == 0 || steps[i] > INT32_MAX || steps[i] < -INT32_MAX) {
            refuse("its step is " + std::to_string(steps[i]),
                   "it must not be zero or exceed 31 bits");
        }
        const bool back = steps[i] < 0;
        const auto bound = [&](std::int64_t at) {
            const std::int64_t from = at < 0 ? at + length : at;
            return std::clamp<std::int64_t>(from, back ? -1 : 0, back ? length - 1 : length);
        };
        const std::int64_t start = bound(std::max(starts[i], INT64_MIN / 2));
        const std::int64_t end = bound(std::max(ends[i], INT64_MIN / 2));
        const std::int64_t span = back ? start - end : end - start;
        const std::int64_t stride = std::abs(steps[i]);
        first[axis] = start;
        step[axis] = steps[i];
        result[axis] = span > 0 ? (span + stride - 1) / stride : 0;
    }
    return {n.b.strided_slice(x, std::move(first), std::move(step), std::move(result))};
}

// Until opset 9, attributes state the ranges.
Values slice_by_attributes(const Node& n) {
    return slice_along(n, n.list("starts"), n.list("ends"), n.list("axes"));
}
Values slice(const Node& n) {
    // In this order: the first input that is no constant is the one that an error names.
    const Dims starts = n.integers(1);
    const Dims ends = n.integers(2);
    return slice_along(n, starts, ends, n.has(3) ? n.integers(3) : Dims());
}

Values split(const Node& n) {
    const ValueId x = n.in(0);
    const std::size_t axis = normalize_axis(n.integer("axis", 0), n.b.rank(x));
    const std::int64_t length = n.b.dims(x)[axis];
    Dims parts = n.has(1) ? n.integers(1) : n.list("split");
    if (parts.empty()) {
        const auto count = static_cast<std::int64_t>(std::max<std::size_t>(n.output_count(), 1));
        if (n.opset() < 18 && length % count != 0) {
            refuse("its axis of the length " + std::to_string(length) + " has no " +
                   std::to_string(count) + " equal parts, and split is absent");
        }
        const std::int64_t each = (length + count - 1) / count;
        for (std::int64_t left = length; left > 0 || std::ssize(parts) < count;) {
            parts.push_back(std::min(each, left));
            left -= parts.back();
        }
    }
    Values results;
    std::int64_t at = 0;
    for (const std::int64_t part : parts) {
        if (part < 0 || part > length - at) {
            refuse("its parts exceed its axis of the length " + std::to_string(length));
        }
        results.push_back(n.b.slice(x, axis, at, part));
        at += part;
    }
    if (at != length) {
        refuse("its parts have " + std::to_string(at) + " elements together, and its axis has " +
               std::to_string(length));
    }
    return results;
}

// Pads one axis by copies of its elements: a gather.
ValueId pad_by_index(const Node& n, ValueId x, std::size_t axis, std::int64_t before,
                     std::int64_t after, const std::string& mode) {
    const std::int64_t length = n.b.dims(x)[axis];
    if (length == 0 || std::max(std::abs(before), std::abs(after)) > max_listed ||
        before + length + after < 0 || before + length + after > max_listed) {
        refuse("an axis of the length " + std::to_string(length) + " cannot be padded by " +
               std::to_string(before) + " and " + std::to_string(after));
    }
    // The source of element i; the first element inside is 0.
    const auto source = [&](std::int64_t i) {
        if (mode == "edge") {
            return std::clamp<std::int64_t>(i, 0, length - 1);
        }
        if (mode == "wrap") {
            return ((i % length) + length) % length;
        }
        const std::int64_t period = std::max<std::int64_t>(2 * (length - 1), 1);
        const std::int64_t at = ((i % period) + period) % period;
        return at < length ? at : period - at;
    };
    std::vector<std::int64_t> indices;
    for (std::int64_t i = -before; i < length + after; ++i) {
        indices.push_back(source(i));
    }
    return n.b.gather(x, integer_list(n, indices), axis, false);
}

Values pad_by(const Node& n, const Dims& pads) {
    ValueId x = n.in(0);
    const std::size_t rank = n.b.rank(x);
    const std::vector<std::size_t> axes = n.has(3) ? n.axes(3, rank) : all_axes(rank);
    if (pads.size() != 2 * axes.size()) {
        refuse("it has " + std::to_string(pads.size()) + " pads for " +
               std::to_string(axes.size()) + " axes");
    }
    Dims before(rank, 0);
    Dims after(rank, 0);
    for (std::size_t i = 0; i < axes.size(); ++i) {
        before[axes[i]] = pads[i];
        after[axes[i]] = pads[i + axes.size()];
    }
    // Negative pads cut elements off first.
    Dims start(rank, 0);
    Dims dims = n.b.dims(x);
    for (std::size_t i = 0; i < rank; ++i) {
        if (before[i] < -max_elements || after[i] < -max_elements) {
            refuse("its negative pads are out of range");
        }
        start[i] = std::max<std::int64_t>(-before[i], 0);
        dims[i] -= start[i] + std::max<std::int64_t>(-after[i], 0);
        before[i] = std::max<std::int64_t>(before[i], 0);
        after[i] = std::max<std::int64_t>(after[i], 0);
        if (dims[i] < 0) {
            refuse("its negative pads cut off more elements than axis " + std::to_string(i) +
                   " has");
        }
    }
    x = n.b.strided_slice(x, std::move(start), Dims(rank, 1), std::move(dims));
    const std::string mode = n.text("mode", "constant");
    if (mode == "edge" || mode == "reflect" || mode == "wrap") {
        for (std::size_t axis = 0; axis < rank; ++axis) {
            if (before[axis] != 0 || after[axis] != 0) {
                x = pad_by_index(n, x, axis, before[axis], after[axis], mode);
            }
        }
        return {x};
    }
    if (mode != "constant") {
        refuse("the mode '" + mode + "' is not supported");
    }
    const ValueId value =
        n.has(2) ? n.b.cast(n.in(2), n.b.type(x)) : n.b.scalar(n.b.type(x), n.real("value", 0.0F));
    const bool nothing = std::ranges::all_of(before, [](auto p) { return p == 0; }) &&
                         std::ranges::all_of(after, [](auto p) { return p == 0; });
    return {nothing ? x : n.b.pad(x, before, after, value)};
}

// Until opset 10, attributes state the pads.
Values pad_by_attributes(const Node& n) {
    return pad_by(n, n.list(n.has("pads") ? "pads" : "paddings"));
}
Values pad(const Node& n) {
    return pad_by(n, n.integers(1));
}

Values gather(const Node& n) {
    return {n.b.gather(n.in(0), n.in(1), normalize_axis(n.integer("axis", 0), n.b.rank(n.in(0))),
                       false)};
}

// The indices may be shorter than the data along other axes.
Values gather_elements(const Node& n) {
    const std::size_t axis = normalize_axis(n.integer("axis", 0), n.b.rank(n.in(0)));
    Dims dims = n.b.dims(n.in(1));
    if (dims.size() != n.b.rank(n.in(0))) {
        refuse("its indices have " + std::to_string(dims.size()) +
               " dimensions, and its data has " + std::to_string(n.b.rank(n.in(0))));
    }
    dims[axis] = n.b.dims(n.in(0))[axis];
    const ValueId x = n.b.strided_slice(n.in(0), Dims(dims.size(), 0), Dims(dims.size(), 1), dims);
    return {n.b.gather(x, n.in(1), axis, true)};
}

// A gather of slices, whose flat indices are computed. Negative indices count from the end. With
// batches, the index of the batch is added.
Values gather_nd(const Node& n) {
    const Dims& data = n.b.dims(n.in(0));
    const Dims& index = n.b.dims(n.in(1));
    const auto batch = static_cast<std::size_t>(n.integer("batch_dims", 0));
    if (index.empty() || batch >= index.size() || index.back() < 1 ||
        batch + static_cast<std::size_t>(index.back()) > data.size()) {
        refuse("its indices " + to_string(index) + " do not fit its data " + to_string(data));
    }
    const auto depth = static_cast<std::size_t>(index.back());
    const auto first = data.begin() + static_cast<std::ptrdiff_t>(batch);
    const Dims batches(data.begin(), first);
    if (!std::equal(batches.begin(), batches.end(), index.begin())) {
        refuse("its indices " + to_string(index) + " have other batches than its data " +
               to_string(data));
    }
    const Dims lengths(first, first + static_cast<std::ptrdiff_t>(depth));
    const Dims rest(first + static_cast<std::ptrdiff_t>(depth), data.end());
    ValueId flat = flat_indices(n, n.in(1), lengths, batch == 0);
    const Dims shape(index.begin(), index.end() - 1);
    const std::int64_t count = elements(batches);
    const std::int64_t slices = elements(lengths);
    if (batch != 0) {
        if (count > max_listed) {
            refuse("it has " + std::to_string(count) + " batches, and the limit is " +
                   std::to_string(max_listed));
        }
        std::vector<std::int64_t> offsets;
        for (std::int64_t i = 0; i < count; ++i) {
            offsets.push_back(i * slices);
        }
        flat = n.b.reshape(flat, {count, count == 0 ? 0 : elements(shape) / count});
        flat = add(n, flat, n.b.reshape(integer_list(n, offsets), {count, 1}));
    }
    flat = n.b.reshape(flat, shape);
    Dims folded = rest;
    folded.insert(folded.begin(), count * slices);
    return {n.b.gather(n.b.reshape(n.in(0), std::move(folded)), flat, 0, false)};
}

Values expand(const Node& n) {
    return {n.b.broadcast(n.in(0), broadcast_dims(n.b.dims(n.in(0)), n.integers(1)))};
}

// Axis by axis: [a, d, b] is reshaped to [a, 1, d * b] and broadcast to [a, r, d * b].
Values tile(const Node& n) {
    ValueId x = n.in(0);
    Dims dims = n.b.dims(x);
    const Dims repeats = n.integers(1);
    if (repeats.size() != dims.size()) {
        refuse("it has " + std::to_string(repeats.size()) + " repeats for " +
               std::to_string(dims.size()) + " dimensions");
    }
    for (std::size_t i = 0; i < dims.size(); ++i) {
        if (repeats[i] == 1) {
            continue;
        }
        if (repeats[i] < 0 || repeats[i] > max_elements) {
            refuse("it repeats axis " + std::to_string(i) + " " + std::to_string(repeats[i]) +
                   " times, which is out of range");
        }
        const auto at = dims.begin() + static_cast<std::ptrdiff_t>(i);
        const std::int64_t outer = elements(Dims(dims.begin(), at));
        const std::int64_t inner = elements(Dims(at, dims.end()));
        dims[i] *= repeats[i];
        x = n.b.broadcast(n.b.reshape(x, {outer, 1, inner}), {outer, repeats[i], inner});
        x = n.b.reshape(x, dims);
    }
    return {x};
}

Values depth_to_space(const Node& n) {
    const Dims& d = n.b.dims(n.in(0));
    const std::int64_t block = n.integer("blocksize");
    if (d.size() != 4 || block < 1 || d[1] % (block * block) != 0) {
        refuse("its blocksize " + std::to_string(block) + " does not fit the shape " +
               to_string(d));
    }
    const std::int64_t channels = d[1] / (block * block);
    const bool dcr = n.text("mode", "DCR") == "DCR";
    const ValueId parts = dcr ? n.b.reshape(n.in(0), {d[0], block, block, channels, d[2], d[3]})
                              : n.b.reshape(n.in(0), {d[0], channels, block, block, d[2], d[3]});
    const ValueId permuted =
        dcr ? n.b.permute(parts, {0, 3, 4, 1, 5, 2}) : n.b.permute(parts, {0, 1, 4, 2, 5, 3});
    return {n.b.reshape(permuted, {d[0], channels, d[2] * block, d[3] * block})};
}

Values space_to_depth(const Node& n) {
    const Dims& d = n.b.dims(n.in(0));
    const std::int64_t block = n.integer("blocksize");
    if (d.size() != 4 || block < 1 || d[2] % block != 0 || d[3] % block != 0) {
        refuse("its blocksize " + std::to_string(block) + " does not fit the shape " +
               to_string(d));
    }
    const ValueId parts =
        n.b.reshape(n.in(0), {d[0], d[1], d[2] / block, block, d[3] / block, block});
    // The attribute exists since opset 28.
    const bool dcr = n.text("mode", "DCR") == "DCR";
    const ValueId permuted =
        dcr ? n.b.permute(parts, {0, 3, 5, 1, 2, 4}) : n.b.permute(parts, {0, 1, 3, 5, 2, 4});
    return {n.b.reshape(permuted, {d[0], d[1] * block * block, d[2] / block, d[3] / block})};
}

}  // namespace

void add_shapes(OperatorTable& table) {
    table.add({
        {"Concat", {1}, concat},
        {"DepthToSpace", {1}, depth_to_space},
        {"Expand", {8}, expand},
        {"Flatten", {1}, flatten},
        {"Gather", {1}, gather},
        {"GatherElements", {11}, gather_elements},
        {"GatherND", {11}, gather_nd},
        {"Pad", {1, 10}, pad_by_attributes},
        {"Pad", {11}, pad},
        {"Reshape", {1}, reshape},
        {"Slice", {1, 9}, slice_by_attributes},
        {"Slice", {10}, slice},
        {"SpaceToDepth", {1}, space_to_depth},
        {"Split", {1}, split},
        {"Squeeze", {1}, squeeze},
        {"Tile", {1}, tile},
        {"Transpose", {1}, transpose},
        {"Unsqueeze", {1}, unsqueeze},
    });
}

}  // namespace accel::compiler
