// SPDX-License-Identifier: Apache-2.0
//
// Pipelines: results, overlap, failures in each stage, and limits.
#include <optional>
#include <stdexcept>
#include <thread>
#include <vector>

#include "fixture.hpp"

namespace accel::test {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t item_bytes = 64;
constexpr std::size_t item_words = item_bytes / sizeof(float);

class PipelineTest : public SdkTest, public ::testing::WithParamInterface<std::size_t> {
  protected:
    PipelineTest() : card(open()) {}
    void TearDown() override { EXPECT_EQ(driver->buffers(), 0U); }

    // Each output is twice its input.
    [[nodiscard]] Pipeline doubling(std::size_t depth) const {
        return {card,
                {.inputs = {item_bytes}, .outputs = {item_bytes}, .depth = depth},
                [](Queue& queue, std::span<const Operand> arguments) {
                    return queue.submit(Elementwise{.op = ElementwiseOp::add,
                                                    .dst = arguments[1],
                                                    .a = arguments[0],
                                                    .b = arguments[0],
                                                    .shape = {item_words}});
                }};
    }

    Device card;
};

TEST_P(PipelineTest, EveryItemHasItsResult) {
    constexpr std::size_t items = 50;
    auto in = card.allocate<float>({items, item_words});
    auto out = card.allocate<float>({items, item_words});
    for (std::size_t i = 0; i < in.size(); ++i) {
        in[i] = static_cast<float>(i);
    }
    Pipeline pipeline = doubling(GetParam());
    for (std::size_t i = 0; i < items; ++i) {
        EXPECT_EQ(pipeline.submit({in.slice(i * item_words, item_words)},
                                  {out.slice(i * item_words, item_words)}),
                  i + 1);
    }
    pipeline.wait(7);
    EXPECT_TRUE(pipeline.done(7));
    EXPECT_EQ(out[7 * item_words - 1], 2 * in[7 * item_words - 1]);
    pipeline.synchronize();
    for (std::size_t i = 0; i < out.size(); ++i) {
        ASSERT_EQ(out[i], 2 * in[i]) << i;
    }
}

INSTANTIATE_TEST_SUITE_P(Depth, PipelineTest, ::testing::Values(1, 2, 3, 8));

using PipelineEndTest = PipelineTest;

TEST_F(PipelineEndTest, StagesOfDifferentItemsOverlap) {
    Gate gate(card);
    auto in = card.allocate<std::byte>({item_bytes});
    auto out = card.allocate<std::byte>({item_bytes});
    bool first = true;
    Pipeline pipeline(card, {.inputs = {item_bytes}, .outputs = {item_bytes}, .depth = 2},
                      [&](Queue& queue, std::span<const Operand>) {
                          return std::exchange(first, false) ? queue.submit(gate.closed())
                                                             : queue.submit(Nop{});
                      });
    const std::uint64_t blocked = pipeline.submit({in}, {out});
    const std::uint64_t behind = pipeline.submit({in}, {out});
    // The second item is uploaded while the first is computed: device memory is all that it needs.
    EXPECT_EQ(pipeline.wait(behind, 3ms), WaitResult::timed_out);
    EXPECT_FALSE(pipeline.done(blocked));
    gate.open();
    EXPECT_EQ(pipeline.wait(behind, 60s), WaitResult::done);
    EXPECT_TRUE(pipeline.done(blocked));
}

TEST_F(PipelineEndTest, AFailureInAnyStageStopsAllAndAResetRestarts) {
    auto memory = card.allocate<float>({item_words});
    for (const std::string stage : {"upload", "computation", "download"}) {
        bool fails = stage == "computation";
        Pipeline pipeline(
            card, {.inputs = {item_bytes}, .outputs = {item_bytes}},
            [&](Queue& queue, std::span<const Operand> arguments) {
                return queue.submit(Copy{.dst = fails ? Operand(nowhere) : arguments[1],
                                         .src = arguments[0],
                                         .bytes = item_bytes});
            });
        const std::uint64_t bad =
            pipeline.submit({stage == "upload" ? Operand(nowhere) : Operand(memory)},
                            {stage == "download" ? Operand(nowhere) : Operand(memory)});
        const std::uint64_t behind = pipeline.submit({memory}, {memory});
        const Error error = error_of([&] { pipeline.wait(bad); });
        EXPECT_EQ(error.status(), CardStatus::fault_unmapped);
        expect_says(error, "the " + stage + " of item 1", "Pipeline::reset()");
        EXPECT_TRUE(pipeline.done(behind)) << "it is over: it was canceled";
        EXPECT_EQ(error_of([&] { pipeline.wait(behind); }).status(), CardStatus::fault_unmapped);
        EXPECT_EQ(error_of([&] { pipeline.submit({memory}, {memory}); }).status(),
                  CardStatus::fault_unmapped);
        fails = false;
        pipeline.reset();
        for (int i = 0; i < 5; ++i) {
            pipeline.submit({memory}, {memory});
        }
        pipeline.synchronize();
    }
}

TEST_F(PipelineEndTest, AFailureIsNoticedByASubmissionThatWaitsForRoom) {
    auto memory = card.allocate<float>({item_words});
    Pipeline pipeline = doubling(2);
    const Error error = error_of([&] {
        for (int i = 0; i < 100; ++i) {
            pipeline.submit({nowhere}, {memory});
        }
    });
    EXPECT_EQ(error.status(), CardStatus::fault_unmapped);
}

TEST_F(PipelineEndTest, AnExceptionOfTheFunctionStopsThePipeline) {
    auto memory = card.allocate<float>({item_words});
    bool throws = true;
    Pipeline pipeline(card, {.inputs = {item_bytes}, .outputs = {item_bytes}},
                      [&](Queue& queue, std::span<const Operand>) {
                          if (throws) {
                              throw std::runtime_error("no model");
                          }
                          return queue.submit(Nop{});
                      });
    EXPECT_THROW(pipeline.submit({memory}, {memory}), std::runtime_error);
    expect_says(error_of([&] { pipeline.submit({memory}, {memory}); }), "threw an exception");
    throws = false;
    pipeline.reset();
    pipeline.submit({memory}, {memory});
    pipeline.synchronize();
}

TEST_F(PipelineEndTest, ABadItemIsRefusedAndThePipelineContinues) {
    auto memory = card.allocate<float>({item_words});
    auto small = card.allocate<float>({1});
    Pipeline pipeline = doubling(2);
    expect_says(error_of([&] { pipeline.submit({}, {memory}); }), "1 inputs, not 0");
    EXPECT_EQ(error_of([&] { pipeline.submit({small}, {memory}); }).errc(),
              std::errc::invalid_argument);
    EXPECT_EQ(error_of([&] { pipeline.submit({memory}, {small}); }).errc(),
              std::errc::invalid_argument);
    expect_says(error_of([&] { pipeline.wait(9); }), "no item 9");
    pipeline.submit({memory}, {memory});
    pipeline.synchronize();
    pipeline.synchronize();
}

TEST_F(PipelineEndTest, MoreCommandsThanPromisedAreAnError) {
    auto memory = card.allocate<float>({item_words});
    Pipeline pipeline(card, {.inputs = {item_bytes}, .outputs = {item_bytes}, .commands = 2},
                      [](Queue& queue, std::span<const Operand>) {
                          queue.submit(Nop{});
                          queue.submit(Nop{});
                          return queue.submit(Nop{});
                      });
    expect_says(error_of([&] { pipeline.submit({memory}, {memory}); }), "submitted 3 commands",
                "PipelineOptions::commands is 2");
}

TEST_F(PipelineEndTest, ACardThatIsGoneEndsThePipeline) {
    auto memory = card.allocate<float>({item_words});
    Gate gate(card);
    Pipeline pipeline(
        card, {.inputs = {item_bytes}, .outputs = {item_bytes}},
        [&](Queue& queue, std::span<const Operand>) { return queue.submit(gate.closed()); });
    const std::uint64_t item = pipeline.submit({memory}, {memory});
    driver->remove_card();
    EXPECT_EQ(error_of([&] { pipeline.wait(item); }).errc(), std::errc::no_such_device);
}

TEST_F(PipelineEndTest, BadOptionsSaySo) {
    const auto nothing = [](Queue& queue, std::span<const Operand>) { return queue.submit(Nop{}); };
    expect_says(error_of([&] { Pipeline(card, {.depth = 0}, nothing); }), "depth is 0");
    expect_says(error_of([&] { Pipeline(card, {.commands = 0}, nothing); }), "commands is 0");
    for (const std::size_t depth : {std::size_t{UINT32_MAX}, SIZE_MAX, std::size_t{1} << 62}) {
        const Error error = error_of([&] { Pipeline(card, {.depth = depth}, nothing); });
        EXPECT_EQ(error.errc(), std::errc::invalid_argument);
        expect_says(error, "PipelineOptions::depth is " + std::to_string(depth), "smaller depth");
    }
    expect_says(error_of([&] { Pipeline(card, {.commands = UINT32_MAX}, nothing); }),
                "4294967295 commands", "fewer commands");
}

}  // namespace
}  // namespace accel::test
