// SPDX-License-Identifier: Apache-2.0
//
// One load, many shapes: models that leave dimensions open, whose shapes share the weights.
#include <gmock/gmock.h>

#include <atomic>
#include <cstring>
#include <sstream>
#include <thread>

#include "accel/model.hpp"
#include "encoder_model.hpp"
#include "fixture.hpp"

namespace accel::test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

template <typename T>
TensorData tensor(DataType type, std::vector<std::int64_t> shape, const std::vector<T>& values) {
    TensorData data{type, std::move(shape), std::vector<std::byte>(sizeof(T) * values.size())};
    std::memcpy(data.bytes.data(), values.data(), data.bytes.size());
    return data;
}

// The inputs of encoder_model(). The last words of each sequence are masked.
std::vector<TensorData> encoder_inputs(std::int64_t batch, std::int64_t length) {
    std::vector<std::int64_t> ids;
    std::vector<std::int64_t> mask;
    for (std::int64_t i = 0; i < batch * length; ++i) {
        ids.push_back((7 * i + length) % 50);
        mask.push_back(i % length <= length / 2 + i / length ? 1 : 0);
    }
    return {tensor(DataType::i64, {batch, length}, ids),
            tensor(DataType::i64, {batch, length}, mask)};
}

class Shapes : public SdkTest {
  protected:
    static Model load(const Device& device, const LoadOptions& options = {}) {
        return Model::load(device, encoder_model().save("encoder.onnx"), options);
    }
    static std::vector<TensorData> run(const Device& device, const Model& net,
                                       std::int64_t batch, std::int64_t length) {
        Queue queue = device.create_queue();
        return net.run(queue, encoder_inputs(batch, length));
    }
    // By a model that is loaded for this shape only.
    static std::vector<TensorData> run_alone(const Device& device, std::int64_t batch,
                                             std::int64_t length) {
        return run(device,
                   load(device, {.batch = batch, .dimensions = {{"sequence", length}}}), batch,
                   length);
    }
    static void expect_equal(const std::vector<TensorData>& a, const std::vector<TensorData>& b) {
        ASSERT_EQ(a.size(), b.size());
        for (std::size_t i = 0; i < a.size(); ++i) {
            EXPECT_EQ(a[i].shape, b[i].shape);
            EXPECT_EQ(a[i].bytes, b[i].bytes);
        }
    }
    // The message of the error that `action` throws.
    template <typename Action>
    static std::string error_of(Action&& action) {
        try {
            action();
        } catch (const Error& error) {
            EXPECT_EQ(error.errc(), std::errc::invalid_argument);
            return error.what();
        }
        ADD_FAILURE() << "there is no error";
        return {};
    }
};

TEST_F(Shapes, ARunOfAnyLengthHasTheBitsOfALoadForThatLength) {
    const Device device = open();
    const Model net = load(device);
    EXPECT_EQ(net.inputs()[0].shape, (std::vector<std::int64_t>{-1, -1}));
    for (const std::int64_t length : {5, 64, 1, 17, 5, 33}) {
        for (const std::int64_t batch : {1, 3}) {
            SCOPED_TRACE(std::to_string(batch) + " x " + std::to_string(length));
            const auto outputs = run(device, net, batch, length);
            EXPECT_EQ(outputs[0].shape, (std::vector<std::int64_t>{batch, length, 32}));
            expect_equal(outputs, run_alone(device, batch, length));
        }
    }
}

