// SPDX-License-Identifier: Apache-2.0
//
// Attentions as exporters write them become one command each. The same model with its softmax as
// another output keeps the separate commands, and has the same results up to rounding.
#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "model_builder.hpp"
#include "one_node.hpp"
#include "three_ways.hpp"

namespace accel::test {
namespace {

constexpr std::int64_t batch = 2;
constexpr std::int64_t heads = 4;
constexpr std::int64_t length = 9;
constexpr std::int64_t size = 8;
constexpr float infinity = std::numeric_limits<float>::infinity();

std::vector<float> random_floats(std::int64_t count, unsigned seed) {
    std::mt19937 engine(seed);
    std::normal_distribution<float> normal;
    std::vector<float> values(static_cast<std::size_t>(count));
    for (float& value : values) {
        value = normal(engine);
    }
    return values;
}

// A model under construction, and the values of its inputs.
class Written {
  public:
    ModelBuilder built{21};
    std::vector<TensorData> inputs;

    std::string input(const TensorData& data) {
        const std::string name = "x" + std::to_string(inputs.size());
        built.input(name, {data.shape.begin(), data.shape.end()},
                    compiler::onnx_type_of(data.type));
        inputs.push_back(data);
        return name;
    }
    std::string random_input(Sizes shape) {
        std::int64_t count = 1;
        for (const std::int64_t n : shape) {
            count *= n;
        }
        return input(floats(std::move(shape),
                            random_floats(count, static_cast<unsigned>(inputs.size()) + 1)));
    }
    std::string weights(const TensorData& data) {
        onnx::TensorProto& made = *built.graph().add_initializer();
        made.set_name(next());
        made.set_data_type(compiler::onnx_type_of(data.type));
        made.mutable_dims()->Add(data.shape.begin(), data.shape.end());
        made.set_raw_data(data.bytes.data(), data.bytes.size());
        return made.name();
    }
    std::string number(float x) { return weights(floats({}, {x})); }
    std::string node(const char* op, const std::vector<std::string>& from,
                     const std::vector<onnx::AttributeProto>& attributes = {}) {
        const std::string name = next();
        onnx::NodeProto& made = built.node(op, from, {name});
        for (const auto& one : attributes) {
            *made.add_attribute() = one;
        }
        return name;
    }
    std::string reshape(const std::string& x, const Sizes& shape) {
        return node("Reshape",
                    {x, weights(integers({static_cast<std::int64_t>(shape.size())}, shape))});
    }
    std::string transpose(const std::string& x, const Sizes& axes) {
        return node("Transpose", {x}, {list_attribute("perm", axes)});
    }
    std::string softmax(const std::string& x) {
        softmax_ = node("Softmax", {x}, {attribute("axis", std::int64_t{-1})});
        return softmax_;
    }
    [[nodiscard]] const std::string& last_softmax() const { return softmax_; }

  private:
    std::string next() { return "t" + std::to_string(names_++); }

    std::string softmax_;
    int names_ = 0;
};

// [batch, length, heads * size] to [batch, heads, length, size]; other axes for transposed keys.
std::string split(Written& w, const std::string& x, std::int64_t count,
                  const Sizes& axes = {0, 2, 1, 3}) {
    return w.transpose(w.reshape(x, {batch, length, count, size}), axes);
}
std::string merged(Written& w, const std::string& x) {
    return w.reshape(w.transpose(x, {0, 2, 1, 3}), {batch, length, heads * size});
}
TensorData causal(float blocked = -infinity) {
    std::vector<float> values;
    for (std::int64_t i = 0; i < length; ++i) {
        for (std::int64_t j = 0; j < length; ++j) {
            values.push_back(j > i ? blocked : 0.0F);
        }
    }
    return floats({1, 1, length, length}, values);
}

class AttentionFusion : public SdkTest {
  protected:
    struct Outcome {
        std::vector<float> values;
        std::vector<std::string> commands;

        [[nodiscard]] std::ptrdiff_t count(const char* command) const {
            return std::ranges::count(commands, command);
        }
    };

