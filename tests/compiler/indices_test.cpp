// SPDX-License-Identifier: Apache-2.0
//
// Operators that take indices: with indices of the run, known ones, and folded, the results and the
// refusals are the same.
#include <algorithm>
#include <cmath>

#include "one_node.hpp"

namespace accel::test {
namespace {

using Inputs = std::vector<TensorData>;
using Attributes = std::vector<onnx::AttributeProto>;

TensorData narrow(DataType type, Sizes shape, const std::vector<float>& values) {
    const auto made = compiler::make_constant(type, shape, std::span<const float>(values));
    return {type, std::move(shape), made->data};
}

class Indices : public OneNode {
  protected:
    // The first result. The inputs in `known` are weights of the model.
    TensorData run(const char* op, const Inputs& inputs, const Attributes& attributes,
                   const std::vector<std::size_t>& known) {
        constants = known;
        opset = op == std::string("Scatter") ? 10 : 18;
        return OneNode::run(op, inputs, attributes).at(0);
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
        expect_says(error_of([&] { run(op, inputs, attributes, {1}); }), op,
                    "is outside an axis of the length");
        EXPECT_EQ(error_of([&] { run(op, inputs, attributes, {}); }).status(),
                  CardStatus::bad_index)
            << op;
    }
};

TEST_F(Indices, ScatterElementsUpdatesInOrder) {
    const TensorData data = floats({3, 3}, std::vector<float>(9, 0));
    const TensorData at = integers({2, 3}, {1, 0, 2, 0, -1, 1});
    const TensorData updates = floats({2, 3}, {1, 2, 3, 4, 5, 6});
    const Inputs all{data, at, updates};
    EXPECT_EQ(values<float>(everywhere("ScatterElements", all)),
              (std::vector<float>{4, 2, 0, 1, 0, 6, 0, 5, 3}));
    EXPECT_EQ(values<float>(everywhere("ScatterElements", all, {attribute("axis", 1)})),
              (std::vector<float>{2, 1, 3, 4, 6, 5, 0, 0, 0}));
    EXPECT_EQ(values<float>(everywhere("Scatter", all)),
              (std::vector<float>{4, 2, 0, 1, 0, 6, 0, 5, 3}));
}

TEST_F(Indices, ScatterElementsReducesSeveralUpdatesOfAnElement) {
    const TensorData at = integers({5, 1}, {1, 1, -2, 0, 1});
    const TensorData updates = floats({5, 1}, {1e8F, 1, -1e8F, 7, 2});
    const auto reduced = [&](const char* reduction) {
        return values<float>(everywhere("ScatterElements", {floats({3, 1}, {5, 3, 4}), at, updates},
                                        {attribute("reduction", reduction)}));
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
                       {attribute("reduction", reduction)}));
        EXPECT_TRUE(std::ranges::all_of(got, is_nan)) << reduction;
    }
    for (const DataType type : {DataType::f16, DataType::bf16}) {
        const float big = type == DataType::f16 ? 2048 : 256;
        const TensorData sum = everywhere(
            "ScatterElements", {narrow(type, {2}, {big, 1}), at, narrow(type, {3}, {1, 1, 2})},
            {attribute("reduction", "add")});
        EXPECT_EQ(sum.bytes, narrow(type, {2}, {big, 3}).bytes) << "rounds to even each time";
    }
    constexpr std::int64_t big = std::int64_t{1} << 60;
    EXPECT_EQ(values<std::int64_t>(everywhere(
                  "ScatterElements", {integers({2}, {big, 1}), at, integers({3}, {1, 1, -2})},
                  {attribute("reduction", "add")})),
              (std::vector<std::int64_t>{big + 2, -1}));
}

TEST_F(Indices, ScatterElementsMayUpdateAPartOfEveryAxis) {
    const TensorData data = floats({2, 3, 2}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});
    const TensorData at = integers({1, 2, 1}, {2, 2});
    const TensorData updates = floats({1, 2, 1}, {100, 200});
    EXPECT_EQ(values<float>(everywhere("ScatterElements", {data, at, updates},
                                       {attribute("axis", 1), attribute("reduction", "add")})),
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
                                       {attribute("reduction", "add")})),
              (std::vector<float>{1, 2, 63, 84, 35, 46, 7, 8}));
    EXPECT_EQ(values<float>(everywhere("ScatterND", {data, integers({2, 3}, {0, 1, 1, 0, -1, -1}),
                                                     floats({2}, {10, 20})})),
              (std::vector<float>{1, 2, 3, 20, 5, 6, 7, 8}));
}

