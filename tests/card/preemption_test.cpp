// SPDX-License-Identifier: Apache-2.0
//
// Preemption changes no bit of a result, and a queue whose command is preempted can be stopped.
#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <vector>

#include "accel_timing.h"
#include "card_fixture.hpp"
#include "fuzz_commands.hpp"
#include "hog_fixture.hpp"
#include "ordering.hpp"

namespace accel::test {
namespace {

// ---- No bit changes

constexpr std::uint64_t storm_queues = 5;  // as many as there are engines in virtual time
constexpr std::uint32_t storm_commands = 48;
constexpr std::uint32_t listed = 8;

// Random commands in the window of the fuzzers, each run alone and in a storm of commands of a
// higher priority.
class Storm : public CardTest {
  protected:
    using Image = std::vector<std::uint8_t>;

    Storm() : CardTest(HostOptions{.queues = 16}) {
        window_ = space.allocate(fuzz_pages * page_size, Layout::scattered);
        for (std::uint64_t at = 0; at < fuzz_pages * page_size; at += page_size) {
            space.map(fuzz_window + at, space.locate(window_ + at), page_size);
        }
        large_ = space.allocate(ACCEL_LARGE_SIZE, Layout::device_large);
        space.map(fuzz_large_window, space.locate(large_), ACCEL_LARGE_SIZE, pte_read_write, true);
        for (std::uint32_t i = 0; i < storm_queues; ++i) {
            add_storm(i + 4, fill(space.allocate(page_size), 1, 1, 64));
        }
        add_storm(storm_queues + 4, small_product());
    }

    // A product of random matrices: it writes all the buffers of its worker.
    accel_command small_product() {
        constexpr std::uint32_t side = 24;
        constexpr std::uint64_t bytes = std::uint64_t{side} * side * sizeof(float);
        const std::uint64_t operands = space.allocate(3 * page_size);
        space.store(operands, Random(11).ordinary(2 * bytes / sizeof(float)));
        accel_gemm p{};
        p.type = ACCEL_TYPE_F32;
        p.m = p.n = p.k = p.lda = p.ldb = p.ldd = side;
        return tensor_in(space, ACCEL_OP_GEMM,
                         {.dst = operands + 2 * bytes, .src0 = operands, .src1 = operands + bytes},
                         p);
    }

    // A command without a WAIT, which may never end, and without a record, which holds times.
    accel_command draw(FuzzScript& script) {
        accel_command command{};
        do {
            command = draw_command(script, space.at(fuzz_window + fuzz_params_page * page_size));
        } while (command.opcode == ACCEL_OP_WAIT);
        command.flags = 0;
        command.record = 0;
        return command;
    }
    accel_command draw_with_list(FuzzScript& script) {
        for (std::uint64_t page = 0; page < fuzz_list_pages; ++page) {
            for (std::uint64_t i = 0; i < listed; ++i) {
                const std::uint64_t at = (fuzz_first_list_page + page) * page_size;
                space.store_one(fuzz_window + at + i * ACCEL_COMMAND_SIZE, draw(script));
            }
        }
        accel_command command = draw(script);
        if (command.opcode == ACCEL_OP_CALL) {
            command.call.count %= listed + 1;
        }
        return command;
    }

    Image memory() {
        Image image = space.load<std::uint8_t>(window_, fuzz_pages * page_size);
        const Image large = space.load<std::uint8_t>(large_, ACCEL_LARGE_SIZE);
        image.insert(image.end(), large.begin(), large.end());
        return image;
    }
    void restore(const Image& image) {
        space.poke(window_, std::span(image).first(fuzz_pages * page_size));
        space.poke(large_, std::span(image).subspan(fuzz_pages * page_size));
    }
    static Image random_image(Random& random) {
        Image image(fuzz_pages * page_size + ACCEL_LARGE_SIZE);
        for (std::size_t at = 0; at < image.size(); at += sizeof(std::uint64_t)) {
            const std::uint64_t bits = random.bits();
            std::memcpy(&image[at], &bits, sizeof bits);
        }
        return image;
    }

