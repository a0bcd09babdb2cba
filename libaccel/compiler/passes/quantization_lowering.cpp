// SPDX-License-Identifier: Apache-2.0
//
// Two steps. First, products of dequantized operands become int8 products with an f32 result: the
// engine scales the i32 sum. Second, if the only user of that result quantizes it, the product
// requantizes as it stores. Sums of int8 products are exact. The result differs from f32 arithmetic
// only in the rounding of the bias, by half a quantization step of the sum.
#include "passes/quantization_lowering.hpp"

#include <bit>
#include <cmath>
#include <optional>
#include <ostream>

#include "passes/pass_utils.hpp"
#include "passes/regions.hpp"

namespace accel::compiler {

namespace {

bool is_int8(DataType type) {
    return type == DataType::i8 || type == DataType::u8;
}

// The fields that products and convolutions have in common.
struct Product {
    op::Elementwise* epilogue = nullptr;
    NumericFormat* format = nullptr;
    std::size_t weights_axis = 0;  // of the weights; counts channels

    Product(Instruction& x, const Program& program) {
        if (auto* conv = std::get_if<op::Conv>(&x.operation)) {
            epilogue = &conv->epilogue;
            format = &conv->format;
        } else if (auto* matmul = std::get_if<op::MatMul>(&x.operation)) {
            epilogue = &matmul->epilogue;
            format = &matmul->format;
            weights_axis = program.values[x.operands[1]].dims.size() - 1;
        }
    }
};

class QuantizationLowering {
  public:
    QuantizationLowering(Program& program, std::ostream* log) : p_(program), log_(log) {}

    void run() {
        for (Instruction& x : p_.instructions) {
            lower_product(x);
        }
        remove_dead(p_);
        uses_ = count_uses(p_);
        regions_ = regions_of(p_);
        for (std::size_t i = 0; i < p_.instructions.size(); ++i) {
            absorb_quantize(i);
        }
        remove_dead(p_);
    }

  private:
    // The quantization of an f32 value that is dequantized from int8; else null.
    const QuantParams* quant_params(ValueId id) const {
        const Value& value = p_.values[id];
        return value.type == DataType::f32 && value.quant &&
                       is_int8(p_.values[value.quant->counterpart].type)
                   ? value.quant.get()
                   : nullptr;
    }

    // The third operand of an int8 product: for each channel an i32 bias and an f32 scale.
    ValueId add_bias_and_scales(const std::vector<std::int32_t>& bias,
                                const std::vector<float>& scales) {
        std::vector<std::int64_t> words;
        for (std::size_t c = 0; c < bias.size(); ++c) {
            words.push_back(bias[c]);
            words.push_back(std::bit_cast<std::int32_t>(scales[c]));
        }
        const Dims dims{std::ssize(bias), 2};
        p_.values.push_back(
            {.type = DataType::i32,
             .dims = dims,
             .constant = make_constant(DataType::i32, dims, std::span<const std::int64_t>(words))});
        return static_cast<ValueId>(p_.values.size() - 1);
    }

    // The bias in quantization steps of the sum. Nothing if it does not fit the accumulator.
    static std::optional<std::vector<std::int32_t>> quantized_bias(
        const std::vector<float>& bias, const std::vector<float>& scales) {
        std::vector<std::int32_t> result;
        for (std::size_t c = 0; c < scales.size(); ++c) {
            const double steps =
                bias.empty() ? 0 : std::nearbyint(static_cast<double>(bias[c]) / scales[c]);
            if (!(std::abs(steps) < max_bias)) {
                return std::nullopt;
            }
            result.push_back(static_cast<std::int32_t>(steps));
        }
        return result;
    }