TEST_F(Indices, GatherNdCountsFromTheEndAlsoInBatches) {
    const TensorData data = floats({2, 3}, {1, 2, 3, 4, 5, 6});
    EXPECT_EQ(values<float>(everywhere("GatherND", {data, integers({2, 2}, {0, -1, -1, 0})})),
              (std::vector<float>{3, 4}));
    EXPECT_EQ(values<float>(everywhere("GatherND", {data, integers({2, 1}, {-1, -3})},
                                       {attribute("batch_dims", 1)})),
              (std::vector<float>{3, 4}));
}

TEST_F(Indices, AnIndexOutOfRangeIsAnErrorOfTheModelOrOfTheRun) {
    const TensorData data = floats({2, 3}, {1, 2, 3, 4, 5, 6});
    for (const std::int64_t outside : {std::int64_t{3}, std::int64_t{-4}, INT64_MAX, INT64_MIN}) {
        const TensorData row = integers({1, 1}, {outside});
        const TensorData one = floats({1, 1}, {0});
        expect_out_of_range("Gather", {data, integers({1}, {outside})}, {attribute("axis", 1)});
        expect_out_of_range("GatherElements", {data, row}, {attribute("axis", 1)});
        expect_out_of_range("ScatterElements", {data, row, one}, {attribute("axis", 1)});
        // A flat index of both would be inside.
        const TensorData pair = integers({1, 2}, {0, outside});
        expect_out_of_range("GatherND", {data, pair});
        expect_out_of_range("ScatterND", {data, pair, floats({1}, {0})});
        expect_out_of_range("GatherND", {data, integers({2, 1}, {0, outside})},
                            {attribute("batch_dims", 1)});
    }
    // The index 3 of the first batch would be the first element of the second one.
    expect_out_of_range("GatherND", {data, integers({2, 1}, {3, 0})}, {attribute("batch_dims", 1)});
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
    }
}

TEST_F(Indices, EyeLikeWithADiagonalFarOutsideIsZero) {
    for (const std::int64_t k : {INT64_MAX, INT64_MIN, std::int64_t{2}, std::int64_t{-2}}) {
        EXPECT_EQ(
            values<float>(run("EyeLike", {floats({2, 2}, {1, 1, 1, 1})}, {attribute("k", k)}, {})),
            (std::vector<float>{0, 0, 0, 0}));
    }
}

// MaxUnpool takes no index from the end.
TEST_F(Indices, MaxUnpoolTakesTheLastOfEqualIndices) {
    const Attributes window{list_attribute("kernel_shape", {2}), list_attribute("strides", {2})};
    const auto inputs = [](std::int64_t a, std::int64_t b) {
        return Inputs{floats({1, 1, 2}, {8, 9}), integers({1, 1, 2}, {a, b})};
    };
    EXPECT_EQ(values<float>(everywhere("MaxUnpool", inputs(2, 2), window)),
              (std::vector<float>{0, 0, 9, 0}));
    for (const std::int64_t outside : {std::int64_t{4}, std::int64_t{-1}}) {
        expect_out_of_range("MaxUnpool", inputs(0, outside), window);
    }
}

onnx::ValueInfoProto matrix(const char* name, int type, std::int64_t rows, std::int64_t columns) {
    onnx::ValueInfoProto made;
    made.set_name(name);
    auto& tensor = *made.mutable_type()->mutable_tensor_type();
    tensor.set_elem_type(type);
    tensor.mutable_shape()->add_dim()->set_dim_value(rows);
    tensor.mutable_shape()->add_dim()->set_dim_value(columns);
    return made;
}

// A sum over the neighbors in a graph: each slice has one index, which the file repeats.
TEST_F(Indices, ASumOverNeighborsIsOneCommandForSlices) {
    constexpr std::int64_t features = 16;
    onnx::ModelProto file;
    file.add_opset_import()->set_version(18);
    onnx::GraphProto& graph = *file.mutable_graph();
    *graph.add_input() = matrix("sums", onnx::TensorProto::FLOAT, 4, features);
    *graph.add_input() = matrix("nodes", onnx::TensorProto::INT64, 6, 1);
    *graph.add_input() = matrix("messages", onnx::TensorProto::FLOAT, 6, features);
    onnx::TensorProto& shape = *graph.add_initializer();
    shape.set_name("shape");
    shape.set_data_type(onnx::TensorProto::INT64);
    shape.add_dims(2);
    shape.add_int64_data(6);
    shape.add_int64_data(features);
    const auto node = [&](const char* op, const std::vector<std::string>& inputs,
                          const char* output) -> onnx::NodeProto& {
        onnx::NodeProto& made = *graph.add_node();
        made.set_op_type(op);
        made.mutable_input()->Add(inputs.begin(), inputs.end());
        made.add_output(output);
        return made;
    };
    node("Expand", {"nodes", "shape"}, "repeated");
    *node("ScatterElements", {"sums", "repeated", "messages"}, "y").add_attribute() =
        attribute("reduction", "add");
    graph.add_output()->set_name("y");
    const Device device = open();
    Queue queue = device.create_queue();
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
