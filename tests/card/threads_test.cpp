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

#include "hog_fixture.hpp"
#include "random_machine.hpp"

namespace accel::test {
namespace {

constexpr std::uint32_t thread_counts[] = {1, 2, 3, 8};

void skip_with_timing_model() {
    if (HostOptions::default_link()) {
        GTEST_SKIP() << "a card with a timing model has no threads";
    }
}

class EveryKind : public testing::TestWithParam<Kind> {
  protected:
    void SetUp() override { skip_with_timing_model(); }
};

INSTANTIATE_TEST_SUITE_P(Each, EveryKind, testing::ValuesIn(kinds),
                         [](const auto& info) { return name_of(info.param); });

TEST_P(EveryKind, HasTheSameBitsWithAnyNumberOfThreads) {
    constexpr std::uint64_t rounds = 4;
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
    for (std::uint64_t round = 0; round < 6; ++round) {
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
    void SetUp() override { skip_with_timing_model(); }
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
        p.dims[0] = 200'000;
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

std::set<std::string> thread_ids() {
    std::set<std::string> ids;
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
        ids.insert(task.path().filename());
    }
    return ids;
}

// The state and the number of context switches of each thread of this process, but those of a set.
std::vector<std::string> other_threads(const std::set<std::string>& known) {
    std::vector<std::string> threads;
    for (const std::string& id : thread_ids()) {
        std::ifstream status("/proc/self/task/" + id + "/status");
        std::string text;
        for (std::string line; std::getline(status, line);) {
            if (line.starts_with("State:") || line.find("ctxt_switches") != std::string::npos) {
                text += line + ' ';
            }
        }
        if (!known.contains(id)) {
            threads.push_back(text);
        }
    }
    return threads;
}

TEST(CardThreads, SleepWhileTheCardIsIdle) {
    const std::set<std::string> known = thread_ids();
    Machine machine(8);
    ACCEL_NEEDS_THREADS(machine.host);
    machine.prepare(1);
    Random random(1);
    ASSERT_EQ(machine.queue.run(machine.draw(Kind::gemm, random)), ACCEL_OK);
    std::vector<std::string> before;
    ASSERT_TRUE(eventually([&] {
        before = other_threads(known);
        return std::ranges::all_of(before, [](const std::string& thread) {
            return thread.find("sleeping") != std::string::npos;
        });
    }));
    EXPECT_GE(before.size(), 10U);  // two engines, the control thread, and seven of the team
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    EXPECT_EQ(other_threads(known), before);  // none ran meanwhile
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
        const std::set<std::string> known = thread_ids();
        const Machine machine(0);
        return machine.host.timed() ? 0 : other_threads(known).size();
    };
    const std::size_t on_one = threads(one);
    const std::size_t on_all = threads(all);
    EXPECT_EQ(on_all == 0 ? 0 : on_all - on_one, on_all == 0 ? 0 : CPU_COUNT(&all) - 1U);
}

}  // namespace
}  // namespace accel::test