    accel_status run(Queue& on, const accel_command& command) {
        const accel_status status = on.run(command);
        if (status != ACCEL_OK) {
            EXPECT_TRUE(host.next_event());
            EXPECT_EQ(on.reset(), ACCEL_OK);
        }
        return status;
    }
    accel_status run_in_storm(Queue& on, const accel_command& command) {
        std::vector<std::pair<std::uint32_t, std::uint64_t>> doorbells;
        on.enqueue(command);
        doorbells.emplace_back(on.id(), on.tail());
        for (std::size_t i = 0; i < storms_.size(); ++i) {
            storms_[i]->enqueue(call(lists_[i], storm_commands));
            doorbells.emplace_back(storms_[i]->id(), storms_[i]->tail());
        }
        host.doorbells(doorbells);
        const accel_status status = on.wait(on.tail());
        for (auto& storm : storms_) {
            EXPECT_EQ(storm->wait(storm->tail()), ACCEL_OK);
        }
        if (status != ACCEL_OK) {
            EXPECT_TRUE(host.next_event());
            EXPECT_EQ(on.reset(), ACCEL_OK);
        }
        return status;
    }

    Queue alone{space, 1, {.time_limit = 2'000'000}};
    Queue preempted{space, 2};

  private:
    void add_storm(std::uint32_t id, const accel_command& command) {
        lists_.push_back(space.allocate(page_size));
        space.store(lists_.back(), std::vector<accel_command>(storm_commands, command));
        storms_.push_back(std::make_unique<Queue>(space, id, QueueOptions{.priority = 1}));
    }

