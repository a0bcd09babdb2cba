// SPDX-License-Identifier: Apache-2.0
//
// Operators that take indices: with indices of the run, known ones, and folded, the results and the
// refusals are the same.
#include <onnx.pb.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <variant>

#include "fixture.hpp"
#include "frontend/onnx_import.hpp"
#include "frontend/onnx_tensor.hpp"
#include "runtime/compile.hpp"

namespace accel::test {
namespace {

using Sizes = std::vector<std::int64_t>;
using Inputs = std::vector<TensorData>;
using Attributes = std::vector<std::pair<std::string, std::variant<std::int64_t, std::string>>>;

template <typename T>
TensorData tensor(DataType type, Sizes shape, const std::vector<T>& values) {
    TensorData data{type, std::move(shape), std::vector<std::byte>(values.size() * sizeof(T))};
    std::memcpy(data.bytes.data(), values.data(), data.bytes.size());
    return data;
}
TensorData floats(Sizes shape, const std::vector<float>& values) {
    return tensor(DataType::f32, std::move(shape), values);
}
TensorData integers(Sizes shape, const std::vector<std::int64_t>& values) {
    return tensor(DataType::i64, std::move(shape), values);
}
TensorData narrow(DataType type, Sizes shape, const std::vector<float>& values) {
    const auto made = compiler::make_constant(type, shape, std::span<const float>(values));
    return {type, std::move(shape), made->data};
}

template <typename T>
std::vector<T> values(const TensorData& data) {
    std::vector<T> result(data.bytes.size() / sizeof(T));
    std::memcpy(result.data(), data.bytes.data(), data.bytes.size());
    return result;
}

class Indices : public SdkTest {
  protected:
    // A model of one node; the inputs in `known` are weights.
    [[nodiscard]] onnx::ModelProto model(const char* op, const Inputs& inputs,
                                         const Attributes& attributes,
                                         const std::vector<std::size_t>& known) const {
        onnx::ModelProto file;
        file.add_opset_import()->set_version(18);
        onnx::GraphProto& graph = *file.mutable_graph();
        onnx::NodeProto& node = *graph.add_node();
        node.set_op_type(op);
        node.set_name("the node");
        for (std::size_t i = 0; i < inputs.size(); ++i) {
            const std::string name = "x" + std::to_string(i);
            node.add_input(name);
            if (std::ranges::find(known, i) != known.end()) {
                onnx::TensorProto& weights = *graph.add_initializer();
                weights.set_name(name);
                weights.set_data_type(compiler::onnx_type_of(inputs[i].type));
                weights.mutable_dims()->Add(inputs[i].shape.begin(), inputs[i].shape.end());
                weights.set_raw_data(inputs[i].bytes.data(), inputs[i].bytes.size());
                continue;
            }
            onnx::ValueInfoProto& input = *graph.add_input();
            input.set_name(name);
            auto& type = *input.mutable_type()->mutable_tensor_type();
            type.set_elem_type(compiler::onnx_type_of(inputs[i].type));
            for (const std::int64_t n : inputs[i].shape) {
                type.mutable_shape()->add_dim()->set_dim_value(n);
            }
        }
        for (const auto& [name, value] : attributes) {
            onnx::AttributeProto& made = *node.add_attribute();
            made.set_name(name);
            if (const auto* const text = std::get_if<std::string>(&value)) {
                made.set_type(onnx::AttributeProto::STRING);
                made.set_s(*text);
            } else {
                made.set_type(onnx::AttributeProto::INT);
                made.set_i(std::get<std::int64_t>(value));
            }
        }
        node.add_output("y");
        graph.add_output()->set_name("y");
        return file;
    }
    TensorData run(const char* op, const Inputs& inputs, const Attributes& attributes,
                   const std::vector<std::size_t>& known) {
        const Model net = compiler::compile(
            device, compiler::import_onnx(model(op, inputs, attributes, known), "one.onnx", {}));
        commands = net.commands();
        Inputs given;
        for (std::size_t i = 0; i < inputs.size(); ++i) {
            if (std::ranges::find(known, i) == known.end()) {
                given.push_back(inputs[i]);
            }
        }
        return net.run(queue, given).at(0);
    }

