// SPDX-License-Identifier: Apache-2.0
//
// Commands that several threads compute: their bits, errors and preemption are those of one thread.
#include <sched.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "card_fixture.hpp"
#include "hog_fixture.hpp"

namespace accel::test {
namespace {

constexpr std::uint64_t operand_bytes = 2 << 20;
constexpr std::uint32_t thread_counts[] = {1, 2, 3, 8};

enum class Kind : std::uint8_t {
    copy,
    fill,
    transfer,
    gemm,
    gemm_int8,
    gemm_batch,
    elementwise,
    softmax,
    reduce,
    conv2d,
    depthwise,
    pool,
    transpose,
    gather,
    gather_elements,
    resize
};
constexpr Kind kinds[] = {Kind::copy,      Kind::fill,       Kind::transfer,        Kind::gemm,
                          Kind::gemm_int8, Kind::gemm_batch, Kind::elementwise,     Kind::softmax,
                          Kind::reduce,    Kind::conv2d,     Kind::depthwise,       Kind::pool,
                          Kind::transpose, Kind::gather,     Kind::gather_elements, Kind::resize};

std::string name_of(Kind kind) {
    static constexpr const char* names[] = {"Copy",      "Fill",      "Transfer",       "Gemm",
                                            "GemmInt8",  "GemmBatch", "Elementwise",    "Softmax",
                                            "Reduce",    "Conv2d",    "Depthwise",      "Pool",
                                            "Transpose", "Gather",    "GatherElements", "Resize"};
    return names[static_cast<unsigned>(kind)];
}

HostOptions with_threads(std::uint32_t threads) {
    HostOptions options;
    options.device_memory = 32 << 20;
    options.host_memory = 64 << 20;
    options.contexts = 1;
    options.threads = threads;
    return options;
}

accel_image_layout image(std::uint32_t height, std::uint32_t width, std::uint32_t channels) {
    accel_image_layout shape{};
    shape.height = height;
    shape.width = width;
    shape.channels = shape.pixel = channels;
    shape.row = width * channels;
    shape.image = height * shape.row;
    return shape;
}

// A card whose commands have random operands of operand_bytes each, at the same addresses on every
// such card.
class Machine {
  public:
    explicit Machine(std::uint32_t threads, Layout layout = Layout::scattered)
        : host(with_threads(threads)) {
        for (std::uint64_t& operand : operands) {
            operand = space.allocate(operand_bytes, layout);
        }
        for (std::uint64_t& block : blocks) {
            block = space.allocate(operand_bytes / 8);
        }
    }

    // The same operands for the same seed.
    void prepare(std::uint64_t seed) {
        Random random(seed);
        std::vector<std::uint64_t> values(operand_bytes / sizeof(std::uint64_t));
        for (const std::uint64_t operand : operands) {
            for (std::size_t i = 0; i < values.size(); ++i) {
                // Ordinary floats of both signs, whatever the type.
                values[i] = random.bits() & 0xbfff'ffff'bfff'ffffU;
            }
            space.store(operand, values);
        }
    }
    std::vector<std::uint8_t> result() {
        return space.load<std::uint8_t>(operands[0], operand_bytes);
    }

    accel_command draw(Kind kind, Random& random);

    TestHost host;
    AddressSpace space{host, 0};
    Queue queue{space, 0};
    std::array<std::uint64_t, 4> operands{};  // the result, and three sources
    std::array<std::uint64_t, 2> blocks{};    // parameters, and lists or indices

  private:
    template <typename Params>
    accel_command tensor_command(accel_opcode opcode, const Operands& with, const Params& params) {
        space.store_one(blocks[0], params);
        return tensor(opcode, with, blocks[0], sizeof params);
    }
    accel_command draw_rows(Kind kind, Random& random);
    accel_command draw_transfer(Random& random);
    accel_command draw_gemm(Kind kind, Random& random);
    accel_command draw_elementwise(Random& random);
    accel_command draw_axis(Kind kind, Random& random);
    accel_command draw_image(Kind kind, Random& random);
    accel_command draw_transpose(Random& random);
    accel_command draw_table(Kind kind, Random& random);

