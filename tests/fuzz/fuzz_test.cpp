// SPDX-License-Identifier: Apache-2.0
//
// The fuzzer of the compiler: on truncated, mutated and invented files, every pass either succeeds
// or throws Error. It is built with sanitizers, deterministic, and runs in a minute.
#include <gtest/gtest.h>
#include <onnx.pb.h>

#include <cstring>
#include <fstream>
#include <functional>
#include <random>

#include "codegen/pipeline.hpp"
#include "folders.hpp"
#include "frontend/onnx_import.hpp"
#include "frontend/onnx_tensor.hpp"
#include "ir/error.hpp"

namespace accel::test {
namespace {

std::vector<std::byte> read(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    const std::vector<char> bytes{std::istreambuf_iterator<char>(in), {}};
    const auto* const first = reinterpret_cast<const std::byte*>(bytes.data());
    return {first, first + bytes.size()};
}

// Whether the file was compiled. No other exception than Error is allowed, and no internal error.
bool compile(std::span<const std::byte> bytes, const LoadOptions& options = {}) {
    try {
        compiler::Compilation compilation{.program =
                                              compiler::import_onnx(bytes, "fuzz.onnx", options)};
        for (const compiler::Pass& pass : compiler::passes()) {
            compiler::run_pass(pass, compilation);
        }
        return true;
    } catch (const Error& error) {
        EXPECT_NE(std::string(error.what()).find(' '), std::string::npos) << "a sentence";
        EXPECT_NE(error.errc(), compiler::internal_error) << error.what();
        return false;
    }
}

class FuzzedFile : public ::testing::Test {
  protected:
    // Small models, which cover all operators.
    static std::vector<std::vector<std::byte>> models() {
        std::vector<std::vector<std::byte>> all;
        for (const auto& folder : find_models(suite_folder)) {
            auto bytes = read(folder / "model.onnx");
            if (bytes.size() < 4000) {
                all.push_back(std::move(bytes));
            }
        }
        return all;
    }
    static onnx::ModelProto parse(const std::vector<std::byte>& bytes) {
        onnx::ModelProto file;
        EXPECT_TRUE(file.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())));
        return file;
    }
    LoadOptions random_options() {
        return {.allow_narrowing = random() % 2 == 0, .host_fallback = random() % 2 == 0};
    }

    // --gtest_random_seed=N tries other files.
    std::mt19937_64 random{
        static_cast<std::uint64_t>(11 + ::testing::UnitTest::GetInstance()->random_seed())};
};

TEST_F(FuzzedFile, TruncatedAnywhereIsAnErrorOrAModel) {
    for (const auto& bytes : models()) {
        for (int i = 0; i < 6; ++i) {
            static_cast<void>(compile(std::span(bytes).first(random() % bytes.size())));
        }
    }
}

TEST_F(FuzzedFile, WithMutatedBytesIsAnErrorOrAModel) {
    int compiled = 0;
    for (const auto& original : models()) {
        for (int round = 0; round < 25; ++round) {
            auto bytes = original;
            for (std::uint64_t changes = 1 + random() % 4; changes > 0; --changes) {
                bytes[random() % bytes.size()] = static_cast<std::byte>(random());
            }
            compiled += compile(bytes) ? 1 : 0;
        }
    }
    EXPECT_GT(compiled, 1000) << "most mutations leave a valid model";
}

// Operators get ranks and lengths that no exporter writes.
TEST_F(FuzzedFile, WithInputsOfAnyShapeIsAnErrorOrAModel) {
    int compiled = 0;
    for (const auto& bytes : models()) {
        const onnx::ModelProto file = parse(bytes);
        for (int round = 0; round < 40; ++round) {
            LoadOptions options = random_options();
            for (const auto& input : file.graph().input()) {
                auto& shape = options.shapes[input.name()];
                for (std::uint64_t rank = random() % 6; rank > 0; --rank) {
                    shape.push_back(static_cast<std::int64_t>(random() % 5));
                }
            }
            compiled += compile(bytes, options) ? 1 : 0;
        }
    }
    EXPECT_GT(compiled, 1000) << "many operators accept any shape";
}

