// SPDX-License-Identifier: Apache-2.0
//
// RNN, GRU and LSTM. The product with the weights of the input does not depend on earlier steps, so
// one product serves all steps. The steps are passes of a loop; a few of them are unrolled.
// DynamicQuantizeLSTM of com.microsoft quantizes each operand of a product by its range.
#include <algorithm>
#include <array>
#include <utility>

#include "frontend/operators/lowering.hpp"
#include "frontend/operators/quantized.hpp"
#include "frontend/scan.hpp"

namespace accel::compiler {

namespace {

// The activation of a gate.
struct Gate {
    UnaryOp activation;
    float alpha = 0;
    float beta = 0;

    [[nodiscard]] ValueId apply(const Node& n, ValueId x) const {
        return n.b.unary(activation, x, alpha, beta);
    }
};

// The activations of all directions: those of the attribute, or `defaults` for each direction.
std::vector<Gate> gates(const Node& n, const std::vector<std::string>& defaults,
                        std::size_t directions) {
    std::vector<std::string> names = n.texts("activations");
    if (names.empty()) {
        for (std::size_t d = 0; d < directions; ++d) {
            names.insert(names.end(), defaults.begin(), defaults.end());
        }
    }
    if (names.size() != defaults.size() * directions) {
        refuse("its attribute activations has " + std::to_string(names.size()) +
               " names, and it needs " + std::to_string(defaults.size() * directions));
    }
    const std::vector<float> alphas = n.reals("activation_alpha");
    const std::vector<float> betas = n.reals("activation_beta");
    std::size_t next_alpha = 0;
    std::size_t next_beta = 0;
    const auto take = [](const std::vector<float>& from, std::size_t& next, float otherwise) {
        return next < from.size() ? from[next++] : otherwise;
    };
    std::vector<Gate> result;
    for (std::string& name : names) {
        std::ranges::transform(name, name.begin(), [](char c) {
            return static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
        });
        if (name == "sigmoid") {
            result.push_back({UnaryOp::sigmoid});
        } else if (name == "tanh") {
            result.push_back({UnaryOp::tanh});
        } else if (name == "relu") {
            result.push_back({UnaryOp::relu});
        } else if (name == "softplus") {
            result.push_back({UnaryOp::softplus});
        } else if (name == "elu") {
            result.push_back({UnaryOp::elu, take(alphas, next_alpha, 1.0F)});
        } else if (name == "leakyrelu") {
            result.push_back({UnaryOp::leaky_relu, take(alphas, next_alpha, 0.01F)});
        } else if (name == "hardsigmoid") {
            result.push_back({UnaryOp::hard_sigmoid, take(alphas, next_alpha, 0.2F),
                              take(betas, next_beta, 0.5F)});
        } else {
            refuse("the activation '" + name + "' is not supported");
        }
    }
    return result;
}

// The common part of the three operators: a sequence [steps, batch, inputs] and its directions.
class Sequence {
  public:
    // `parts` is the number of gates, each with its own weights. Quantized weights are transposed.
    Sequence(const Node& n, std::int64_t parts, bool quantized = false)
        : n_(n),
          quantized_(quantized),
          batch_first_(n.integer("layout", 0) != 0),
          x_(batch_first_ ? n.b.permute(n.in(0), {1, 0, 2}) : n.in(0)),
          parts_(parts),
          hidden_(n.b.length(n.in(2), quantized ? 1 : 2)) {
        const Dims& x = n.b.dims(x_);
        const Dims w = columns_first(1);
        const std::string direction = n.text("direction", "forward");
        directions_ = direction == "bidirectional" ? 2 : 1;
        reverse_ = direction == "reverse";
        if (x.size() != 3 || w.size() != 3 || w[0] != directions_ || w[2] != x[2] ||
            w[1] != parts * hidden_ ||
            columns_first(2) != Dims{directions_, parts * hidden_, hidden_}) {
            refuse("its weights " + to_string(w) + " do not fit its input " + to_string(x) +
                   " and its hidden_size " + std::to_string(hidden_));
        }
        steps_ = x[0];
        batch_ = x[1];
        if (n.has("clip") && n.real("clip", 0) > 0) {
            clip_ = n.real("clip", 0);
        }
    }

    [[nodiscard]] std::int64_t directions() const { return directions_; }
    [[nodiscard]] std::int64_t hidden() const { return hidden_; }
    [[nodiscard]] std::int64_t batch() const { return batch_; }

    // The slice of an input for a direction.
    [[nodiscard]] ValueId of_direction(std::size_t input, std::int64_t d) const {
        const ValueId part = n_.b.slice(n_.in(input), 0, d, 1);
        const Dims& dims = n_.b.dims(part);
        return n_.b.reshape(part, Dims(dims.begin() + 1, dims.end()));
    }

