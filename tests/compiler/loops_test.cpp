// SPDX-License-Identifier: Apache-2.0
//
// Loops and branches that the card runs. Each is compared with the same model whose inputs are
// known: that one is unrolled and folded, and has the same bits.
#include <algorithm>
#include <optional>
#include <random>

#include "model_builder.hpp"
#include "one_node.hpp"

namespace accel::test {
namespace {

using Names = std::vector<std::string>;

std::vector<float> random_values(std::size_t count, std::uint32_t seed) {
    std::mt19937 engine(seed);
    std::normal_distribution<float> normal(0.0F, 0.7F);
    std::vector<float> made(count);
    std::ranges::generate(made, [&] { return normal(engine); });
    return made;
}

TensorData random_tensor(const Sizes& shape, std::uint32_t seed) {
    std::size_t count = 1;
    for (const std::int64_t n : shape) {
        count *= static_cast<std::size_t>(n);
    }
    return floats(shape, random_values(count, seed));
}

class Loops : public SdkTest {
  protected:
    void input(const std::string& name, const TensorData& data) {
        std::vector<TestDim> dims(data.shape.begin(), data.shape.end());
        made.input(name, dims, compiler::onnx_type_of(data.type));
        inputs_.emplace_back(name, data);
    }
    void weight(const std::string& name, const TensorData& data) {
        add_weight(made.graph(), name, data);
    }
    static void add_weight(onnx::GraphProto& graph, const std::string& name,
                           const TensorData& data) {
        onnx::TensorProto& tensor = *graph.add_initializer();
        tensor.set_name(name);
        tensor.set_data_type(compiler::onnx_type_of(data.type));
        tensor.mutable_dims()->Add(data.shape.begin(), data.shape.end());
        tensor.set_raw_data(data.bytes.data(), data.bytes.size());
    }
    static onnx::GraphProto body(const Names& inputs, const Names& outputs) {
        onnx::GraphProto graph;
        for (const std::string& name : inputs) {
            graph.add_input()->set_name(name);
        }
        for (const std::string& name : outputs) {
            graph.add_output()->set_name(name);
        }
        return graph;
    }
    static onnx::NodeProto& add(onnx::GraphProto& graph, const std::string& op, const Names& inputs,
                                const Names& outputs) {
        return ModelBuilder::fill(*graph.add_node(), op, inputs, outputs, op + " of " + outputs[0]);
    }
    static void set_graph(onnx::NodeProto& node, const std::string& name,
                          const onnx::GraphProto& graph) {
        onnx::AttributeProto& made = *node.add_attribute();
        made.set_name(name);
        made.set_type(onnx::AttributeProto::GRAPH);
        *made.mutable_g() = graph;
    }
    static TensorData truth(bool value) {
        return tensor<std::uint8_t>(DataType::boolean, {}, {static_cast<std::uint8_t>(value)});
    }

    std::size_t count(const Model& net, const std::string& command) {
        return static_cast<std::size_t>(
            std::ranges::count(net.commands(), command, &ModelCommand::command));
    }

    Model load(bool known = false) {
        LoadOptions options;
        if (known) {
            options.constant_inputs.insert(inputs_.begin(), inputs_.end());
        }
        const std::string bytes = made.model.SerializeAsString();
        return Model::load(device, std::as_bytes(std::span(bytes)), options);
    }

    // Runs the model on the card, and compares it with the one that is unrolled. Returns the
    // results.
    std::vector<TensorData> expect_same_bits(const std::string& command = "LOOP") {
        const Model net = load();
        EXPECT_GE(count(net, command), 1U);
        std::vector<TensorData> given;
        for (const auto& [name, data] : inputs_) {
            given.push_back(data);
        }
        const auto looped = net.run(queue, given);
        const auto again = net.run(queue, given);
        const auto unrolled = load(true).run(queue, std::vector<TensorData>{});
        for (std::size_t i = 0; i < looped.size(); ++i) {
            EXPECT_EQ(looped[i].shape, unrolled[i].shape);
            EXPECT_EQ(looped[i].bytes, unrolled[i].bytes) << "output " << i;
            EXPECT_EQ(looped[i].bytes, again[i].bytes) << "output " << i << " of the second run";
        }
        return looped;
    }

