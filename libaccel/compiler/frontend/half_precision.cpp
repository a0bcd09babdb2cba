// SPDX-License-Identifier: Apache-2.0
#include "frontend/half_precision.hpp"

#include <algorithm>
#include <map>
#include <span>
#include <string_view>

namespace accel::compiler {

namespace {

// Operators that compute in f32. Their f16 and bf16 results have the type of the inputs.
constexpr std::string_view computing[] = {"Acos",
                                          "Acosh",
                                          "Add",
                                          "Asin",
                                          "Asinh",
                                          "Atan",
                                          "Atanh",
                                          "Attention",
                                          "AveragePool",
                                          "BatchNormalization",
                                          "CausalConvWithState",
                                          "Celu",
                                          "Col2Im",
                                          "Conv",
                                          "ConvTranspose",
                                          "Cos",
                                          "Cosh",
                                          "CumProd",
                                          "CumSum",
                                          "DFT",
                                          "DeformConv",
                                          "Det",
                                          "Div",
                                          "Einsum",
                                          "Elu",
                                          "Erf",
                                          "Exp",
                                          "GRU",
                                          "Gelu",
                                          "Gemm",
                                          "GlobalAveragePool",
                                          "GlobalLpPool",
                                          "GridSample",
                                          "GroupNormalization",
                                          "HardSigmoid",
                                          "HardSwish",
                                          "InstanceNormalization",
                                          "LRN",
                                          "LSTM",
                                          "LayerNormalization",
                                          "LeakyRelu",
                                          "LinearAttention",
                                          "Log",
                                          "LogSoftmax",
                                          "LpNormalization",
                                          "LpPool",
                                          "MatMul",
                                          "Mean",
                                          "MeanVarianceNormalization",
                                          "Mish",
                                          "Mod",
                                          "Mul",
                                          "NegativeLogLikelihoodLoss",
                                          "PRelu",
                                          "Pow",
                                          "RMSNormalization",
                                          "RNN",
                                          "Reciprocal",
                                          "ReduceL1",
                                          "ReduceL2",
                                          "ReduceLogSum",
                                          "ReduceLogSumExp",
                                          "ReduceMean",
                                          "ReduceProd",
                                          "ReduceSum",
                                          "ReduceSumSquare",
                                          "RoiAlign",
                                          "RotaryEmbedding",
                                          "STFT",
                                          "Selu",
                                          "Shrink",
                                          "Sigmoid",
                                          "SimplifiedLayerNormalization",
                                          "Sin",
                                          "Sinh",
                                          "Softmax",
                                          "SoftmaxCrossEntropyLoss",
                                          "Softplus",
                                          "Softsign",
                                          "Sqrt",
                                          "Sub",
                                          "Sum",
                                          "SwiGLU",
                                          "Swish",
                                          "Tan",
                                          "Tanh",
                                          "ThresholdedRelu",
                                          "com.microsoft.Attention",
                                          "com.microsoft.BiasAdd",
                                          "com.microsoft.BiasGelu",
                                          "com.microsoft.BiasSoftmax",
                                          "com.microsoft.BiasSplitGelu",
                                          "com.microsoft.CDist",
                                          "com.microsoft.CausalConvWithState",
                                          "com.microsoft.ComplexMul",
                                          "com.microsoft.ComplexMulConj",
                                          "com.microsoft.ConvTransposeWithDynamicPads",
                                          "com.microsoft.EmbedLayerNormalization",
                                          "com.microsoft.FastGelu",
                                          "com.microsoft.FusedConv",
                                          "com.microsoft.FusedGemm",
                                          "com.microsoft.FusedMatMul",
                                          "com.microsoft.FusedMatMulActivation",
                                          "com.microsoft.Gelu",
                                          "com.microsoft.GemmFastGelu",
                                          "com.microsoft.GridSample",
                                          "com.microsoft.GroupNorm",
                                          "com.microsoft.GroupQueryAttention",
                                          "com.microsoft.Inverse",
                                          "com.microsoft.Irfft",
                                          "com.microsoft.LinearAttention",
                                          "com.microsoft.MatMulBnb4",
                                          "com.microsoft.MatMulNBits",
                                          "com.microsoft.MultiHeadAttention",
                                          "com.microsoft.NhwcConv",
                                          "com.microsoft.NhwcFusedConv",
                                          "com.microsoft.QuickGelu",
                                          "com.microsoft.Rfft",
                                          "com.microsoft.RotaryEmbedding",
                                          "com.microsoft.ScaledSiLU",
                                          "com.microsoft.SkipGroupNorm",
                                          "com.microsoft.SkipLayerNormalization",
                                          "com.microsoft.SkipSimplifiedLayerNormalization",
                                          "com.microsoft.TransposeMatMul"};
static_assert(std::ranges::is_sorted(computing));

// Operators that choose or compare values: of f32 values, if an input is one.
constexpr std::string_view choosing[] = {"Abs",
                                         "ArgMax",
                                         "ArgMin",
                                         "Ceil",
                                         "Clip",
                                         "Compress",
                                         "Equal",
                                         "Floor",
                                         "GlobalMaxPool",
                                         "Greater",
                                         "GreaterOrEqual",
                                         "Hardmax",
                                         "Less",
                                         "LessOrEqual",
                                         "Max",
                                         "MaxPool",
                                         "MaxRoiPool",
                                         "Min",
                                         "Neg",
                                         "NonMaxSuppression",
                                         "ReduceMax",
                                         "ReduceMin",
                                         "Relu",
                                         "Resize",
                                         "Round",
                                         "Sign",
                                         "TopK",
                                         "Upsample",
                                         "Where",
                                         "com.microsoft.NhwcMaxPool"};
static_assert(std::ranges::is_sorted(choosing));

// Operators that move values: f32 results if all their inputs are unrounded f32 values.
constexpr std::string_view moving[] = {"CenterCropPad",
                                       "Concat",
                                       "DepthToSpace",
                                       "Dropout",
                                       "Expand",
                                       "Flatten",
                                       "Gather",
                                       "GatherElements",
                                       "GatherND",
                                       "Identity",
                                       "Pad",
                                       "Reshape",
                                       "ReverseSequence",
                                       "Slice",
                                       "SpaceToDepth",
                                       "Split",
                                       "Squeeze",
                                       "Tile",
                                       "Transpose",
                                       "Trilu",
                                       "Unsqueeze",
                                       "com.microsoft.ExpandDims",
                                       "com.microsoft.GatherND",
                                       "com.microsoft.Pad",
                                       "com.microsoft.Trilu"};
static_assert(std::ranges::is_sorted(moving));

bool is_one_of(std::span<const std::string_view> sorted, const std::string& name) {
    return std::ranges::binary_search(sorted, std::string_view(name));
}

// Inputs that may have another type than the first: weights, and tables that rows are taken from.
struct Inputs {
    std::size_t first;
    std::size_t count;
};

Inputs weights_of(const std::string& name) {
    static const std::map<std::string, Inputs> weights = {
        {"Conv", {1, 1}},
        {"ConvTranspose", {1, 1}},
        {"GRU", {1, 2}},
        {"Gemm", {1, 1}},
        {"LSTM", {1, 2}},
        {"MatMul", {1, 1}},
        {"RNN", {1, 2}},
        {"com.microsoft.Attention", {1, 1}},
        {"com.microsoft.ConvTransposeWithDynamicPads", {1, 1}},
        {"com.microsoft.EmbedLayerNormalization", {2, 3}},
        {"com.microsoft.FusedConv", {1, 1}},
        {"com.microsoft.FusedGemm", {1, 1}},
        {"com.microsoft.FusedMatMul", {1, 1}},
        {"com.microsoft.FusedMatMulActivation", {1, 1}},
        {"com.microsoft.GemmFastGelu", {1, 1}},
        {"com.microsoft.NhwcConv", {1, 1}},
        {"com.microsoft.NhwcFusedConv", {1, 1}},
        {"com.microsoft.TransposeMatMul", {1, 1}}};
    const auto found = weights.find(name);
    return found == weights.end() ? Inputs{0, 0} : found->second;
}

// The keys and values of earlier runs, which are long, and which results continue in their type.
Inputs past_of(const std::string& name) {
    static const std::map<std::string, Inputs> past = {
        {"Attention", {4, 2}},
        {"com.microsoft.Attention", {4, 1}},
        {"com.microsoft.GroupQueryAttention", {3, 2}},
        {"com.microsoft.MultiHeadAttention", {6, 2}}};
    const auto found = past.find(name);
    return found == past.end() ? Inputs{0, 0} : found->second;
}

bool is_among(std::size_t index, Inputs inputs) {
    return index >= inputs.first && index - inputs.first < inputs.count;
}

// Whether a result is a statistic, which has a type of its own.
bool is_statistic(const std::string& name, std::size_t index) {
    if (name.ends_with("SkipLayerNormalization") ||
        name.ends_with("SkipSimplifiedLayerNormalization")) {
        return index == 1 || index == 2;
    }
    return index > 0 && (name == "BatchNormalization" || name == "LayerNormalization" ||
                         name == "SimplifiedLayerNormalization");
}

}  // namespace

bool HalfPrecision::is_half(const std::optional<ValueId>& id) const {
    return id && builder_.sequence_elements(*id) == nullptr && !builder_.is_empty_optional(*id) &&
           (builder_.type(*id) == DataType::f16 || builder_.type(*id) == DataType::bf16);
}

ValueId HalfPrecision::wide(ValueId id) {
    if (const auto known = unrounded_.find(id); known != unrounded_.end()) {
        return known->second.value;
    }
    const auto [made, first] = widened_.try_emplace(id);
    if (first) {
        made->second = builder_.cast(id, DataType::f32);
    }
    return made->second;
}

// The type of the f16 or bf16 inputs, if the results have it.
std::optional<DataType> HalfPrecision::type_of(const Node::Inputs& inputs) const {
    std::optional<DataType> type;
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
    }
    return type;
}