    Outcome run(const Written& w) {
        const Device device = open();
        Queue queue = device.create_queue();
        const Model net =
            compiler::compile(device, compiler::import_onnx(w.built.model, "attention.onnx", {}));
        Outcome outcome{values<float>(net.run(queue, w.inputs).at(0)), {}};
        for (const ModelCommand& command : net.commands()) {
            outcome.commands.emplace_back(command.command);
        }
        return outcome;
    }
    // `write` returns the output.
    template <typename Write>
    void expect_fused(Write&& write, std::ptrdiff_t products = 0) {
        Written fused;
        fused.built.output(write(fused));
        const Outcome one = run(fused);
        EXPECT_EQ(one.count("ATTENTION"), 1);
        EXPECT_EQ(one.count("SOFTMAX"), 0);
        EXPECT_EQ(one.count("GEMM"), products);

        Written separate;
        separate.built.output(write(separate));
        separate.built.output(separate.last_softmax());
        const Outcome many = run(separate);
        EXPECT_EQ(many.count("ATTENTION"), 0);
        EXPECT_EQ(many.count("SOFTMAX"), 1);
        ASSERT_EQ(one.values.size(), many.values.size());
        for (std::size_t i = 0; i < one.values.size(); ++i) {
            if (std::isnan(many.values[i])) {
                ASSERT_TRUE(std::isnan(one.values[i])) << i;
            } else {
                ASSERT_NEAR(one.values[i], many.values[i], 2e-6) << i;
            }
        }
        // A known input has the bits of one that a run brings.
        Case known{"attention.onnx", fused.built.model, {}, fused.inputs};
        for (const auto& input : fused.built.model.graph().input()) {
            known.ports.push_back(compiler::describe_tensor(input));
        }
        const Device device = open();
        Queue queue = device.create_queue();
        EXPECT_EQ(difference(run_on_card(device, queue, known), run_folded(device, queue, known)),
                  "");
    }
    template <typename Write>
    void expect_separate(Write&& write) {
        Written w;
        w.built.output(write(w));
        const Outcome outcome = run(w);
        EXPECT_EQ(outcome.count("ATTENTION"), 0);
        EXPECT_EQ(outcome.count("SOFTMAX"), 1);
    }
};

// ---- recognized

// PyTorch's older exporter: keys transposed at once, scores divided, a mask for each sample.
TEST_F(AttentionFusion, ScoresDividedAndMasked) {
    expect_fused([](Written& w) {
        const std::string q = split(w, w.random_input({batch, length, heads * size}), heads);
        const std::string k =
            split(w, w.random_input({batch, length, heads * size}), heads, {0, 2, 3, 1});
        const std::string v = split(w, w.random_input({batch, length, heads * size}), heads);
        std::vector<float> mask(static_cast<std::size_t>(batch * length));
        mask[3] = mask[12] = -10000;
        const std::string m = w.input(floats({batch, 1, 1, length}, mask));
        std::string x = w.node("Div", {w.node("MatMul", {q, k}), w.number(std::sqrt(8.0F))});
        x = w.softmax(w.node("Add", {x, m}));
        return merged(w, w.node("MatMul", {x, v}));
    });
}

// PyTorch's newer exporter: the square root of the scale on both sides, causal, with the guard.
TEST_F(AttentionFusion, BothSidesScaledAndGuarded) {
    expect_fused([](Written& w) {
        const std::string root = w.number(0.5946F);
        const std::string q = split(w, w.random_input({batch, length, heads * size}), heads);
        const std::string k = split(w, w.random_input({batch, length, heads * size}), heads);
        const std::string v = split(w, w.random_input({batch, length, heads * size}), heads);
        const std::string turned = w.node("Mul", {w.transpose(k, {0, 1, 3, 2}), root});
        std::string x = w.node("MatMul", {w.node("Mul", {q, root}), turned});
        x = w.softmax(w.node("Add", {x, w.weights(causal())}));
        x = w.node("Where", {w.node("IsNaN", {x}), w.number(0), x});
        return merged(w, w.node("MatMul", {x, v}));
    });
}

TEST_F(AttentionFusion, SelectedByACondition) {
    expect_fused([](Written& w) {
        const std::string q = w.random_input({1, heads, length, size});
        const std::string k = w.random_input({1, heads, size, length});
        const std::string v = w.random_input({1, heads, length, size});
        std::vector<std::uint8_t> allowed(static_cast<std::size_t>(length * length), 1);
        allowed[5] = allowed[17] = 0;
        std::fill_n(allowed.begin() + 2 * length, length, std::uint8_t{0});  // a query without keys
        const std::string m =
            w.input(tensor<std::uint8_t>(DataType::boolean, {length, length}, allowed));
        const std::string x = w.node("Mul", {w.number(0.35F), w.node("MatMul", {q, k})});
        return w.node("MatMul", {w.softmax(w.node("Where", {m, x, w.number(-infinity)})), v});
    });
}

// GPT-2: a constant chooses the lowest number for later keys, and a mask of the run is added.
TEST_F(AttentionFusion, SelectedByAConstantAndMasked) {
    expect_fused([](Written& w) {
        const std::string q = split(w, w.random_input({batch, length, heads * size}), heads);
        const std::string k = split(w, w.random_input({batch, length, heads * size}), heads);
        const std::string v = split(w, w.random_input({batch, length, heads * size}), heads);
        std::string x = w.node("MatMul", {q, w.transpose(k, {0, 1, 3, 2})});
        x = w.node("Div", {x, w.number(std::sqrt(8.0F))});
        std::vector<std::uint8_t> later;
        for (const float value : values<float>(causal())) {
            later.push_back(value != 0 ? 1 : 0);
        }
        const std::string condition =
            w.weights(tensor<std::uint8_t>(DataType::boolean, {1, 1, length, length}, later));
        x = w.node("Where", {condition, w.number(std::numeric_limits<float>::lowest()), x});
        std::vector<float> mask(static_cast<std::size_t>(batch * length));
        mask[12] = -10000;
        x = w.node("Add", {x, w.input(floats({batch, 1, 1, length}, mask))});
        return merged(w, w.node("MatMul", {w.softmax(x), v}));
    });
}

TEST_F(AttentionFusion, BlockedByACondition) {
    expect_fused([](Written& w) {
        const std::string q = w.random_input({1, heads, length, size});
        const std::string k = w.random_input({1, heads, size, length});
        const std::string v = w.random_input({1, heads, length, size});
        std::vector<std::uint8_t> blocked(static_cast<std::size_t>(length), 0);
        blocked[4] = 1;
        const std::string m = w.input(tensor<std::uint8_t>(DataType::boolean, {length}, blocked));
        const std::string x = w.node("MatMul", {q, k});
        return w.node("MatMul", {w.softmax(w.node("Where", {m, w.number(-infinity), x})), v});
    });
}

TEST_F(AttentionFusion, HeadsRepeatedByExpand) {
    constexpr std::int64_t groups = 2;
    const auto write = [](Written& w) {
        const auto repeated = [&](const std::string& x) {
            const std::string one = w.reshape(x, {batch, groups, 1, length, size});
            const std::string all = w.node(
                "Expand",
                {one, w.weights(integers({5}, {batch, groups, heads / groups, length, size}))});
            return w.reshape(all, {batch, heads, length, size});
        };
        const std::string q = split(w, w.random_input({batch, length, heads * size}), heads);
        const std::string k =
            repeated(split(w, w.random_input({batch, length, groups * size}), groups));
        const std::string v =
            repeated(split(w, w.random_input({batch, length, groups * size}), groups));
        const std::string x = w.node("MatMul", {q, w.transpose(k, {0, 1, 3, 2})});
        return merged(w, w.node("MatMul", {w.softmax(w.node("Mul", {x, w.number(0.35F)})), v}));
    };
    expect_fused(write);
    Written w;
    w.built.output(write(w));
    EXPECT_LE(run(w).commands.size(), 2U) << "the heads are not copied";
}

TEST_F(AttentionFusion, ThreeDimensionsAndNoScale) {
    expect_fused([](Written& w) {
        const std::string q = w.random_input({batch * heads, length, size});
        const std::string k = w.random_input({batch * heads, length, size});
        const std::string v = w.random_input({batch * heads, length, 5});
        const std::string x = w.node("MatMul", {q, w.transpose(k, {0, 2, 1})});
        const std::string mask = w.random_input({batch * heads, 1, length});
        return w.node("MatMul", {w.softmax(w.node("Add", {mask, x})), v});
    });
}

TEST_F(AttentionFusion, TwoDimensionsAndAMaskOfOneElementARow) {
    expect_fused([](Written& w) {
        const std::string q = w.random_input({length, size});
        const std::string k = w.random_input({length, size});
        const std::string v = w.random_input({length, size});
        const std::string x = w.node("MatMul", {q, w.transpose(k, {1, 0})});
        const std::string mask = w.random_input({length, 1});
        return w.node("MatMul", {w.softmax(w.node("Add", {x, mask})), v});
    });
}

// ---- not recognized

std::string plain(Written& w, const std::string& x) {
    const std::string v = w.random_input({1, heads, length, size});
    return w.node("MatMul", {w.softmax(x), v});
}
std::string scores(Written& w, std::int64_t columns = size) {
    const std::string q = w.random_input({1, heads, length, columns});
    return w.node("MatMul", {q, w.random_input({1, heads, columns, length})});
}

TEST_F(AttentionFusion, OtherReadersOfTheScoresKeepThem) {
    expect_separate([](Written& w) {
        const std::string x = scores(w);
        const std::string y = plain(w, x);
        return w.node("Add", {y, w.node("ReduceSum", {x, w.weights(integers({1}, {3}))})});
    });
}

TEST_F(AttentionFusion, NumbersOfTheRunAreNoScale) {
    expect_separate([](Written& w) {
        return plain(w, w.node("Mul", {scores(w), w.input(floats({}, {0.5F}))}));
    });
}

// A query that attends no key would give the mean of all values.
TEST_F(AttentionFusion, AConditionOfTheRunThatSelectsAFiniteNumberIsNoMask) {
    expect_separate([](Written& w) {
        const std::string m = w.input(tensor<std::uint8_t>(DataType::boolean, {1, length},
                                                           std::vector<std::uint8_t>(length, 1)));
        return plain(
            w, w.node("Where", {m, scores(w), w.number(std::numeric_limits<float>::lowest())}));
    });
}

TEST_F(AttentionFusion, AConditionThatSelectsASmallNumberIsNoMask) {
    expect_separate([](Written& w) {
        const std::string m = w.input(tensor<std::uint8_t>(DataType::boolean, {1, length},
                                                           std::vector<std::uint8_t>(length, 1)));
        return plain(w, w.node("Where", {m, scores(w), w.number(-10000)}));
    });
}

TEST_F(AttentionFusion, LargeHeadsStaySeparate) {
    expect_separate([](Written& w) { return plain(w, scores(w, 513)); });
}

TEST_F(AttentionFusion, AScaleBehindTheMaskIsNoScale) {
    expect_separate([](Written& w) {
        const std::string x = w.node("Add", {scores(w), w.weights(causal())});
        return plain(w, w.node("Mul", {x, w.number(0.5F)}));
    });
}

// ---- nodes

TEST_F(AttentionFusion, NodesOfAttentionsAreOneCommand) {
    const auto expect_one = [&](const char* op, const std::vector<onnx::AttributeProto>& with,
                                std::ptrdiff_t commands) {
        Written w;
        w.built = ModelBuilder(24);
        w.built.import("com.microsoft", 1);
        std::vector<std::string> in;
        for (int i = 0; i < 3; ++i) {
            in.push_back(w.random_input({batch, length, heads * size}));
        }
        w.built.output(w.node(op, in, with));
        const Outcome outcome = run(w);
        EXPECT_EQ(outcome.count("ATTENTION"), 1) << op;
        EXPECT_LE(std::ssize(outcome.commands), commands) << op;
    };
    expect_one("Attention",
               {attribute("q_num_heads", heads), attribute("kv_num_heads", heads),
                attribute("is_causal", std::int64_t{1})},
               2);
    expect_one("com.microsoft.MultiHeadAttention",
               {attribute("num_heads", heads), attribute("unidirectional", std::int64_t{1})}, 2);
}

}  // namespace
}  // namespace accel::test
