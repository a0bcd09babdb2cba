// SPDX-License-Identifier: Apache-2.0
#include "passes/fusion.hpp"

#include <algorithm>
#include <optional>
#include <ostream>

#include "passes/pass_utils.hpp"

namespace accel::compiler {

namespace {

class Fuser {
  public:
    Fuser(Program& program, std::ostream* dump) : p_(program), dump_(dump) {}

    void run() {
        remove_dead(p_);
        while (pass()) {
        }
        remove_dead(p_);
    }

  private:
    // One look at every instruction; false: nothing changed.
    bool pass() {
        uses_ = count_uses(p_);
        bool changed = false;
        for (std::size_t i = 0; i < p_.code.size(); ++i) {
            Map* const map = std::get_if<Map>(&p_.code[i].operation);
            if (map == nullptr || p_.values[p_.code[i].out].type != DataType::f32) {
                continue;
            }
            const bool fused = map->op == ElementwiseOp::identity ? activation(i)
                               : map->op == ElementwiseOp::mul    ? scale(i)
                               : map->op == ElementwiseOp::add    ? addition(i)
                                                                  : false;
            changed = changed || fused;
        }
        remove_empty(p_);
        return changed;
    }

    // The instruction that makes a value for one user alone.
    Instruction* maker(ValueId id) {
        const Value& value = p_.values[id];
        if (value.producer < 0 || uses_[id] != 1 || value.type != DataType::f32) {
            return nullptr;
        }
        return &p_.code[static_cast<std::size_t>(value.producer)];
    }

    static Map* then(Instruction& x) {
        if (auto* conv = std::get_if<Conv>(&x.operation)) {
            return &conv->then;
        }
        if (auto* product = std::get_if<MatMul>(&x.operation)) {
            return &product->then;
        }
        return std::get_if<Map>(&x.operation);
    }

    // `maker` makes what instruction `i` made, where that stood: its operands are there by then.
    void replace(std::size_t i, Instruction& maker) {
        if (dump_ != nullptr) {
            *dump_ << "  " << maker.node << " takes in " << p_.code[i].node << '\n';
        }
        const ValueId out = p_.code[i].out;
        Instruction moved = std::move(maker);
        maker = {};
        moved.out = out;
        p_.code[i] = std::move(moved);
        p_.values[out].producer = static_cast<int>(i);
    }

    bool activation(std::size_t i) {
        const Map map = std::get<Map>(p_.code[i].operation);
        const ValueId in = p_.code[i].in[0];
        Instruction* const x = maker(in);
        if (x == nullptr || map.activation == UnaryOp::none ||
            p_.values[in].dims != p_.values[p_.code[i].out].dims) {
            return false;
        }
        Map* const last = then(*x);
        if (last == nullptr || last->activation != UnaryOp::none || !floats(*x)) {
            return false;
        }
        last->activation = map.activation;
        last->alpha = map.alpha;
        last->beta = map.beta;
        replace(i, *x);
        return true;
    }

    // All operands of a map are f32: it computes in f32, as what it takes in does.
    bool floats(const Instruction& x) const {
        return !std::holds_alternative<Map>(x.operation) ||
               p_.values[x.in[0]].type == DataType::f32;
    }

    // The engines of bytes take a bias and an activation, and nothing else.
    bool of_bytes(const Instruction& x) const {
        return p_.values[x.in[0]].twin && x.in.size() > 1 && p_.values[x.in[1]].twin;
    }

    // Of the two operands of instruction `i`: what a conv or product makes, and the other.
    struct Sides {
        Instruction* maker;
        ValueId other;
    };
    std::optional<Sides> sides(std::size_t i) {
        const Instruction& x = p_.code[i];
        if (std::get<Map>(x.operation).activation != UnaryOp::none) {
            return std::nullopt;
        }
        for (const std::size_t side : {0U, 1U}) {
            Instruction* const found = maker(x.in[side]);
            if (found != nullptr && p_.values[x.in[side]].dims == p_.values[x.out].dims &&
                !std::holds_alternative<Map>(found->operation) && then(*found) != nullptr &&
                then(*found)->activation == UnaryOp::none && found->in.size() < 4) {
                return Sides{found, x.in[1 - side]};
            }
        }
        return std::nullopt;
    }