    std::uint64_t window_ = 0;
    std::uint64_t large_ = 0;
    std::vector<std::unique_ptr<Queue>> storms_;
    std::vector<std::uint64_t> lists_;
};

TEST_F(Storm, ChangesNoBitOfAnyCommand) {
    Random random(9);
    const std::array images{random_image(random), random_image(random)};
    int compared = 0;
    for (int i = 0; i < 700; ++i) {
        const auto bytes = random.bytes(4000);
        FuzzScript script(bytes);
        restore(images[static_cast<std::size_t>(i) % images.size()]);
        const accel_command command = draw_with_list(script);
        const Image before = memory();
        const accel_status status = run(alone, command);
        if (status == ACCEL_TIME_LIMIT) {
            continue;
        }
        const Image expected = memory();
        restore(before);
        ASSERT_EQ(run_in_storm(preempted, command), status) << "command " << i;
        ASSERT_EQ(memory(), expected) << "command " << i << ", opcode " << int{command.opcode};
        compared += status == ACCEL_OK ? 1 : 0;
    }
    EXPECT_GT(compared, 50);
}

TEST_F(Storm, ChangesNoBitOfALargeProduct) {
    constexpr std::uint32_t m = 150;
    constexpr std::uint32_t n = 330;
    constexpr std::uint32_t k = 270;
    Random random(10);
    const std::uint64_t a = space.allocate(std::uint64_t{m} * k * 4, Layout::scattered);
    const std::uint64_t b = space.allocate(std::uint64_t{k} * n * 4, Layout::scattered);
    const std::uint64_t d = space.allocate(std::uint64_t{m} * n * 4);
    space.store(a, random.values(std::uint64_t{m} * k));
    space.store(b, random.values(std::uint64_t{k} * n));
    accel_gemm p{};
    p.type = ACCEL_TYPE_F32;
    p.m = m;
    p.n = p.ldb = p.ldd = n;
    p.k = p.lda = k;
    const accel_command command =
        tensor_in(space, ACCEL_OP_GEMM, {.dst = d, .src0 = a, .src1 = b}, p);
    ASSERT_EQ(run(preempted, command), ACCEL_OK);
    const auto expected = space.load<float>(d, std::uint64_t{m} * n);
    const std::uint64_t record = space.allocate(page_size);
    // On a busy machine the storm may be over before an engine starts the product.
    bool was_preempted = false;
    for (int i = 0; i < 20 || (i < 2000 && !was_preempted); ++i) {
        space.store(d, std::vector<float>(std::uint64_t{m} * n));
        const std::uint64_t before = host.query(2).compute_busy;
        ASSERT_EQ(run_in_storm(preempted, with_record(command, record)), ACCEL_OK);
        ASSERT_TRUE(same_bits(space.load<float>(d, std::uint64_t{m} * n), expected));
        const auto times = space.load<accel_completion_record>(record, 1)[0];
        const std::uint64_t busy = host.query(2).compute_busy - before;
        was_preempted = was_preempted || times.end - times.start > busy + ACCEL_TIMING_SWITCH;
    }
    EXPECT_TRUE(was_preempted);
}

// Sums of many updates depend on their order.
TEST_F(Storm, ChangesNoBitOfAScatter) {
    constexpr std::uint32_t n = 100;
    constexpr std::uint32_t count = 20'000;
    Random random(12);
    const std::uint64_t src = space.allocate(count * sizeof(float), Layout::scattered);
    const std::uint64_t at = space.allocate(count * sizeof(std::int64_t), Layout::scattered);
    const std::uint64_t dst = space.allocate(n * sizeof(float));
    space.store(src, random.ordinary(count));
    std::vector<std::int64_t> indices(count);
    for (std::int64_t& index : indices) {
        index = static_cast<std::int64_t>(random.below(n));
    }
    space.store(at, indices);
    accel_scatter p{};
    p.type = ACCEL_TYPE_F32;
    p.op = ACCEL_SCATTER_ADD;
    p.index_type = ACCEL_TYPE_I64;
    p.n = n;
    p.count = count;
    p.outer = p.inner = 1;
    const accel_command command =
        tensor_in(space, ACCEL_OP_SCATTER, {.dst = dst, .src0 = src, .src1 = at}, p);
    space.store(dst, std::vector<float>(n));
    ASSERT_EQ(run(preempted, command), ACCEL_OK);
    const auto expected = space.load<float>(dst, n);
    for (int i = 0; i < 20; ++i) {
        space.store(dst, std::vector<float>(n));
        ASSERT_EQ(run_in_storm(preempted, command), ACCEL_OK);
        ASSERT_TRUE(same_bits(space.load<float>(dst, n), expected));
    }
}

// The maxima and sums of a query continue behind a preemption.
TEST_F(Storm, ChangesNoBitOfAnAttention) {
    constexpr std::uint32_t rows = 400;
    constexpr std::uint32_t size = 40;
    Random random(13);
    accel_attention p{};
    p.type = ACCEL_TYPE_F32;
    p.batch = 1;
    p.heads = p.key_heads = 2;
    p.queries = p.keys = rows;
    p.size = p.value_size = size;
    p.scale = std::bit_cast<std::uint32_t>(0.15F);
    for (auto* const strides : {p.dst_strides, p.src0_strides, p.src1_strides, p.src2_strides}) {
        strides[1] = size;
        strides[2] = 2 * size;
    }
    constexpr std::uint64_t count = std::uint64_t{2} * rows * size;
    Operands operands{.dst = space.allocate(count * sizeof(float))};
    for (std::uint64_t* const source : {&operands.src0, &operands.src1, &operands.src2}) {
        *source = space.allocate(count * sizeof(float), Layout::scattered);
        space.store(*source, random.ordinary(count));
    }
    const accel_command command = tensor_in(space, ACCEL_OP_ATTENTION, operands, p);
    ASSERT_EQ(run(preempted, command), ACCEL_OK);
    const auto expected = space.load<float>(operands.dst, count);
    for (int i = 0; i < 20; ++i) {
        space.store(operands.dst, std::vector<float>(count));
        ASSERT_EQ(run_in_storm(preempted, command), ACCEL_OK);
        ASSERT_TRUE(same_bits(space.load<float>(operands.dst, count), expected));
    }
}

TEST_F(Storm, ChangesNoBitOfALongFill) {
    constexpr std::uint64_t bytes = 4 << 20;
    const std::uint64_t target = space.allocate(bytes, Layout::host_large);
    for (std::uint64_t i = 1; i <= 20; ++i) {
        const std::uint64_t pattern = i * 0x0123'4567'89ab'cdef;
        ASSERT_EQ(run_in_storm(preempted, fill(target, pattern, 8, bytes)), ACCEL_OK);
        ASSERT_EQ(space.load<std::uint64_t>(target, bytes / 8),
                  std::vector<std::uint64_t>(bytes / 8, pattern));
    }
}

// ---- A preempted command ends

class Preempted : public CardTest {
  protected:
    Preempted() : CardTest(HostOptions{.host_memory = 128 << 20}) {}

