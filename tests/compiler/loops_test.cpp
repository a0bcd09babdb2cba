// SPDX-License-Identifier: Apache-2.0
//
// Scan, Loop and If that the card runs.
#include "loops_fixture.hpp"

namespace accel::test {
namespace {

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
        const auto sum = n <= 0 ? 0.0F : static_cast<float>(n * (n - 1)) / 2;
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

TEST_F(Loops, ACounterThatIsAShapeIsKnown) {
    input("x", floats({1}, {2}));
    weight("n", integers({}, {9}));
    weight("zero", integers({1}, {0}));
    weight("two", integers({1}, {2}));
    onnx::GraphProto inner = body({"i", "on", "s", "k"}, {"on2", "s2", "k2"});
    add(inner, "Identity", {"on"}, {"on2"});
    add(inner, "Add", {"s", "s"}, {"s2"});
    add(inner, "Add", {"k", "two"}, {"k2"});
    onnx::NodeProto& loop = made.node("Loop", {"n", "", "x", "zero"}, {"last", "length"});
    set_graph(loop, "body", inner);
    made.node("Expand", {"last", "length"}, {"y"});
    outputs({"y"});
    const auto y = load().run(queue, std::vector{floats({1}, {2})});
    EXPECT_EQ(y[0].shape, Sizes{18});
    EXPECT_EQ(values<float>(y[0]), std::vector<float>(18, 1024));
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
    given.reserve(300);
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