TEST_F(Shapes, TheWeightsAreOnTheCardOnce) {
    const Device device = open();
    const ModelBuilder wide = encoder_model({.width = 128, .inner = 512});
    const Model net = Model::load(device, wide.save("wide.onnx"));
    const Model first = net.specialize({{"sequence", 64}});
    const std::uint64_t weights = first.memory().weights;
    const std::uint64_t free = device.info().memory_free;
    std::uint64_t own = 0;
    for (std::int64_t length = 8; length < 64; length += 8) {
        const Model shape = net.specialize({{"sequence", length}});
        EXPECT_EQ(shape.memory().weights, weights);
        own += shape.memory().shape_weights;
    }
    // Lists of commands are all that a shape needs besides weights of its own, which are few.
    EXPECT_LE(own, 4096);
    EXPECT_LT(free - device.info().memory_free, weights / 4);
    EXPECT_EQ(net.specializations().size(), 8);
}

TEST_F(Shapes, ASpecializedModelTakesBuffersAndOutlivesTheOthers) {
    const Device device = open();
    std::optional<Model> shape;
    {
        const Model net = load(device, {.max_shapes = 1});
        shape = net.specialize({{"batch", 2}, {"sequence", 7}});
        static_cast<void>(net.specialize({{"sequence", 9}}));
        static_cast<void>(net.specialize({{"sequence", 10}}));
        EXPECT_EQ(net.specializations().size(), 1);
    }
    const auto inputs = encoder_inputs(2, 7);
    auto ids = device.allocate<std::byte>({inputs[0].bytes.size()});
    auto mask = device.allocate<std::byte>({inputs[1].bytes.size()});
    std::ranges::copy(inputs[0].bytes, ids.begin());
    std::ranges::copy(inputs[1].bytes, mask.begin());
    const auto y = device.allocate<std::byte>({shape->outputs()[0].bytes()});
    Queue queue = device.create_queue();
    shape->submit(queue, {ids, mask, y}).wait();
    const auto alone = run_alone(device, 2, 7);
    EXPECT_TRUE(std::ranges::equal(y.span(), alone[0].bytes));
}

TEST_F(Shapes, ANewShapeIsKeptWithinTheBound) {
    const Device device = open();
    const Model net = load(device, {.specializations = {{.dimensions = {{"sequence", 3}}}},
                                    .max_shapes = 2});
    for (const std::int64_t length : {4, 5, 4, 6}) {
        static_cast<void>(run(device, net, 1, length));
    }
    std::vector<std::int64_t> lengths;
    for (const Model& shape : net.specializations()) {
        lengths.push_back(shape.inputs()[0].shape[1]);
    }
    EXPECT_THAT(lengths, ::testing::UnorderedElementsAre(3, 4, 6));
    EXPECT_THAT(error_of([&] { static_cast<void>(load(device, {.max_shapes = 0})); }),
                HasSubstr("max_shapes"));
}

TEST_F(Shapes, InputsByNameAndAModelInMemoryDecideTheShape) {
    const Device device = open();
    const std::string text = encoder_model().model.SerializeAsString();
    std::vector<std::byte> bytes(text.size());
    std::memcpy(bytes.data(), text.data(), text.size());
    const Model net = Model::load(device, bytes);
    std::ranges::fill(bytes, std::byte{0xff});  // they are the caller's again
    Queue queue = device.create_queue();
    const auto inputs = encoder_inputs(1, 11);
    const auto named = net.run(queue, {{"mask", inputs[1]}, {"ids", inputs[0]}});
    expect_equal({named.at("y")}, run_alone(device, 1, 11));
}

TEST_F(Shapes, AnOpenBatchHasAFirstShape) {
    const Device device = open();
    ModelBuilder m;
    m.input("x", {"batch", 4});
    m.node("Neg", {"x"}, {"y"});
    m.output("y");
    const Model net = Model::load(device, m.save("batch.onnx"));
    EXPECT_EQ(net.inputs()[0].shape, (std::vector<std::int64_t>{1, 4}));
    ASSERT_EQ(net.open_dimensions().size(), 1);
    EXPECT_EQ(net.open_dimensions()[0].name, "batch");
    Queue queue = device.create_queue();
    const std::vector<float> values{1, 2, 3, 4, 5, 6, 7, 8};
    const std::vector<TensorData> inputs{tensor(DataType::f32, {2, 4}, values)};
    EXPECT_EQ(net.run(queue, inputs)[0].shape, (std::vector<std::int64_t>{2, 4}));
    const Model one = Model::load(device, m.save("batch.onnx"), {.batch = 1});
    EXPECT_TRUE(one.open_dimensions().empty());
    EXPECT_THAT(error_of([&] { static_cast<void>(one.run(queue, inputs)); }),
                HasSubstr("input 'x' is f32[1,4], not f32[2,4]"));
}

