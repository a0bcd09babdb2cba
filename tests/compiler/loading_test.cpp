// SPDX-License-Identifier: Apache-2.0
//
// The costs of loading a model: the memory of its weights on the card, the length of its command
// lists, the number of its inputs and outputs, scratch memory; and the places that a model is
// loaded from.
#include <fcntl.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <thread>

#include "accel/model.hpp"
#include "fixture.hpp"
#include "model_builder.hpp"

namespace accel::test {
namespace {

namespace fs = std::filesystem;

using Values = std::vector<float>;

TensorData tensor(std::vector<std::int64_t> shape, const Values& values) {
    TensorData data{DataType::f32, std::move(shape), std::vector<std::byte>(4 * values.size())};
    std::memcpy(data.bytes.data(), values.data(), data.bytes.size());
    return data;
}

Values values_of(const TensorData& data) {
    Values values(data.bytes.size() / sizeof(float));
    std::memcpy(values.data(), data.bytes.data(), data.bytes.size());
    return values;
}

// Different values, which f32 has exactly.
Values some_values(std::size_t count) {
    Values values(count);
    for (std::size_t i = 0; i < count; ++i) {
        values[i] = static_cast<float>(i % 251) / 64 - 1;
    }
    return values;
}

void weights(ModelBuilder& m, const std::string& name, const std::vector<std::int64_t>& dims,
             const Values& values) {
    auto& made = *m.graph().add_initializer();
    made.set_name(name);
    made.set_data_type(onnx::TensorProto::FLOAT);
    made.mutable_dims()->Add(dims.begin(), dims.end());
    made.set_raw_data(values.data(), values.size() * sizeof(float));
}

void integers(ModelBuilder& m, const std::string& name, const std::vector<std::int64_t>& values) {
    auto& made = *m.graph().add_initializer();
    made.set_name(name);
    made.set_data_type(onnx::TensorProto::INT64);
    made.add_dims(std::ssize(values));
    made.mutable_int64_data()->Add(values.begin(), values.end());
}

std::vector<std::byte> content(const ModelBuilder& m) {
    const std::string text = m.model.SerializeAsString();
    const auto* const first = reinterpret_cast<const std::byte*>(text.data());
    return {first, first + text.size()};
}

class Loading : public SdkTest {
  protected:
    static std::vector<TensorData> run(const Device& device, const Model& net,
                                       const std::vector<TensorData>& inputs) {
        Queue queue = device.create_queue();
        return net.run(queue, inputs);
    }
    // Runs the model that save() wrote for this one.
    static std::vector<TensorData> run_saved(const Device& device, const Model& net,
                                             const std::vector<TensorData>& inputs) {
        const fs::path file = fs::path(MODEL_RESULTS) / "loading.accel";
        net.save(file);
        return run(device, Model::load(device, file), inputs);
    }
};

// ---- weights

TEST_F(Loading, WeightsThatManyNodesTransposeAreOnTheCardOnce) {
    ModelBuilder m;
    m.input("x", {4, 64});
    weights(m, "w", {256, 64}, some_values(std::size_t{256} * 64));
    std::vector<std::string> products;
    for (int i = 0; i < 20; ++i) {
        products.push_back("y" + std::to_string(i));
        integer(m.node("Gemm", {"x", "w"}, {products.back()}), "transB", 1);
    }
    m.node("Sum", products, {"y"});
    m.output("y");
    const Device device = open();
    const Model net = Model::load(device, m.save());
    EXPECT_LT(net.memory().weights, 2U * 256 * 64 * sizeof(float));
}

TEST_F(Loading, EqualWeightsAreOnTheCardOnce) {
    ModelBuilder m;
    m.input("x", {1, 64});
    std::string x = "x";
    const Values w = some_values(std::size_t{64} * 64);
    for (int i = 0; i < 8; ++i) {
        weights(m, "w" + std::to_string(i), {64, 64}, w);
        m.node("MatMul", {x, "w" + std::to_string(i)}, {"x" + std::to_string(i)});
        x = "x" + std::to_string(i);
    }
    m.output(x);
    const Device device = open();
    EXPECT_LT(Model::load(device, m.save()).memory().weights, 2U * 64 * 64 * sizeof(float));
}

TEST_F(Loading, AnEmbeddingIsAlsoTheWeightsOfTheLastProduct) {
    constexpr std::int64_t words = 600;
    constexpr std::int64_t width = 32;
    const Values embedding = some_values(words * width);
    ModelBuilder m;
    m.input("ids", {3}, onnx::TensorProto::INT64);
    weights(m, "embedding", {words, width}, embedding);
    m.node("Gather", {"embedding", "ids"}, {"x"});
    auto& transposed = attribute(m.node("Transpose", {"embedding"}, {"head"}), "perm");
    transposed.add_ints(1);
    transposed.add_ints(0);
    transposed.set_type(onnx::AttributeProto::INTS);
    m.node("MatMul", {"x", "head"}, {"y"});
    m.output("y");
    const Device device = open();
    const Model net = Model::load(device, m.save());
    EXPECT_LT(net.memory().weights, 2U * words * width * sizeof(float));
    const std::vector<std::int64_t> ids{5, 0, 599};
    TensorData in{DataType::i64, {3}, std::vector<std::byte>(sizeof(std::int64_t) * 3)};
    std::memcpy(in.bytes.data(), ids.data(), in.bytes.size());
    const Values y = values_of(run(device, net, {in}).at(0));
    for (std::size_t row = 0; row < ids.size(); ++row) {
        for (std::int64_t word = 0; word < words; ++word) {
            float sum = 0;
            for (std::int64_t i = 0; i < width; ++i) {
                sum += embedding.at(static_cast<std::size_t>(ids[row] * width + i)) *
                       embedding.at(static_cast<std::size_t>(word * width + i));
            }
            ASSERT_NEAR(y.at(row * words + static_cast<std::size_t>(word)), sum, 1e-3F);
        }
    }
}

TEST_F(Loading, TheStepsOfAnUnrolledNetworkShareItsWeights) {
    constexpr std::int64_t hidden = 32;
    ModelBuilder m;
    m.input("x", {20, 1, hidden});
    weights(m, "w", {1, 4 * hidden, hidden}, some_values(4 * hidden * hidden));
    weights(m, "r", {1, 4 * hidden, hidden}, some_values(4 * hidden * hidden));
    integer(m.node("LSTM", {"x", "w", "r"}, {"y"}), "hidden_size", hidden);
    m.output("y");
    const Device device = open();
    const Model net = Model::load(device, m.save());
    EXPECT_LT(net.memory().weights, 3U * 4 * hidden * hidden * sizeof(float));
}

// ---- long models

TEST_F(Loading, AModelMayHaveMoreCommandsThanAList) {
    const Device device = open();
    const std::uint32_t count = device.info().max_list_commands + 1001;
    ModelBuilder m;
    m.input("x0", {4});
    for (std::uint32_t i = 0; i < count; ++i) {
        m.node("Neg", {"x" + std::to_string(i)}, {"x" + std::to_string(i + 1)});
    }
    m.output("x" + std::to_string(count));
    const Model net = Model::load(device, m.save("long.onnx"));
    ASSERT_EQ(net.commands().size(), count);
    const std::vector<TensorData> in{tensor({4}, {1, -2, 3, 0.5F})};
    const Values expected = count % 2 == 0 ? Values{1, -2, 3, 0.5F} : Values{-1, 2, -3, -0.5F};
    EXPECT_EQ(values_of(run(device, net, in).at(0)), expected);
    EXPECT_EQ(values_of(run_saved(device, net, in).at(0)), expected);
    Queue queue = device.create_queue();
    std::vector<CompletionRecord> records;
    EXPECT_EQ(values_of(net.profile(queue, in, records).at(0)), expected);
    ASSERT_EQ(records.size(), count);
    EXPECT_GT(records.back().end, records.front().start);
}

// Both lists of the model read its index input; the second reads one out of range.
TEST_F(Loading, AnErrorInALaterListNamesItsNode) {
    const Device device = open();
    const std::uint32_t count = device.info().max_list_commands + 10;
    ModelBuilder m;
    m.input("x0", {4});
    m.input("index", {1}, onnx::TensorProto::INT64);
    for (std::uint32_t i = 0; i < count; ++i) {
        m.node("Neg", {"x" + std::to_string(i)}, {"x" + std::to_string(i + 1)});
    }
    m.node("Gather", {"x" + std::to_string(count), "index"}, {"y"}, "the last");
    m.output("y");
    const Model net = Model::load(device, m.save("long.onnx"));
    TensorData index{DataType::i64, {1}, std::vector<std::byte>(sizeof(std::int64_t))};
    index.bytes[0] = std::byte{77};
    const Error error = error_of([&] {
        static_cast<void>(run(device, net, {tensor({4}, {1, 2, 3, 4}), index}));
    });
    expect_says(error, "the last", "GATHER");
}

TEST_F(Loading, AModelMayHaveMoreInputsAndOutputsThanACallHasArguments) {
    constexpr std::size_t ports = 900;
    ModelBuilder m;
    std::vector<TensorData> in;
    for (std::size_t i = 0; i < ports; ++i) {
        const std::string number = std::to_string(i);
        m.input("x" + number, {2});
        m.node("Sub", {"x" + number, "x" + std::to_string((i + 37) % ports)}, {"y" + number});
        m.output("y" + number);
        in.push_back(tensor({2}, {static_cast<float>(i * i), static_cast<float>(i)}));
    }
    const Device device = open();
    const Model net = Model::load(device, m.save());
    for (const auto& out : {run(device, net, in), run_saved(device, net, in)}) {
        ASSERT_EQ(out.size(), ports);
        for (std::size_t i = 0; i < ports; ++i) {
            const Values a = values_of(in[i]);
            const Values b = values_of(in[(i + 37) % ports]);
            EXPECT_EQ(values_of(out[i]), (Values{a[0] - b[0], a[1] - b[1]})) << i;
        }
    }
    Queue queue = device.create_queue();
    std::vector<std::uint64_t> ticks;
    EXPECT_EQ(net.profile(queue, in, ticks).size(), ports);
    EXPECT_EQ(ticks.size(), net.commands().size());
}

// ---- where a model is loaded from

// y = x + w, with weights of 3 and 5.
ModelBuilder addition() {
    ModelBuilder m;
    m.input("x", {2});
    weights(m, "w", {2}, {3, 5});
    m.node("Add", {"x", "w"}, {"y"});
    m.output("y");
    return m;
}

TEST_F(Loading, AModelIsLoadedFromMemoryThatEndsThen) {
    const Device device = open();
    auto bytes = std::make_unique<std::vector<std::byte>>(content(addition()));
    EXPECT_EQ(Model::describe_inputs(std::span<const std::byte>(*bytes)).at(0).name, "x");
    EXPECT_TRUE(Model::check(std::span<const std::byte>(*bytes)).empty());
    const Model net = Model::load(device, std::span<const std::byte>(*bytes));
    std::ranges::fill(*bytes, std::byte{0});
    bytes.reset();
    EXPECT_EQ(values_of(run(device, net, {tensor({2}, {1, 2})}).at(0)), (Values{4, 7}));
}

TEST_F(Loading, LargeTensorsAreReadFromWhereverTheyAre) {
    constexpr std::int64_t n = 3000;
    const Values w = some_values(n);
    for (const bool raw : {true, false}) {
        ModelBuilder m;
        m.input("x", {n});
        weights(m, "w", {n}, w);
        auto& made = *m.graph().mutable_initializer(0);
        if (!raw) {
            made.clear_raw_data();
            made.mutable_float_data()->Add(w.begin(), w.end());
        }
        // The same tensor in a node.
        auto& constant = attribute(m.node("Constant", {}, {"c"}), "value");
        constant.set_type(onnx::AttributeProto::TENSOR);
        *constant.mutable_t() = made;
        m.node("Add", {"x", "w"}, {"s"});
        m.node("Sub", {"s", "c"}, {"y"});
        m.output("y");
        const Device device = open();
        const Model net = Model::load(device, m.save());
        EXPECT_EQ(values_of(run(device, net, {tensor({n}, w)}).at(0)), w);
        EXPECT_LT(net.memory().weights, 2U * n * sizeof(float));
    }
}

TEST_F(Loading, AModelInMemoryFindsExternalWeightsInItsFolder) {
    const fs::path folder = fs::path(MODEL_RESULTS) / "beside";
    fs::create_directories(folder);
    const Values w{3, 5};
    std::ofstream(folder / "w.bin", std::ios::binary)
        .write(reinterpret_cast<const char*>(w.data()), sizeof(float) * 2);
    ModelBuilder m = addition();
    auto& made = *m.graph().mutable_initializer(0);
    made.clear_raw_data();
    made.set_data_location(onnx::TensorProto::EXTERNAL);
    auto& entry = *made.add_external_data();
    entry.set_key("location");
    entry.set_value("w.bin");
    const std::vector<std::byte> bytes = content(m);
    const Device device = open();
    const Model net = Model::load(device, std::span<const std::byte>(bytes), {}, folder);
    EXPECT_EQ(values_of(run(device, net, {tensor({2}, {1, 2})}).at(0)), (Values{4, 7}));
    expect_says(error_of([&] {
                    static_cast<void>(Model::load(device, std::span<const std::byte>(bytes)));
                }),
                "'w'", "in another file", "folder");
}

TEST_F(Loading, AModelIsReadFromAPipeToItsEnd) {
    std::array<int, 2> ends{};
    ASSERT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
    ModelBuilder m;
    m.input("x", {50000});
    weights(m, "w", {50000}, some_values(50000));  // more than a pipe holds
    m.node("Add", {"x", "w"}, {"y"});
    m.output("y");
    std::thread writer([&] {
        const std::vector<std::byte> bytes = content(m);
        for (std::size_t at = 0; at < bytes.size();) {
            const ssize_t count = write(ends[1], &bytes[at], bytes.size() - at);
            ASSERT_GT(count, 0);
            at += static_cast<std::size_t>(count);
        }
        close(ends[1]);
    });
    const Device device = open();
    const Model net = Model::load(device, "/dev/fd/" + std::to_string(ends[0]));
    writer.join();
    close(ends[0]);
    const Values zeros(50000);
    EXPECT_EQ(values_of(run(device, net, {tensor({50000}, zeros)}).at(0)), some_values(50000));
}

TEST_F(Loading, AFileOfMoreThan2GiBIsRefusedWithTheRemedy) {
    const fs::path file = fs::path(MODEL_RESULTS) / "huge.onnx";
    std::ofstream(file).close();
    fs::resize_file(file, (std::uintmax_t{1} << 31) + 1);  // without any block on the disk
    const Error error = error_of([&] {
        const Device device = open();
        static_cast<void>(Model::load(device, file));
    });
    fs::remove(file);
    expect_says(error, "huge.onnx", "2147483649 bytes", "2 GiB", "save_as_external_data=True");
}

// ---- memory of the card

TEST_F(Loading, ScratchMemoryIsAllocatedWhenTheModelIsLoaded) {
    ModelBuilder m;
    m.input("x", {1 << 18});
    m.node("Sin", {"x"}, {"a"});
    m.node("ReduceSum", {"a"}, {"y"});
    m.output("y");
    const Device device = open();
    const std::uint64_t before = device.info().memory_free;
    const Model net = Model::load(device, m.save());
    EXPECT_GE(net.memory().peak, sizeof(float) << 18);
    EXPECT_LE(device.info().memory_free, before - net.memory().peak);
    const std::uint64_t loaded = device.info().memory_free;
    static_cast<void>(run(device, net, {tensor({1 << 18}, Values(1 << 18))}));
    EXPECT_EQ(device.info().memory_free, loaded) << "the first queue uses that memory";
}

TEST_F(Loading, ScratchMemoryThatTheCardDoesNotHaveIsRefusedWithFiguresAndTheNode) {
    const Device device = open();
    const auto length = static_cast<std::int64_t>(device.info().memory_size / sizeof(float));
    ModelBuilder m;
    m.input("x", {1});
    integers(m, "shape", {length});
    m.node("Sin", {"x"}, {"a"});
    m.node("Expand", {"a", "shape"}, {"b"});
    m.node("Cos", {"b"}, {"c"}, "the large one");
    m.node("ReduceSum", {"c"}, {"y"});
    m.output("y");
    const Error error =
        error_of([&] { static_cast<void>(Model::load(device, m.save("large.onnx"))); });
    EXPECT_EQ(error.errc(), std::errc::no_space_on_device);
    expect_says(error, "large.onnx", "bytes of scratch memory", "'Cos the large one'",
                std::to_string(device.info().memory_size), "use a smaller batch");
}

}  // namespace
}  // namespace accel::test
