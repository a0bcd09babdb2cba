// SPDX-License-Identifier: Apache-2.0
//
// Functions that a model defines.
#include <cstring>

#include "accel/model.hpp"
#include "fixture.hpp"
#include "frontend/onnx_newer.hpp"
#include "model_builder.hpp"

namespace accel::test {
namespace {

void set_default(onnx::FunctionProto& function, const onnx::AttributeProto& attribute) {
    compiler::newer::Function newer;
    newer.add_attribute_proto(attribute.SerializeAsString());
    compiler::write_newer(newer, function);
}
void set_overload(onnx::FunctionProto& function, const std::string& overload) {
    compiler::newer::Function newer;
    newer.set_overload(overload);
    compiler::write_newer(newer, function);
}
void set_overload(onnx::NodeProto& node, const std::string& overload) {
    compiler::newer::Node newer;
    newer.set_overload(overload);
    compiler::write_newer(newer, node);
}

class Functions : public SdkTest {
  protected:
    Functions() {
        m.input("x", {2});
        m.output("y");
        m.import("loc", 1);
    }

    onnx::FunctionProto& function(const std::string& name, const std::vector<std::string>& inputs,
                                  const std::vector<std::string>& outputs) {
        auto& made = *m.model.add_functions();
        made.set_domain("loc");
        made.set_name(name);
        for (const std::string& one : inputs) {
            made.add_input(one);
        }
        for (const std::string& one : outputs) {
            made.add_output(one);
        }
        made.add_opset_import()->set_version(21);
        return made;
    }
    static onnx::NodeProto& body(onnx::FunctionProto& function, const std::string& op,
                                 const std::vector<std::string>& inputs,
                                 const std::vector<std::string>& outputs) {
        return ModelBuilder::fill(*function.add_node(), op, inputs, outputs);
    }
    // LeakyRelu with the attribute `slope` of the function.
    onnx::FunctionProto& leaky() {
        auto& made = function("leaky", {"a"}, {"r"});
        made.add_attribute("slope");
        reference(body(made, "LeakyRelu", {"a"}, {"r"}), "alpha", "slope");
        return made;
    }

    std::vector<float> run() {
        const Device device = open();
        Queue queue = device.create_queue();
        const Model net = Model::load(device, m.save("functions.onnx"));
        const std::vector<float> x{-2, 3};
        TensorData in{DataType::f32, {2}, std::vector<std::byte>(8)};
        std::memcpy(in.bytes.data(), x.data(), 8);
        const auto out = net.run(queue, std::vector{in}).at(0);
        std::vector<float> y(2);
        std::memcpy(y.data(), out.bytes.data(), 8);
        return y;
    }
    Error refusal() {
        return error_of([&] {
            const Device device = open();
            static_cast<void>(Model::load(device, m.save("functions.onnx")));
        });
    }