    // The result with the inputs of the run; the other ways give the same bits. `always`: inputs
    // that are always known.
    TensorData everywhere(const char* op, const Inputs& inputs, const Attributes& attributes = {},
                          const std::vector<std::size_t>& always = {}) {
        std::vector<std::size_t> all;
        for (std::size_t i = 0; i < inputs.size(); ++i) {
            all.push_back(i);
        }
        std::vector<std::size_t> with_indices = always;
        with_indices.push_back(op == std::string("OneHot") ? 0 : 1);
        EXPECT_EQ(run(op, inputs, attributes, all).bytes, run(op, inputs, attributes, always).bytes)
            << op << ", folded";
        EXPECT_EQ(run(op, inputs, attributes, with_indices).bytes,
                  run(op, inputs, attributes, always).bytes)
            << op << ", with known indices";
        return run(op, inputs, attributes, always);
    }
    // An index is out of range: known, the model is refused; else the card stops.
    void expect_out_of_range(const char* op, const Inputs& inputs,
                             const Attributes& attributes = {}) {
        expect_says(error_of([&] { run(op, inputs, attributes, {1}); }), op, "the node",
                    "is outside an axis of the length");
        EXPECT_EQ(error_of([&] { run(op, inputs, attributes, {}); }).status(),
                  CardStatus::bad_index)
            << op;
        queue.reset();
    }

