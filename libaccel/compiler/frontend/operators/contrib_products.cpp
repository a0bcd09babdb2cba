// SPDX-License-Identifier: Apache-2.0
//
// Matrix products of the domain com.microsoft with transposed operands, a factor, an activation.
#include "frontend/operators/contrib.hpp"

namespace accel::compiler {

namespace {

// The parameters of an activation, in the order of their names.
std::vector<float> activation_parameters(const Node& n) {
    std::vector<float> parameters;
    for (const char* name : {"activation_alpha", "activation_beta"}) {
        if (n.has(name)) {
            parameters.push_back(n.real(name, 0));
        }
    }
    return parameters;
}

// With the attribute, the first dimension is behind the other batch dimensions: [m, ..., k].
ValueId batch_first(const Node& n, ValueId x, const char* attribute) {
    const std::size_t rank = n.b.rank(x);
    if (n.integer(attribute, 0) == 0 || rank < 3) {
        return x;
    }
    std::vector<std::size_t> axes;
    for (std::size_t i = 1; i + 1 < rank; ++i) {
        axes.push_back(i);
    }
    axes.push_back(0);
    axes.push_back(rank - 1);
    return n.b.permute(x, axes);
}

ValueId fused_product(const Node& n) {
    const ValueId a = transposed_if(n, batch_first(n, n.in(0), "transBatchA"), "transA");
    const ValueId b = transposed_if(n, batch_first(n, n.in(1), "transBatchB"), "transB");
    const ValueId product = lowered_as(n, "MatMul", {a, b})[0];
    const float alpha = n.real("alpha", 1.0F);
    return alpha == 1.0F ? product : mul(n, product, alpha);
}

Values fused_matmul(const Node& n) {
    return {fused_product(n)};
}

Values fused_matmul_activation(const Node& n) {
    return {activated(n, fused_product(n), n.text("activation", ""), activation_parameters(n))};
}

Values fused_gemm(const Node& n) {
    const ValueId product = lowered_as(n, "Gemm", {n.in(0), n.in(1), optional_input(n, 2)})[0];
    return {activated(n, product, n.text("activation", ""), activation_parameters(n))};
}

Values gemm_fast_gelu(const Node& n) {
    return {tanh_gelu(n, add_input(n, lowered_as(n, "MatMul", {n.in(0), n.in(1)})[0], 2))};
}

// Complex numbers are pairs along the last axis.
Values complex_product(const Node& n, bool conjugate) {
    const auto part = [&](std::size_t input, std::int64_t index) {
        const ValueId x = n.in(input);
        if (n.b.rank(x) == 0 || n.b.dims(x).back() != 2) {
            refuse("its input " + to_string(n.b.dims(x)) + " has no pairs along its last axis");
        }
        return n.b.slice(x, n.b.rank(x) - 1, index, 1);
    };
    const ValueId real = mul(n, part(0, 0), part(1, 0));
    const ValueId cross = mul(n, part(0, 1), part(1, 1));
    const ValueId right = mul(n, part(0, 1), part(1, 0));
    const ValueId left = mul(n, part(0, 0), part(1, 1));
    const Values parts{conjugate ? add(n, real, cross) : sub(n, real, cross),
                       conjugate ? sub(n, right, left) : add(n, right, left)};
    return {n.b.concat(parts, n.b.rank(parts[0]) - 1)};
}

Values complex_mul(const Node& n) {
    return complex_product(n, false);
}
Values complex_mul_conj(const Node& n) {
    return complex_product(n, true);
}

// The distances of all rows of two matrices.
Values distances(const Node& n) {
    const ValueId a = n.in(0);
    const ValueId b = n.in(1);
    const std::string metric = n.text("metric", "sqeuclidean");
    if (metric != "sqeuclidean" && metric != "euclidean") {
        refuse("its metric '" + metric + "' is not euclidean or sqeuclidean");
    }
    const Dims& rows = n.b.dims(a);
    const Dims& columns = n.b.dims(b);
    if (rows.size() != 2 || columns.size() != 2 || rows[1] != columns[1]) {
        refuse("its inputs " + to_string(rows) + " and " + to_string(columns) +
               " are not matrices with rows of one length");
    }
    const ValueId difference =
        sub(n, n.b.reshape(a, {rows[0], 1, rows[1]}), n.b.reshape(b, {1, columns[0], columns[1]}));
    const ValueId square =
        squeezed(n, reduce(n, ReduceOp::sum, mul(n, difference, difference), {2}), {2});
    return {metric == "euclidean" ? unary(n, UnaryOp::sqrt, square) : square};
}

}  // namespace

void add_contrib_products(OperatorTable& table) {
    table.add({
        {"com.microsoft.CDist", distances},
        {"com.microsoft.ComplexMul", complex_mul},
        {"com.microsoft.ComplexMulConj", complex_mul_conj},
        {"com.microsoft.FusedGemm", fused_gemm},
        {"com.microsoft.FusedMatMul", fused_matmul},
        {"com.microsoft.FusedMatMulActivation", fused_matmul_activation},
        {"com.microsoft.GemmFastGelu", gemm_fast_gelu},
        {"com.microsoft.TransposeMatMul", fused_matmul},
    });
}

}  // namespace accel::compiler
