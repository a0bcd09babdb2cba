// SPDX-License-Identifier: Apache-2.0
//
// The parts of the builder for quantized values, and for constants in small types.
#include <stdexcept>

#include "ir/builder.hpp"

namespace accel::compiler {

ValueId Builder::mixed(ElementwiseOp op, ValueId a, ValueId b, DataType result) {
    if (type(a) != DataType::f32) {
        throw std::logic_error("the first operand of a mixed operation must be f32");
    }
    Dims shape = broadcast_dims(dims(a), dims(b));
    return add(op::Elementwise{.op = op}, {a, b}, result, std::move(shape));
}

ValueId Builder::stored(Constant tensor) {
    const ValueId id = add_constant(std::move(tensor));
    program_.values[id].stored = true;
    return id;
}

Constant Builder::derived(std::string_view what, const std::vector<std::int64_t>& numbers,
                          const std::vector<Constant>& operands,
                          const std::function<Constant()>& make) {
    Constant& known = constants_.derived(what, numbers, operands);
    if (!known) {
        known = make();
    }
    return known;
}

ValueId Builder::bitcast(ValueId a, DataType to) {
    if (size_of(to) != size_of(type(a))) {
        refuse("elements of " + std::string(to_string(type(a))) + " and " +
                   std::string(to_string(to)) + " differ in size",
               "use Cast to convert values; f64 with narrowing has the size of f32");
    }
    return type(a) == to ? a : add(op::Reshape{}, {a}, to, dims(a));
}

void Builder::set_quant_params(ValueId id, QuantParams params) {
    program_.values[id].quant = std::make_shared<const QuantParams>(std::move(params));
}

const QuantParams* Builder::quant_params(ValueId id, bool per_axis) const {
    const Value& v = value(id);
    return v.type == DataType::f32 && v.quant && (per_axis || v.quant->scales.size() == 1)
               ? v.quant.get()
               : nullptr;
}

// The quantization that all values have; nothing if they differ in it.
std::optional<QuantParams> Builder::common_quant_params(const std::vector<ValueId>& in) const {
    std::optional<QuantParams> common;
    for (const ValueId id : in) {
        const QuantParams* const quant = quant_params(id, false);
        if (quant == nullptr ||
            (common &&
             (quant->scales != common->scales || quant->zero_point != common->zero_point ||
              type(quant->counterpart) != type(common->counterpart)))) {
            return std::nullopt;
        }
        common = *quant;
    }
    return common;
}

}  // namespace accel::compiler