    const Device device = open();
    Queue queue = device.create_queue();
    std::vector<ModelCommand> commands;  // of the last model
};

TEST_F(Indices, ScatterElementsUpdatesInOrder) {
    const TensorData data = floats({3, 3}, std::vector<float>(9, 0));
    const TensorData at = integers({2, 3}, {1, 0, 2, 0, -1, 1});
    const TensorData updates = floats({2, 3}, {1, 2, 3, 4, 5, 6});
    const Inputs all{data, at, updates};
    EXPECT_EQ(values<float>(everywhere("ScatterElements", all)),
              (std::vector<float>{4, 2, 0, 1, 0, 6, 0, 5, 3}));
    EXPECT_EQ(values<float>(everywhere("ScatterElements", all, {{"axis", 1}})),
              (std::vector<float>{2, 1, 3, 4, 6, 5, 0, 0, 0}));
    EXPECT_EQ(values<float>(everywhere("Scatter", all)),
              (std::vector<float>{4, 2, 0, 1, 0, 6, 0, 5, 3}));
}

TEST_F(Indices, ScatterElementsReducesSeveralUpdatesOfAnElement) {
    const TensorData at = integers({5, 1}, {1, 1, -2, 0, 1});
    const TensorData updates = floats({5, 1}, {1e8F, 1, -1e8F, 7, 2});
    const auto reduced = [&](const char* reduction) {
        return values<float>(everywhere("ScatterElements", {floats({3, 1}, {5, 3, 4}), at, updates},
                                        {{"reduction", reduction}}));
    };
    EXPECT_EQ(reduced("none"), (std::vector<float>{7, 2, 4}));
    // The sums lose 3 and 1 to 1e8.
    EXPECT_EQ(reduced("add"), (std::vector<float>{12, 2, 4}));
    EXPECT_EQ(reduced("mul"), (std::vector<float>{35, -6e16F, 4}));
    EXPECT_EQ(reduced("max"), (std::vector<float>{7, 1e8F, 4}));
    EXPECT_EQ(reduced("min"), (std::vector<float>{5, -1e8F, 4}));
}

TEST_F(Indices, ScatterPropagatesNansRoundsHalvesAndKeepsIntegersWide) {
    const TensorData at = integers({3}, {0, 0, 1});
    const auto is_nan = [](float x) { return std::isnan(x); };
    for (const char* reduction : {"max", "min", "add", "mul"}) {
        const auto got = values<float>(
            everywhere("ScatterElements", {floats({2}, {1, NAN}), at, floats({3}, {NAN, 5, 2})},
                       {{"reduction", reduction}}));
        EXPECT_TRUE(std::ranges::all_of(got, is_nan)) << reduction;
    }
    for (const DataType type : {DataType::f16, DataType::bf16}) {
        const float big = type == DataType::f16 ? 2048 : 256;
        const TensorData sum = everywhere(
            "ScatterElements", {narrow(type, {2}, {big, 1}), at, narrow(type, {3}, {1, 1, 2})},
            {{"reduction", "add"}});
        EXPECT_EQ(sum.bytes, narrow(type, {2}, {big, 3}).bytes) << "rounds to even each time";
    }
    constexpr std::int64_t big = std::int64_t{1} << 60;
    EXPECT_EQ(values<std::int64_t>(everywhere(
                  "ScatterElements", {integers({2}, {big, 1}), at, integers({3}, {1, 1, -2})},
                  {{"reduction", "add"}})),
              (std::vector<std::int64_t>{big + 2, -1}));
}

TEST_F(Indices, ScatterElementsMayUpdateAPartOfEveryAxis) {
    const TensorData data = floats({2, 3, 2}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});
    const TensorData at = integers({1, 2, 1}, {2, 2});
    const TensorData updates = floats({1, 2, 1}, {100, 200});
    EXPECT_EQ(values<float>(everywhere("ScatterElements", {data, at, updates},
                                       {{"axis", 1}, {"reduction", "add"}})),
              (std::vector<float>{1, 2, 3, 4, 305, 6, 7, 8, 9, 10, 11, 12}));
}

TEST_F(Indices, ScatterNdUpdatesSlicesAndElements) {
    const TensorData data = floats({2, 2, 2}, {1, 2, 3, 4, 5, 6, 7, 8});
    EXPECT_EQ(values<float>(everywhere("ScatterND", {data, integers({2, 1}, {-1, 1}),
                                                     floats({2, 2, 2}, std::vector<float>(8, 9))})),
              (std::vector<float>{1, 2, 3, 4, 9, 9, 9, 9}));
    EXPECT_EQ(values<float>(everywhere("ScatterND",
                                       {data, integers({3, 2}, {0, 1, -1, -2, 0, -1}),
                                        floats({3, 2}, {10, 20, 30, 40, 50, 60})},
                                       {{"reduction", "add"}})),
              (std::vector<float>{1, 2, 63, 84, 35, 46, 7, 8}));
    EXPECT_EQ(values<float>(everywhere("ScatterND", {data, integers({2, 3}, {0, 1, 1, 0, -1, -1}),
                                                     floats({2}, {10, 20})})),
              (std::vector<float>{1, 2, 3, 20, 5, 6, 7, 8}));
}

TEST_F(Indices, GatherNdCountsFromTheEndAlsoInBatches) {
    const TensorData data = floats({2, 3}, {1, 2, 3, 4, 5, 6});
    EXPECT_EQ(values<float>(everywhere("GatherND", {data, integers({2, 2}, {0, -1, -1, 0})})),
              (std::vector<float>{3, 4}));
    EXPECT_EQ(values<float>(
                  everywhere("GatherND", {data, integers({2, 1}, {-1, -3})}, {{"batch_dims", 1}})),
              (std::vector<float>{3, 4}));
}

TEST_F(Indices, AnIndexOutOfRangeIsAnErrorOfTheModelOrOfTheRun) {
    const TensorData data = floats({2, 3}, {1, 2, 3, 4, 5, 6});
    for (const std::int64_t outside : {std::int64_t{3}, std::int64_t{-4}, INT64_MAX, INT64_MIN}) {
        const TensorData row = integers({1, 1}, {outside});
        const TensorData one = floats({1, 1}, {0});
        expect_out_of_range("Gather", {data, integers({1}, {outside})}, {{"axis", 1}});
        expect_out_of_range("GatherElements", {data, row}, {{"axis", 1}});
        expect_out_of_range("ScatterElements", {data, row, one}, {{"axis", 1}});
        // A flat index of both would be inside.
        const TensorData pair = integers({1, 2}, {0, outside});
        expect_out_of_range("GatherND", {data, pair});
        expect_out_of_range("ScatterND", {data, pair, floats({1}, {0})});
        expect_out_of_range("GatherND", {data, integers({2, 1}, {0, outside})},
                            {{"batch_dims", 1}});
    }
    // The index 3 of the first batch would be the first element of the second one.
    expect_out_of_range("GatherND", {data, integers({2, 1}, {3, 0})}, {{"batch_dims", 1}});
}

TEST_F(Indices, OneHotIsOffForAnIndexOutOfRange) {
    const TensorData off_on = floats({2}, {0, 1});
    const auto hot = [&](const TensorData& at) {
        return values<float>(everywhere("OneHot", {at, integers({}, {3}), off_on}, {}, {1}));
    };
    EXPECT_EQ(hot(integers({2}, {1, -1})), (std::vector<float>{0, 1, 0, 0, 0, 1}));
    for (const std::int64_t outside : {std::int64_t{3}, std::int64_t{-4}, INT64_MAX, INT64_MIN}) {
        EXPECT_EQ(hot(integers({1}, {outside})), (std::vector<float>{0, 0, 0})) << outside;
    }
    EXPECT_EQ(hot(floats({2}, {3, -4})), (std::vector<float>{0, 0, 0, 0, 0, 0}));
}

TEST_F(Indices, ReverseSequenceTakesLengthsOfTheRun) {
    const TensorData x = floats({3, 2}, {1, 10, 2, 20, 3, 30});
    EXPECT_EQ(values<float>(everywhere("ReverseSequence", {x, integers({2}, {3, 2})})),
              (std::vector<float>{3, 20, 2, 10, 1, 30}));
    for (const std::int64_t outside : {std::int64_t{4}, std::int64_t{-1}}) {
        const Inputs all{x, integers({2}, {outside, 1})};
        expect_says(error_of([&] { run("ReverseSequence", all, {}, {1}); }), "ReverseSequence",
                    std::to_string(outside));
        EXPECT_EQ(error_of([&] { run("ReverseSequence", all, {}, {}); }).status(),
                  CardStatus::bad_index);
        queue.reset();
    }
}

TEST_F(Indices, EyeLikeWithADiagonalFarOutsideIsZero) {
    for (const std::int64_t k : {INT64_MAX, INT64_MIN, std::int64_t{2}, std::int64_t{-2}}) {
        EXPECT_EQ(values<float>(run("EyeLike", {floats({2, 2}, {1, 1, 1, 1})}, {{"k", k}}, {})),
                  (std::vector<float>{0, 0, 0, 0}));
    }
}

// A sum over the neighbors in a graph: each slice has one index, which the file repeats.
TEST_F(Indices, ASumOverNeighborsIsOneCommandForSlices) {
    constexpr std::int64_t features = 16;
    onnx::ModelProto file = model("ScatterElements",
                                  {floats({4, features}, std::vector<float>(4 * features, 1)),
                                   integers({6, features}, Sizes(6 * features)),
                                   floats({6, features}, std::vector<float>(6 * features, 2))},
                                  {{"reduction", "add"}}, {});
    onnx::GraphProto& graph = *file.mutable_graph();
    onnx::ValueInfoProto& edges = *graph.mutable_input(1);
    edges.mutable_type()->mutable_tensor_type()->mutable_shape()->mutable_dim(1)->set_dim_value(1);
    onnx::TensorProto& shape = *graph.add_initializer();
    shape.set_name("shape");
    shape.set_data_type(onnx::TensorProto::INT64);
    shape.add_dims(2);
    shape.add_int64_data(6);
    shape.add_int64_data(features);
    onnx::NodeProto& expand = *graph.add_node();
    expand.set_op_type("Expand");
    expand.add_input("x1");
    expand.add_input("shape");
    expand.add_output("repeated");
    *graph.mutable_node(0)->mutable_input(1) = "repeated";
    const Model net = compiler::compile(device, compiler::import_onnx(file, "graph.onnx", {}));
    ASSERT_EQ(net.commands().size(), 2U) << "a copy, and the sums";
    EXPECT_EQ(net.commands()[1].command, "SCATTER");
    const auto sums = values<float>(
        net.run(queue, Inputs{floats({4, features}, std::vector<float>(4 * features, 1)),
                              integers({6, 1}, {0, 3, 0, 1, 0, -1}),
                              floats({6, features}, std::vector<float>(6 * features, 2))})
            .at(0));
    EXPECT_EQ((std::vector<float>{sums[0], sums[features], sums[2 * features], sums[3 * features]}),
              (std::vector<float>{7, 3, 1, 5}));
}

}  // namespace
}  // namespace accel::test
