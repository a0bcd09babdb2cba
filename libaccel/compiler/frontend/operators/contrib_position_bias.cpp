// SPDX-License-Identifier: Apache-2.0
//
// Biases of attention by relative positions, of the domain com.microsoft: those of T5 and of WavLM.
#include <algorithm>
#include <cmath>

#include "frontend/operators/attention_core.hpp"
#include "frontend/operators/contrib.hpp"

namespace accel::compiler {

namespace {

// Buckets of T5: one for each small distance, and logarithmically wider ones up to max_distance.
// With two directions, the second half of the buckets is for keys behind their query.
class Buckets {
  public:
    Buckets(const Node& n, std::int64_t count)
        : both_(n.integer("is_bidirectional", 0) != 0),
          each_(both_ ? count / 2 : count),
          exact_(each_ / 2),
          most_(n.integer("max_distance")) {
        if (exact_ < 1 || most_ <= exact_) {
            refuse("its table has " + std::to_string(count) + " buckets, and its max_distance is " +
                       std::to_string(most_),
                   "use two buckets or more in each direction, and a larger max_distance");
        }
    }

    [[nodiscard]] std::int64_t at(std::int64_t query, std::int64_t key) const {
        const std::int64_t ahead = key - query;
        if (ahead > 0) {
            return both_ ? each_ + within(ahead) : 0;
        }
        return within(-ahead);
    }

  private:
    [[nodiscard]] std::int64_t within(std::int64_t distance) const {
        if (distance < exact_) {
            return distance;
        }
        // In f32, as the operator is defined: a distance at a border keeps its bucket.
        const auto exact = static_cast<float>(exact_);
        const float share = std::log(static_cast<float>(distance) / exact) /
                            std::log(static_cast<float>(most_) / exact);
        const auto wide = static_cast<std::int64_t>(share * static_cast<float>(each_ - exact_));
        return std::min(exact_ + wide, each_ - 1);
    }

    bool both_;
    std::int64_t each_;   // in a direction
    std::int64_t exact_;  // of one distance
    std::int64_t most_;
};

// [1, heads, queries, keys]. The dimensions of the table are [buckets, heads], and its elements are
// in the order of the columns.
Values relative_position_bias(const Node& n) {
    const ValueId table = n.in(0);
    const Dims dims = n.b.dims(table);
    if (dims.size() != 2) {
        refuse("its table " + to_string(dims) + " does not have the dimensions [buckets, heads]");
    }
    const Buckets buckets(n, dims[0]);
    const std::int64_t queries = n.first_integer(1);
    const std::int64_t keys = n.first_integer(2);
    if (queries < 0 || keys < 0 || (keys != 0 && queries > max_listed / keys)) {
        refuse("it has " + std::to_string(queries) + " queries and " + std::to_string(keys) +
               " keys, and the limit of their product is " + std::to_string(max_listed));
    }
    std::vector<std::int64_t> indices;
    indices.reserve(static_cast<std::size_t>(queries * keys));
    for (std::int64_t query = 0; query < queries; ++query) {
        for (std::int64_t key = 0; key < keys; ++key) {
            indices.push_back(buckets.at(query, key));
        }
    }
    const ValueId rows = n.b.reshape(table, {dims[1], dims[0]});
    return {n.b.reshape(n.b.gather(rows, integer_list(n, indices), 1, false),
                        {1, dims[1], queries, keys})};
}

// The bias of the inputs, times gates that depend on the query: u * (r * a - 1) + 2, where u and r
// are sigmoids of sums of a projection of the query.
Values gated_relative_position_bias(const Node& n) {
    if (n.has(6)) {
        refuse("packed tokens (its input token_offset) are not supported",
               "export the model without the removal of padding");
    }
    const ValueId heads = split_heads(n, add(n, n.in(0), n.in(1)), n.integer("num_heads"));
    const ValueId projected = add(n, lowered_as(n, "MatMul", {heads, n.in(3)})[0], n.in(4));
    const Dims dims = n.b.dims(projected);  // [batch, heads, length, size]
    if (dims[3] % 2 != 0) {
        refuse("its weights have " + std::to_string(dims[3]) + " columns, which is odd");
    }
    const ValueId halves = n.b.reshape(projected, {dims[0], dims[1], dims[2], 2, dims[3] / 2});
    const ValueId gates = unary(n, UnaryOp::sigmoid, reduce(n, ReduceOp::sum, halves, {4}));
    const auto gate = [&](std::int64_t index) {
        return n.b.reshape(n.b.slice(gates, 3, index, 1), {dims[0], dims[1], dims[2], 1});
    };
    const ValueId inner = add(n, mul(n, gate(1), n.in(5)), -1.0F);
    return {mul(n, add(n, mul(n, gate(0), inner), 2.0F), n.in(2))};
}

}  // namespace

void add_contrib_position_bias(OperatorTable& table) {
    table.add({
        {"com.microsoft.GatedRelativePositionBias", gated_relative_position_bias},
        {"com.microsoft.RelativePositionBias", relative_position_bias},
    });
}

}  // namespace accel::compiler