    [[nodiscard]] Operands one_source() const { return {.dst = operands[0], .src0 = operands[1]}; }
    [[nodiscard]] Operands two_sources() const {
        return {.dst = operands[0], .src0 = operands[1], .src1 = operands[2]};
    }
};

std::uint32_t between(Random& random, std::uint32_t least, std::uint32_t most) {
    return least + static_cast<std::uint32_t>(random.below(most - least + 1));
}

accel_command Machine::draw_rows(Kind kind, Random& random) {
    const std::uint32_t rows = between(random, 1, 40);
    const std::uint64_t stride = operand_bytes / rows / 8 * 8;
    const std::uint64_t bytes = random.coin() ? stride : stride - 8 * random.below(100);
    return kind == Kind::copy ? copy_rows(operands[0], stride, operands[1], stride, bytes, rows)
                              : fill_rows(operands[0], stride, random.bits(), 8, bytes, rows);
}

// Segments in a random order.
accel_command Machine::draw_transfer(Random& random) {
    constexpr std::uint64_t segment = 8192;
    constexpr std::uint32_t count = operand_bytes / segment;
    std::vector<accel_segment> lists;
    for (const std::uint64_t operand : {operands[0], operands[1]}) {
        const auto first = static_cast<std::ptrdiff_t>(lists.size());
        for (std::uint64_t i = 0; i < count; ++i) {
            lists.push_back({.address = operand + i * segment, .bytes = segment});
        }
        for (std::uint64_t i = count; i > 1; --i) {
            std::swap(lists[static_cast<std::size_t>(first) + i - 1],
                      lists[static_cast<std::size_t>(first) + random.below(i)]);
        }
    }
    space.store(blocks[1], lists);
    accel_command command{};
    command.opcode = ACCEL_OP_TRANSFER;
    command.transfer = {.dst = blocks[1],
                        .src = blocks[1] + count * sizeof(accel_segment),
                        .dst_count = count,
                        .src_count = count,
                        .bytes = operand_bytes - random.below(segment),
                        .reserved = {}};
    return command;
}

accel_command Machine::draw_gemm(Kind kind, Random& random) {
    accel_gemm p{};
    p.type = ACCEL_TYPE_F32;
    p.batch = kind == Kind::gemm_batch ? between(random, 8, 20) : 0;
    const std::uint32_t most = kind == Kind::gemm_batch ? 100 : 500;
    p.m = random.below(4) == 0 ? between(random, 1, 8) : between(random, most / 2, most);
    p.n = between(random, most / 2, most);
    p.k = between(random, most / 2, most);
    p.flags = random.coin() ? ACCEL_GEMM_TRANSPOSE_B : 0;
    if (kind == Kind::gemm_int8) {
        p.type = ACCEL_TYPE_I8;
        p.format.src1_type = ACCEL_TYPE_U8;
        p.format.dst_type = ACCEL_TYPE_I32;
    }
    p.lda = p.k;
    p.ldb = (p.flags & ACCEL_GEMM_TRANSPOSE_B) != 0 ? p.k : p.n;
    if (kind == Kind::gemm_batch && random.coin()) {  // the rows of the results alternate
        p.ldd = p.n * p.batch;
        p.batch_d = p.n;
    } else {
        p.ldd = p.n;
        p.batch_d = kind == Kind::gemm_batch ? p.m * p.n : 0;
    }
    p.batch_a = kind == Kind::gemm_batch ? p.m * p.k : 0;
    p.batch_b = kind == Kind::gemm_batch ? p.k * p.n : 0;
    return tensor_command(ACCEL_OP_GEMM, two_sources(), p);
}

accel_command Machine::draw_elementwise(Random& random) {
    accel_elementwise p{};
    p.type = ACCEL_TYPE_F32;
    p.op = ACCEL_EW_ADD;
    p.activation = random.coin() ? ACCEL_UNARY_NONE : ACCEL_UNARY_SIGMOID;
    p.rank = 2;
    p.dims[0] = between(random, 1, 400);
    p.dims[1] = operand_bytes / sizeof(float) / p.dims[0];
    p.dst_strides[0] = p.src0_strides[0] = p.dims[1];
    p.dst_strides[1] = p.src0_strides[1] = p.src1_strides[1] = 1;
    p.src1_strides[0] = random.coin() ? 0 : p.dims[1];
    Operands with = two_sources();
    with.src0 = random.coin() ? with.dst : with.src0;  // in place
    return tensor_command(ACCEL_OP_ELEMENTWISE, with, p);
}

accel_command Machine::draw_axis(Kind kind, Random& random) {
    accel_reduce p{};
    p.type = ACCEL_TYPE_F32;
    p.inner = random.coin() ? 1 : between(random, 100, 5000);
    p.n = between(random, 10, 90);
    p.outer = operand_bytes / sizeof(float) / p.n / p.inner;
    Operands with = one_source();
    if (kind == Kind::reduce) {
        p.op = static_cast<std::uint8_t>(random.below(ACCEL_REDUCE_MEAN + 1));
    } else if (random.coin()) {
        with.src0 = with.dst;
    }
    return tensor_command(kind == Kind::reduce ? ACCEL_OP_REDUCE : ACCEL_OP_SOFTMAX, with, p);
}

accel_command Machine::draw_image(Kind kind, Random& random) {
    const std::uint32_t channels = between(random, 16, 80);
    const std::uint32_t side = between(random, 30, 70);
    const accel_conv_window window{.height = 3,
                                   .width = 3,
                                   .stride_y = 1,
                                   .stride_x = 1,
                                   .dilation_y = 1,
                                   .dilation_x = 1,
                                   .pad_top = 1,
                                   .pad_left = 1};
    if (kind == Kind::pool) {
        accel_pool p{};
        p.type = ACCEL_TYPE_F32;
        p.op = static_cast<std::uint8_t>(random.below(2));
        p.batch = 1;
        p.src = p.dst = image(side, side, channels);
        p.window = window;
        return tensor_command(ACCEL_OP_POOL, one_source(), p);
    }
    accel_conv2d p{};
    p.type = ACCEL_TYPE_F32;
    p.batch = 1;
    p.groups = kind == Kind::depthwise ? channels : 1;
    p.src = image(side, side, channels);
    p.dst = image(side, side, kind == Kind::depthwise ? channels : between(random, 40, 100));
    p.window = window;
    return tensor_command(ACCEL_OP_CONV2D, two_sources(), p);
}

accel_command Machine::draw_transpose(Random& random) {
    accel_transpose p{};
    p.size = sizeof(float);
    p.rank = 2;
    p.dims[0] = between(random, 300, 700);
    p.dims[1] = between(random, 300, 700);
    p.dst_strides[0] = p.dims[1];
    p.dst_strides[1] = 1;
    switch (random.below(3)) {
        case 0:  // tiles
            p.src_strides[0] = 1;
            p.src_strides[1] = p.dims[0];
            break;
        case 1:  // rows
            p.src_strides[0] = p.dims[1] + 2;
            p.src_strides[1] = 1;
            break;
        default:  // elements
            p.src_strides[0] = p.dims[1];
            p.src_strides[1] = -1U;
            break;
    }
    Operands with = one_source();
    with.src0 += p.src_strides[1] == -1U ? (p.dims[1] - 1) * sizeof(float) : 0;
    return tensor_command(ACCEL_OP_TRANSPOSE, with, p);
}

accel_command Machine::draw_table(Kind kind, Random& random) {
    constexpr std::uint32_t values = operand_bytes / sizeof(float);
    Operands with = one_source();
    with.src1 = blocks[1];
    if (kind == Kind::resize) {
        accel_resize p{};
        p.type = ACCEL_TYPE_F32;
        p.taps = 2;
        p.count = between(random, 100, 300);
        p.n = p.count;
        p.inner = values / p.count;
        p.outer = 1;
        std::vector<accel_resize_tap> taps(std::size_t{p.count} * p.taps);
        for (accel_resize_tap& tap : taps) {
            tap.index = static_cast<std::uint32_t>(random.below(p.n));
            tap.weight = std::bit_cast<std::uint32_t>(random.ordinary(1)[0]);
        }
        space.store(blocks[1], taps);
        return tensor_command(ACCEL_OP_RESIZE, with, p);
    }
    accel_gather p{};
    p.size = sizeof(float);
    p.index_type = ACCEL_TYPE_I32;
    p.flags = kind == Kind::gather_elements ? ACCEL_GATHER_ELEMENTS : 0;
    p.outer = 1;
    p.inner = kind == Kind::gather_elements ? 1 : between(random, 8, 64);
    p.count = 50'000 / (kind == Kind::gather_elements ? 1U : 2U);
    p.n = values / p.inner;
    p.count = std::min<std::uint32_t>(p.count, p.n);
    std::vector<std::int32_t> indices(p.count);
    for (std::int32_t& index : indices) {
        index = static_cast<std::int32_t>(random.below(2 * std::uint64_t{p.n})) -
                static_cast<std::int32_t>(p.n);
    }
    space.store(blocks[1], indices);
    return tensor_command(ACCEL_OP_GATHER, with, p);
}

accel_command Machine::draw(Kind kind, Random& random) {
    switch (kind) {
        case Kind::copy:
        case Kind::fill:
            return draw_rows(kind, random);
        case Kind::transfer:
            return draw_transfer(random);
        case Kind::gemm:
        case Kind::gemm_int8:
        case Kind::gemm_batch:
            return draw_gemm(kind, random);
        case Kind::elementwise:
            return draw_elementwise(random);
        case Kind::softmax:
        case Kind::reduce:
            return draw_axis(kind, random);
        case Kind::conv2d:
        case Kind::depthwise:
        case Kind::pool:
            return draw_image(kind, random);
        case Kind::transpose:
            return draw_transpose(random);
        default:
            return draw_table(kind, random);
    }
}

class EveryKind : public testing::TestWithParam<Kind> {};
INSTANTIATE_TEST_SUITE_P(Each, EveryKind, testing::ValuesIn(kinds),
                         [](const auto& info) { return name_of(info.param); });

TEST_P(EveryKind, HasTheSameBitsWithAnyNumberOfThreads) {
    constexpr std::uint64_t rounds = 6;
    std::vector<std::vector<std::uint8_t>> expected;
    for (const std::uint32_t threads : thread_counts) {
        Machine machine(threads);
        for (std::uint64_t round = 0; round < rounds; ++round) {
            machine.prepare(round);
            Random random(round + 100);
            ASSERT_EQ(machine.queue.run(machine.draw(GetParam(), random)), ACCEL_OK);
            if (threads == 1) {
                expected.push_back(machine.result());
            } else {
                ASSERT_EQ(machine.result(), expected[round])
                    << "round " << round << ", " << threads << " threads";
            }
        }
    }
}

// The first thread that accesses an operand waits there for a second one.
TEST_P(EveryKind, IsComputedBySeveralThreads) {
    Machine machine(2, Layout::host);
    ACCEL_NEEDS_THREADS(machine.host);
    machine.prepare(1);
    Random random(100);
    const accel_command command = machine.draw(GetParam(), random);
    const std::uint64_t result = machine.space.locate(machine.operands[0]).address;
    std::mutex mutex;
    std::set<std::thread::id> seen;
    machine.host.set_access_hook([&](std::uint64_t bus, bool write) {
        if (write && bus >= result && bus < result + operand_bytes) {
            {
                const std::lock_guard lock(mutex);
                seen.insert(std::this_thread::get_id());
            }
            (void)eventually([&] {
                const std::lock_guard lock(mutex);
                return seen.size() >= 2;
            });
        }
    });
    EXPECT_EQ(machine.queue.run(command), ACCEL_OK);
    machine.host.set_access_hook(nullptr);
    EXPECT_GE(seen.size(), 2U);
}

TEST_P(EveryKind, FailsAtTheFirstAddressWithAnyNumberOfThreads) {
    if (GetParam() == Kind::fill) {
        GTEST_SKIP() << "it has no source";
    }
    for (std::uint64_t round = 0; round < 8; ++round) {
        std::uint64_t expected = 0;
        std::uint32_t status = 0;
        for (const std::uint32_t threads : thread_counts) {
            Machine machine(threads);
            machine.prepare(round);
            Random random(round + 200);
            const accel_command command = machine.draw(GetParam(), random);
            // Several holes, some of them perhaps beyond what the command uses.
            for (int i = 0; i < 8; ++i) {
                const std::uint64_t page = random.below(operand_bytes / page_size);
                machine.space.unmap(machine.operands[random.below(2)] + page * page_size,
                                    page_size);
            }
            const accel_status got = machine.queue.run(command);
            const accel_queue_status page = machine.queue.status();
            if (threads == 1) {
                status = got;
                expected = page.error_address;
            }
            ASSERT_EQ(got, status) << "round " << round << ", " << threads << " threads";
            ASSERT_EQ(page.error_address, expected) << threads << " threads";
        }
    }
}

// ---- results that depend on each other

class Dependent : public testing::Test {
  protected:
    // Runs a command on several threads, and expects the result of one thread.
    template <typename Draw>
    static void expect_order(Draw&& draw) {
        std::vector<std::uint8_t> expected;
        for (const std::uint32_t threads : thread_counts) {
            Machine machine(threads);
            machine.prepare(1);
            ASSERT_EQ(machine.queue.run(draw(machine)), ACCEL_OK);
            if (threads == 1) {
                expected = machine.result();
            }
            ASSERT_EQ(machine.result(), expected) << threads << " threads";
        }
    }
};

TEST_F(Dependent, ProductsOfABatchAddUpInOneMatrix) {
    expect_order([](Machine& machine) {
        accel_gemm p{};
        p.type = ACCEL_TYPE_F32;
        p.flags = ACCEL_GEMM_ACCUMULATE;
        p.batch = 16;
        p.m = p.n = p.k = p.lda = p.ldb = p.ldd = 90;
        p.batch_a = p.batch_b = 90 * 90;
        return tensor_in(
            machine.space, ACCEL_OP_GEMM,
            {.dst = machine.operands[0], .src0 = machine.operands[1], .src1 = machine.operands[2]},
            p);
    });
}

TEST_F(Dependent, LaterRowsOverwriteEarlierOnes) {
    expect_order([](Machine& machine) {
        return copy_rows(machine.operands[0], 64, machine.operands[1], 128, 4096, 8000);
    });
}

TEST_F(Dependent, ACopyWithinAnOperandGoesForward) {
    expect_order([](Machine& machine) {
        return copy(machine.operands[0] + page_size, machine.operands[0],
                    operand_bytes - page_size);
    });
}

TEST_F(Dependent, ASumReadsWhatItWrote) {
    expect_order([](Machine& machine) {
        accel_elementwise p{};
        p.type = ACCEL_TYPE_F32;
        p.op = ACCEL_EW_ADD;
        p.rank = 1;
        p.dims[0] = 400'000;
        p.dst_strides[0] = p.src0_strides[0] = p.src1_strides[0] = 1;
        return tensor_in(machine.space, ACCEL_OP_ELEMENTWISE,
                         {.dst = machine.operands[0] + 65536,
                          .src0 = machine.operands[0],
                          .src1 = machine.operands[1]},
                         p);
    });
}

// ---- long commands

// 65536 x 65536 x 65536, into a matrix of its own: all threads compute it.
accel_command shared_gemm(AddressSpace& space) {
    const std::uint64_t sources = endless_window(space, std::uint64_t{1} << 34);
    const std::uint64_t result = endless_window(space, std::uint64_t{1} << 34);
    accel_gemm p{};
    p.type = ACCEL_TYPE_F32;
    p.m = p.n = p.k = p.lda = p.ldb = p.ldd = 65536;
    return tensor_in(space, ACCEL_OP_GEMM, {.dst = result, .src0 = sources, .src1 = sources}, p);
}

class LongShared : public CardTest {
  protected:
    LongShared() : CardTest(HostOptions{.host_memory = 128 << 20}) {}
    accel_command command = shared_gemm(space);

