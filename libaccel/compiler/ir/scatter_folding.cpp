// SPDX-License-Identifier: Apache-2.0
//
// Each update is one operation of the data sheet, in ascending order, as on the card.
#include "ir/scatter_folding.hpp"

#include <cstring>

#include "ir/number_conversion.hpp"
#include "numerics/elementwise.hpp"

namespace accel::compiler {

namespace {

// Calls visit(element of the data, update) for each update, in order.
template <typename Visit>
void for_each_update(const op::Scatter& scatter, const Tensor& data, const Tensor& indices,
                     const Tensor& updates, Visit&& visit) {
    const std::vector<std::int64_t> at = indices.integers();
    const std::int64_t inner = dense_strides(data.dims)[scatter.axis];
    const std::int64_t n = data.dims[scatter.axis];
    const std::int64_t count = updates.dims[scatter.axis];
    const std::int64_t all = elements(updates.dims);
    for (std::int64_t i = 0; i < all; ++i) {
        const std::int64_t row = i / inner;
        const std::int64_t index =
            normalize_index(at[static_cast<std::size_t>(scatter.elements ? i : row % count)], n);
        visit(static_cast<std::size_t>((row / count * n + index) * inner + i % inner),
              static_cast<std::size_t>(i));
    }
}

Constant set(const op::Scatter& scatter, const Tensor& data, const Tensor& indices,
             const Tensor& updates) {
    auto result = std::make_shared<Tensor>(data);
    const std::size_t size = size_of(data.type);
    for_each_update(scatter, data, indices, updates, [&](std::size_t to, std::size_t from) {
        std::memcpy(result->data.data() + to * size, updates.data.data() + from * size, size);
    });
    return result;
}

}  // namespace

Constant fold_scatter(const op::Scatter& scatter, const Tensor& data, const Tensor& indices,
                      const Tensor& updates) {
    if (scatter.op == ScatterOp::set) {
        return set(scatter, data, indices, updates);
    }
    // Integers are modulo 2^64. Shorter ones get the low bits at the end, which gives the same as
    // after each update.
    const std::uint8_t op = card::update_operation(static_cast<std::uint8_t>(scatter.op));
    const auto reduce = [&](auto values, const auto& with) {
        for_each_update(scatter, data, indices, updates, [&](std::size_t to, std::size_t from) {
            card::apply_elementwise(op, &values[to], &with[from], nullptr, 1);
            if constexpr (std::is_same_v<std::decay_t<decltype(values[to])>, float>) {
                values[to] = rounded_to(data.type, values[to]);
            }
        });
        return make_constant(data.type, data.dims, std::span(std::as_const(values)));
    };
    return is_integer(data.type) ? reduce(data.integers(), updates.integers())
                                 : reduce(data.floats(), updates.floats());
}

}  // namespace accel::compiler
