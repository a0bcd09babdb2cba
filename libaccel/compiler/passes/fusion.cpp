// SPDX-License-Identifier: Apache-2.0
#include "passes/fusion.hpp"

#include <algorithm>
#include <optional>
#include <ostream>

#include "ir/constant_folding.hpp"
#include "passes/pass_utils.hpp"
#include "passes/regions.hpp"

namespace accel::compiler {

namespace {

class FusionPass {
  public:
    FusionPass(Program& program, std::ostream* log) : p_(program), log_(log) {}

    void run() {
        remove_dead(p_);
        while (sweep()) {
        }
        remove_dead(p_);
    }

  private:
    // Visits every instruction once. False: nothing changed.
    bool sweep() {
        uses_ = count_uses(p_);
        regions_ = regions_of(p_);
        bool changed = false;
        for (std::size_t i = 0; i < p_.instructions.size(); ++i) {
            op::Elementwise* const last =
                std::get_if<op::Elementwise>(&p_.instructions[i].operation);
            if (last == nullptr || p_.values[p_.instructions[i].result].type != DataType::f32) {
                continue;
            }
            const bool fused = last->op == ElementwiseOp::identity ? fuse_activation(i)
                               : last->op == ElementwiseOp::mul    ? fuse_scale(i)
                               : last->op == ElementwiseOp::add    ? fuse_addition(i)
                                                                   : false;
            changed = changed || fused;
        }
        remove_empty(p_);
        return changed;
    }

    // The instruction that computes an f32 value, if instruction `user` is its only user, and both
    // are in the same region.
    Instruction* sole_producer(ValueId id, std::size_t user) {
        const Value& value = p_.values[id];
        if (value.producer < 0 || uses_[id] != 1 || value.type != DataType::f32 ||
            regions_[static_cast<std::size_t>(value.producer)] != regions_[user]) {
            return nullptr;
        }
        return &p_.instructions[static_cast<std::size_t>(value.producer)];
    }

    static op::Elementwise* epilogue_of(Instruction& x) {
        if (auto* conv = std::get_if<op::Conv>(&x.operation)) {
            return &conv->epilogue;
        }
        if (auto* product = std::get_if<op::MatMul>(&x.operation)) {
            return &product->epilogue;
        }
        return std::get_if<op::Elementwise>(&x.operation);
    }

    // Moves `producer` to the place of instruction `i`, whose result it computes from now on. All
    // its operands are computed before that place.
    void replace(std::size_t i, Instruction& producer) {
        if (log_ != nullptr) {
            *log_ << "  " << producer.node << " absorbs " << p_.instructions[i].node << '\n';
        }
        const ValueId out = p_.instructions[i].result;
        Instruction moved = std::move(producer);
        producer = {};
        moved.result = out;
        p_.instructions[i] = std::move(moved);
        p_.values[out].producer = static_cast<int>(i);
    }

    bool fuse_activation(std::size_t i) {
        const op::Elementwise activation = std::get<op::Elementwise>(p_.instructions[i].operation);
        const ValueId in = p_.instructions[i].operands[0];
        Instruction* const x = sole_producer(in, i);
        if (x == nullptr || activation.activation == UnaryOp::none ||
            p_.values[in].dims != p_.values[p_.instructions[i].result].dims) {
            return false;
        }
        op::Elementwise* const last = epilogue_of(*x);
        if (last == nullptr || last->activation != UnaryOp::none || !computes_in_f32(*x)) {
            return false;
        }
        last->activation = activation.activation;
        last->alpha = activation.alpha;
        last->beta = activation.beta;
        replace(i, *x);
        return true;
    }

    // An element-wise instruction on f32 operands computes in f32, as the activation does.
    bool computes_in_f32(const Instruction& x) const {
        return !std::holds_alternative<op::Elementwise>(x.operation) ||
               p_.values[x.operands[0]].type == DataType::f32;
    }

    // Whether the product can be lowered to int8. The int8 engines support a bias and an
    // activation, but neither a scale nor a residual.
    bool is_quantized(const Instruction& x) const {
        return p_.values[x.operands[0]].quant && x.operands.size() > 1 &&
               p_.values[x.operands[1]].quant;
    }

    // The operands of instruction `i`: the producer of one is a convolution or product.
    struct Sides {
        Instruction* producer;
        ValueId other;
    };
    std::optional<Sides> sides(std::size_t i) {
        const Instruction& x = p_.instructions[i];
        if (std::get<op::Elementwise>(x.operation).activation != UnaryOp::none) {
            return std::nullopt;
        }
        for (const std::size_t side : {0U, 1U}) {
            Instruction* const found = sole_producer(x.operands[side], i);
            if (found != nullptr && p_.values[x.operands[side]].dims == p_.values[x.result].dims &&
                !std::holds_alternative<op::Elementwise>(found->operation) &&
                epilogue_of(*found) != nullptr &&
                epilogue_of(*found)->activation == UnaryOp::none && found->operands.size() < 4) {
                return Sides{found, x.operands[1 - side]};
            }
        }
        return std::nullopt;
    }

