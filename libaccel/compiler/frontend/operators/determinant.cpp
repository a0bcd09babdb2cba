// SPDX-License-Identifier: Apache-2.0
//
// Det: Gaussian elimination with the largest pivot of each column. Each step removes a row and a
// column from all matrices.
#include "frontend/operators/lowering.hpp"

namespace accel::compiler {

namespace {

constexpr std::int64_t max_size = 128;

// One step of the elimination of matrices [n, m, m].
struct Step {
    ValueId pivot;  // [n, 1, 1], with the sign of the exchange of rows
    ValueId rest;   // [n, m - 1, m - 1]
};
Step eliminate(const Node& n, ValueId x) {
    const Dims dims = n.b.dims(x);
    const std::int64_t m = dims[1];
    const ValueId column = n.b.slice(x, 2, 0, 1);
    const ValueId row =
        n.b.cast(n.b.reduce(ReduceOp::argmax, unary(n, UnaryOp::abs, column), {1}), DataType::i64);
    const ValueId top = n.b.slice(x, 1, 0, 1);
    const ValueId best = n.b.gather(x, n.b.broadcast(row, {dims[0], 1, m}), 1, true);
    const ValueId corner = n.b.slice(best, 2, 0, 1);
    const ValueId zero = n.b.scalar(DataType::i64, 0);
    const ValueId stays = n.b.compare(ElementwiseOp::equal, row, zero);
    const ValueId pivot = n.b.select(stays, corner, unary(n, UnaryOp::neg, corner));
    if (m == 1) {
        return {pivot, x};
    }
    // The top row moves to the place of the pivot's row.
    std::vector<std::int64_t> places;
    for (std::int64_t i = 1; i < m; ++i) {
        places.push_back(i);
    }
    const ValueId moved =
        n.b.compare(ElementwiseOp::equal, row, n.b.reshape(integer_list(n, places), {1, m - 1, 1}));
    const ValueId rows = n.b.select(moved, top, n.b.slice(x, 1, 1, m - 1));
    // A column of zeros makes the determinant zero, whatever remains.
    const ValueId flat = n.b.compare(ElementwiseOp::equal, corner, n.b.scalar(0.0F));
    const ValueId divisor = n.b.select(flat, n.b.scalar(1.0F), corner);
    const ValueId factors = div(n, n.b.slice(rows, 2, 0, 1), divisor);
    const ValueId rest =
        sub(n, n.b.slice(rows, 2, 1, m - 1), mul(n, factors, n.b.slice(best, 2, 1, m - 1)));
    return {pivot, rest};
}

Values determinant(const Node& n) {
    const Dims dims = n.b.dims(n.in(0));
    const std::size_t rank = dims.size();
    if (rank < 2 || dims[rank - 1] != dims[rank - 2] || dims.back() > max_size) {
        refuse("its input " + to_string(dims) + " is no square matrix of at most " +
               std::to_string(max_size) + " rows");
    }
    const Dims batches(dims.begin(), dims.end() - 2);
    const std::int64_t m = dims.back();
    const DataType type = n.b.type(n.in(0));
    if (m == 0) {
        return {n.b.broadcast(n.b.scalar(type, 1), batches)};
    }
    ValueId x = n.b.reshape(as_f32(n, n.in(0)), {elements(batches), m, m});
    Step step = eliminate(n, x);
    ValueId product = step.pivot;
    for (std::int64_t i = 1; i < m; ++i) {
        step = eliminate(n, step.rest);
        product = mul(n, product, step.pivot);
    }
    return {n.b.cast(n.b.reshape(product, batches), type)};
}

}  // namespace

void add_determinant(OperatorTable& table) {
    table.add({{"Det", {11}, determinant}});
}

}  // namespace accel::compiler
