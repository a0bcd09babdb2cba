// SPDX-License-Identifier: Apache-2.0
//
// Each command has the documented result on the card, and an invalid one is refused with a message
// before it is submitted.
#include <numeric>

#include "command_fixture.hpp"
#include "random_values.hpp"
#include "reference.hpp"

namespace accel::test {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::FloatEq;

TEST_F(CommandTest, NopIsFinished) {
    run(Nop{});
    EXPECT_EQ(queue.stats().completed, 1U);
}

TEST_F(CommandTest, CopyMovesBytes) {
    auto source = card.allocate<int>({5});
    auto target = card.allocate<int>({6});
    std::iota(source.begin(), source.end(), 1);
    run(copy(target, source));
    EXPECT_THAT(target.span(), ElementsAre(1, 2, 3, 4, 5, 0));
}

TEST_F(CommandTest, CopyMovesRows) {
    auto source = card.allocate<std::uint8_t>({3, 4});
    auto target = card.allocate<std::uint8_t>({3, 2});
    std::iota(source.begin(), source.end(), std::uint8_t{0});
    run(Copy{
        .dst = target, .src = source, .bytes = 2, .rows = 3, .dst_stride = 2, .src_stride = 4});
    EXPECT_THAT(target.span(), ElementsAre(0, 1, 4, 5, 8, 9));
}

TEST_F(CommandTest, CopyChecksBothSides) {
    auto small = card.allocate<std::byte>({8});
    auto large = card.allocate<std::byte>({9});
    EXPECT_REFUSED(copy(small, large), "Copy::dst touches 9 bytes of a buffer of 8");
    EXPECT_REFUSED((Copy{.dst = large, .src = small, .bytes = 9}), "Copy::src touches 9 bytes");
    EXPECT_REFUSED((Copy{.dst = small, .src = small, .bytes = 2, .rows = 3, .dst_stride = 4}),
                   "Copy::dst touches 10 bytes of a buffer of 8");
    EXPECT_REFUSED((Copy{.src = small, .bytes = 1}), "Copy::dst is not set");
    EXPECT_REFUSED(
        (Copy{.dst = nowhere, .src = nowhere, .bytes = 1, .rows = 2, .dst_stride = UINT64_MAX}),
        "address space");
    EXPECT_REFUSED((Copy{.dst = nowhere, .src = nowhere, .bytes = 1ULL << 49}), "address space");
}

TEST_F(CommandTest, FillRepeatsPatternsOfEveryWidth) {
    auto bytes = card.allocate<std::uint8_t>({3});
    auto halves = card.allocate<std::uint16_t>({3});
    auto words = card.allocate<float>({3});
    auto longs = card.allocate<double>({3});
    run(fill(bytes, std::uint8_t{0xa5}));
    run(fill(halves, std::uint16_t{0x1234}));
    run(fill(words, -1.5f));
    run(fill(longs, 2.25));
    EXPECT_THAT(bytes.span(), Each(0xa5));
    EXPECT_THAT(halves.span(), Each(0x1234));
    EXPECT_THAT(words.span(), Each(-1.5f));
    EXPECT_THAT(longs.span(), Each(2.25));
}

TEST_F(CommandTest, FillIsChecked) {
    auto buffer = card.allocate<std::byte>({16});
    EXPECT_REFUSED((Fill{.dst = buffer, .pattern_bytes = 3, .bytes = 3}),
                   "pattern_bytes is 3: it must be 1, 2, 4 or 8");
    EXPECT_REFUSED((Fill{.dst = buffer, .pattern_bytes = 4, .bytes = 6}), "multiples");
    EXPECT_REFUSED((Fill{.dst = buffer.slice(1, 8), .pattern_bytes = 4, .bytes = 8}),
                   "Fill::dst is not aligned to 4 bytes");
    EXPECT_REFUSED((Fill{.dst = buffer, .pattern_bytes = 4, .bytes = 20}), "touches 20 bytes");
    EXPECT_REFUSED(
        (Fill{.dst = buffer, .pattern_bytes = 4, .bytes = 4, .rows = 2, .dst_stride = 6}),
        "multiples");
}

TEST_F(CommandTest, GemmMatchesTheReferenceToTheBit) {
    constexpr std::uint32_t m = 5;
    constexpr std::uint32_t n = 7;
    constexpr std::uint32_t k = 33;
    const auto a = random_values(std::uint64_t{m} * k, 1);
    const auto b = random_values(std::uint64_t{k} * n, 2);
    const auto bias = random_values(n, 3);
    auto d = card.allocate<float>({m, n});
    run(Gemm{.d = d, .a = floats(a), .b = floats(b), .m = m, .n = n, .k = k});
    EXPECT_THAT(d.span(), ElementsAreArray(reference::dense_gemm(a, b, {}, m, n, k, false)));
    run(Gemm{.d = d,
             .a = floats(a),
             .b = floats(b),
             .bias = floats(bias),
             .m = m,
             .n = n,
             .k = k,
             .activation = UnaryOp::relu});
    EXPECT_THAT(d.span(), ElementsAreArray(reference::dense_gemm(a, b, bias, m, n, k, true)));
}

TEST_F(CommandTest, GemmReadsTransposedAndStridedMatrices) {
    const auto a = floats({1, 2, 3, 4, 5, 6});             // 2 x 3
    const auto a_transposed = floats({1, 4, 2, 5, 3, 6});  // 3 x 2
    const auto b = floats({1, 0, 0, 1, 1, 1});             // 3 x 2
    const auto b_transposed = floats({1, 0, 1, 0, 1, 1});  // 2 x 3
    auto d = card.allocate<float>({2, 4});
    const Gemm plain{.d = d, .a = a, .b = b, .m = 2, .n = 2, .k = 3, .ldd = 4};
    run(plain);
    EXPECT_THAT(d.span(), ElementsAre(4, 5, 0, 0, 10, 11, 0, 0));
    Gemm transposed = plain;
    transposed.a = a_transposed;
    transposed.b = b_transposed;
    transposed.transpose_a = true;
    transposed.transpose_b = true;
    d.fill(0);
    run(transposed);
    EXPECT_THAT(d.span(), ElementsAre(4, 5, 0, 0, 10, 11, 0, 0));
}

TEST_F(CommandTest, GemmIsChecked) {
    auto four = card.allocate<float>({2, 2});
    auto six = card.allocate<float>({2, 3});
    const Gemm good{.d = four, .a = six, .b = six, .m = 2, .n = 2, .k = 3};
    static_cast<void>(Command(good));
    Gemm bad = good;
    bad.d = card.allocate<float>({3});
    EXPECT_REFUSED(bad, "Gemm::d touches 16 bytes of a buffer of 12");
    bad = good;
    bad.lda = 2;
    EXPECT_REFUSED(bad, "Gemm::a has rows of 3 elements that are only 2 apart");
    bad = good;
    bad.ldb = 4;
    EXPECT_REFUSED(bad, "Gemm::b touches 40 bytes of a buffer of 24");
    bad = good;
    bad.bias = card.allocate<float>({1});
    EXPECT_REFUSED(bad, "Gemm::bias touches 8 bytes of a buffer of 4");
    bad = good;
    bad.a = {};
    EXPECT_REFUSED(bad, "Gemm::a is not set");
    bad = good;
    bad.d = card.allocate<float>({4}, {.access = Access::read});
    EXPECT_REFUSED(bad, "must write Gemm::d", "may only read");
    bad = good;
    bad.b = card.allocate<float>({6}, {.access = Access::write});
    EXPECT_REFUSED(bad, "must read Gemm::b", "may only write", "BufferOptions::access");
    bad = good;
    bad.m = bad.n = bad.k = UINT32_MAX;
    EXPECT_REFUSED(bad, "address space");
}

TEST_F(CommandTest, ElementwiseDoesEveryOperation) {
    const auto a = floats({6, -4, 1, 9});
    const auto b = floats({3, 2, 4, 9});
    auto d = card.allocate<float>({4});
    Elementwise command{.dst = d, .a = a, .b = b, .shape = {4}};
    const auto result = [&](ElementwiseOp op) {
        command.op = op;
        run(command);
        return std::vector<float>(d.begin(), d.end());
    };
    EXPECT_THAT(result(ElementwiseOp::add), ElementsAre(9, -2, 5, 18));
    EXPECT_THAT(result(ElementwiseOp::sub), ElementsAre(3, -6, -3, 0));
    EXPECT_THAT(result(ElementwiseOp::mul), ElementsAre(18, -8, 4, 81));
    EXPECT_THAT(result(ElementwiseOp::div), ElementsAre(2, -2, 0.25, 1));
    EXPECT_THAT(result(ElementwiseOp::min), ElementsAre(3, -4, 1, 9));
    EXPECT_THAT(result(ElementwiseOp::max), ElementsAre(6, 2, 4, 9));
    command.activation = UnaryOp::relu;
    EXPECT_THAT(result(ElementwiseOp::min), ElementsAre(3, 0, 1, 9));
}

TEST_F(CommandTest, ElementwiseBroadcastsWithAStrideOfZero) {
    const auto a = floats({1, 2, 3, 4, 5, 6});
    const auto row = floats({10, 20, 30});
    auto d = card.allocate<float>({2, 3});
    run(Elementwise{.dst = d, .a = a, .b = row, .shape = {2, 3}, .b_strides = {0, 1}});
    EXPECT_THAT(d.span(), ElementsAre(11, 22, 33, 14, 25, 36));
}

TEST_F(CommandTest, ElementwiseSupportsSixDimensions) {
    const auto a = floats(random_values(64, 9));
    auto d = card.allocate<float>({64});
    run(Elementwise{.dst = d, .a = a, .b = a, .shape = {2, 2, 2, 2, 2, 2}});
    EXPECT_FLOAT_EQ(d[63], 2 * a[63]);
}

TEST_F(CommandTest, ElementwiseIsChecked) {
    auto buffer = card.allocate<float>({6});
    const Elementwise good{.dst = buffer, .a = buffer, .b = buffer, .shape = {2, 3}};
    Elementwise bad = good;
    bad.shape = {};
    EXPECT_REFUSED(bad, "Elementwise::shape has no dimensions");
    bad = good;
    bad.a_strides = {1};
    EXPECT_REFUSED(bad, "Elementwise::a has 1 strides for 2 dimensions");
    bad = good;
    bad.b_strides = {4, 1};
    EXPECT_REFUSED(bad, "Elementwise::b touches 28 bytes of a buffer of 24");
    bad = good;
    bad.shape = {1ULL << 33};
    EXPECT_REFUSED(bad, "does not fit 32 bits");
    bad = good;
    bad.shape = {1ULL << 31, 1ULL << 31, 4};
    EXPECT_REFUSED(bad, "Elementwise::dst");
}

TEST_F(CommandTest, ShapesWithoutElementsFinishAtOnce) {
    auto buffer = card.allocate<float>({6});
    run(Elementwise{.dst = buffer, .a = buffer, .b = buffer, .shape = {2, 0, UINT32_MAX}});
    run(Copy{.dst = buffer, .src = buffer, .bytes = 4, .rows = 0});
    run(Fill{.dst = buffer, .bytes = 0});
    EXPECT_THAT(buffer.span(), Each(0.0f));
}

TEST_F(CommandTest, SoftmaxSumsToOneAndMayBeInPlace) {
    auto buffer = floats({1, 2, 3, -1, -1, -1});
    run(Softmax{.dst = buffer, .src = buffer, .outer = 2, .n = 3});
    EXPECT_NEAR(buffer[0] + buffer[1] + buffer[2], 1.0f, 1e-6f);
    EXPECT_LT(buffer[0], buffer[1]);
    EXPECT_THAT(buffer.slice(3, 3).span(), Each(FloatEq(1.0f / 3.0f)));
    EXPECT_REFUSED((Softmax{.dst = buffer, .src = buffer, .outer = 2, .n = 4}),
                   "Softmax::dst touches 32 bytes");
}

TEST_F(CommandTest, ReduceDoesEveryOperation) {
    const auto source = floats({1, 5, 5, -3, -9, 0});  // 2 x 3
    auto values = card.allocate<float>({2});
    auto indices = card.allocate<std::uint32_t>({2});
    const auto result = [&](ReduceOp op) {
        run(Reduce{.op = op, .dst = values, .src = source, .outer = 2, .n = 3});
        return std::vector<float>(values.begin(), values.end());
    };
    const auto index = [&](ReduceOp op) {
        run(Reduce{.op = op, .dst = indices, .src = source, .outer = 2, .n = 3});
        return std::vector<std::uint32_t>(indices.begin(), indices.end());
    };
    EXPECT_THAT(result(ReduceOp::sum), ElementsAre(11, -12));
    EXPECT_THAT(result(ReduceOp::max), ElementsAre(5, 0));
    EXPECT_THAT(result(ReduceOp::min), ElementsAre(1, -9));
    EXPECT_THAT(index(ReduceOp::argmax), ElementsAre(1, 2));
    EXPECT_THAT(index(ReduceOp::argmin), ElementsAre(0, 1));
}

TEST_F(CommandTest, ReduceIsChecked) {
    auto buffer = card.allocate<float>({6});
    EXPECT_REFUSED((Reduce{.dst = buffer, .src = buffer, .n = 0}), "n is zero");
    EXPECT_REFUSED((Reduce{.dst = buffer, .src = buffer, .outer = 1, .n = 7}),
                   "Reduce::src touches 28 bytes");
    EXPECT_REFUSED((Reduce{.dst = buffer.slice(0, 1), .src = buffer, .outer = 2, .n = 3}),
                   "Reduce::dst touches 8 bytes of a buffer of 4");
    EXPECT_REFUSED((Reduce{.dst = nowhere,
                           .src = nowhere,
                           .outer = UINT32_MAX,
                           .n = UINT32_MAX,
                           .inner = UINT32_MAX}),
                   "address space");
}

TEST_F(CommandTest, ElementwiseOfOneOperandAppliesAUnaryOp) {
    const auto source = floats({-2, 0, 3});
    auto result = card.allocate<float>({3});
    Elementwise unary{.op = ElementwiseOp::identity,
                      .dst = result,
                      .a = source,
                      .shape = {3},
                      .activation = UnaryOp::leaky_relu,
                      .activation_alpha = 0.5F};
    run(unary);
    EXPECT_THAT(result.span(), ElementsAre(-1, 0, 3));
    unary.activation_alpha = 0;
    unary.activation = UnaryOp::tanh;
    run(unary);
    EXPECT_THAT(result.span(), ElementsAre(FloatEq(std::tanh(-2.0F)), 0, FloatEq(std::tanh(3.0F))));
    unary.b = source;
    EXPECT_REFUSED(unary, "no meaning for ElementwiseOp::identity");
    run(Elementwise{.op = ElementwiseOp::prelu,
                    .dst = result,
                    .a = source,
                    .b = floats({10, 10, 10}),
                    .shape = {3}});
    EXPECT_THAT(result.span(), ElementsAre(-20, 0, 3));
}

TEST_F(CommandTest, SemaphoresOrderQueuesAndTheHost) {
    Semaphore semaphore = card.create_semaphore(5);
    EXPECT_EQ(semaphore.value(), 5U);
    auto buffer = card.allocate<int>({1});
    Queue other = card.create_queue();
    const Job waits = queue.submit(semaphore.wait(6));
    const Job fills = queue.submit(fill(buffer, 1));
    EXPECT_FALSE(waits.done());
    other.submit(semaphore.signal(6)).wait();
    fills.wait();
    EXPECT_EQ(buffer[0], 1);
    EXPECT_EQ(semaphore.value(), 6U);
    const Job host = queue.submit(semaphore.wait(7));
    semaphore.set(7);
    queue.ring_doorbell();
    host.wait();
}

TEST_F(CommandTest, SemaphoreWordsAreChecked) {
    auto bytes = card.allocate<std::byte>({16});
    EXPECT_REFUSED((Wait{.word = bytes.slice(4, 8), .value = 1}), "Wait::word", "8 bytes");
    EXPECT_REFUSED((Signal{.word = bytes.slice(0, 4), .value = 1}), "Signal::word touches 8");
}

TEST_F(CommandTest, ACompletionRecordHasTheTimesOfTheCommand) {
    auto record = card.allocate<CompletionRecord>({2});
    auto buffer = card.allocate<int>({64});
    const Command command = fill(buffer, 3);
    queue.submit(Nop{});
    const Job job = queue.submit(command.with_record(record.slice(1, 1)));
    job.wait();
    EXPECT_EQ(record[1].sequence, job.sequence());
    EXPECT_EQ(record[1].status, ACCEL_OK);
    EXPECT_GT(record[1].start, 0U);
    EXPECT_LE(record[1].start, record[1].end);
    EXPECT_EQ(record[0].sequence, 0U);
}

TEST_F(CommandTest, CompletionRecordsAreChecked) {
    auto bytes = card.allocate<std::byte>({64});
    const Command command = Nop{};
    expect_says(error_of([&] { static_cast<void>(command.with_record(bytes.slice(16, 32))); }),
                "the record is not aligned to 32 bytes");
    expect_says(error_of([&] { static_cast<void>(command.with_record(bytes.slice(0, 16))); }),
                "the record touches 32 bytes");
    const Command once = command.with_record(bytes);
    expect_says(error_of([&] { static_cast<void>(once.with_record(bytes)); }), "already");
}

TEST_F(CommandTest, AnArgumentNeedsACall) {
    expect_says(error_of([&] { queue.submit(Fill{.dst = argument(0), .bytes = 4}); }),
                "CommandList");
    EXPECT_REFUSED((Fill{.dst = argument(1024), .bytes = 4}), "argument 1024", "at most 1024");
    EXPECT_REFUSED((Fill{.dst = argument(0, 1ULL << 48), .bytes = 4}), "48 bits");
    EXPECT_REFUSED((Fill{.dst = Address{1ULL << 63}, .bytes = 4}), "bit 63", "argument()");
}

TEST_F(CommandTest, RawCommandsReachTheCardUnchanged) {
    accel_command raw{};
    raw.opcode = ACCEL_OP_NOP;
    std::array<std::byte, 64> bytes{};
    std::memcpy(bytes.data(), &raw, sizeof(raw));
    run(Command::raw(bytes));
    bytes[0] = std::byte{0xee};
    const Error error = error_of([&] { run(Command::raw(bytes)); });
    EXPECT_EQ(error.status(), CardStatus::bad_opcode);
    EXPECT_EQ(error.failure()->opcode, 0xeeU);
}

TEST_F(CommandTest, ACommandCanBeSubmittedAgain) {
    auto buffer = card.allocate<int>({4});
    const Command again = fill(buffer, 8);
    for (int i = 0; i < 3; ++i) {
        buffer.fill(0);
        run(again);
        EXPECT_THAT(buffer.span(), Each(8));
    }
}

}  // namespace
}  // namespace accel::test