    // The recurrent weights, transposed: [hidden, parts * hidden].
    [[nodiscard]] ValueId recurrent(std::int64_t d) const {
        return n_.b.permute(of_direction(2, d), {1, 0});
    }

    // The weights of the input (1) or of the recurrence (2), as columns; computed once for all
    // steps.
    [[nodiscard]] Quantized weights(std::size_t input, std::int64_t d) const {
        const ValueId w = of_direction(input, d);
        if (!quantized_) {
            return {.value = n_.b.permute(w, {1, 0})};
        }
        const std::size_t scale = input == 1 ? 8 : 10;
        return with_column_sums(n_, {w, of_direction(scale, d), of_direction(scale + 1, d)});
    }

    [[nodiscard]] ValueId product(ValueId x, const Quantized& weights) const {
        return quantized_ ? dequantized_product(n_, dynamically_quantized(n_, x), weights)
                          : n_.b.matmul(x, weights.value);
    }

    // x times the weights of the input, for all steps: [steps, batch, parts * hidden]. Adds a bias
    // that is not null.
    [[nodiscard]] ValueId products(std::int64_t d, const ValueId* bias) const {
        const ValueId flat = n_.b.reshape(x_, {steps_ * batch_, n_.b.dims(x_)[2]});
        ValueId y = product(flat, weights(1, d));
        if (bias != nullptr) {
            y = add(n_, y, *bias);
        }
        return n_.b.reshape(y, {steps_, batch_, parts_ * hidden_});
    }

    // The bias of the input, or of the recurrence.
    [[nodiscard]] ValueId bias(std::int64_t d, bool recurrent) const {
        const std::int64_t length = parts_ * hidden_;
        return n_.b.slice(of_direction(3, d), 0, recurrent ? length : 0, length);
    }

    // The initial state of a direction: [batch, hidden].
    [[nodiscard]] ValueId initial(std::size_t input, std::int64_t d) const {
        if (!n_.has(input)) {
            return n_.b.broadcast(n_.b.scalar(n_.b.type(x_), 0), {batch_, hidden_});
        }
        const ValueId all = batch_first_ ? n_.b.permute(n_.in(input), {1, 0, 2}) : n_.in(input);
        if (n_.b.dims(all) != Dims{directions_, batch_, hidden_}) {
            refuse("its initial state " + to_string(n_.b.dims(n_.in(input))) + " is not " +
                   to_string(Dims{directions_, batch_, hidden_}));
        }
        return n_.b.reshape(n_.b.slice(all, 0, d, 1), {batch_, hidden_});
    }

    // The slice of a gate.
    [[nodiscard]] ValueId part(ValueId all, std::int64_t index) const {
        return n_.b.slice(all, n_.b.rank(all) - 1, index * hidden_, hidden_);
    }

    [[nodiscard]] ValueId clipped(ValueId x) const {
        return clip_ > 0 ? n_.b.unary(UnaryOp::clip, x, -clip_, clip_) : x;
    }

    // Computes a direction. step(x of a step, states) returns the next states, of which the first
    // is the output.
    template <typename Step>
    void run(std::int64_t d, ValueId products, const Values& states, Step step) {
        if (steps_ == 0) {
            refuse("its sequence has the length 0");
        }
        const auto known = [&](ValueId id) { return n_.b.value(id).constant != nullptr; };
        const bool folds = known(products) && std::ranges::all_of(states, known) &&
                           (!n_.has(4) || known(n_.in(4)));
        const bool backward = reverse_ || d == 1;
        const Values lasts = steps_ <= max_unrolled_steps || folds
                                 ? unroll(backward, products, states, step)
                                 : loop(backward, products, states, step);
        for (const ValueId state : lasts) {
            lasts_.push_back(n_.b.reshape(state, {1, batch_, hidden_}));
        }
    }

    // Y, and the last value of each state.
    [[nodiscard]] Values results() const {
        Values all{n_.b.concat(outputs_, 1)};
        const std::size_t states = lasts_.size() / outputs_.size();
        for (std::size_t s = 0; s < states; ++s) {
            Values states_of_all;
            for (std::size_t d = 0; d < outputs_.size(); ++d) {
                states_of_all.push_back(lasts_[d * states + s]);
            }
            all.push_back(n_.b.concat(states_of_all, 0));
        }
        if (batch_first_) {
            all[0] = n_.b.permute(all[0], {2, 0, 1, 3});
            for (std::size_t s = 1; s < all.size(); ++s) {
                all[s] = n_.b.permute(all[s], {1, 0, 2});
            }
        }
        return all;
    }

  private:
    // The lengths of the sequences, to compare the number of a step with.
    [[nodiscard]] ValueId lengths() const {
        return n_.b.reshape(n_.b.cast(n_.in(4), DataType::i64), {batch_, 1});
    }

