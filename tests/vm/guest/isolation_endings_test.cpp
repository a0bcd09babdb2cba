// SPDX-License-Identifier: Apache-2.0
//
// Buffers that are destroyed and processes that are killed during a job: the card no longer
// accesses their memory, and all resources are free again.
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "commands.hpp"
#include "process.hpp"
#include "sanity.hpp"

namespace {

/// A CALL that writes a buffer 16383 times, so that it still runs when the test destroys the
/// buffer. It sets `started` to 1 after the first write.
class Writer {
  public:
    Writer(const uapi::File& file, const uapi::Buffer& target)
        : started_(file), list_(file, count * sizeof(accel_command)) {
        const auto commands = list_.as<accel_command>();
        std::ranges::fill(commands, uapi::fill(target.address(), 0xbad, target.bytes()));
        commands[1] = uapi::signal(started_.address(), 1);
    }

    [[nodiscard]] accel_command command() const { return uapi::call(list_.address(), count); }
    void await_start() const { started_.await(1); }

  private:
    static constexpr std::uint32_t count = 16384;
    uapi::Semaphore started_;
    uapi::Buffer list_;
};

class Freed : public testing::TestWithParam<std::uint32_t> {};

TEST_P(Freed, BufferFaultsWhenItIsUsed) {
    const uapi::File file;
    uapi::Queue queue(file);
    for (int round = 0; round < 10; ++round) {
        uapi::Buffer buffer(file, uapi::page, GetParam());
        queue.run(uapi::fill(buffer.address(), 1, uapi::page));
        ASSERT_EQ(buffer.destroy(), 0);
        const accel_queue_query failure =
            queue.run_to_error(uapi::fill(buffer.address(), 1, uapi::page));
        EXPECT_EQ(failure.error, static_cast<std::uint32_t>(ACCEL_FAULT_UNMAPPED));
        EXPECT_EQ(failure.error_address, buffer.address());
        ASSERT_EQ(queue.reset(), 0);
    }
}

// The job writes the buffer during its destruction. When the call returns, new buffers may reuse
// its pages, and must not be written.
TEST_P(Freed, BufferIsNoLongerWrittenByARunningJob) {
    constexpr std::size_t bytes = 256 * uapi::page;
    for (int round = 0; round < 5; ++round) {
        const uapi::File file;
        uapi::Queue queue(file);
        uapi::Buffer target(file, bytes, GetParam());
        const Writer writer(file, target);
        const std::uint64_t sequence = queue.submit(writer.command());
        writer.await_start();
        target.mapping().unmap();
        ASSERT_EQ(target.destroy(), 0);

        const uapi::File other;
        std::vector<uapi::Buffer> next;
        next.reserve(4);
        for (int i = 0; i < 4; ++i) {
            next.emplace_back(other, bytes, GetParam());
        }
        EXPECT_EQ(queue.wait(sequence), EIO);
        EXPECT_EQ(queue.query().error, static_cast<std::uint32_t>(ACCEL_FAULT_UNMAPPED));
        for (const uapi::Buffer& buffer : next) {
            const auto words = buffer.as<std::uint64_t>();
            ASSERT_EQ(std::ranges::count(words, 0U), static_cast<long>(words.size()));
        }
    }
}

// As before, but the whole file is closed during the job.
TEST_P(Freed, MemoryOfAClosedFileIsNoLongerWrittenByARunningJob) {
    constexpr std::size_t bytes = 256 * uapi::page;
    for (int round = 0; round < 5; ++round) {
        {
            const uapi::File file;
            uapi::Queue queue(file);
            uapi::Buffer target(file, bytes, GetParam());
            const Writer writer(file, target);
            queue.submit(writer.command());
            writer.await_start();
        }
        const uapi::File other;
        std::vector<uapi::Buffer> next;
        next.reserve(4);
        for (int i = 0; i < 4; ++i) {
            next.emplace_back(other, bytes, GetParam());
        }
        uapi::expect_working_card();
        for (const uapi::Buffer& buffer : next) {
            const auto words = buffer.as<std::uint64_t>();
            ASSERT_EQ(std::ranges::count(words, 0U), static_cast<long>(words.size()));
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Isolation, Freed, testing::Values(uapi::host, uapi::device),
                         [](const auto& info) {
                             return info.param == uapi::host ? "Host" : "Device";
                         });

class Killed : public testing::Test {
  protected:
    /// Runs the body in a process and kills it when it is ready; then all resources must be free.
    void expect_all_free_after(const std::function<void(const uapi::Counter& ready)>& body) {
        const uapi::Capacity before = uapi::Capacity::measure();
        const uapi::Counter ready;
        uapi::Process process([&] {
            body(ready);
            uapi::check(false, "the process ended before it was killed");
        });
        ready.await(1);
        process.kill();
        EXPECT_EQ(uapi::Capacity::measure(), before);
        uapi::expect_working_card();
    }
};

TEST_F(Killed, DuringALongJob) {
    expect_all_free_after([](const uapi::Counter& ready) {
        const uapi::File file;
        const uapi::LongJob job(file);
        uapi::Queue queue(file);
        const std::uint64_t sequence = queue.submit(job.command());
        job.started().await(1);
        ready.add();
        static_cast<void>(queue.wait(sequence));
    });
}

TEST_F(Killed, WhileItWaitsForever) {
    expect_all_free_after([](const uapi::Counter& ready) {
        const uapi::File file;
        const uapi::Semaphore never(file);
        std::vector<uapi::Queue> queues;
        for (int i = 0; i < 8; ++i) {
            queues.emplace_back(file, 4);
            queues.back().submit(uapi::wait_for(never.address(), 1));
        }
        ready.add();
        static_cast<void>(queues.back().wait(1));
    });
}

TEST_F(Killed, WithAllResourcesOfTheCard) {
    expect_all_free_after([](const uapi::Counter& ready) {
        const uapi::File file;
        const accel_info info = file.info();
        const uapi::Semaphore never(file);
        const uapi::Buffer memory(file, info.memory_size, uapi::device);
        std::vector<uapi::Queue> queues;
        for (std::uint32_t i = 0; i < info.queues; ++i) {
            queues.emplace_back(file, 16);
            for (int n = 0; n < 15; ++n) {
                queues.back().submit(uapi::fill(memory.address(), 1, std::size_t{1} << 20));
            }
            queues.back().submit(uapi::wait_for(never.address(), 1));
        }
        ready.add();
        static_cast<void>(queues.back().wait(16));
    });
}

TEST_F(Killed, WithThreadsInCalls) {
    expect_all_free_after([](const uapi::Counter& ready) {
        const uapi::File file;
        std::vector<std::jthread> threads;
        threads.reserve(4);
        for (int t = 0; t < 4; ++t) {
            threads.emplace_back([&file, &ready, t] {
                const uapi::Mapping own = uapi::Mapping::anonymous(64 * uapi::page);
                for (int i = 0;; ++i) {
                    const uapi::Buffer buffer(file, uapi::page << t,
                                              t % 2 == 0 ? uapi::host : uapi::device);
                    const uapi::Registration memory(file, own.data(), own.size());
                    uapi::Queue queue(file, 4);
                    queue.submit(uapi::fill(memory.address(), 1, own.size()));
                    queue.run(uapi::fill(buffer.address(), 1, buffer.bytes()));
                    if (i == 3) {
                        ready.add();
                    }
                }
            });
        }
        threads.front().join();
    });
}

// Twelve processes at a time: some end by themselves, some are killed at random times.
TEST_F(Killed, SomeOfManyProcessesThatStartAndEnd) {
    const uapi::Capacity before = uapi::Capacity::measure();
    std::minstd_rand random(17);
    for (int wave = 0; wave < 3; ++wave) {
        std::vector<uapi::Process> processes;
        for (std::uint32_t i = 0; i < 12; ++i) {
            const std::uint32_t seed = random();
            processes.emplace_back([seed] {
                for (std::uint32_t round = 0; round < 3; ++round) {
                    const uapi::File file;
                    const uapi::Product product(file, 5 + seed % 7, seed + round,
                                                seed % 2 == 0 ? uapi::host : uapi::device);
                    uapi::Queue queue(file, 4);
                    queue.run(product.command());
                    uapi::check(product.correct(), "a product is wrong");
                    // The process ends with commands in the queue.
                    queue.submit(product.command());
                    queue.submit(product.command());
                }
            });
        }
        for (uapi::Process& process : processes) {
            if (random() % 3 == 0) {
                std::this_thread::sleep_for(std::chrono::microseconds(random() % 5000));
                process.kill();
            } else {
                EXPECT_EQ(process.wait(), 0);
            }
        }
    }
    EXPECT_EQ(uapi::Capacity::measure(), before);
    uapi::expect_working_card();
}

}  // namespace
