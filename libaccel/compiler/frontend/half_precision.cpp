// SPDX-License-Identifier: Apache-2.0
#include "frontend/half_precision.hpp"

#include <algorithm>
#include <set>
#include <span>

namespace accel::compiler {

namespace {

using Names = std::set<std::string>;

// Operators that compute in f32. Their f16 and bf16 results have the type of the inputs.
const Names& computing() {
    static const Names names = {"Acos",
                                "Acosh",
                                "Add",
                                "Asin",
                                "Asinh",
                                "Atan",
                                "Atanh",
                                "AveragePool",
                                "BatchNormalization",
                                "Celu",
                                "Conv",
                                "ConvTranspose",
                                "Cos",
                                "Cosh",
                                "Div",
                                "Einsum",
                                "Elu",
                                "Erf",
                                "Exp",
                                "Gelu",
                                "Gemm",
                                "GlobalAveragePool",
                                "GlobalLpPool",
                                "GroupNormalization",
                                "HardSigmoid",
                                "HardSwish",
                                "InstanceNormalization",
                                "LRN",
                                "LayerNormalization",
                                "LeakyRelu",
                                "Log",
                                "LogSoftmax",
                                "LpNormalization",
                                "LpPool",
                                "MatMul",
                                "Mean",
                                "MeanVarianceNormalization",
                                "Mish",
                                "Mul",
                                "PRelu",
                                "Pow",
                                "RMSNormalization",
                                "Reciprocal",
                                "ReduceL1",
                                "ReduceL2",
                                "ReduceLogSum",
                                "ReduceLogSumExp",
                                "ReduceMean",
                                "ReduceProd",
                                "ReduceSum",
                                "ReduceSumSquare",
                                "Selu",
                                "Sigmoid",
                                "Sin",
                                "Sinh",
                                "Softmax",
                                "Softplus",
                                "Softsign",
                                "Sqrt",
                                "Sub",
                                "Sum",
                                "Swish",
                                "Tan",
                                "Tanh",
                                "com.microsoft.Gelu",
                                "com.microsoft.BiasGelu",
                                "com.microsoft.FastGelu",
                                "com.microsoft.QuickGelu"};
    return names;
}

// Operators that move or choose values: f32 results if all their inputs are unrounded f32 values.
const Names& moving() {
    static const Names names = {"Abs",
                                "Ceil",
                                "Clip",
                                "Concat",
                                "DepthToSpace",
                                "Dropout",
                                "Expand",
                                "Flatten",
                                "Floor",
                                "Gather",
                                "GatherElements",
                                "GatherND",
                                "GlobalMaxPool",
                                "Identity",
                                "Max",
                                "Min",
                                "Neg",
                                "Pad",
                                "ReduceMax",
                                "ReduceMin",
                                "Relu",
                                "Reshape",
                                "Round",
                                "Slice",
                                "SpaceToDepth",
                                "Split",
                                "Squeeze",
                                "Tile",
                                "Transpose",
                                "Trilu",
                                "Unsqueeze",
                                "Where"};
    return names;
}

// Products take a second factor of another type, such as weights.
bool is_product(const std::string& name) {
    return name == "Conv" || name == "ConvTranspose" || name == "Gemm" || name == "MatMul";
}

}  // namespace

bool HalfPrecision::is_half(const std::optional<ValueId>& id) const {
    return id && builder_.sequence_elements(*id) == nullptr && !builder_.is_empty_optional(*id) &&
           (builder_.type(*id) == DataType::f16 || builder_.type(*id) == DataType::bf16);
}

ValueId HalfPrecision::wide(ValueId id) {
    if (const auto known = unrounded_.find(id); known != unrounded_.end()) {
        return known->second;
    }
    const auto [made, first] = widened_.try_emplace(id);
    if (first) {
        made->second = builder_.cast(id, DataType::f32);
    }
    return made->second;
}

std::optional<DataType> HalfPrecision::widen(const std::string& name, Node::Inputs& inputs) {
    const bool moves = moving().contains(name);
    if (!moves && !computing().contains(name)) {
        return std::nullopt;
    }
    std::optional<DataType> type;
    bool unrounded = false;
    for (const auto& input : inputs) {
        if (!is_half(input)) {
            // The results have the type of the first operand of real numbers.
            if (input && !type && !is_integer(builder_.type(*input))) {
                return std::nullopt;
            }
            continue;
        }
        if (type && *type != builder_.type(*input)) {
            return std::nullopt;
        }
        type = builder_.type(*input);
        const bool known = unrounded_.contains(*input);
        if (moves && !known && !builder_.value(*input).constant) {
            return std::nullopt;
        }
        unrounded = unrounded || known;
    }
    if (!type || (moves && !unrounded)) {
        return std::nullopt;
    }
    for (std::size_t i = 0; i < inputs.size(); ++i) {
        const bool factor =
            i == 1 && is_product(name) && !unrounded_.contains(inputs[i].value_or(0));
        if (is_half(inputs[i]) && !factor) {
            inputs[i] = wide(*inputs[i]);
        }
    }
    return type;
}

void HalfPrecision::round(const std::string& name, std::vector<ValueId>& results, DataType type) {
    // Statistics have types of their own.
    const bool statistics = name == "LayerNormalization" || name == "BatchNormalization";
    for (ValueId& result : std::span(results).first(statistics ? 1 : results.size())) {
        if (builder_.type(result) == DataType::f32) {
            const ValueId rounded = builder_.cast(result, type);
            unrounded_[rounded] = result;
            result = rounded;
        }
    }
}

}  // namespace accel::compiler
