// SPDX-License-Identifier: Apache-2.0
//
// Matrix products.
#include <cmath>

#include "frontend/operators/lowering.hpp"

namespace accel::compiler {

namespace {

ValueId transposed(const Node& n, ValueId x) {
    return n.b.permute(x, {1, 0});
}

Values gemm(const Node& n) {
    ValueId a = n.in(0);
    ValueId b = n.in(1);
    if (n.b.rank(a) != 2 || n.b.rank(b) != 2) {
        refuse("its operands " + to_string(n.b.dims(a)) + " and " + to_string(n.b.dims(b)) +
               " are no matrices");
    }
    a = n.integer("transA", 0) != 0 ? transposed(n, a) : a;
    b = n.integer("transB", 0) != 0 ? transposed(n, b) : b;
    const float alpha = n.real("alpha", 1.0F);
    const float beta = n.real("beta", 1.0F);
    const bool integers = is_integer(n.b.type(a));
    if (integers && (alpha != std::floor(alpha) || beta != std::floor(beta))) {
        refuse("it scales integers by a fraction", "cast its inputs to f32");
    }
    ValueId sum = integers ? matmul_integers(n, a, b) : n.b.matmul(a, b);
    if (alpha != 1.0F) {
        sum = mul(n, sum, n.b.scalar(n.b.type(sum), alpha));
    }
    if (n.has(2) && beta != 0.0F) {
        const ValueId c = beta == 1.0F ? n.in(2) : mul(n, n.in(2), n.b.scalar(n.b.type(sum), beta));
        sum = add(n, sum, c);
    }
    return {sum};
}

Values matmul(const Node& n) {
    ValueId a = n.in(0);
    ValueId b = n.in(1);
    const bool row = n.b.rank(a) == 1;
    const bool column = n.b.rank(b) == 1;
    a = row ? n.b.reshape(a, {1, n.b.dims(a)[0]}) : a;
    b = column ? n.b.reshape(b, {n.b.dims(b)[0], 1}) : b;
    const ValueId product = is_integer(n.b.type(a)) ? matmul_integers(n, a, b) : n.b.matmul(a, b);
    Dims dims = n.b.dims(product);
    if (column) {
        dims.pop_back();
    }
    if (row) {
        dims.erase(dims.end() - (column ? 1 : 2));
    }
    return {n.b.reshape(product, std::move(dims))};
}

}  // namespace

void add_matrices(OperatorTable& table) {
    table.add({{"Gemm", {1}, gemm}, {"MatMul", matmul}});
}

}  // namespace accel::compiler