std::optional<HalfPrecision::Rounding> HalfPrecision::widen(const std::string& name,
                                                            Node::Inputs& inputs) {
    const bool moves = is_one_of(moving, name);
    if (!moves && !is_one_of(choosing, name) && !is_one_of(computing, name)) {
        return std::nullopt;
    }
    const std::optional<DataType> type = type_of(inputs);
    if (!type) {
        return std::nullopt;
    }
    bool unrounded = is_one_of(computing, name);
    bool by_cast = false;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
        if (!is_half(inputs[i])) {
            continue;
        }
        const auto known = unrounded_.find(*inputs[i]);
        const bool constant = builder_.value(*inputs[i]).constant != nullptr;
        if ((moves && known == unrounded_.end() && !constant) ||
            (is_among(i, past_of(name)) && !constant)) {
            return std::nullopt;
        }
        unrounded = unrounded || known != unrounded_.end();
        by_cast = by_cast || (known != unrounded_.end() && known->second.by_cast);
    }
    if (!unrounded) {
        return std::nullopt;
    }
    const Inputs weights = weights_of(name);
    for (std::size_t i = 0; i < inputs.size(); ++i) {
        if (is_half(inputs[i]) && !(is_among(i, weights) && !unrounded_.contains(*inputs[i]))) {
            inputs[i] = wide(*inputs[i]);
        }
    }
    return Rounding{.type = *type, .by_cast = by_cast && !is_one_of(computing, name)};
}

