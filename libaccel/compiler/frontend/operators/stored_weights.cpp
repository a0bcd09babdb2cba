// SPDX-License-Identifier: Apache-2.0
#include "frontend/operators/stored_weights.hpp"

#include <algorithm>

#include "numerics/small_types.hpp"

namespace accel::compiler {

namespace {

// Byte i of the result holds the elements i, i + stride, ...: so the card unpacks long rows.
Constant packed_in_stride(const Constant& weights) {
    const std::uint32_t bits = packed_bits(weights->type);
    const std::size_t count = weights->data.size();
    const std::size_t stride = (count + 8 / bits - 1) / (8 / bits);
    const auto read = [weights, bits, count, stride] {
        return [reader = weights->data.reader(), elements = std::vector<std::byte>(), bits, count,
                stride](std::size_t first, std::span<std::byte> to) mutable {
            std::ranges::fill(to, std::byte{0});
            for (std::uint32_t shift = 0; shift < 8; shift += bits, first += stride) {
                if (first >= count) {
                    break;
                }
                elements.resize(std::min(to.size(), count - first));
                reader(first, elements);
                for (std::size_t i = 0; i < elements.size(); ++i) {
                    const std::uint8_t element =
                        card::decode_unsigned(std::to_integer<std::uint8_t>(elements[i]), bits);
                    to[i] |= static_cast<std::byte>(element << shift);
                }
            }
        };
    };
    return std::make_shared<Tensor>(DataType::u8, Dims{1, static_cast<std::int64_t>(stride)},
                                    TensorStorage(stride, read, weights->data.depth() + 1));
}

}  // namespace

bool is_worth_storing(const Tensor& weights) {
    return is_small(weights.type) && elements(weights.dims) >= min_stored_elements;
}

ValueId unpacked_on_card(const Node& n, const Constant& weights) {
    if (file_bits(weights->type) == 8) {
        return n.b.stored(std::make_shared<Tensor>(*weights));
    }
    const std::uint32_t bits = packed_bits(weights->type);
    const std::uint32_t parts = 8 / bits;
    const auto count = static_cast<std::int64_t>(weights->data.size());
    const Constant packed =
        n.b.derived("packed", {}, {weights}, [&] { return packed_in_stride(weights); });
    std::vector<std::int64_t> shifts;
    for (std::uint32_t part = 0; part < parts; ++part) {
        shifts.push_back(std::int64_t{part} * bits);
    }
    const ValueId shift = n.b.constant(
        make_constant(DataType::u8, {parts, 1}, std::span<const std::int64_t>(shifts)));
    // The small type keeps the low bits of what is shifted.
    const DataType integer = weights->type == DataType::f4e2m1 ? DataType::u4 : weights->type;
    const std::int64_t stride = packed->dims[1];
    const ValueId all =
        n.b.elementwise({.op = ElementwiseOp::shift_right}, {n.b.stored(packed), shift}, integer);
    const ValueId flat = n.b.reshape(all, {stride * parts});
    const ValueId exact = n.b.slice(flat, 0, 0, count);
    return n.b.bitcast(n.b.reshape(exact, weights->dims), weights->type);
}

}  // namespace accel::compiler