    void start(Queue& on) {
        (void)on.submit(command);
        ASSERT_TRUE(eventually([&] { return host.report(on.id()).pieces > 2; }));
    }
};

TEST_F(LongShared, CountsPiecesAndEndsWithItsQueue) {
    Queue low(space, 1);
    start(low);
    const std::uint64_t before = host.report(1).pieces;
    EXPECT_TRUE(eventually([&] { return host.report(1).pieces > before + 20; }));
    EXPECT_EQ(low.reset(), ACCEL_OK);
    EXPECT_EQ(low.run(nop()), ACCEL_OK);
    start(low);
    EXPECT_EQ(low.destroy(), ACCEL_OK);
}

TEST_F(LongShared, ExceedsItsTimeLimit) {
    Queue limited(space, 1, {.time_limit = 300'000});
    EXPECT_EQ(limited.run(command), ACCEL_TIME_LIMIT);
    EXPECT_TRUE(host.next_event());
    EXPECT_EQ(limited.reset(), ACCEL_OK);
    EXPECT_EQ(limited.run(nop()), ACCEL_OK);
}

TEST_F(LongShared, MakesWayForAnotherSharedCommand) {
    std::vector<std::unique_ptr<Queue>> queues;
    for (std::uint32_t i = 0; i < 4; ++i) {
        queues.push_back(std::make_unique<Queue>(space, 1 + i));
        (void)queues.back()->submit(command);
    }
    std::vector<accel_queue_report> before = host.reports(1, 4);
    for (int round = 0; round < 5; ++round) {
        ASSERT_TRUE(eventually([&] {
            const auto now = host.reports(1, 4);
            return std::ranges::equal(
                now, before, [](const auto& a, const auto& b) { return a.pieces > b.pieces + 4; });
        }));
        before = host.reports(1, 4);
    }
    // One of them ends while it runs, others while they are preempted.
    for (auto& each : queues) {
        EXPECT_EQ(each->destroy(), ACCEL_OK);
    }
}

TEST_F(LongShared, MakesWayForShortCommandsOfAHigherPriority) {
    Queue low(space, 1);
    start(low);
    Queue high(space, 2, {.priority = 1});
    accel_elementwise p{};
    p.type = ACCEL_TYPE_F32;
    p.op = ACCEL_EW_ADD;
    p.rank = 1;
    p.dims[0] = 200'000;
    p.dst_strides[0] = p.src0_strides[0] = p.src1_strides[0] = 1;
    const std::uint64_t data = space.allocate(3 << 20);
    const accel_command sum =
        tensor_in(space, ACCEL_OP_ELEMENTWISE,
                  {.dst = data, .src0 = data + (1 << 20), .src1 = data + (2 << 20)}, p);
    for (int i = 0; i < 50; ++i) {
        ASSERT_EQ(high.run(sum), ACCEL_OK);
    }
    EXPECT_EQ(low.state(), ACCEL_QUEUE_RUNNING);
    EXPECT_EQ(low.destroy(), ACCEL_OK);
}

TEST_F(LongShared, EndsWithAReset) {
    Queue low(space, 1);
    start(low);
    Queue high(space, 2, {.priority = 1});
    (void)high.submit(command);
    ASSERT_TRUE(eventually([&] { return host.report(2).pieces > 2; }));
    EXPECT_TRUE(host.soft_reset());
    host.enable();
}

TEST_F(LongShared, LetsInvalidateEnd) {
    Queue low(space, 1);
    start(low);
    const std::uint64_t page = space.allocate(page_size);
    for (int i = 0; i < 200; ++i) {
        ASSERT_EQ(space.invalidate(page, page_size), ACCEL_OK);
    }
    EXPECT_EQ(low.destroy(), ACCEL_OK);
}

// ---- the threads themselves

// The state and the number of context switches of each thread of this process, but the caller.
std::vector<std::string> other_threads() {
    std::vector<std::string> threads;
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
        std::ifstream status(task.path() / "status");
        std::string line;
        std::string text;
        bool caller = false;
        while (std::getline(status, line)) {
            if (line.starts_with("Pid:")) {
                caller = std::stoi(line.substr(4)) == gettid();
            }
            if (line.starts_with("State:") || line.find("ctxt_switches") != std::string::npos) {
                text += line + ' ';
            }
        }
        if (!caller) {
            threads.push_back(text);
        }
    }
    std::ranges::sort(threads);
    return threads;
}

TEST(CardThreads, SleepWhileTheCardIsIdle) {
    Machine machine(8);
    ACCEL_NEEDS_THREADS(machine.host);
    machine.prepare(1);
    Random random(1);
    ASSERT_EQ(machine.queue.run(machine.draw(Kind::gemm, random)), ACCEL_OK);
    std::vector<std::string> before;
    ASSERT_TRUE(eventually([&] {
        before = other_threads();
        return std::ranges::all_of(before, [](const std::string& thread) {
            return thread.find("sleeping") != std::string::npos;
        });
    }));
    EXPECT_GE(before.size(), 10U);  // two engines, the control thread, and seven of the team
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    EXPECT_EQ(other_threads(), before);  // none ran meanwhile
}

TEST(CardThreads, AreAsManyAsTheCoresThatTheProcessMayUse) {
    cpu_set_t all;
    ASSERT_EQ(sched_getaffinity(0, sizeof all, &all), 0);
    cpu_set_t one;
    CPU_ZERO(&one);
    for (std::size_t core = 0; CPU_COUNT(&one) == 0; ++core) {
        if (CPU_ISSET(core, &all)) {
            CPU_SET(core, &one);
        }
    }
    const auto threads = [](const cpu_set_t& cores) {
        EXPECT_EQ(sched_setaffinity(0, sizeof cores, &cores), 0);
        const Machine machine(0);
        return machine.host.timed() ? 0 : other_threads().size();
    };
    const std::size_t on_one = threads(one);
    const std::size_t on_all = threads(all);
    EXPECT_EQ(on_all == 0 ? 0 : on_all - on_one, on_all == 0 ? 0 : CPU_COUNT(&all) - 1U);
}

}  // namespace
}  // namespace accel::test
