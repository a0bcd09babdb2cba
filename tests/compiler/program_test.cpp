// SPDX-License-Identifier: Apache-2.0
//
// The passes after the import, on programs that ONNX's suite does not contain.
#include <cmath>
#include <cstring>
#include <functional>

#include "fixture.hpp"
#include "ir/builder.hpp"
#include "runtime/compile.hpp"

namespace accel::test {
namespace {

using compiler::Builder;
using compiler::ValueId;
using Values = std::vector<ValueId>;

class Passes : public SdkTest {
  protected:
    // Compiles the program that `build` appends to an f32 input of this shape, and runs it.
    std::vector<float> run(const compiler::Dims& shape, const std::vector<float>& input,
                           const std::function<ValueId(Builder&, ValueId)>& build) {
        const Device device = open();
        compiler::Program program;
        Builder b(program);
        const ValueId in = b.input("x", DataType::f32, shape);
        program.outputs.push_back({"y", build(b, in)});
        const Model net = compiler::compile(device, std::move(program));
        Queue queue = device.create_queue();
        TensorData data{DataType::f32, shape, std::vector<std::byte>(input.size() * sizeof(float))};
        std::memcpy(data.bytes.data(), input.data(), data.bytes.size());
        const auto out = net.run(queue, std::vector{data}).at(0);
        std::vector<float> values(out.bytes.size() / sizeof(float));
        std::memcpy(values.data(), out.bytes.data(), out.bytes.size());
        return values;
    }
};

// The compiler converts numbers as the card does.
TEST(Tensors, EveryF16AndBf16SurvivesConversionToF32AndBack) {
    for (const DataType type : {DataType::f16, DataType::bf16}) {
        compiler::Tensor all(type, {UINT16_MAX + 1});
        for (std::size_t i = 0; i <= UINT16_MAX; ++i) {
            const auto half = static_cast<std::uint16_t>(i);
            std::memcpy(&all.data[2 * i], &half, sizeof half);
        }
        const std::vector<float> wide = all.floats();
        const auto again = compiler::make_constant(type, all.dims, std::span<const float>(wide));
        for (std::size_t i = 0; i <= UINT16_MAX; ++i) {
            if (!std::isnan(wide[i])) {
                ASSERT_EQ(again->as<std::uint16_t>()[i], i) << wide[i];
            }
        }
    }
}

// x - x[0]: the command reads the first row for every row, so the result must not overwrite it.
TEST_F(Passes, AResultDoesNotReuseASourceThatIsReadTwiceInDifferentLayouts) {
    const auto got = run({2, 3}, {1, 2, 3, 10, 20, 30}, [](Builder& b, ValueId in) {
        const ValueId x = b.unary(UnaryOp::abs, in);  // in scratch memory
        const ValueId doubled = b.binary(ElementwiseOp::sub, x, b.slice(x, 0, 0, 1));
        return b.unary(UnaryOp::neg, b.softmax(doubled, 0));
    });
    // The rows of the difference are 0 0 0 and 9 18 27.
    EXPECT_NEAR(got.at(0), -1.2339e-4F, 1e-7);
    EXPECT_NEAR(got.at(3), -0.99987F, 1e-5);
}

}  // namespace
}  // namespace accel::test
