// SPDX-License-Identifier: Apache-2.0
//
// First an f32 result: the engine multiplies bytes and scales the sum. Then, where nobody else
// wants that, bytes at once. Sums of bytes are exact: what differs from f32 is how a bias is
// rounded, by half a step of a sum.
#include "passes/quantization_lowering.hpp"

#include <bit>
#include <cmath>
#include <optional>
#include <ostream>

#include "passes/pass_utils.hpp"

namespace accel::compiler {

namespace {

bool is_bytes(DataType type) {
    return type == DataType::i8 || type == DataType::u8;
}

// What products and convolutions have in common.
struct Engine {
    Map* then = nullptr;
    NumericFormat* format = nullptr;
    std::size_t weights_axis = 0;  // of the weights, that counts channels

    Engine(Instruction& x, const Program& program) {
        if (auto* conv = std::get_if<Conv>(&x.operation)) {
            then = &conv->then;
            format = &conv->format;
        } else if (auto* product = std::get_if<MatMul>(&x.operation)) {
            then = &product->then;
            format = &product->format;
            weights_axis = program.values[x.in[1]].dims.size() - 1;
        }
    }
};

class Converter {
  public:
    Converter(Program& program, std::ostream* dump) : p_(program), dump_(dump) {}

    void run() {
        for (Instruction& x : p_.code) {
            to_f32(x);
        }
        remove_dead(p_);
        uses_ = count_uses(p_);
        for (std::size_t i = 0; i < p_.code.size(); ++i) {
            to_bytes(i);
        }
        remove_dead(p_);
    }

  private:
    // The bytes that a value stands for.
    const Twin* twin(ValueId id) const {
        const Value& value = p_.values[id];
        return value.type == DataType::f32 && value.twin &&
                       is_bytes(p_.values[value.twin->other].type)
                   ? value.twin.get()
                   : nullptr;
    }

    ValueId channels(const std::vector<std::int32_t>& bias, const std::vector<float>& scales) {
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

    // In steps of a sum; none: it does not fit 32 bits.
    static std::optional<std::vector<std::int32_t>> in_steps(const std::vector<float>& bias,
                                                             const std::vector<float>& scales) {
        std::vector<std::int32_t> result;
        for (std::size_t c = 0; c < scales.size(); ++c) {
            const double steps =
                bias.empty() ? 0 : std::nearbyint(static_cast<double>(bias[c]) / scales[c]);
            if (!(std::abs(steps) < most_bias)) {
                return std::nullopt;
            }
            result.push_back(static_cast<std::int32_t>(steps));
        }
        return result;
    }

    void to_f32(Instruction& x) {
        const Engine engine(x, p_);
        if (engine.format == nullptr || engine.format->a_type != DataType::f32 ||
            engine.format->accumulate || x.in.size() > 3) {
            return;
        }
        const Twin* const a = twin(x.in[0]);
        const Twin* const b = twin(x.in[1]);
        if (a == nullptr || b == nullptr || a->scales.size() != 1 ||
            (b->scales.size() != 1 && b->axis != engine.weights_axis)) {
            return;
        }
        std::vector<float> bias;
        if (x.in.size() == 3) {
            if (!p_.values[x.in[2]].constant) {
                return;
            }
            bias = p_.values[x.in[2]].constant->floats();
        }
        const auto count = static_cast<std::size_t>(p_.values[x.in[1]].dims[engine.weights_axis]);
        std::vector<float> scales(count);
        for (std::size_t c = 0; c < count; ++c) {
            scales[c] = a->scales[0] * b->scales[b->scales.size() == 1 ? 0 : c];
            if (!(scales[c] > 0) || !std::isfinite(scales[c])) {
                return;
            }
        }
        const auto steps = in_steps(bias, scales);
        if (!steps) {
            return;
        }
        *engine.format = {.a_type = p_.values[a->other].type,
                          .b_type = p_.values[b->other].type,
                          .result_type = DataType::f32,
                          .a_zero_point = a->zero,
                          .b_zero_point = b->zero,
                          .requantize = true};
        x.in = {a->other, b->other, channels(*steps, scales)};
        if (dump_ != nullptr) {
            *dump_ << "  " << x.node << " multiplies bytes\n";
        }
    }

    // Whether it can be applied to what is divided by `scale`; then it is changed so.
    static bool divide(Map& then, float scale) {
        switch (then.activation) {
            case UnaryOp::clip:
                then.alpha /= scale;
                then.beta /= scale;
                return true;
            case UnaryOp::none:
            case UnaryOp::relu:
            case UnaryOp::leaky_relu:
                return true;
            default:
                return false;
        }
    }

    // Instruction `i` makes bytes of what an engine of bytes gives as f32 to nobody else.
    void to_bytes(std::size_t i) {
        const ValueId out = p_.code[i].out;
        const Value& bytes = p_.values[out];
        if (!is_bytes(bytes.type) || !bytes.twin || bytes.twin->scales.size() != 1) {
            return;
        }
        const Value& real = p_.values[bytes.twin->other];
        if (real.producer < 0 || uses_[bytes.twin->other] != 1) {
            return;
        }
        Instruction& maker = p_.code[static_cast<std::size_t>(real.producer)];
        Instruction x = maker;
        const Engine engine(x, p_);
        const float scale = bytes.twin->scales[0];
        if (engine.format == nullptr || !engine.format->requantize ||
            engine.format->result_type != DataType::f32 || real.dims != bytes.dims ||
            !(scale > 0) || !divide(*engine.then, scale)) {
            return;
        }
        const std::vector<std::int64_t> words = p_.values[x.in[2]].constant->integers();
        std::vector<std::int32_t> bias;
        std::vector<float> scales;
        for (std::size_t c = 0; c < words.size(); c += 2) {
            bias.push_back(static_cast<std::int32_t>(words[c]));
            scales.push_back(std::bit_cast<float>(static_cast<std::int32_t>(words[c + 1])) / scale);
        }
        engine.format->result_type = bytes.type;
        engine.format->result_zero_point = bytes.twin->zero;
        x.in[2] = channels(bias, scales);
        x.out = out;
        if (dump_ != nullptr) {
            *dump_ << "  " << x.node << " takes in " << p_.code[i].node << '\n';
        }
        p_.code[i] = std::move(x);
    }

    Program& p_;
    std::ostream* dump_;
    std::vector<int> uses_;
};

}  // namespace

void use_bytes(Program& program, std::ostream* dump) {
    Converter(program, dump).run();
}

}  // namespace accel::compiler