    // A sequence keeps its state after its end, and has no output there. `at` is the number of the
    // step. Returns the output.
    ValueId end_sequences(ValueId at, ValueId lengths, const Values& states, Values& next) const {
        const ValueId active = n_.b.compare(ElementwiseOp::less, at, lengths);
        const ValueId output = n_.b.select(active, next[0], n_.b.scalar(n_.b.type(x_), 0));
        for (std::size_t s = 0; s < next.size(); ++s) {
            next[s] = n_.b.select(active, next[s], states[s]);
        }
        return output;
    }

    template <typename Step>
    Values loop(bool backward, ValueId products, const Values& states, Step step) {
        Values variables;
        for (const ValueId state : states) {
            variables.push_back(n_.b.variable(state));
        }
        const ValueId ends = n_.has(4) ? lengths() : 0;
        const Builder::OpenLoop loop = n_.b.begin_loop();
        const ValueId x = n_.b.step_read(products, loop.pass, 0, backward);
        Values next = step(x, variables);
        ValueId output = next[0];
        if (n_.has(4)) {
            const ValueId at =
                backward ? sub(n_, n_.b.scalar(DataType::i64, static_cast<double>(steps_ - 1)),
                               loop.pass)
                         : loop.pass;
            output = end_sequences(at, ends, variables, next);
        }
        const ValueId sequence = n_.b.empty_variable(n_.b.type(output), {steps_, batch_, hidden_});
        const ValueId written = n_.b.step_write(sequence, output, loop.pass, 0, backward);
        for (std::size_t s = 0; s < next.size(); ++s) {
            variables[s] = n_.b.assign(variables[s], next[s]);
        }
        n_.b.end_loop(loop, {.limit = static_cast<std::uint64_t>(steps_),
                             .count = std::nullopt,
                             .condition = std::nullopt});
        outputs_.push_back(n_.b.reshape(written, {steps_, 1, batch_, hidden_}));
        return variables;
    }

    template <typename Step>
    Values unroll(bool backward, ValueId products, Values states, Step step) {
        std::vector<ValueId> outputs(static_cast<std::size_t>(steps_));
        for (std::int64_t i = 0; i < steps_; ++i) {
            const std::int64_t at = backward ? steps_ - 1 - i : i;
            const ValueId x =
                n_.b.reshape(n_.b.slice(products, 0, at, 1), {batch_, parts_ * hidden_});
            Values next = step(x, states);
            ValueId output = next[0];
            if (n_.has(4)) {
                const ValueId number = n_.b.scalar(DataType::i64, static_cast<double>(at));
                output = end_sequences(number, lengths(), states, next);
            }
            outputs[static_cast<std::size_t>(at)] = n_.b.reshape(output, {1, 1, batch_, hidden_});
            states = std::move(next);
        }
        outputs_.push_back(n_.b.concat(outputs, 0));
        return states;
    }

    // The dimensions of weights as LSTM has them.
    [[nodiscard]] Dims columns_first(std::size_t input) const {
        Dims dims = n_.b.dims(n_.in(input));
        if (quantized_ && dims.size() == 3) {
            std::swap(dims[1], dims[2]);
        }
        return dims;
    }

