// SPDX-License-Identifier: Apache-2.0
//
// Model::check(), the messages of models that are refused, and the table of operators.
#include <algorithm>
#include <vector>

#include "accel/model.hpp"
#include "fixture.hpp"
#include "frontend/operator_table.hpp"
#include "model_builder.hpp"

namespace accel::test {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class ModelCheck : public SdkTest {
  protected:
    static std::vector<Unsupported> check(const ModelBuilder& m, const LoadOptions& options = {}) {
        return Model::check(m.save("check.onnx"), options);
    }
    Error refusal(const ModelBuilder& m, const LoadOptions& options = {}) {
        return error_of([&] {
            const Device device = open();
            static_cast<void>(Model::load(device, m.save("check.onnx"), options));
        });
    }
};

auto says(const std::string& text) {
    return Field(&Unsupported::cause, HasSubstr(text));
}

TEST_F(ModelCheck, OfASupportedModelFindsNothing) {
    ModelBuilder m;
    m.input("x", {2, 3});
    m.node("Relu", {"x"}, {"y"});
    m.output("y");
    EXPECT_THAT(check(m), IsEmpty());
}

TEST_F(ModelCheck, ReportsAllCausesAtOnceWithTheirCounts) {
    ModelBuilder m;
    m.import("com.microsoft", 1);
    m.import("ai.onnx.ml", 3);
    m.input("x", {2, 3}, onnx::TensorProto::DOUBLE);
    m.node("com.microsoft.Invented", {"x"}, {"a"}, "first");
    m.node("com.microsoft.Invented", {"a"}, {"b"}, "second");
    m.node("ai.onnx.ml.Scaler", {"b"}, {"c"});
    m.node("Invented", {"c"}, {"d"});
    integer(m.node("Softmax", {"x"}, {"e"}, "soft"), "axis", 5);
    m.node("Relu", {"x"}, {"y"});
    m.output("y");
    const auto found = check(m);
    ASSERT_THAT(found, SizeIs(5));
    const auto find = [&](const std::string& domain, const std::string& op) {
        const auto one = std::ranges::find_if(
            found, [&](const Unsupported& u) { return u.domain == domain && u.op_type == op; });
        EXPECT_NE(one, found.end()) << domain << " " << op;
        return one == found.end() ? Unsupported{} : *one;
    };
    EXPECT_EQ(find("com.microsoft", "Invented").nodes, 2U);
    EXPECT_EQ(find("com.microsoft", "Invented").node, "first");
    EXPECT_THAT(find("ai.onnx.ml", "Scaler"), says("domain 'ai.onnx.ml'"));
    EXPECT_EQ(find("ai.onnx.ml", "Scaler").node, "c");
    EXPECT_EQ(find("ai.onnx", "Invented").nodes, 1U);
    EXPECT_THAT(find("ai.onnx", "Softmax"), says("axis"));
    EXPECT_THAT(find("", ""), says("f64"));
    for (const Unsupported& one : found) {
        EXPECT_FALSE(one.remedy.empty()) << one.cause;
    }
}

TEST_F(ModelCheck, ContinuesBehindAnUnsupportedNodeWhoseShapeIsStated) {
    ModelBuilder m;
    m.input("x", {2, 3});
    m.node("Invented", {"x"}, {"a"});
    integer(m.node("Softmax", {"a"}, {"y"}), "axis", 5);
    m.output("y");
    EXPECT_THAT(check(m), SizeIs(1));
    auto& info = *m.graph().add_value_info();
    info = m.graph().input(0);
    info.set_name("a");
    EXPECT_THAT(check(m), ElementsAre(Field(&Unsupported::op_type, "Invented"),
                                      Field(&Unsupported::op_type, "Softmax")));
}

TEST_F(ModelCheck, FindsWhatTheLayoutRefuses) {
    ModelBuilder m;
    m.input("x", {2, 1, 2, 2, 2, 2, 2, 2});
    integer(m.node("Invented", {"x"}, {"y"}, "far"), "axis", 0);
    m.graph().mutable_node(0)->set_op_type("Transpose");
    m.graph().mutable_node(0)->clear_attribute();
    m.output("y");
    EXPECT_THAT(check(m), Contains(AllOf(says("6 dimensions"), says("Transpose far"))));
    expect_says(refusal(m), "Transpose far", "6 dimensions");
}

TEST_F(ModelCheck, ReportsUnsupportedOperatorsBehindADecisionOfTheHost) {
    ModelBuilder m;
    m.input("x", {4});
    m.node("NonZero", {"x"}, {"places"});
    m.node("Invented", {"places"}, {"y"});
    m.output("y");
    const LoadOptions host{.host_fallback = true};
    EXPECT_THAT(check(m, host), ElementsAre(Field(&Unsupported::op_type, "Invented")));
    expect_says(refusal(m, host), "Invented", "not supported");
    m.graph().mutable_node(1)->set_op_type("Neg");
    EXPECT_THAT(check(m, host), IsEmpty());
}

TEST_F(ModelCheck, LoadNamesAllUnsupportedOperators) {
    ModelBuilder m;
    m.import("com.microsoft", 1);
    m.input("x", {2}, onnx::TensorProto::DOUBLE);
    m.node("Invented", {"x"}, {"a"});
    m.node("com.microsoft.Invented", {"a"}, {"b"}, "n");
    m.node("com.microsoft.Invented", {"b"}, {"y"});
    m.output("y");
    expect_says(refusal(m), "2 operators are not supported", "Invented 'a'",
                "com.microsoft.Invented 'n' (2 nodes)", "--check-only");
}

// No dimension may be open after the load.
LoadOptions closed() {
    return {.open_dimensions = std::vector<std::string>()};
}

TEST_F(ModelCheck, AllOpenDimensionsAreInOneMessage) {
    ModelBuilder m;
    m.input("ids", {"batch", "length"});
    m.input("mask", {1, "length", "width"});
    m.node("Identity", {"ids"}, {"y"});
    m.output("y");
    expect_says(refusal(m, closed()), "dimension 1 ('length') of input 'ids' is open",
                "dimension 1 ('length'), 2 ('width') of input 'mask' are open", "--dimension");
    EXPECT_THAT(check(m, {.dimensions = {{"length", 4}, {"width", 2}}}), IsEmpty());
}

TEST_F(ModelCheck, DimensionsWithoutANameOfTheirOwnAreGivenByShape) {
    ModelBuilder m;
    m.input("x", {"?", "?", "?"});
    m.node("Identity", {"x"}, {"y"});
    m.output("y");
    expect_says(refusal(m, closed()), "dimension 1 ('?'), 2 ('?') of input 'x' are open",
                "--shape INPUT=N,N,...");
    EXPECT_THAT(check(m, {.shapes = {{"x", {1, 2, 3}}}}), IsEmpty());
}

TEST_F(ModelCheck, AnOpenFirstDimensionIsABatchOnlyIfItsNameSaysSo) {
    ModelBuilder m;
    m.input("f0", {"length", 1});
    m.node("Identity", {"f0"}, {"y"});
    m.output("y");
    expect_says(refusal(m, closed()), "dimension 0 ('length') of input 'f0' is open");
    EXPECT_THAT(check(m, {.dimensions = {{"length", 9}}}), IsEmpty());
    EXPECT_THAT(check(m, {.batch = 9}), IsEmpty());
    m.graph()
        .mutable_input(0)
        ->mutable_type()
        ->mutable_tensor_type()
        ->mutable_shape()
        ->mutable_dim(0)
        ->set_dim_param("batch_size");
    EXPECT_THAT(check(m, closed()), IsEmpty());
}

TEST_F(ModelCheck, NodesBehindAnOpenDimensionAreCheckedForTheirOperators) {
    ModelBuilder m;
    m.input("x", {"length"});
    m.node("Neg", {"x"}, {"a"});
    m.output("y");
    m.node("Identity", {"a"}, {"y"});
    EXPECT_THAT(check(m), IsEmpty());
    m.graph().mutable_node(1)->set_op_type("Invented");
    EXPECT_THAT(check(m), ElementsAre(Field(&Unsupported::op_type, "Invented")));
}

TEST_F(ModelCheck, DataTypesHaveTheirNames) {
    ModelBuilder m;
    m.input("x", {2}, 17);  // FLOAT8E4M3FN
    m.input("t", {2}, onnx::TensorProto::STRING);
    m.node("Identity", {"x"}, {"y"});
    m.output("y");
    EXPECT_THAT(check(m), Contains(AllOf(says("input 't'"), says("STRING"))));
    expect_says(refusal(m), "input 't'", "STRING");
}

TEST_F(ModelCheck, InputsThatAreNoTensorsAreRefusedByTheirKind) {
    ModelBuilder m;
    m.input("x", {2});
    m.node("SequenceAt", {"s", "i"}, {"y"});
    m.output("y");
    auto& input = *m.graph().add_input();
    input.set_name("s");
    input.mutable_type()->mutable_optional_type()->mutable_elem_type();
    m.graph().mutable_node(0)->set_op_type("Identity");
    expect_says(refusal(m), "input 's' is an optional");
}

TEST_F(ModelCheck, ANameThatIsDefinedTwiceIsRefused) {
    ModelBuilder m;
    m.input("x", {2});
    m.node("Relu", {"x"}, {"y"}, "one");
    m.node("Neg", {"x"}, {"y"}, "other");
    m.output("y");
    expect_says(refusal(m), "'y' is defined twice", "Relu 'one'", "Neg 'other'");
    m.graph().mutable_node()->RemoveLast();
    auto& weight = *m.graph().add_initializer();
    weight.set_name("y");
    weight.set_data_type(onnx::TensorProto::FLOAT);
    weight.add_float_data(1);
    expect_says(refusal(m), "'y' is defined twice", "a weight", "Relu 'one'");
}

TEST_F(ModelCheck, AnOperatorThatIsNewerThanTheModelIsRefused) {
    ModelBuilder m(17);
    m.input("x", {2});
    m.node("Gelu", {"x"}, {"y"});
    m.output("y");
    expect_says(refusal(m), "Gelu 'y'", "exists since opset 20", "the model is of opset 17");
    m.model.mutable_opset_import(0)->set_version(28);
    EXPECT_THAT(check(m), IsEmpty());
    m.model.mutable_opset_import(0)->set_version(29);
    expect_says(refusal(m), "opset 29 of the domain ai.onnx", "1 to 28");
}

TEST(OperatorTable, LowersAnOperatorInOneWayInEachOpset) {
    for (const auto& [name, variants] : compiler::operators().all()) {
        std::vector<compiler::OpsetRange> ranges;
        for (const compiler::Operator& one : variants) {
            ranges.push_back(one.opsets);
        }
        std::ranges::sort(ranges, {}, &compiler::OpsetRange::first);
        for (std::size_t i = 1; i < ranges.size(); ++i) {
            EXPECT_LT(ranges[i - 1].last, ranges[i].first) << name << " is in the table twice";
        }
    }
}

TEST_F(ModelCheck, AModelOfOtherDomainsOnlyHasNoOpsetOfOnnx) {
    ModelBuilder m;
    m.model.clear_opset_import();
    m.import("com.microsoft", 1);
    m.input("x", {2});
    m.node("com.microsoft.Gelu", {"x"}, {"y"});
    m.output("y");
    EXPECT_THAT(check(m), IsEmpty());
    m.graph().mutable_node(0)->set_domain("");
    expect_says(refusal(m), "imports no opset of the domain ai.onnx");
    m.model.clear_opset_import();
    expect_says(refusal(m), "it has no opset_import");
}

}  // namespace
}  // namespace accel::test