    // The elements of a constant that has one value for each channel of [n, c, h, w] or column of
    // [..., n], or one value for all.
    std::optional<std::vector<float>> per_channel(const Instruction& x, ValueId id) const {
        const Value& value = p_.values[id];
        if (!value.constant || value.given || value.type != DataType::f32) {
            return std::nullopt;
        }
        const Dims& result = p_.values[x.result].dims;
        const std::size_t axis =
            std::holds_alternative<op::Conv>(x.operation) ? 1 : result.size() - 1;
        const std::int64_t channels = result[axis];
        const std::size_t shift = result.size() - value.dims.size();
        for (std::size_t d = 0; d < value.dims.size(); ++d) {
            if (value.dims[d] != 1 && d + shift != axis) {
                return std::nullopt;
            }
        }
        std::vector<float> numbers = value.constant->floats();
        if (numbers.size() == 1) {
            numbers.resize(static_cast<std::size_t>(channels), numbers[0]);
        }
        return numbers;
    }

    ValueId add_constant(Constant constant) {
        const DataType type = constant->type;
        Dims dims = constant->dims;
        p_.values.push_back(
            {.type = type, .dims = std::move(dims), .constant = std::move(constant)});
        uses_.push_back(1);
        return static_cast<ValueId>(p_.values.size() - 1);
    }
    ValueId add_constant(Dims dims, const std::vector<float>& numbers) {
        return add_constant(
            make_constant(DataType::f32, std::move(dims), std::span<const float>(numbers)));
    }

    bool fuse_addition(std::size_t i) {
        const auto found = sides(i);
        if (!found) {
            return false;
        }
        Instruction& x = *found->producer;
        const auto n = per_channel(x, found->other);
        if (n && x.operands.size() < 3) {
            x.operands.push_back(add_constant({std::ssize(*n)}, *n));
            replace(i, x);
            return true;
        }
        if (n) {
            const Constant old = p_.values[x.operands[2]].constant;
            if (!old || p_.values[x.operands[2]].given) {
                return false;
            }
            std::vector<float> sum = old->floats();
            for (std::size_t c = 0; c < sum.size(); ++c) {
                sum[c] += (*n)[c];
            }
            x.operands[2] = add_constant({std::ssize(sum)}, sum);
            replace(i, x);
            return true;
        }
        return fuse_residual(i, *found);
    }

    // The engine adds a convolution to a residual of the shape of its result.
    bool fuse_residual(std::size_t i, const Sides& found) {
        Instruction& x = *found.producer;
        const Value& other = p_.values[found.other];
        if (is_quantized(x) || !std::holds_alternative<op::Conv>(x.operation) || other.constant ||
            other.type != DataType::f32 ||
            other.dims != p_.values[p_.instructions[i].result].dims) {
            return false;
        }
        if (x.operands.size() == 2) {
            const std::int64_t channels = p_.values[x.result].dims[1];
            const std::vector<float> zeros(static_cast<std::size_t>(channels), 0.0F);
            x.operands.push_back(add_constant({channels}, zeros));
        }
        x.operands.push_back(found.other);
        std::get<op::Conv>(x.operation).format.accumulate = true;
        replace(i, x);
        return true;
    }

    // Multiplies the constant weights and the bias by the scale.
    bool fuse_scale(std::size_t i) {
        const auto found = sides(i);
        if (!found) {
            return false;
        }
        Instruction& x = *found->producer;
        if (is_quantized(x)) {
            return false;
        }
        const auto n = per_channel(x, found->other);
        const Constant weights = p_.values[x.operands[1]].constant;
        const Constant bias = x.operands.size() > 2 ? p_.values[x.operands[2]].constant : nullptr;
        const auto given = [&](ValueId id) { return p_.values[id].given; };
        if (std::any_of(x.operands.begin() + 1, x.operands.end(), given)) {
            return false;
        }
        if (!n || !weights || weights->type != DataType::f32 || p_.values[x.operands[1]].unfolded ||
            (x.operands.size() > 2 && !bias)) {
            return false;
        }
        const bool conv = std::holds_alternative<op::Conv>(x.operation);
        // The weights of a convolution have their output channels in front.
        const auto channels = std::ssize(*n);
        const Dims shape = conv ? Dims{channels, 1, 1, 1} : Dims{channels};
        Constant scaled = fold_constant(
            op::Elementwise{.op = ElementwiseOp::mul},
            {weights, make_constant(DataType::f32, shape, std::span<const float>(*n))},
            {.type = weights->type, .dims = weights->dims, .constant = nullptr});
        x.operands[1] = add_constant(std::move(scaled));
        if (bias) {
            std::vector<float> b = bias->floats();
            for (std::size_t c = 0; c < b.size(); ++c) {
                b[c] *= (*n)[c];
            }
            x.operands[2] = add_constant({std::ssize(b)}, b);
        }
        replace(i, x);
        return true;
    }

    Program& p_;
    std::ostream* log_;
    std::vector<int> uses_;
    std::vector<int> regions_;
};

}  // namespace

void fuse(Program& program, std::ostream* log) {
    FusionPass(program, log).run();
}

}  // namespace accel::compiler
