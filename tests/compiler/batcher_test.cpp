// SPDX-License-Identifier: Apache-2.0
//
// Batchers: results, sizes of batches, the bound of latency, errors of single requests, weights.
#include "accel/batcher.hpp"

#include <atomic>
#include <cstring>
#include <fstream>
#include <functional>
#include <optional>
#include <thread>

#include "child.hpp"
#include "fixture.hpp"
#include "onnx.pb.h"

namespace accel::test {
namespace {

using namespace std::chrono_literals;

constexpr std::int64_t columns = 64;
constexpr std::int64_t rows = 16;

// y[n] = x[n] W and t[n] = table[index[n]]: W has columns * rows elements, and the table four rows.
std::string model_file() {
    onnx::ModelProto file;
    file.add_opset_import()->set_version(13);
    onnx::GraphProto& graph = *file.mutable_graph();
    const auto input = [&](const char* name, int type, std::initializer_list<std::int64_t> dims) {
        onnx::ValueInfoProto& made = *graph.add_input();
        made.set_name(name);
        auto& tensor = *made.mutable_type()->mutable_tensor_type();
        tensor.set_elem_type(type);
        tensor.mutable_shape()->add_dim()->set_dim_param("N");
        for (const std::int64_t n : dims) {
            tensor.mutable_shape()->add_dim()->set_dim_value(n);
        }
    };
    const auto weights = [&](const char* name, std::initializer_list<std::int64_t> dims,
                             const std::vector<float>& values) {
        onnx::TensorProto& made = *graph.add_initializer();
        made.set_name(name);
        made.set_data_type(onnx::TensorProto::FLOAT);
        made.mutable_dims()->Add(dims.begin(), dims.end());
        made.set_raw_data(values.data(), values.size() * sizeof(float));
    };
    const auto node = [&](const char* op, const char* a, const char* b, const char* result) {
        onnx::NodeProto& made = *graph.add_node();
        made.set_op_type(op);
        made.add_input(a);
        made.add_input(b);
        made.add_output(result);
        graph.add_output()->set_name(result);
    };
    input("x", onnx::TensorProto::FLOAT, {columns});
    input("index", onnx::TensorProto::INT64, {});
    std::vector<float> w(columns * rows);
    for (std::size_t i = 0; i < w.size(); ++i) {
        w[i] = static_cast<float>(i * 7 % 13) / 8 - 0.7F;
    }
    weights("w", {columns, rows}, w);
    weights("table", {4, 2}, {0, 1, 2, 3, 4, 5, 6, 7});
    node("MatMul", "x", "w", "y");
    node("Gather", "table", "index", "t");
    std::string path = std::string(MODEL_RESULTS) + "batched.onnx";
    std::ofstream stream(path, std::ios::binary);
    file.SerializeToOstream(&stream);
    return path;
}

template <typename T>
TensorData tensor(DataType type, std::vector<std::int64_t> shape, const std::vector<T>& values) {
    TensorData data{type, std::move(shape), std::vector<std::byte>(values.size() * sizeof(T))};
    std::memcpy(data.bytes.data(), values.data(), data.bytes.size());
    return data;
}

std::vector<TensorData> request(int seed, std::int64_t index = 1) {
    std::vector<float> x(columns);
    for (std::size_t i = 0; i < x.size(); ++i) {
        x[i] = static_cast<float>((static_cast<std::size_t>(seed) * 31 + i * 17) % 29) / 9;
    }
    return {tensor(DataType::f32, {1, columns}, x),
            tensor(DataType::i64, {1}, std::vector<std::int64_t>{index})};
}

class BatcherTest : public SdkTest {
  protected:
    BatcherTest() : card(open()), queue(card.create_queue()), single(Model::load(card, file)) {}
    void TearDown() override {}  // the members of this class are not released yet

    [[nodiscard]] std::vector<TensorData> expected(int seed, std::int64_t index = 1) {
        return single.run(queue, request(seed, index));
    }
    void expect_right(InferenceRequest& got, int seed, std::int64_t index = 1) {
        const std::vector<TensorData> outputs = got.get();
        const std::vector<TensorData> right = expected(seed, index);
        ASSERT_EQ(outputs.size(), right.size());
        for (std::size_t i = 0; i < outputs.size(); ++i) {
            EXPECT_EQ(outputs[i].shape, right[i].shape);
            EXPECT_EQ(outputs[i].bytes, right[i].bytes) << "request " << seed;
        }
    }