    void outputs(const Names& names) {
        for (const std::string& name : names) {
            made.output(name);
        }
    }

    ModelBuilder made;
    void TearDown() override {
        made_queue_.reset();
        card_.reset();
        SdkTest::TearDown();
    }

  private:
    std::optional<Device> card_ = open();
    std::optional<Queue> made_queue_ = card_->create_queue();

  protected:
    const Device& device = *card_;
    Queue& queue = *made_queue_;

  private:
    std::vector<std::pair<std::string, TensorData>> inputs_;
};

// ---- RNN, GRU, LSTM

struct Recurrent {
    std::string op;
    std::string direction;
    bool lengths = false;  // differ within the batch
    std::int64_t layout = 0;
    bool linear = false;    // GRU: linear_before_reset
    bool peephole = false;  // LSTM
};

std::string name_of(const testing::TestParamInfo<Recurrent>& info) {
    const Recurrent& r = info.param;
    return r.op + r.direction + (r.lengths ? "Lengths" : "") + (r.layout != 0 ? "BatchFirst" : "") +
           (r.linear ? "Linear" : "") + (r.peephole ? "Peephole" : "");
}

class RecurrentLoops : public Loops, public testing::WithParamInterface<Recurrent> {
  protected:
    void build(const Recurrent& r, std::int64_t steps) {
        constexpr std::int64_t batch = 3;
        constexpr std::int64_t features = 5;
        constexpr std::int64_t hidden = 4;
        const std::int64_t directions = r.direction == "bidirectional" ? 2 : 1;
        const std::int64_t gates = r.op == "LSTM" ? 4 : r.op == "GRU" ? 3 : 1;
        const bool batch_first = r.layout != 0;
        input("x",
              random_tensor(
                  batch_first ? Sizes{batch, steps, features} : Sizes{steps, batch, features}, 1));
        weight("w", random_tensor({directions, gates * hidden, features}, 2));
        weight("r", random_tensor({directions, gates * hidden, hidden}, 3));
        weight("b", random_tensor({directions, 2 * gates * hidden}, 4));
        const Sizes state =
            batch_first ? Sizes{batch, directions, hidden} : Sizes{directions, batch, hidden};
        input("h", random_tensor(state, 5));
        Names names{"x", "w", "r", "b", "", "h"};
        if (r.lengths) {
            input("lengths", tensor<std::int32_t>(DataType::i32, {batch},
                                                  {static_cast<std::int32_t>(steps), 1,
                                                   static_cast<std::int32_t>(steps - 3)}));
            names[4] = "lengths";
        }
        Names results{"y", "last"};
        if (r.op == "LSTM") {
            input("c", random_tensor(state, 6));
            names.emplace_back("c");
            results.emplace_back("cell");
        }
        if (r.peephole) {
            weight("p", random_tensor({directions, 3 * hidden}, 7));
            names.emplace_back("p");
        }
        onnx::NodeProto& node = made.node(r.op, names, results, "net");
        integer(node, "hidden_size", hidden);
        integer(node, "layout", r.layout);
        if (r.op == "GRU") {
            integer(node, "linear_before_reset", r.linear ? 1 : 0);
        }
        onnx::AttributeProto& direction = attribute_of(node, "direction");
        direction.set_type(onnx::AttributeProto::STRING);
        direction.set_s(r.direction);
        outputs(results);
    }
    static onnx::AttributeProto& attribute_of(onnx::NodeProto& node, const std::string& name) {
        onnx::AttributeProto& made = *node.add_attribute();
        made.set_name(name);
        return made;
    }
};

TEST_P(RecurrentLoops, HaveTheBitsOfTheUnrolledNet) {
    build(GetParam(), 19);
    static_cast<void>(expect_same_bits());
}

INSTANTIATE_TEST_SUITE_P(
    Each, RecurrentLoops,
    testing::Values(Recurrent{"RNN", "forward"}, Recurrent{"RNN", "reverse"},
                    Recurrent{"RNN", "bidirectional", true}, Recurrent{"GRU", "forward", true},
                    Recurrent{"GRU", "reverse", false, 1},
                    Recurrent{"GRU", "bidirectional", true, 0, true}, Recurrent{"LSTM", "forward"},
                    Recurrent{"LSTM", "reverse", true}, Recurrent{"LSTM", "bidirectional"},
                    Recurrent{"LSTM", "bidirectional", true, 1},
                    Recurrent{"LSTM", "forward", true, 0, false, true}),
    name_of);

class LongRecurrentNets : public RecurrentLoops {};

TEST_P(LongRecurrentNets, HaveAsManyCommandsAsShortOnes) {
    const Recurrent& r = GetParam();
    build(r, 16);
    const std::size_t few = load().commands().size();
    made = ModelBuilder();
    build(r, 600);
    const std::size_t many = load().commands().size();
    EXPECT_EQ(few, many);
    EXPECT_LT(many, 60U);
}

INSTANTIATE_TEST_SUITE_P(Each, LongRecurrentNets,
                         testing::Values(Recurrent{"RNN", "bidirectional"},
                                         Recurrent{"GRU", "bidirectional"},
                                         Recurrent{"LSTM", "bidirectional", true}),
                         name_of);

TEST_F(Loops, FourBidirectionalLayersOfManyStepsAreShort) {
    constexpr std::int64_t hidden = 8;
    input("x", random_tensor({589, 1, 2 * hidden}, 1));
    for (int layer = 0; layer < 4; ++layer) {
        const std::string n = std::to_string(layer);
        weight("w" + n, random_tensor({2, 4 * hidden, 2 * hidden}, 2));
        weight("r" + n, random_tensor({2, 4 * hidden, hidden}, 3));
        weight("b" + n, random_tensor({2, 8 * hidden}, 4));
        onnx::NodeProto& node =
            made.node("LSTM", {layer == 0 ? "x" : "x" + n, "w" + n, "r" + n, "b" + n}, {"y" + n});
        integer(node, "hidden_size", hidden);
        onnx::AttributeProto& direction = *node.add_attribute();
        direction.set_name("direction");
        direction.set_type(onnx::AttributeProto::STRING);
        direction.set_s("bidirectional");
        weight("shape" + n, integers({3}, {589, 1, 2 * hidden}));
        const std::string next = std::to_string(layer + 1);
        onnx::NodeProto& moved = made.node("Transpose", {"y" + n}, {"t" + n});
        onnx::AttributeProto& perm = *moved.add_attribute();
        perm.set_name("perm");
        perm.set_type(onnx::AttributeProto::INTS);
        for (const int axis : {0, 2, 1, 3}) {
            perm.add_ints(axis);
        }
        made.node("Reshape", {"t" + n, "shape" + n}, {"x" + next});
    }
    outputs({"x4"});
    const Model net = load();
    EXPECT_LT(net.commands().size(), 200U);
    EXPECT_EQ(count(net, "LOOP"), 8U);
    std::printf("%zu commands\n", net.commands().size());
    static_cast<void>(expect_same_bits());
}

// ---- Scan

TEST_F(Loops, AScanReadsAndWritesInAnyDirectionAlongAnyAxis) {
    input("start", random_tensor({2, 3}, 1));
    input("x", random_tensor({2, 12, 3}, 2));
    input("z", random_tensor({12, 3}, 3));
    onnx::GraphProto inner = body({"s", "a", "b"}, {"s2", "up", "down"});
    add(inner, "Add", {"s", "a"}, {"t"});
    add(inner, "Tanh", {"t"}, {"u"});
    add(inner, "Sub", {"u", "b"}, {"s2"});
    add(inner, "Mul", {"s", "a"}, {"up"});
    add(inner, "Transpose", {"s2"}, {"down"});
    onnx::NodeProto& scan = made.node("Scan", {"start", "x", "z"}, {"last", "ups", "downs"});
    set_graph(scan, "body", inner);
    integer(scan, "num_scan_inputs", 2);
    *scan.add_attribute() = list_attribute("scan_input_axes", {1, 0});
    *scan.add_attribute() = list_attribute("scan_input_directions", {0, 1});
    *scan.add_attribute() = list_attribute("scan_output_axes", {1, -1});
    *scan.add_attribute() = list_attribute("scan_output_directions", {1, 0});
    outputs({"last", "ups", "downs"});
    const auto results = expect_same_bits();
    EXPECT_EQ(results[1].shape, (Sizes{2, 12, 3}));
    EXPECT_EQ(results[2].shape, (Sizes{3, 2, 12}));
}

TEST_F(Loops, AScanReadsAReversedSlice) {
    // The input of the scan is a view with a negative stride.
    input("x", random_tensor({12, 4}, 2));
    input("start", random_tensor({4}, 1));
    weight("from", integers({1}, {-1}));
    weight("to", integers({1}, {-100}));
    weight("axis", integers({1}, {1}));
    weight("step", integers({1}, {-1}));
    made.node("Slice", {"x", "from", "to", "axis", "step"}, {"turned"});
    onnx::GraphProto inner = body({"s", "a"}, {"s2", "o"});
    add(inner, "Mul", {"s", "a"}, {"m"});
    add(inner, "Add", {"m", "a"}, {"s2"});
    add(inner, "Identity", {"s2"}, {"o"});
    onnx::NodeProto& scan = made.node("Scan", {"start", "turned"}, {"last", "all"});
    set_graph(scan, "body", inner);
    integer(scan, "num_scan_inputs", 1);
    outputs({"last", "all"});
    static_cast<void>(expect_same_bits());
}

// ---- Loop

TEST_F(Loops, StatesThatChangePlacesAreAssignedTogether) {
    // (a, b, c) becomes (b, a + b, a).
    input("a", random_tensor({5}, 1));
    input("b", random_tensor({5}, 2));
    input("c", random_tensor({5}, 3));
    weight("n", integers({}, {13}));
    onnx::GraphProto inner = body({"i", "on", "a1", "b1", "c1"}, {"on2", "b2", "s2", "a2", "all"});
    add(inner, "Identity", {"on"}, {"on2"});
    add(inner, "Identity", {"b1"}, {"b2"});
    add(inner, "Add", {"a1", "b1"}, {"s2"});
    add(inner, "Identity", {"a1"}, {"a2"});
    add(inner, "Sub", {"c1", "a1"}, {"all"});
    onnx::NodeProto& loop = made.node("Loop", {"n", "", "a", "b", "c"}, {"x", "y", "z", "all3"});
    set_graph(loop, "body", inner);
    outputs({"x", "y", "z", "all3"});
    const auto results = expect_same_bits();
    EXPECT_EQ(results[3].shape, (Sizes{13, 5}));
}

TEST_F(Loops, TheNumberOfPassesComesFromTheRun) {
    input("n", integers({}, {0}));
    input("x", random_tensor({2, 3}, 1));
    onnx::GraphProto inner = body({"i", "on", "s"}, {"on2", "s2"});
    add(inner, "Identity", {"on"}, {"on2"});
    add(inner, "Cast", {"i"}, {"number"});
    integer(*inner.mutable_node(1), "to", onnx::TensorProto::FLOAT);
    add(inner, "Add", {"s", "number"}, {"s2"});
    onnx::NodeProto& loop = made.node("Loop", {"n", "", "x"}, {"last"});
    set_graph(loop, "body", inner);
    outputs({"last"});
    const Model net = load();
    const TensorData x = floats({2, 3}, {1, 2, 3, 4, 5, 6});
    for (const std::int64_t n : {0, 1, 7, 100, -5}) {
        const float sum = n <= 0 ? 0.0F : static_cast<float>(n * (n - 1) / 2);
        const auto last = values<float>(net.run(queue, std::vector{integers({}, {n}), x})[0]);
        EXPECT_EQ(last, (std::vector<float>{1 + sum, 2 + sum, 3 + sum, 4 + sum, 5 + sum, 6 + sum}));
    }
}

TEST_F(Loops, TheConditionIsComputedByTheRun) {
    input("x", floats({}, {1}));
    input("going", truth(true));
    weight("limit", floats({}, {1000}));
    onnx::GraphProto inner = body({"i", "on", "s"}, {"more", "s2"});
    add(inner, "Add", {"s", "s"}, {"s2"});
    add(inner, "Less", {"s2", "limit"}, {"more"});
    onnx::NodeProto& loop = made.node("Loop", {"", "going", "x"}, {"last"});
    set_graph(loop, "body", inner);
    outputs({"last"});
    const Model net = load();
    const auto last = [&](float x, bool going) {
        return values<float>(net.run(queue, std::vector{floats({}, {x}), truth(going)})[0])[0];
    };
    EXPECT_EQ(last(1, true), 1024.0F);
    EXPECT_EQ(last(3, true), 1536.0F);
    EXPECT_EQ(last(3, false), 3.0F);
    EXPECT_EQ(last(5000, true), 10000.0F) << "the condition is tested before a pass";
    // A loop that never ends is ended by the card.
    try {
        static_cast<void>(last(0, true));
        ADD_FAILURE() << "the loop ended";
    } catch (const Error& error) {
        EXPECT_EQ(error.status(), CardStatus::step_limit);
    }
    queue.reset();
    EXPECT_EQ(last(1, true), 1024.0F);
}

TEST_F(Loops, LoopsNestAndReadValuesAroundThem) {
    input("x", random_tensor({3, 3}, 1));
    input("y", random_tensor({3, 3}, 2));
    weight("n", integers({}, {9}));
    weight("tenth", floats({}, {0.1F}));
    onnx::GraphProto inner = body({"j", "on", "t"}, {"on2", "t2"});
    add(inner, "Identity", {"on"}, {"on2"});
    add(inner, "MatMul", {"t", "scaled"}, {"m"});
    add(inner, "Add", {"m", "y"}, {"sum"});
    add(inner, "Tanh", {"sum"}, {"t2"});
    onnx::GraphProto outer = body({"i", "on", "s"}, {"on2", "s2"});
    add(outer, "Identity", {"on"}, {"on2"});
    add(outer, "Mul", {"s", "tenth"}, {"scaled"});
    set_graph(add(outer, "Loop", {"n", "", "s"}, {"u"}), "body", inner);
    add(outer, "Sub", {"u", "scaled"}, {"s2"});
    onnx::NodeProto& loop = made.node("Loop", {"n", "", "x"}, {"last"});
    set_graph(loop, "body", outer);
    outputs({"last"});
    static_cast<void>(expect_same_bits());
    EXPECT_EQ(count(load(), "LOOP"), 2U);
}

TEST_F(Loops, ABodyThatNeedsTheNumberOfThePassIsUnrolled) {
    input("x", random_tensor({12}, 1));
    weight("n", integers({}, {10}));
    onnx::GraphProto inner = body({"i", "on", "s"}, {"on2", "s2"});
    add(inner, "Identity", {"on"}, {"on2"});
    add_weight(inner, "one", integers({1}, {1}));
    add_weight(inner, "shape", integers({1}, {1}));
    add(inner, "Reshape", {"i", "shape"}, {"from"});
    add(inner, "Add", {"from", "one"}, {"to"});
    add(inner, "Slice", {"x", "from", "to"}, {"part"});
    add(inner, "Add", {"s", "part"}, {"s2"});
    onnx::NodeProto& loop = made.node("Loop", {"n", "", "x"}, {"last"});
    set_graph(loop, "body", inner);
    outputs({"last"});
    const Model net = load();
    EXPECT_EQ(count(net, "LOOP"), 0U);
}

// ---- If

TEST_F(Loops, AnIfDecidesInTheRun) {
    input("c", truth(true));
    input("x", floats({3}, {1, 2, 3}));
    onnx::GraphProto yes = body({}, {"a", "same"});
    add(yes, "Add", {"x", "x"}, {"t"});
    add(yes, "Exp", {"t"}, {"a"});
    add(yes, "Identity", {"x"}, {"same"});
    onnx::GraphProto no = body({}, {"b", "minus"});
    add(no, "Neg", {"x"}, {"minus"});
    add(no, "Abs", {"minus"}, {"b"});
    onnx::NodeProto& branch = made.node("If", {"c"}, {"r", "s"});
    set_graph(branch, "then_branch", yes);
    set_graph(branch, "else_branch", no);
    made.node("Add", {"r", "s"}, {"y"});
    outputs({"y", "s"});
    static_cast<void>(expect_same_bits("SKIP"));
    const Model net = load();
    const TensorData x = floats({3}, {1, -2, 3});
    const auto y = [&](bool c) {
        return values<float>(net.run(queue, std::vector{truth(c), x})[1]);
    };
    EXPECT_EQ(y(true), (std::vector<float>{1, -2, 3}));
    EXPECT_EQ(y(false), (std::vector<float>{-1, 2, -3}));
    EXPECT_EQ(values<float>(net.run(queue, std::vector{truth(false), x})[0]),
              (std::vector<float>{0, 4, 0}));
}

TEST_F(Loops, AnIfInALoopChangesTheState) {
    // The steps of 3 n + 1.
    input("x", floats({}, {27}));
    weight("one", floats({}, {1}));
    weight("two", floats({}, {2}));
    weight("three", floats({}, {3}));
    onnx::GraphProto even = body({}, {"half"});
    add(even, "Div", {"s", "two"}, {"half"});
    onnx::GraphProto odd = body({}, {"next"});
    add(odd, "Mul", {"s", "three"}, {"tripled"});
    add(odd, "Add", {"tripled", "one"}, {"next"});
    onnx::GraphProto inner = body({"i", "on", "s", "steps"}, {"more", "s2", "steps2"});
    add(inner, "Mod", {"s", "two"}, {"rest"});
    integer(*inner.mutable_node(0), "fmod", 1);
    add(inner, "Less", {"rest", "one"}, {"is_even"});
    onnx::NodeProto& branch = add(inner, "If", {"is_even"}, {"s2"});
    set_graph(branch, "then_branch", even);
    set_graph(branch, "else_branch", odd);
    add(inner, "Add", {"steps", "one"}, {"steps2"});
    add(inner, "Greater", {"s2", "one"}, {"more"});
    input("zero", floats({}, {0}));
    onnx::NodeProto& loop = made.node("Loop", {"", "", "x", "zero"}, {"last", "count"});
    set_graph(loop, "body", inner);
    outputs({"last", "count"});
    const auto results = expect_same_bits();
    EXPECT_EQ(values<float>(results[0])[0], 1.0F);
    EXPECT_EQ(values<float>(results[1])[0], 111.0F);
}

TEST_F(Loops, BranchesOfDifferentShapesNeedAKnownCondition) {
    input("c", truth(true));
    input("x", floats({3}, {1, 2, 3}));
    onnx::GraphProto yes = body({}, {"a"});
    add(yes, "Identity", {"x"}, {"a"});
    onnx::GraphProto no = body({}, {"b"});
    add(no, "ReduceSum", {"x"}, {"b"});
    onnx::NodeProto& branch = made.node("If", {"c"}, {"r"});
    set_graph(branch, "then_branch", yes);
    set_graph(branch, "else_branch", no);
    outputs({"r"});
    expect_says(error_of([&] { static_cast<void>(load()); }), "its condition", "'c'");
}

// ---- Models with many inputs, compiled models

TEST_F(Loops, AModelOfManyInputsIsOneList) {
    Names names;
    for (int i = 0; i < 300; ++i) {
        names.push_back("x" + std::to_string(i));
        input(names.back(), floats({2}, {static_cast<float>(i), 1}));
    }
    onnx::NodeProto& sum = made.node("Sum", names, {"y"});
    static_cast<void>(sum);
    outputs({"y"});
    std::vector<TensorData> given;
    for (int i = 0; i < 300; ++i) {
        given.push_back(floats({2}, {static_cast<float>(i), 1}));
    }
    const Model net = load();
    const std::uint64_t before = queue.stats().completed;
    EXPECT_EQ(values<float>(net.run(queue, given)[0]), (std::vector<float>{44850, 300}));
    EXPECT_EQ(queue.stats().completed - before, 1U);
}

TEST_F(Loops, ACompiledModelHasItsLoops) {
    input("x", random_tensor({20, 2, 3}, 1));
    weight("w", random_tensor({1, 16, 3}, 2));
    weight("r", random_tensor({1, 16, 4}, 3));
    integer(made.node("LSTM", {"x", "w", "r"}, {"y"}), "hidden_size", 4);
    outputs({"y"});
    const Model net = load();
    const std::string file = std::string(MODEL_RESULTS) + "loops.accel";
    net.save(file);
    const Model again = Model::load(device, file);
    const std::vector given{random_tensor({20, 2, 3}, 9)};
    EXPECT_EQ(net.run(queue, given)[0].bytes, again.run(queue, given)[0].bytes);
}

}  // namespace
}  // namespace accel::test