void HalfPrecision::round(const std::string& name, std::vector<ValueId>& results,
                          const Rounding& rounding) {
    for (std::size_t i = 0; i < results.size(); ++i) {
        if (builder_.type(results[i]) == DataType::f32 && !is_statistic(name, i)) {
            const ValueId rounded = builder_.cast(results[i], rounding.type);
            unrounded_[rounded] = {.value = results[i], .by_cast = rounding.by_cast};
            results[i] = rounded;
        }
    }
}

ValueId HalfPrecision::cast(ValueId from, ValueId to) {
    const DataType type = builder_.type(to);
    if (builder_.type(from) == DataType::f32 && is_half(to) && !builder_.value(to).constant) {
        unrounded_.try_emplace(to, Unrounded{.value = from, .by_cast = true});
    }
    const auto known = unrounded_.find(from);
    return type == DataType::f32 && known != unrounded_.end() && !known->second.by_cast
               ? known->second.value
               : to;
}

void HalfPrecision::forget_from(ValueId first) {
    std::erase_if(unrounded_, [&](const auto& entry) {
        return entry.first >= first || entry.second.value >= first;
    });
    std::erase_if(widened_,
                  [&](const auto& entry) { return entry.first >= first || entry.second >= first; });
}

}  // namespace accel::compiler