TEST_F(Shapes, ADimensionThatIsGivenStaysOpenIfItIsListed) {
    const Device device = open();
    const Model net = load(device, {.dimensions = {{"sequence", 8}},
                                    .open_dimensions = std::vector<std::string>{"sequence"}});
    EXPECT_EQ(net.inputs()[0].shape, (std::vector<std::int64_t>{1, 8}));
    expect_equal(run(device, net, 1, 12), run_alone(device, 1, 12));
    EXPECT_THAT(error_of([&] { static_cast<void>(run(device, net, 2, 8)); }),
                HasSubstr("dimension 0 ('batch') of input 'ids' is 2: it can only be 1"));
    EXPECT_THAT(error_of([&] {
                    static_cast<void>(load(device, {.open_dimensions = std::vector<std::string>{"batch"}}));
                }),
                HasSubstr("dimension 1 ('sequence') of input 'ids' is open"));
}

TEST_F(Shapes, AShapeThatTheModelCannotHaveIsRefused) {
    const Device device = open();
    const Model net = load(device);
    Queue queue = device.create_queue();
    const auto refusal = [&](const ModelShape& shape) {
        return error_of([&] { static_cast<void>(net.specialize(shape)); });
    };
    EXPECT_THAT(refusal({.dimensions = {{"length", 4}}}),
                HasSubstr("'length', and the model has no open dimension of this name: its open "
                          "dimensions are 'batch', 'sequence'"));
    EXPECT_THAT(refusal({.dimensions = {{"sequence", -4}}}), HasSubstr("'sequence' is -4"));
    EXPECT_THAT(refusal({}), HasSubstr("dimension 1 ('sequence') of input 'ids' has no length"));
    EXPECT_THAT(refusal({.inputs = {{"ids", {1, 4}}, {"mask", {1, 5}}}}),
                HasSubstr("dimension 1 ('sequence') of input 'mask' is 5, and dimension 1 "
                          "('sequence') of input 'ids' is 4"));
    EXPECT_THAT(refusal({.inputs = {{"ids", {4}}}}),
                HasSubstr("input 'ids' has the shape [4] of 1 dimensions: the model takes [batch, "
                          "sequence]"));
    EXPECT_THAT(refusal({.inputs = {{"idz", {4}}}}), HasSubstr("'idz'"));
    // There are 64 positions.
    const std::string too_long = refusal({.dimensions = {{"sequence", 65}}});
    EXPECT_THAT(too_long, HasSubstr("the inputs are 'ids' [batch, sequence]"));
    EXPECT_THAT(too_long, HasSubstr("with the inputs 'ids' [1,65], 'mask' [1,65]: "));
    EXPECT_THAT(error_of([&] { static_cast<void>(net.submit(queue, {})); }),
                HasSubstr("Model::submit() takes"));
    expect_equal(run(device, net, 1, 64), run_alone(device, 1, 64));
}

TEST_F(Shapes, AShapeIsPreparedInTheBackground) {
    const Device device = open();
    const Model net = load(device);
    const ModelRequest request = net.prepare({{"sequence", 21}});
    const Model shape = request.get();
    EXPECT_EQ(shape.inputs()[0].shape, (std::vector<std::int64_t>{1, 21}));
    EXPECT_EQ(net.specializations().size(), 1);
    expect_equal(run(device, shape, 1, 21), run_alone(device, 1, 21));
    EXPECT_THAT(error_of([&] { static_cast<void>(net.prepare({{"sequence", 65}}).get()); }),
                HasSubstr("[1,65]"));
    EXPECT_THAT(error_of([&] { static_cast<void>(net.prepare({{"length", 65}})); }),
                HasSubstr("'length'"));
}