    const Node& n_;
    bool quantized_;
    bool batch_first_;
    ValueId x_;
    std::int64_t parts_;
    std::int64_t hidden_;
    std::int64_t directions_ = 1;
    bool reverse_ = false;
    std::int64_t steps_ = 0;
    std::int64_t batch_ = 0;
    float clip_ = 0;
    Values outputs_;  // of each direction
    Values lasts_;    // all states of each direction
};

// The sum of both biases, if there are any.
std::optional<ValueId> whole_bias(const Node& n, const Sequence& s, std::int64_t d) {
    if (!n.has(3)) {
        return std::nullopt;
    }
    return add(n, s.bias(d, false), s.bias(d, true));
}

Values rnn(const Node& n) {
    Sequence s(n, 1);
    const auto f = gates(n, {"Tanh"}, static_cast<std::size_t>(s.directions()));
    for (std::int64_t d = 0; d < s.directions(); ++d) {
        const auto bias = whole_bias(n, s, d);
        const ValueId r = s.recurrent(d);
        const Gate& gate = f[static_cast<std::size_t>(d)];
        s.run(d, s.products(d, bias ? &*bias : nullptr), {s.initial(5, d)},
              [&](ValueId x, const Values& h) {
                  const ValueId sum = add(n, n.b.matmul(h[0], r), x);
                  return Values{gate.apply(n, s.clipped(sum))};
              });
    }
    return s.results();
}

// Gates: update z, reset r, hidden h.
Values gru(const Node& n) {
    Sequence s(n, 3);
    const auto f = gates(n, {"Sigmoid", "Tanh"}, static_cast<std::size_t>(s.directions()));
    const bool linear = n.integer("linear_before_reset", 0) != 0;
    const std::int64_t hidden = s.hidden();
    for (std::int64_t d = 0; d < s.directions(); ++d) {
        const ValueId r = s.recurrent(d);
        const ValueId r_gates = n.b.slice(r, 1, 0, 2 * hidden);
        const ValueId r_hidden = n.b.slice(r, 1, 2 * hidden, hidden);
        // With linear_before_reset, the reset gate also multiplies the bias of the hidden gate.
        std::optional<ValueId> bias;
        std::optional<ValueId> inner;
        if (n.has(3) && linear) {
            const ValueId zeros = n.b.broadcast(n.b.scalar(n.b.type(n.in(3)), 0), {hidden});
            const ValueId outer =
                n.b.concat({n.b.slice(s.bias(d, true), 0, 0, 2 * hidden), zeros}, 0);
            bias = add(n, s.bias(d, false), outer);
            inner = n.b.slice(s.bias(d, true), 0, 2 * hidden, hidden);
        } else {
            bias = whole_bias(n, s, d);
        }
        const Gate& gate = f[static_cast<std::size_t>(2 * d)];
        const Gate& last = f[static_cast<std::size_t>(2 * d + 1)];
        s.run(d, s.products(d, bias ? &*bias : nullptr), {s.initial(5, d)},
              [&](ValueId x, const Values& state) {
                  const ValueId h = state[0];
                  const ValueId sum =
                      add(n, n.b.matmul(h, r_gates), n.b.slice(x, 1, 0, 2 * hidden));
                  const ValueId both = gate.apply(n, s.clipped(sum));
                  const ValueId z = s.part(both, 0);
                  const ValueId reset = s.part(both, 1);
                  ValueId candidate = 0;
                  if (linear) {
                      candidate = n.b.matmul(h, r_hidden);
                      candidate = inner ? add(n, candidate, *inner) : candidate;
                      candidate = mul(n, reset, candidate);
                  } else {
                      candidate = n.b.matmul(mul(n, reset, h), r_hidden);
                  }
                  candidate = last.apply(n, s.clipped(add(n, candidate, s.part(x, 2))));
                  // candidate + z * (h - candidate)
                  const ValueId step = mul(n, z, sub(n, h, candidate));
                  return Values{add(n, candidate, step)};
              });
    }
    return s.results();
}

// Gates: input i, output o, forget f, cell c.
Values lstm_of(const Node& n, bool quantized) {
    Sequence s(n, 4, quantized);
    const auto functions =
        gates(n, {"Sigmoid", "Tanh", "Tanh"}, static_cast<std::size_t>(s.directions()));
    const bool coupled = n.integer("input_forget", 0) != 0;
    for (std::int64_t d = 0; d < s.directions(); ++d) {
        const auto bias = whole_bias(n, s, d);
        const Quantized r = s.weights(2, d);
        const auto* const f = &functions[static_cast<std::size_t>(3 * d)];
        // Adds the peephole connection of a gate to the cell.
        const auto peep = [&](ValueId gate, ValueId cell, std::int64_t index) {
            if (!n.has(7)) {
                return gate;
            }
            const ValueId weight = s.part(s.of_direction(7, d), index);
            return add(n, gate, mul(n, weight, cell));
        };
        s.run(d, s.products(d, bias ? &*bias : nullptr), {s.initial(5, d), s.initial(6, d)},
              [&](ValueId x, const Values& state) {
                  const ValueId cell = state[1];
                  const ValueId sum = add(n, s.product(state[0], r), x);
                  const ValueId in = f[0].apply(n, s.clipped(peep(s.part(sum, 0), cell, 0)));
                  const ValueId forget =
                      coupled ? sub(n, n.b.scalar(n.b.type(in), 1), in)
                              : f[0].apply(n, s.clipped(peep(s.part(sum, 2), cell, 2)));
                  const ValueId candidate = f[1].apply(n, s.clipped(s.part(sum, 3)));
                  const ValueId next = add(n, mul(n, forget, cell), mul(n, in, candidate));
                  const ValueId out = f[0].apply(n, s.clipped(peep(s.part(sum, 1), next, 1)));
                  return Values{mul(n, out, f[2].apply(n, next)), next};
              });
    }
    return s.results();
}

Values lstm(const Node& n) {
    return lstm_of(n, false);
}
Values dynamic_quantize_lstm(const Node& n) {
    return lstm_of(n, true);
}

}  // namespace

void add_recurrent(OperatorTable& table) {
    table.add({{"GRU", {1}, gru},
               {"LSTM", {1}, lstm},
               {"RNN", {1}, rnn},
               {"com.microsoft.DynamicQuantizeLSTM", dynamic_quantize_lstm}});
}

}  // namespace accel::compiler
