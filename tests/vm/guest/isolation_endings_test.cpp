// SPDX-License-Identifier: Apache-2.0
//
// Buffers that are destroyed under a job, processes that are killed in the middle of one: the card
// touches nothing any more that it lost, and everything is free again.
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "commands.hpp"
#include "health.hpp"
#include "process.hpp"

namespace {

/// A CALL that writes a buffer over and over, far longer than a test lasts. `started` reaches 1
/// with the first round.
class Writer {
  public:
    Writer(const bench::File& file, const bench::Buffer& target)
        : started_(file), list_(file, count * sizeof(accel_command)) {
        const auto commands = list_.as<accel_command>();
        std::ranges::fill(commands, bench::fill(target.address(), 0xbad, target.bytes()));
        commands[1] = bench::signal(started_.address(), 1);
    }

    [[nodiscard]] accel_command command() const { return bench::call(list_.address(), count); }
    void await_start() const { started_.await(1); }

  private:
    static constexpr std::uint32_t count = 16384;
    bench::Semaphore started_;
    bench::Buffer list_;
};

class Freed : public testing::TestWithParam<std::uint32_t> {};

TEST_P(Freed, BufferFaultsWhenItIsUsed) {
    const bench::File file;
    bench::Queue queue(file);
    for (int round = 0; round < 10; ++round) {
        bench::Buffer buffer(file, bench::page, GetParam());
        queue.run(bench::fill(buffer.address(), 1, bench::page));
        ASSERT_EQ(buffer.destroy(), 0);
        const accel_queue_query why =
            queue.run_to_error(bench::fill(buffer.address(), 1, bench::page));
        EXPECT_EQ(why.error, static_cast<std::uint32_t>(ACCEL_FAULT_UNMAPPED));
        EXPECT_EQ(why.error_address, buffer.address());
        ASSERT_EQ(queue.reset(), 0);
    }
}

// The job writes the buffer when it is destroyed. When the call returns the pages may be anybody's:
// they are given to the next buffers, which must stay as they were made.
TEST_P(Freed, BufferIsNotWrittenAnyMoreByAJobThatRuns) {
    constexpr std::size_t bytes = 256 * bench::page;
    for (int round = 0; round < 5; ++round) {
        const bench::File file;
        bench::Queue queue(file);
        bench::Buffer target(file, bytes, GetParam());
        const Writer writer(file, target);
        const std::uint64_t sequence = queue.submit(writer.command());
        writer.await_start();
        target.mapping().unmap();
        ASSERT_EQ(target.destroy(), 0);

        const bench::File other;
        std::vector<bench::Buffer> next;
        for (int i = 0; i < 4; ++i) {
            next.emplace_back(other, bytes, GetParam());
        }
        EXPECT_EQ(queue.wait(sequence), EIO);
        EXPECT_EQ(queue.query().error, static_cast<std::uint32_t>(ACCEL_FAULT_UNMAPPED));
        for (const bench::Buffer& buffer : next) {
            const auto words = buffer.as<std::uint64_t>();
            ASSERT_EQ(std::ranges::count(words, 0U), static_cast<long>(words.size()));
        }
    }
}

// As before, but all at once: the file is closed under the job.
TEST_P(Freed, FileIsNotWrittenAnyMoreByAJobThatRuns) {
    constexpr std::size_t bytes = 256 * bench::page;
    for (int round = 0; round < 5; ++round) {
        {
            const bench::File file;
            bench::Queue queue(file);
            bench::Buffer target(file, bytes, GetParam());
            const Writer writer(file, target);
            queue.submit(writer.command());
            writer.await_start();
        }
        const bench::File other;
        std::vector<bench::Buffer> next;
        for (int i = 0; i < 4; ++i) {
            next.emplace_back(other, bytes, GetParam());
        }
        bench::expect_healthy();
        for (const bench::Buffer& buffer : next) {
            const auto words = buffer.as<std::uint64_t>();
            ASSERT_EQ(std::ranges::count(words, 0U), static_cast<long>(words.size()));
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Isolation, Freed, testing::Values(bench::host, bench::device),
                         [](const auto& info) {
                             return info.param == bench::host ? "Host" : "Device";
                         });

class Killed : public testing::Test {
  protected:
    /// Runs the body in a process and kills it once `ready` was counted; then all must be free.
    void expect_all_free_after(const std::function<void(const bench::Counter& ready)>& body) {
        const bench::Capacity before = bench::Capacity::measure();
        const bench::Counter ready;
        bench::Process process([&] {
            body(ready);
            bench::check(false, "it ended by itself");
        });
        ready.await(1);
        process.kill();
        EXPECT_EQ(bench::Capacity::measure(), before);
        bench::expect_healthy();
    }
};

TEST_F(Killed, InTheMiddleOfALongJob) {
    expect_all_free_after([](const bench::Counter& ready) {
        const bench::File file;
        const bench::LongJob job(file);
        bench::Queue queue(file);
        const std::uint64_t sequence = queue.submit(job.command());
        job.started().await(1);
        ready.add();
        static_cast<void>(queue.wait(sequence));
    });
}

TEST_F(Killed, WhileItSleepsForWhatNeverComes) {
    expect_all_free_after([](const bench::Counter& ready) {
        const bench::File file;
        const bench::Semaphore never(file);
        std::vector<bench::Queue> queues;
        for (int i = 0; i < 8; ++i) {
            queues.emplace_back(file, 4);
            queues.back().submit(bench::wait_for(never.address(), 1));
        }
        ready.add();
        static_cast<void>(queues.back().wait(1));
    });
}

TEST_F(Killed, WithEverythingTheCardHas) {
    expect_all_free_after([](const bench::Counter& ready) {
        const bench::File file;
        const accel_info info = file.info();
        const bench::Semaphore never(file);
        const bench::Buffer memory(file, info.memory_size, bench::device);
        std::vector<bench::Queue> queues;
        for (std::uint32_t i = 0; i < info.queues; ++i) {
            queues.emplace_back(file, 16);
            for (int n = 0; n < 15; ++n) {
                queues.back().submit(bench::fill(memory.address(), 1, std::size_t{1} << 20));
            }
            queues.back().submit(bench::wait_for(never.address(), 1));
        }
        ready.add();
        static_cast<void>(queues.back().wait(16));
    });
}

TEST_F(Killed, WithThreadsInEveryKindOfCall) {
    expect_all_free_after([](const bench::Counter& ready) {
        const bench::File file;
        std::vector<std::jthread> threads;
        for (int t = 0; t < 4; ++t) {
            threads.emplace_back([&file, &ready, t] {
                const bench::Mapping own = bench::Mapping::anonymous(64 * bench::page);
                for (int i = 0;; ++i) {
                    const bench::Buffer buffer(file, bench::page << t,
                                               t % 2 == 0 ? bench::host : bench::device);
                    const bench::Registration memory(file, own.data(), own.size());
                    bench::Queue queue(file, 4);
                    queue.submit(bench::fill(memory.address(), 1, own.size()));
                    queue.run(bench::fill(buffer.address(), 1, buffer.bytes()));
                    if (i == 3) {
                        ready.add();
                    }
                }
            });
        }
        threads.front().join();
    });
}

// Twelve at a time; some end by themselves, some are killed at any moment.
TEST_F(Killed, OrNotWhileManyComeAndGo) {
    const bench::Capacity before = bench::Capacity::measure();
    std::minstd_rand random(17);
    for (int wave = 0; wave < 3; ++wave) {
        std::vector<bench::Process> processes;
        for (std::uint32_t i = 0; i < 12; ++i) {
            const std::uint32_t seed = random();
            processes.emplace_back([seed] {
                for (std::uint32_t round = 0; round < 3; ++round) {
                    const bench::File file;
                    const bench::Product product(file, 5 + seed % 7, seed + round,
                                                 seed % 2 == 0 ? bench::host : bench::device);
                    bench::Queue queue(file, 4);
                    queue.run(product.command());
                    bench::check(product.correct(), "a product is wrong");
                    // Ends with work in the queue.
                    queue.submit(product.command());
                    queue.submit(product.command());
                }
            });
        }
        for (std::size_t i = 0; i < processes.size(); ++i) {
            if (random() % 3 == 0) {
                std::this_thread::sleep_for(std::chrono::microseconds(random() % 5000));
                processes[i].kill();
            } else {
                EXPECT_EQ(processes[i].wait(), 0);
            }
        }
    }
    EXPECT_EQ(bench::Capacity::measure(), before);
    bench::expect_healthy();
}

}  // namespace