    ModelBuilder m;
};

TEST_F(Functions, AreInlinedWithTheAttributesOfTheCall) {
    leaky();
    real(m.node("loc.leaky", {"x"}, {"y"}), "slope", 0.5F);
    EXPECT_EQ(run(), (std::vector<float>{-1, 3}));
}

TEST_F(Functions, WithoutAnAttributeTheOperatorHasItsDefault) {
    leaky();
    m.node("loc.leaky", {"x"}, {"y"});
    EXPECT_EQ(run(), (std::vector<float>{-2 * 0.01F, 3}));
}

TEST_F(Functions, HaveDefaultsOfAttributes) {
    auto& made = leaky();
    made.clear_attribute();
    onnx::AttributeProto slope;
    slope.set_name("slope");
    slope.set_type(onnx::AttributeProto::FLOAT);
    slope.set_f(0.25F);
    set_default(made, slope);
    m.node("loc.leaky", {"x"}, {"s"});
    real(m.node("loc.leaky", {"s"}, {"y"}), "slope", 2);
    EXPECT_EQ(run(), (std::vector<float>{-1, 3}));
}

TEST_F(Functions, CallEachOtherAndKeepTheirNamesApart) {
    auto& inner = function("double", {"a"}, {"r"});
    body(inner, "Add", {"a", "a"}, {"t"});
    body(inner, "Identity", {"t"}, {"r"});
    auto& outer = function("quadruple", {"a"}, {"r"});
    body(outer, "loc.double", {"a"}, {"t"});
    body(outer, "loc.double", {"t"}, {"r"});
    m.node("Neg", {"x"}, {"t"});  // the functions have a name t, too
    m.node("loc.quadruple", {"t"}, {"q"});
    m.node("Add", {"q", "t"}, {"y"});
    EXPECT_EQ(run(), (std::vector<float>{10, -15}));
}

TEST_F(Functions, MayPassAnInputThroughAndLeaveInputsOut) {
    auto& made = function("pass", {"a", "b", "low"}, {"b", "r"});
    body(made, "Clip", {"a", "low"}, {"r"});
    m.node("loc.pass", {"x", "x"}, {"p", "r"});
    m.node("Add", {"p", "r"}, {"y"});
    EXPECT_EQ(run(), (std::vector<float>{-4, 6}));
}

TEST_F(Functions, OfOneNameDifferInTheirOverloads) {
    set_overload(leaky(), "a");
    auto& other = function("leaky", {"a"}, {"r"});
    set_overload(other, "b");
    body(other, "Neg", {"a"}, {"r"});
    set_overload(m.node("loc.leaky", {"x"}, {"y"}), "b");
    EXPECT_EQ(run(), (std::vector<float>{2, -3}));
}

TEST_F(Functions, AreSeenByGraphsInsideOfThem) {
    auto& made = function("choose", {"a"}, {"r"});
    made.add_attribute("yes");
    auto& constant = body(made, "Constant", {}, {"c"});
    reference(constant, "value_int", "yes");
    auto& cast = body(made, "Cast", {"c"}, {"condition"});
    integer(cast, "to", onnx::TensorProto::BOOL);
    auto& chosen = body(made, "If", {"condition"}, {"r"});
    for (const auto& [name, op] : {std::pair("then_branch", "Neg"), {"else_branch", "Abs"}}) {
        auto& branch = attribute(chosen, name);
        branch.set_type(onnx::AttributeProto::GRAPH);
        ModelBuilder::fill(*branch.mutable_g()->add_node(), op, {"a"}, {"t"});
        branch.mutable_g()->add_output()->set_name("t");
    }
    integer(m.node("loc.choose", {"x"}, {"n"}), "yes", 1);
    integer(m.node("loc.choose", {"n"}, {"y"}), "yes", 0);
    EXPECT_EQ(run(), (std::vector<float>{2, 3}));
}

TEST_F(Functions, ThatCallThemselvesAreRefused) {
    body(function("f", {"a"}, {"r"}), "loc.g", {"a"}, {"r"});
    body(function("g", {"a"}, {"r"}), "loc.f", {"a"}, {"r"});
    m.node("loc.f", {"x"}, {"y"});
    expect_says(refusal(), "'loc.f' calls itself (f -> g -> f)", "export the model again");
}

TEST_F(Functions, OfAnotherOpsetAreRefusedIfAnOperatorDiffersThere) {
    auto& made = function("soft", {"a"}, {"r"});
    made.mutable_opset_import(0)->set_version(11);
    body(made, "Softmax", {"a"}, {"r"});
    m.node("loc.soft", {"x"}, {"y"});
    expect_says(refusal(), "'loc.soft' is of opset 11", "opset 21", "Softmax");
    made.mutable_node(0)->set_op_type("Neg");
    EXPECT_EQ(run(), (std::vector<float>{2, -3}));
}

TEST_F(Functions, ThatTheModelDoesNotDefineAreRefusedByTheirDomain) {
    leaky();
    m.node("loc.other", {"x"}, {"y"});
    expect_says(refusal(), "loc.other", "the domain 'loc'");
}

}  // namespace
}  // namespace accel::test