    // The numbers of a constant, one for each channel of [n, c, h, w] or column of [..., n].
    std::optional<std::vector<float>> per_channel(const Instruction& x, ValueId id) const {
        const Value& value = p_.values[id];
        if (!value.constant || value.type != DataType::f32) {
            return std::nullopt;
        }
        const Dims& result = p_.values[x.out].dims;
        const std::size_t axis = std::holds_alternative<Conv>(x.operation) ? 1 : result.size() - 1;
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

    ValueId constant(Dims dims, const std::vector<float>& numbers) {
        p_.values.push_back({.type = DataType::f32,
                             .dims = dims,
                             .constant = make_constant(DataType::f32, std::move(dims),
                                                       std::span<const float>(numbers))});
        uses_.push_back(1);
        return static_cast<ValueId>(p_.values.size() - 1);
    }

    bool addition(std::size_t i) {
        const auto found = sides(i);
        if (!found) {
            return false;
        }
        Instruction& x = *found->maker;
        const auto n = per_channel(x, found->other);
        if (n && x.in.size() < 3) {
            x.in.push_back(constant({std::ssize(*n)}, *n));
            replace(i, x);
            return true;
        }
        if (n) {
            const Constant old = p_.values[x.in[2]].constant;
            if (!old) {
                return false;
            }
            std::vector<float> sum = old->floats();
            for (std::size_t c = 0; c < sum.size(); ++c) {
                sum[c] += (*n)[c];
            }
            x.in[2] = constant({std::ssize(sum)}, sum);
            replace(i, x);
            return true;
        }
        return residual(i, *found);
    }

    // What a convolution adds to: of its own shape.
    bool residual(std::size_t i, const Sides& found) {
        Instruction& x = *found.maker;
        const Value& other = p_.values[found.other];
        if (of_bytes(x) || !std::holds_alternative<Conv>(x.operation) || other.constant ||
            other.type != DataType::f32 || other.dims != p_.values[p_.code[i].out].dims) {
            return false;
        }
        if (x.in.size() == 2) {
            const std::int64_t channels = p_.values[x.out].dims[1];
            const std::vector<float> zeros(static_cast<std::size_t>(channels), 0.0F);
            x.in.push_back(constant({channels}, zeros));
        }
        x.in.push_back(found.other);
        std::get<Conv>(x.operation).format.accumulate = true;
        replace(i, x);
        return true;
    }

    // Into the weights, which must be known.
    bool scale(std::size_t i) {
        const auto found = sides(i);
        if (!found) {
            return false;
        }
        Instruction& x = *found->maker;
        if (of_bytes(x)) {
            return false;
        }
        const auto n = per_channel(x, found->other);
        const Constant weights = p_.values[x.in[1]].constant;
        const Constant bias = x.in.size() > 2 ? p_.values[x.in[2]].constant : nullptr;
        if (!n || !weights || weights->type != DataType::f32 || (x.in.size() > 2 && !bias)) {
            return false;
        }
        const bool conv = std::holds_alternative<Conv>(x.operation);
        std::vector<float> w = weights->floats();
        const std::size_t inner = conv ? w.size() / std::max<std::size_t>(n->size(), 1) : 1;
        for (std::size_t k = 0; k < w.size(); ++k) {
            w[k] *= (*n)[k / inner % n->size()];
        }
        x.in[1] = constant(weights->dims, w);
        if (bias) {
            std::vector<float> b = bias->floats();
            for (std::size_t c = 0; c < b.size(); ++c) {
                b[c] *= (*n)[c];
            }
            x.in[2] = constant({std::ssize(b)}, b);
        }
        replace(i, x);
        return true;
    }

    Program& p_;
    std::ostream* dump_;
    std::vector<int> uses_;
};

}  // namespace

void fuse(Program& program, std::ostream* dump) {
    Fuser(program, dump).run();
}

}  // namespace accel::compiler
