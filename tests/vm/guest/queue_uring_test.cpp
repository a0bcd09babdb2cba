// SPDX-License-Identifier: Apache-2.0
//
// io_uring: waiting by IORING_OP_URING_CMD, and moving data with READ and WRITE, plain and with
// registered buffers, all on one ring.
#include <gtest/gtest.h>
#include <liburing.h>
#include <sys/uio.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <stdexcept>
#include <vector>

#include "card.hpp"
#include "commands.hpp"
#include "health.hpp"
#include "process.hpp"
#include "transfer.hpp"
#include "uring.hpp"

namespace {

using bench::Ring;

using Results = std::map<std::uint64_t, int>;

class Uring : public testing::Test {
  protected:
    std::uint64_t submit_gated(std::uint64_t value = 1) {
        return queue_.submit(bench::wait_for(gate_.address(), value));
    }

    bench::File file_;
    bench::Queue queue_{file_};
    bench::Semaphore gate_{file_};
    Ring ring_;
};

TEST_F(Uring, CompletesWhenTheCommandIsFinished) {
    const std::uint64_t sequence = submit_gated();
    ring_.wait_for(file_, queue_.handle(), sequence);
    EXPECT_TRUE(ring_.idle());
    gate_.set(1);
    EXPECT_EQ(ring_.results(1), (Results{{sequence, 0}}));
}

TEST_F(Uring, CompletesAtOnceForWhatIsFinished) {
    queue_.run(bench::nop());
    ring_.wait_for(file_, queue_.handle(), 1);
    EXPECT_EQ(ring_.results(1), (Results{{1, 0}}));
}

TEST_F(Uring, WaitsForManyAtOnceAndLosesNone) {
    constexpr unsigned count = 32;
    for (std::uint64_t round = 0; round < 10; ++round) {
        Results expected;
        for (unsigned i = 0; i < count; ++i) {
            const std::uint64_t sequence = submit_gated(round * count + i + 1);
            ring_.wait_for(file_, queue_.handle(), sequence);
            expected[sequence] = 0;
        }
        EXPECT_TRUE(ring_.idle());
        for (unsigned i = 0; i < count; ++i) {
            gate_.set(round * count + i + 1);
        }
        EXPECT_EQ(ring_.results(count), expected);
    }
}

TEST_F(Uring, TimesOut) {
    const std::uint64_t sequence = submit_gated();
    ring_.wait_for(file_, queue_.handle(), sequence, 0);
    EXPECT_EQ(ring_.results(1), (Results{{sequence, -ETIMEDOUT}}));
    ring_.wait_for(file_, queue_.handle(), sequence, 30);
    EXPECT_EQ(ring_.results(1), (Results{{sequence, -ETIMEDOUT}}));
}

// All waits of a file share a timer: a short limit behind a long one moves it forward, and a long
// one is still there when the short ones are over.
TEST_F(Uring, EachTimesOutAtItsOwnLimit) {
    const std::uint64_t first = submit_gated();
    const std::uint64_t second = submit_gated();
    const std::uint64_t third = submit_gated();
    ring_.wait_for(file_, queue_.handle(), first);  // a minute
    ring_.wait_for(file_, queue_.handle(), second, 40);
    ring_.wait_for(file_, queue_.handle(), third, 10);
    EXPECT_EQ(ring_.results(1), (Results{{third, -ETIMEDOUT}}));
    EXPECT_EQ(ring_.results(1), (Results{{second, -ETIMEDOUT}}));
    EXPECT_TRUE(ring_.idle());
    ring_.wait_for(file_, queue_.handle(), second, 20);
    EXPECT_EQ(ring_.results(1), (Results{{second, -ETIMEDOUT}}));
    ASSERT_EQ(queue_.reset(), 0);
    EXPECT_EQ(ring_.results(1), (Results{{first, -ECANCELED}}));
}

TEST_F(Uring, SaysWhyACommandCanNeverFinish) {
    ring_.wait_for(file_, queue_.handle(), 9);
    EXPECT_TRUE(ring_.idle());
    EXPECT_EQ(queue_.run_to_error(bench::fill(16, 1, 4)).error,
              static_cast<std::uint32_t>(ACCEL_FAULT_UNMAPPED));
    EXPECT_EQ(ring_.results(1), (Results{{9, -EIO}}));
    ASSERT_EQ(queue_.reset(), 0);
    ring_.wait_for(file_, queue_.handle(), submit_gated());
    EXPECT_TRUE(ring_.idle());
    ASSERT_EQ(queue_.reset(), 0);
    EXPECT_EQ(ring_.results(1), (Results{{1, -ECANCELED}}));
    ring_.wait_for(file_, queue_.handle(), submit_gated());
    EXPECT_TRUE(ring_.idle());
    bench::Card().reset();
    EXPECT_EQ(ring_.results(1), (Results{{1, -ESTALE}}));
    bench::expect_healthy();
}

TEST_F(Uring, RefusesWhatItDoesNotKnow) {
    ring_.wait_for(file_, queue_.handle(), 1, 0, 0x99);
    EXPECT_EQ(ring_.results(1), (Results{{1, -ENOTTY}}));
    ring_.wait_for(file_, 4711, 1);
    EXPECT_EQ(ring_.results(1), (Results{{1, -ENOENT}}));
    ring_.wait_for(file_, queue_.handle(), 1, ACCEL_URING_TIMEOUT_MAX + 1);
    EXPECT_EQ(ring_.results(1), (Results{{1, -EINVAL}}));
}

TEST_F(Uring, WaitsOfAFileAreCounted) {
    const bench::Semaphore never(file_);
    const std::uint64_t last = queue_.submit(bench::wait_for(never.address(), 1));
    for (unsigned int i = 0; i < ACCEL_URING_WAITS_MAX; i += 64) {
        for (unsigned int j = 0; j < 64; ++j) {
            ring_.wait_for(file_, queue_.handle(), last);
        }
        io_uring_submit(ring_.get());
    }
    EXPECT_TRUE(ring_.idle());
    ring_.wait_for(file_, queue_.handle(), last, 0);
    EXPECT_EQ(ring_.results(1), (Results{{last, -EBUSY}}));
    never.set(1);
    queue_.ring_doorbell(static_cast<std::uint32_t>(last));
    for (unsigned int i = 0; i < ACCEL_URING_WAITS_MAX; ++i) {
        ASSERT_EQ(ring_.results(1), (Results{{last, 0}}));
    }
    // There is room again.
    ring_.wait_for(file_, queue_.handle(), last);
    EXPECT_EQ(ring_.results(1), (Results{{last, 0}}));
}

TEST_F(Uring, EndsWithTheProcessThatWaits) {
    const bench::Capacity before = bench::Capacity::measure();
    for (const bool kill : {false, true}) {
        const bench::Counter waiting;
        bench::Process process([&] {
            const bench::File file;
            bench::Queue queue(file);
            const bench::Semaphore never(file);
            Ring ring;
            for (int i = 0; i < 16; ++i) {
                ring.wait_for(file, queue.handle(),
                              queue.submit(bench::wait_for(never.address(), 1)));
            }
            bench::check(ring.idle(), "they wait");
            waiting.add();
            if (kill) {
                pause();
            }
            _exit(0);
        });
        waiting.await(1);
        if (kill) {
            process.kill();
        } else {
            EXPECT_EQ(process.wait(), 0);
        }
        // The ring of a dead process ends on a thread of the kernel's own.
        for (int i = 0; i < 600 && !(bench::Capacity::measure() == before); ++i) {
            usleep(100'000);
        }
        EXPECT_EQ(bench::Capacity::measure(), before);
    }
}

TEST_F(Uring, MovesDataPlainAndWithRegisteredBuffersOnTheSameRing) {
    constexpr std::size_t bytes = 300'000;
    const bench::Buffer buffer(file_, 2 * bytes, bench::device);
    const auto first = bench::pattern(bytes, 1);
    auto fixed = bench::pattern(bytes, 2);
    const auto second = fixed;
    const iovec registered{fixed.data(), fixed.size()};
    ASSERT_EQ(io_uring_register_buffers(ring_.get(), &registered, 1), 0);

    const std::uint64_t commands = bench::counter("commands");
    io_uring_sqe* sqe = ring_.entry(1);
    io_uring_prep_write(sqe, file_.fd(), first.data(), bytes, buffer.address());
    sqe->user_data = 1;
    sqe = ring_.entry(2);
    io_uring_prep_write_fixed(sqe, file_.fd(), fixed.data(), bytes, buffer.address() + bytes, 0);
    sqe->user_data = 2;
    EXPECT_EQ(ring_.results(2), (Results{{1, int{bytes}}, {2, int{bytes}}}));
    EXPECT_EQ(bench::counter("commands") - commands, 2U) << "one command moves each";

    std::vector<std::byte> back(bytes);
    std::fill(fixed.begin(), fixed.end(), std::byte{0});
    queue_.submit(bench::nop());
    sqe = ring_.entry(3);
    io_uring_prep_read(sqe, file_.fd(), back.data(), bytes, buffer.address());
    sqe->user_data = 3;
    sqe = ring_.entry(4);
    io_uring_prep_read_fixed(sqe, file_.fd(), fixed.data() + 7, bytes - 7,
                             buffer.address() + bytes + 7, 0);
    sqe->user_data = 4;
    ring_.wait_for(file_, queue_.handle(), 1);
    EXPECT_EQ(ring_.results(3), (Results{{1, 0}, {3, int{bytes}}, {4, int{bytes} - 7}}));
    EXPECT_EQ(back, first);
    EXPECT_TRUE(std::equal(fixed.begin() + 7, fixed.end(), second.begin() + 7));
}

// The kernel ends a ring some time after it is closed, and interrupts those who used it for that.
// It is no signal: a transfer goes on.
TEST_F(Uring, ARingThatEndsDoesNotCutTransfersShort) {
    constexpr std::size_t bytes = 4 << 20;
    const bench::Buffer buffer(file_, bytes, bench::device);
    const auto data = bench::pattern(bytes, 1);
    for (int i = 0; i < 40; ++i) {
        io_uring other{};
        ASSERT_EQ(io_uring_queue_init(2, &other, 0), 0);
        io_uring_prep_nop(io_uring_get_sqe(&other));
        ASSERT_EQ(io_uring_submit_and_wait(&other, 1), 1);
        io_uring_queue_exit(&other);
        for (int round = 0; round < 4; ++round) {
            ASSERT_EQ(
                ::pwrite(file_.fd(), data.data(), bytes, static_cast<off_t>(buffer.address())),
                static_cast<ssize_t>(bytes));
        }
    }
}

}  // namespace