    std::string file = model_file();
    Device card;
    Queue queue;
    Model single;
};

TEST_F(BatcherTest, RequestsThatComeTogetherRunTogether) {
    Batcher batcher(card, file, {.max_batch = 8, .max_delay = 1h});
    EXPECT_EQ(batcher.inputs()[0].shape, (std::vector<std::int64_t>{1, columns}));
    std::vector<InferenceRequest> all;
    all.reserve(16);
    for (int i = 0; i < 16; ++i) {
        all.push_back(batcher.submit(request(i, i % 4)));
    }
    for (int i = 0; i < 16; ++i) {
        expect_right(all[static_cast<std::size_t>(i)], i, i % 4);
    }
    const BatcherStats stats = batcher.stats();
    EXPECT_EQ(stats.requests, 16U);
    EXPECT_EQ(stats.batches, 2U);
}

TEST_F(BatcherTest, ARequestWaitsForOthersNoLongerThanTheDelay) {
    Batcher batcher(card, file, {.max_batch = 8, .max_delay = 2ms});
    for (int i = 0; i < 3; ++i) {
        InferenceRequest alone = batcher.submit(request(i));
        expect_right(alone, i);
    }
    std::vector<InferenceRequest> three;
    three.reserve(3);
    for (int i = 0; i < 3; ++i) {
        three.push_back(batcher.submit(request(i)));
    }
    for (int i = 0; i < 3; ++i) {
        expect_right(three[static_cast<std::size_t>(i)], i);
    }
    EXPECT_EQ(batcher.stats().requests, 6U);
}

TEST_F(BatcherTest, TheWeightsAreOnTheCardOnceForAllSizes) {
    const Batcher one(card, file, {.max_batch = 1});
    const Batcher many(card, file, {.max_batch = 32});
    EXPECT_GE(one.stats().weights, columns * rows * sizeof(float));
    EXPECT_EQ(many.stats().weights, one.stats().weights);
}

TEST_F(BatcherTest, ABadRequestIsRefusedAlone) {
    Batcher batcher(card, file, {.max_batch = 4, .max_delay = 1h});
    std::vector<TensorData> wrong = request(0);
    wrong[0].shape = {columns};
    expect_says(error_of([&] { static_cast<void>(batcher.submit(wrong)); }), "input 'x'",
                "f32[1,64], not f32[64]");
    wrong = request(0);
    wrong[1].bytes.pop_back();
    expect_says(error_of([&] { static_cast<void>(batcher.submit(wrong)); }), "input 'index'",
                "8 bytes, not 7");
    wrong.pop_back();
    expect_says(error_of([&] { static_cast<void>(batcher.submit(wrong)); }), "2 inputs, not 1");
}

TEST_F(BatcherTest, ARequestThatFailsTakesNoOtherOfItsBatchWithIt) {
    Batcher batcher(card, file, {.max_batch = 4, .max_delay = 1h});
    for (int round = 0; round < 3; ++round) {
        std::vector<InferenceRequest> all;
        all.reserve(4);
        for (int i = 0; i < 4; ++i) {
            all.push_back(batcher.submit(request(i, i == 2 ? 99 : i)));
        }
        const Error error = error_of([&] { static_cast<void>(all[2].get()); });
        EXPECT_EQ(error.status(), CardStatus::bad_index);
        for (const int i : {0, 1, 3}) {
            expect_right(all[static_cast<std::size_t>(i)], i, i);
        }
    }
}

TEST_F(BatcherTest, AFullBatcherWaitsOrRefusesAndCanceledRequestsMakeRoom) {
    Batcher batcher(card, file, {.max_batch = 64, .max_delay = 1h, .max_waiting = 3});
    std::vector<InferenceRequest> all;
    all.reserve(3);
    for (int i = 0; i < 3; ++i) {
        all.push_back(batcher.submit(request(i)));
    }
    EXPECT_FALSE(batcher.try_submit(request(3)).has_value());
    EXPECT_TRUE(all[1].cancel());
    EXPECT_FALSE(all[1].cancel());
    EXPECT_EQ(error_of([&] { static_cast<void>(all[1].get()); }).errc(),
              std::errc::operation_canceled);
    EXPECT_TRUE(batcher.try_submit(request(3)).has_value());
    std::jthread canceler([&] {
        std::this_thread::sleep_for(3ms);
        EXPECT_TRUE(all[0].cancel());
    });
    static_cast<void>(batcher.submit(request(4)));
    EXPECT_EQ(batcher.stats().batches, 0U);
}

TEST_F(BatcherTest, TheEndOfABatcherCancelsItsRequests) {
    InferenceRequest waiting;
    {
        Batcher batcher(card, file, {.max_delay = 1h});
        waiting = batcher.submit(request(1));
        Batcher other = std::move(batcher);
        // NOLINTNEXTLINE(bugprone-use-after-move)
        expect_says(error_of([&] { static_cast<void>(batcher.stats()); }), "was moved from");
    }
    expect_says(error_of([&] { static_cast<void>(waiting.get()); }), "Batcher was destroyed");
}

TEST_F(BatcherTest, EndsInAChildOfForkAndEachUseThrows) {
    std::optional<Batcher> batcher(std::in_place, card, file, BatcherOptions{.max_delay = 1h});
    InferenceRequest waiting = batcher->submit(request(1));
    const NamedUse uses[] = {
        {"submit", [&] { static_cast<void>(batcher->submit(request(2))); }},
        {"try_submit", [&] { static_cast<void>(batcher->try_submit(request(2))); }},
        {"stats", [&] { static_cast<void>(batcher->stats()); }},
        {"inputs", [&] { static_cast<void>(batcher->inputs()); }},
        {"get", [&] { static_cast<void>(waiting.get()); }},
        {"cancel", [&] { static_cast<void>(waiting.cancel()); }},
    };
    EXPECT_EQ(in_child([&] {
                  const bool right = each_use_throws(uses);
                  batcher.reset();
                  return right;
              }),
              0);
    EXPECT_TRUE(waiting.cancel());
}

TEST_F(BatcherTest, ManyThreadsGetTheirOwnResults) {
    Batcher batcher(card, file,
                    {.max_batch = 8, .max_delay = 200us, .max_waiting = 16, .in_flight = 2});
    std::vector<std::vector<TensorData>> right;
    right.reserve(20);
    for (int i = 0; i < 20; ++i) {
        right.push_back(expected(i, i % 4));
    }
    std::atomic<int> wrong{0};
    {
        std::vector<std::jthread> threads;
        threads.reserve(6);
        for (int t = 0; t < 6; ++t) {
            threads.emplace_back([&, t] {
                for (int i = 0; i < 30; ++i) {
                    const int seed = (t * 7 + i) % 20;
                    const auto outputs = batcher.submit(request(seed, seed % 4)).get();
                    const auto& expected_outputs = right[static_cast<std::size_t>(seed)];
                    wrong += outputs.at(0).bytes != expected_outputs[0].bytes ||
                                     outputs.at(1).bytes != expected_outputs[1].bytes
                                 ? 1
                                 : 0;
                }
            });
        }
    }
    EXPECT_EQ(wrong, 0);
    const BatcherStats stats = batcher.stats();
    EXPECT_EQ(stats.requests, 180U);
    EXPECT_LE(stats.batches, 180U);
}

TEST_F(BatcherTest, ACardThatIsGoneEndsTheRequests) {
    Batcher batcher(card, file, {.max_batch = 4, .max_delay = 1h});
    std::vector<InferenceRequest> all;
    all.reserve(4);
    for (int i = 0; i < 3; ++i) {
        all.push_back(batcher.submit(request(i)));
    }
    driver->remove_card();
    all.push_back(batcher.submit(request(3)));
    for (InferenceRequest& each : all) {
        const Error error = error_of([&] { static_cast<void>(each.get()); });
        EXPECT_EQ(error.errc(), std::errc::no_such_device);
        EXPECT_EQ(error.reason(), Reason::removed);
    }
}

TEST_F(BatcherTest, APipelineAndADeviceGroupRunModels) {
    constexpr std::size_t items = 12;
    auto x = card.allocate<float>({items, columns});
    auto index = card.allocate<std::int64_t>({items});
    auto y = card.allocate<float>({items, rows});
    auto t = card.allocate<float>({items, 2});
    for (std::size_t i = 0; i < items; ++i) {
        const auto values = request(static_cast<int>(i));
        std::memcpy(&x[i * columns], values[0].bytes.data(), values[0].bytes.size());
        index[i] = 1;
    }
    const auto check = [&] {
        for (std::size_t i = 0; i < items; ++i) {
            const auto right = expected(static_cast<int>(i));
            EXPECT_EQ(std::memcmp(&y[i * rows], right[0].bytes.data(), right[0].bytes.size()), 0);
            EXPECT_EQ(t[i * 2 + 1], 3.0F);
        }
        y.fill(0);
        t.fill(0);
    };
    Pipeline pipeline(card,
                      {.inputs = {columns * sizeof(float), sizeof(std::int64_t)},
                       .outputs = {rows * sizeof(float), 2 * sizeof(float)}},
                      [&](Queue& own, std::span<const Operand> arguments) {
                          return single.submit(own, arguments);
                      });
    for (std::size_t i = 0; i < items; ++i) {
        pipeline.submit({x.slice(i * columns, columns), index.slice(i, 1)},
                        {y.slice(i * rows, rows), t.slice(i * 2, 2)});
    }
    pipeline.synchronize();
    check();
    DeviceGroup group(std::span<const Device>(&card, 1));
    for (std::size_t i = 0; i < items; ++i) {
        group.submit([&, i](Queue& own, std::size_t /*card*/) {
            return single.submit(own, {x.slice(i * columns, columns), index.slice(i, 1),
                                       y.slice(i * rows, rows), t.slice(i * 2, 2)});
        });
    }
    group.synchronize();
    check();
}

TEST_F(BatcherTest, BadOptionsSaySo) {
    expect_says(error_of([&] { Batcher(card, file, {.max_batch = 0}); }), "max_batch is 0");
    expect_says(error_of([&] { Batcher(card, file, {.max_batch = 4, .batch_sizes = {8}}); }),
                "batch_sizes has 8", "which is 4");
}

}  // namespace
}  // namespace accel::test
