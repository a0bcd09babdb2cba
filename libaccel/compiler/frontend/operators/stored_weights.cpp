// SPDX-License-Identifier: Apache-2.0
#include "frontend/operators/stored_weights.hpp"

#include "numerics/small_types.hpp"

namespace accel::compiler {

bool is_worth_storing(const Tensor& weights) {
    return is_small(weights.type) && elements(weights.dims) >= min_stored_elements;
}

ValueId unpacked_on_card(const Node& n, const Tensor& weights) {
    if (file_bits(weights.type) == 8) {
        return n.b.stored(std::make_shared<Tensor>(weights));
    }
    const std::uint32_t bits = packed_bits(weights.type);
    // Byte i holds the elements i, i + stride, ...: so the card unpacks long rows.
    const std::uint32_t parts = 8 / bits;
    const std::size_t count = weights.data.size();
    const std::size_t stride = (count + parts - 1) / parts;
    auto packed =
        std::make_shared<Tensor>(DataType::u8, Dims{1, static_cast<std::int64_t>(stride)});
    for (std::size_t i = 0; i < count; ++i) {
        const std::uint8_t element =
            card::decode_unsigned(std::to_integer<std::uint8_t>(weights.data[i]), bits);
        packed->data[i % stride] |= static_cast<std::byte>(element << (i / stride * bits));
    }
    std::vector<std::int64_t> shifts;
    for (std::uint32_t part = 0; part < parts; ++part) {
        shifts.push_back(std::int64_t{part} * bits);
    }
    const ValueId shift = n.b.constant(
        make_constant(DataType::u8, {parts, 1}, std::span<const std::int64_t>(shifts)));
    // The small type keeps the low bits of what is shifted.
    const DataType integer = weights.type == DataType::f4e2m1 ? DataType::u4 : weights.type;
    const ValueId all = n.b.elementwise({.op = ElementwiseOp::shift_right},
                                        {n.b.stored(std::move(packed)), shift}, integer);
    const ValueId flat = n.b.reshape(all, {static_cast<std::int64_t>(stride) * parts});
    const ValueId exact = n.b.slice(flat, 0, 0, static_cast<std::int64_t>(count));
    return n.b.bitcast(n.b.reshape(exact, weights.dims), weights.type);
}

}  // namespace accel::compiler
