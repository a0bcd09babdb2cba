// SPDX-License-Identifier: Apache-2.0
//
// Operators whose number of results depends on values: their inputs must be constants.
#include <algorithm>
#include <map>
#include <numeric>

#include "frontend/operators/lowering.hpp"

namespace accel::compiler {

namespace {

struct Box {
    float top, left, bottom, right;
    [[nodiscard]] float area() const { return (bottom - top) * (right - left); }
};

Box box_at(const std::vector<float>& boxes, std::size_t i, bool center) {
    const float* const b = &boxes.at(4 * i + 3) - 3;
    if (center) {  // x, y, width, height
        return {b[1] - b[3] / 2, b[0] - b[2] / 2, b[1] + b[3] / 2, b[0] + b[2] / 2};
    }
    return {std::min(b[0], b[2]), std::min(b[1], b[3]), std::max(b[0], b[2]), std::max(b[1], b[3])};
}

// Intersection over union.
float overlap(const Box& a, const Box& b) {
    const float height = std::min(a.bottom, b.bottom) - std::max(a.top, b.top);
    const float width = std::min(a.right, b.right) - std::max(a.left, b.left);
    if (height <= 0 || width <= 0) {
        return 0;
    }
    const float both = height * width;
    return both / (a.area() + b.area() - both);
}

// For each class, selects boxes by descending score, without boxes that overlap a selected one.
Values non_max_suppression(const Node& n) {
    const Dims boxes_dims = n.b.dims(n.in(0));
    const Dims scores_dims = n.b.dims(n.in(1));
    if (boxes_dims.size() != 3 || scores_dims.size() != 3 || boxes_dims[2] != 4 ||
        boxes_dims[0] != scores_dims[0] || boxes_dims[1] != scores_dims[2]) {
        refuse("boxes " + to_string(boxes_dims) + " and scores " + to_string(scores_dims) +
                   " do not fit",
               "they must be [batches, boxes, 4] and [batches, classes, boxes]");
    }
    const std::vector<float> boxes = n.floats(0);
    const std::vector<float> scores = n.floats(1);
    const std::int64_t limit = n.has(2) ? n.first_integer(2) : 0;
    const float max_overlap = n.has(3) ? n.first_float(3) : 0.0F;
    const bool limited = n.has(4);
    const float least_score = limited ? n.first_float(4) : 0.0F;
    const bool center = n.integer("center_point_box", 0) != 0;
    const auto count = static_cast<std::size_t>(boxes_dims[1]);
    std::vector<std::int64_t> selected;
    for (std::int64_t batch = 0; batch < scores_dims[0]; ++batch) {
        for (std::int64_t kind = 0; kind < scores_dims[1]; ++kind) {
            const auto first = static_cast<std::size_t>(batch * scores_dims[1] + kind) * count;
            std::vector<std::size_t> order;
            for (std::size_t i = 0; i < count; ++i) {
                if (!limited || scores[first + i] > least_score) {
                    order.push_back(i);
                }
            }
            std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) {
                return scores[first + a] > scores[first + b];
            });
            std::vector<Box> kept;
            for (const std::size_t i : order) {
                if (std::ssize(kept) >= limit) {
                    break;
                }
                const Box box = box_at(boxes, static_cast<std::size_t>(batch) * count + i, center);
                if (std::ranges::none_of(
                        kept, [&](const Box& k) { return overlap(k, box) > max_overlap; })) {
                    kept.push_back(box);
                    selected.insert(selected.end(), {batch, kind, static_cast<std::int64_t>(i)});
                }
            }
        }
    }
    const std::int64_t rows = std::ssize(selected) / 3;
    return {n.b.reshape(integer_list(n, selected), {rows, 3})};
}

// The distinct slices along an axis: values, first index of each, the slice of each index, counts.
template <typename Number>
Values unique_of(const Node& n, ValueId x, std::size_t axis, const std::vector<Number>& numbers) {
    const Dims& dims = n.b.dims(x);
    const std::int64_t length = dims[axis];
    const std::int64_t inner = dense_strides(dims)[axis];
    std::map<std::vector<Number>, std::size_t> places;
    std::vector<std::int64_t> firsts;
    std::vector<std::size_t> which;
    std::vector<std::int64_t> counts;
    for (std::int64_t i = 0; i < length; ++i) {
        std::vector<Number> slice;
        for (std::int64_t k = i * inner; k < std::ssize(numbers); k += length * inner) {
            const auto first = numbers.begin() + k;
            slice.insert(slice.end(), first, first + inner);
        }
        const auto [at, fresh] = places.try_emplace(std::move(slice), firsts.size());
        if (fresh) {
            firsts.push_back(i);
            counts.push_back(0);
        }
        ++counts[at->second];
        which.push_back(at->second);
    }
    // In the order of their values, or of their first index.
    std::vector<std::size_t> order(firsts.size());
    std::iota(order.begin(), order.end(), 0);
    if (n.integer("sorted", 1) != 0) {
        order.clear();
        for (const auto& [slice, place] : places) {
            order.push_back(place);
        }
    }
    std::vector<std::int64_t> rank(order.size());
    std::vector<std::int64_t> sorted_firsts;
    std::vector<std::int64_t> sorted_counts;
    for (std::size_t i = 0; i < order.size(); ++i) {
        rank[order[i]] = static_cast<std::int64_t>(i);
        sorted_firsts.push_back(firsts[order[i]]);
        sorted_counts.push_back(counts[order[i]]);
    }
    std::vector<std::int64_t> inverse;
    inverse.reserve(which.size());
    for (const std::size_t place : which) {
        inverse.push_back(rank[place]);
    }
    return {n.b.gather(x, integer_list(n, sorted_firsts), axis, false),
            integer_list(n, sorted_firsts), integer_list(n, inverse),
            integer_list(n, sorted_counts)};
}

Values unique(const Node& n) {
    const Tensor& input = n.b.require_constant(n.in(0), "its input");
    const bool flat = !n.has("axis");
    const std::int64_t count = elements(input.dims);
    if (count > max_listed) {
        refuse("its input " + to_string(input.dims) + " has more than " +
               std::to_string(max_listed) + " elements");
    }
    const ValueId x = flat ? n.b.reshape(n.in(0), {count}) : n.in(0);
    const std::size_t axis = flat ? 0 : normalize_axis(n.integer("axis", 0), n.b.rank(x));
    return is_integer(input.type) ? unique_of(n, x, axis, input.integers())
                                  : unique_of(n, x, axis, input.floats());
}

}  // namespace

void add_detections(OperatorTable& table) {
    table.add({
        {"NonMaxSuppression", {10}, non_max_suppression},
        {"Unique", {11}, unique},
    });
}

}  // namespace accel::compiler