    // Makes `low` start a command, and hogs of higher priority take its engine away.
    void preempt(Queue& low, const accel_command& command, AddressSpace& where) {
        for (std::uint32_t i = 0; i < 5; ++i) {
            hogs.push_back(std::make_unique<Queue>(where, 4 + i, QueueOptions{.priority = 1}));
            (void)hogs.back()->enqueue(make(Hog::fill, where));
        }
        (void)low.submit(command);
        ASSERT_TRUE(eventually([&] { return host.report(low.id()).pieces > 2; }));
        for (auto& hog : hogs) {
            hog->ring_doorbell();
        }
        ASSERT_TRUE(
            eventually([&] { return host.report(low.id()).activity == ACCEL_ACTIVITY_READY; }));
        EXPECT_GT(host.report(low.id()).ticks, 0U);
    }
    void end_hogs() {
        for (auto& hog : hogs) {
            EXPECT_EQ(hog->destroy(), ACCEL_OK);
        }
    }

    std::vector<std::unique_ptr<Queue>> hogs;
};

TEST_F(Preempted, QueueIsDestroyedAndAccessesNothingAfterwards) {
    Queue low(space, 1);
    const std::uint64_t page = space.allocate(page_size);
    preempt(low, fill_rows(page, 0, 1, 1, page_size, UINT32_MAX), space);
    EXPECT_EQ(low.destroy(), ACCEL_OK);
    for (const std::uint64_t address : {page, low.status_address(), low.ring_address()}) {
        host.memory().watch(space.locate(address).address);
    }
    end_hogs();
    EXPECT_EQ(queue.run(fill(space.allocate(page_size), 1, 1, 1)), ACCEL_OK);
    EXPECT_EQ(host.memory().trespasses(), 0U);
}

TEST_F(Preempted, QueueIsResetAndWorksAgain) {
    Queue low(space, 1);
    preempt(low, make(Hog::fill, space), space);
    EXPECT_EQ(low.reset(), ACCEL_OK);
    EXPECT_EQ(host.report(1).ticks, 0U);
    EXPECT_EQ(low.run(nop()), ACCEL_OK);
    end_hogs();
    EXPECT_EQ(low.run(fill(space.allocate(page_size), 1, 1, 1)), ACCEL_OK);
}

TEST_F(Preempted, QueueOfHungEnginesIsDestroyed) {
    Queue low(space, 1);
    preempt(low, make(Hog::fill, space), space);
    host.set_defect(ACCEL_DEFECT_ENGINES);
    EXPECT_EQ(low.destroy(), ACCEL_OK);
    end_hogs();
}

TEST_F(Preempted, CommandContinuesWhenTheEngineIsFreeAgain) {
    Queue low(space, 1);
    const std::uint64_t target = space.allocate(2 << 20, Layout::host_large);
    preempt(low, fill_rows(target, 0, 7, 1, 2 << 20, 512), space);
    end_hogs();
    EXPECT_EQ(low.wait(1), ACCEL_OK);
    EXPECT_EQ(space.load<std::uint8_t>(target + (2 << 20) - 1, 1)[0], 7);
}

// The engines have no other occasion to look at the word.
TEST_F(Preempted, HogsOnAllEnginesDoNotHideThatTheHostWroteTheWordOfAWait) {
    const std::uint64_t word = space.allocate(page_size);
    Queue waiter(space, 1);
    (void)waiter.submit(wait_for(word, 1));
    ASSERT_TRUE(eventually([&] { return host.report(1).activity == ACCEL_ACTIVITY_BLOCKED; }));
    for (std::uint32_t i = 0; i < 2; ++i) {
        hogs.push_back(std::make_unique<Queue>(space, 4 + i));
        (void)hogs.back()->submit(make(i == 0 ? Hog::elementwise : Hog::fill, space));
    }
    ASSERT_TRUE(eventually([&] {
        return std::ranges::all_of(host.reports(4, 2),
                                   [](const auto& report) { return report.pieces > 2; });
    }));
    card::store_word(space.at(word), 1);
    EXPECT_EQ(waiter.wait(1), ACCEL_OK);
}

TEST_F(Preempted, CommandsEndWithAReset) {
    for (int round = 0; round < 4; ++round) {
        std::optional<AddressSpace> fresh;
        AddressSpace* where = &space;
        if (round > 0) {
            fresh.emplace(host, 1);
            where = &*fresh;
        }
        {
            Queue low(*where, 1);
            preempt(low, make(round % 2 == 0 ? Hog::copy : Hog::fill, *where), *where);
        }
        hogs.clear();
        if (round % 2 == 0) {
            ASSERT_TRUE(host.soft_reset());
        } else {
            host.function_reset();
            ASSERT_TRUE(host.wait_ready());
        }
        std::atomic<std::uint64_t> late{0};
        host.set_access_hook([&](std::uint64_t, bool) { ++late; });
        for (int i = 0; i < 100; ++i) {
            host.doorbell(1, 1);
        }
        EXPECT_EQ(late, 0U);
        host.set_access_hook(nullptr);
        host.enable();
    }
}

TEST_F(Preempted, CommandsEndWithTheCard) {
    for (const Hog hog : {Hog::fill, Hog::gemm}) {
        TestHost short_lived({.device_memory = 8 << 20, .host_memory = 64 << 20, .contexts = 1});
        AddressSpace s(short_lived, 0);
        Queue low(s, 0);
        std::vector<std::unique_ptr<Queue>> high;
        const accel_command command = make(hog, s);
        (void)low.submit(command);
        ASSERT_TRUE(eventually([&] { return short_lived.report(0).pieces > 2; }));
        for (std::uint32_t i = 1; i < 6; ++i) {
            high.push_back(std::make_unique<Queue>(s, i, QueueOptions{.priority = 1}));
            (void)high.back()->submit(command);
        }
        ASSERT_TRUE(
            eventually([&] { return short_lived.report(0).activity == ACCEL_ACTIVITY_READY; }));
    }
}

TEST_F(Preempted, ManyQueuesTakeTurnsAndEndTogether) {
    TestHost large({.host_memory = 128 << 20, .queues = 64});
    AddressSpace s(large, 0);
    const accel_command command = make(Hog::fill, s);
    std::vector<std::unique_ptr<Queue>> all;
    for (std::uint32_t i = 0; i < 48; ++i) {
        all.push_back(std::make_unique<Queue>(s, i));
        (void)all.back()->submit(command);
    }
    ASSERT_TRUE(eventually([&] {
        return std::ranges::all_of(large.reports(0, 48),
                                   [](const auto& report) { return report.pieces > 2; });
    }));
    for (auto& each : all) {
        ASSERT_EQ(each->destroy(), ACCEL_OK);
    }
    Queue last(s, 60);
    EXPECT_EQ(last.run(fill(s.allocate(page_size), 1, 1, 1)), ACCEL_OK);
}

}  // namespace
}  // namespace accel::test