TEST_F(Shapes, APreparationEndsWithItsModel) {
    const Device device = open();
    std::vector<Request> requests;  // these do not keep the model
    {
        const Model net = load(device);
        for (std::int64_t length = 1; length < 9; ++length) {
            requests.push_back(net.prepare({{"sequence", length}}));
        }
    }
    for (const Request& request : requests) {
        try {
            request.wait();
        } catch (const Error& error) {
            EXPECT_EQ(error.errc(), std::errc::operation_canceled);
        }
        EXPECT_TRUE(request.done());
    }
}

TEST_F(Shapes, ThreadsRunDifferentShapesAtOnce) {
    const Device device = open();
    const Model net = load(device, {.max_shapes = 2});
    std::vector<std::vector<TensorData>> expected;
    for (std::int64_t length = 1; length <= 6; ++length) {
        expected.push_back(run_alone(device, 1, length));
    }
    std::atomic<int> wrong = 0;
    const auto work = [&](std::int64_t first) {
        Queue queue = device.create_queue();
        for (std::int64_t i = 0; i < 12; ++i) {
            const std::int64_t length = (first + i) % 6 + 1;
            const auto outputs = net.run(queue, encoder_inputs(1, length));
            wrong += outputs[0].bytes == expected[static_cast<std::size_t>(length - 1)][0].bytes
                         ? 0
                         : 1;
        }
    };
    std::vector<std::thread> threads;
    for (const std::int64_t first : {0, 2, 5}) {
        threads.emplace_back(work, first);
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    EXPECT_EQ(wrong, 0);
}

TEST_F(Shapes, ASetOfShapesIsSavedInOneFile) {
    const Device device = open();
    const fs::path file = fs::path(MODEL_RESULTS) / "encoder.accel";
    std::uint64_t weights = 0;
    {
        const Model net =
            load(device, {.specializations = {{.dimensions = {{"sequence", 16}}},
                                              {.dimensions = {{"batch", 2}, {"sequence", 5}}}}});
        EXPECT_EQ(net.specializations().size(), 2);
        weights = net.specializations()[0].memory().weights;
        net.save(file);
    }
    EXPECT_LT(fs::file_size(file), 2 * weights);
    for (int generation = 0; generation < 2; ++generation) {
        const Model net = Model::load(device, file);
        EXPECT_EQ(net.open_dimensions().size(), 4);
        expect_equal(run(device, net, 1, 16), run_alone(device, 1, 16));
        expect_equal(run(device, net, 2, 5), run_alone(device, 2, 5));
        const std::string error =
            error_of([&] { static_cast<void>(net.specialize({{"sequence", 6}})); });
        EXPECT_THAT(error, HasSubstr("'ids' [1,16], 'mask' [1,16]"));
        EXPECT_THAT(error, HasSubstr("'ids' [2,5], 'mask' [2,5]"));
        const auto size = fs::file_size(file);
        net.save(file);
        EXPECT_EQ(fs::file_size(file), size);
    }
    EXPECT_THAT(error_of([&] { load(device).save(file); }), HasSubstr("specialize()"));
}

TEST_F(Shapes, AnUnsupportedOperatorIsRefusedByTheLoad) {
    const Device device = open();
    ModelBuilder m;
    m.input("x", {"length"});
    m.node("Invented", {"x"}, {"y"});
    m.output("y");
    EXPECT_THAT(error_of([&] {
                    static_cast<void>(Model::load(device, m.save("invented.onnx")));
                }),
                HasSubstr("Invented"));
}

}  // namespace
}  // namespace accel::test