    void lower_product(Instruction& x) {
        const Product product(x, p_);
        if (product.format == nullptr || product.format->a_type != DataType::f32 ||
            product.format->accumulate || x.operands.size() > 3) {
            return;
        }
        const QuantParams* const a = quant_params(x.operands[0]);
        const QuantParams* const b = quant_params(x.operands[1]);
        if (a == nullptr || b == nullptr || a->scales.size() != 1 ||
            (b->scales.size() != 1 && b->axis != product.weights_axis)) {
            return;
        }
        std::vector<float> bias;
        if (x.operands.size() == 3) {
            if (!p_.values[x.operands[2]].constant) {
                return;
            }
            bias = p_.values[x.operands[2]].constant->floats();
        }
        const auto count =
            static_cast<std::size_t>(p_.values[x.operands[1]].dims[product.weights_axis]);
        std::vector<float> scales(count);
        for (std::size_t c = 0; c < count; ++c) {
            scales[c] = a->scales[0] * b->scales[b->scales.size() == 1 ? 0 : c];
            if (!(scales[c] > 0) || !std::isfinite(scales[c])) {
                return;
            }
        }
        const auto steps = quantized_bias(bias, scales);
        if (!steps) {
            return;
        }
        *product.format = {.a_type = p_.values[a->counterpart].type,
                           .b_type = p_.values[b->counterpart].type,
                           .result_type = DataType::f32,
                           .a_zero_point = a->zero_point,
                           .b_zero_point = b->zero_point,
                           .requantize = true};
        x.operands = {a->counterpart, b->counterpart, add_bias_and_scales(*steps, scales)};
        if (log_ != nullptr) {
            *log_ << "  " << x.node << " is lowered to int8\n";
        }
    }

    // Changes an activation so that it applies to a value divided by `scale`. False: not possible.
    static bool rescale(op::Elementwise& epilogue, float scale) {
        switch (epilogue.activation) {
            case UnaryOp::clip:
                epilogue.alpha /= scale;
                epilogue.beta /= scale;
                return true;
            case UnaryOp::none:
            case UnaryOp::relu:
            case UnaryOp::leaky_relu:
                return true;
            default:
                return false;
        }
    }

    // Instruction `i` quantizes a value. If an int8 product computes that value and it has no other
    // user, the product stores int8 at once.
    void absorb_quantize(std::size_t i) {
        const ValueId out = p_.instructions[i].result;
        const Value& quantized = p_.values[out];
        if (!is_int8(quantized.type) || !quantized.quant || quantized.quant->scales.size() != 1) {
            return;
        }
        const Value& real = p_.values[quantized.quant->counterpart];
        if (real.producer < 0 || uses_[quantized.quant->counterpart] != 1 ||
            regions_[static_cast<std::size_t>(real.producer)] != regions_[i]) {
            return;
        }
        Instruction& producer = p_.instructions[static_cast<std::size_t>(real.producer)];
        Instruction x = producer;
        const Product product(x, p_);
        const float scale = quantized.quant->scales[0];
        if (product.format == nullptr || !product.format->requantize ||
            product.format->result_type != DataType::f32 || real.dims != quantized.dims ||
            !(scale > 0) || !rescale(*product.epilogue, scale)) {
            return;
        }
        const std::vector<std::int64_t> words = p_.values[x.operands[2]].constant->integers();
        std::vector<std::int32_t> bias;
        std::vector<float> scales;
        for (std::size_t c = 0; c < words.size(); c += 2) {
            bias.push_back(static_cast<std::int32_t>(words[c]));
            scales.push_back(std::bit_cast<float>(static_cast<std::int32_t>(words[c + 1])) / scale);
        }
        product.format->result_type = quantized.type;
        product.format->result_zero_point = quantized.quant->zero_point;
        x.operands[2] = add_bias_and_scales(bias, scales);
        x.result = out;
        if (log_ != nullptr) {
            *log_ << "  " << x.node << " absorbs " << p_.instructions[i].node << '\n';
        }
        p_.instructions[i] = std::move(x);
    }

    Program& p_;
    std::ostream* log_;
    std::vector<int> uses_;
    std::vector<int> regions_;
};

}  // namespace

void lower_quantization(Program& program, std::ostream* log) {
    QuantizationLowering(program, log).run();
}

}  // namespace accel::compiler