// Constant inputs decide shapes, and may have any value, too.
TEST_F(FuzzedFile, WithConstantInputsOfAnyValueIsAnErrorOrAModel) {
    for (const auto& bytes : models()) {
        const onnx::ModelProto file = parse(bytes);
        for (int round = 0; round < 40; ++round) {
            LoadOptions options = random_options();
            for (int i = random() % 2 == 0 ? 0 : 1; i < file.graph().input_size(); ++i) {
                const auto& input = file.graph().input(i);
                const int type = input.type().tensor_type().elem_type();
                if (type == onnx::TensorProto::UNDEFINED || type == onnx::TensorProto::STRING ||
                    random() % 8 == 0) {
                    continue;
                }
                TensorData& data = options.constant_inputs[input.name()];
                data.type = compiler::data_type_of(type);
                data.shape.assign(random() % 3, static_cast<std::int64_t>(random() % 5));
                std::size_t count = 1;
                for (const std::int64_t dim : data.shape) {
                    count *= static_cast<std::size_t>(dim);
                }
                data.bytes.resize(count * size_of(data.type));
                const std::size_t element = size_of(data.type);
                for (std::size_t at = 0; at < data.bytes.size(); at += element) {
                    // Small and large integers, and bits that are NaN as a float.
                    const std::uint64_t word = random() % 3 == 0 ? random() : random() % 7 - 2;
                    std::memcpy(&data.bytes[at], &word, element);
                }
            }
            static_cast<void>(compile(bytes, options));
        }
    }
}

// A model of one node, whose inputs and attributes `fill` sets.
std::string one_node(const char* type, const std::function<void(onnx::GraphProto&)>& fill) {
    onnx::ModelProto file;
    file.add_opset_import()->set_version(13);
    onnx::GraphProto& graph = *file.mutable_graph();
    onnx::NodeProto& node = *graph.add_node();
    node.set_op_type(type);
    node.add_output("y");
    graph.add_output()->set_name("y");
    fill(graph);
    return file.SerializeAsString();
}

void expect_refused(const std::string& file, const char* reason) {
    try {
        static_cast<void>(compiler::import_onnx(std::as_bytes(std::span(file)), "huge.onnx", {}));
        ADD_FAILURE() << "the file was imported";
    } catch (const Error& error) {
        EXPECT_NE(std::string(error.what()).find(reason), std::string::npos) << error.what();
    }
}

TEST_F(FuzzedFile, WithAHugeTensorIsRefusedBeforeItsAllocation) {
    // A weight whose shape is larger than the file.
    expect_refused(one_node("Identity",
                            [](onnx::GraphProto& graph) {
                                graph.mutable_node(0)->add_input("w");
                                onnx::TensorProto& w = *graph.add_initializer();
                                w.set_name("w");
                                w.set_data_type(onnx::TensorProto::FLOAT);
                                w.add_dims(std::int64_t{1} << 30);
                                w.add_float_data(1);
                            }),
                   "has only 1 elements");
    // Shapes that the model computes.
    for (const std::int64_t length : {std::int64_t{1} << 40, INT64_MAX, std::int64_t{-1}}) {
        expect_refused(one_node("ConstantOfShape",
                                [&](onnx::GraphProto& graph) {
                                    graph.mutable_node(0)->add_input("s");
                                    onnx::TensorProto& s = *graph.add_initializer();
                                    s.set_name("s");
                                    s.set_data_type(onnx::TensorProto::INT64);
                                    s.add_dims(1);
                                    s.add_int64_data(length);
                                }),
                       "is not possible");
    }
}

TEST_F(FuzzedFile, NestedLoopsEndWithAnError) {
    onnx::ModelProto file;
    file.add_opset_import()->set_version(13);
    onnx::GraphProto* graph = file.mutable_graph();
    graph->add_output()->set_name("y0");
    onnx::TensorProto& trips = *graph->add_initializer();
    trips.set_name("trips");
    trips.set_data_type(onnx::TensorProto::INT64);
    trips.add_int64_data(9000);
    onnx::TensorProto& going = *graph->add_initializer();
    going.set_name("going");
    going.set_data_type(onnx::TensorProto::BOOL);
    going.add_int32_data(1);
    for (int depth = 0; depth < 4; ++depth) {
        const std::string level = std::to_string(depth);
        onnx::NodeProto& loop = *graph->add_node();
        loop.set_op_type("Loop");
        loop.add_input("trips");
        loop.add_input("");
        loop.add_input("going");
        loop.add_output("y" + level);
        onnx::AttributeProto& body = *loop.add_attribute();
        body.set_name("body");
        graph = body.mutable_g();
        for (const char* name : {"i", "c", "v"}) {
            graph->add_input()->set_name(name + level);
        }
        graph->add_output()->set_name("going");
        graph->add_output()->set_name("v" + level);
    }
    onnx::NodeProto& last = *graph->add_node();
    last.set_op_type("Identity");
    last.add_input("going");
    last.add_output("nothing");
    expect_refused(file.SerializeAsString(), "too large");
}

}  // namespace
}  // namespace accel::test
