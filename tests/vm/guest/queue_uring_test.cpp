// SPDX-License-Identifier: Apache-2.0
//
// io_uring: waits by IORING_OP_URING_CMD, and transfers by READ and WRITE, without and with
// registered buffers, all on one io_uring.
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
#include "io_uring.hpp"
#include "process.hpp"
#include "sanity.hpp"
#include "transfer.hpp"

namespace {

using uapi::IoUring;

using Results = std::map<std::uint64_t, int>;

class Uring : public testing::Test {
  protected:
    std::uint64_t submit_gated(std::uint64_t value = 1) {
        return queue_.submit(uapi::wait_for(gate_.address(), value));
    }

    uapi::File file_;
    uapi::Queue queue_{file_};
    uapi::Semaphore gate_{file_};
    IoUring ring_;
};

TEST_F(Uring, CompletesWithTheCommand) {
    const std::uint64_t sequence = submit_gated();
    ring_.wait_for(file_, queue_.handle(), sequence);
    EXPECT_TRUE(ring_.idle());
    gate_.set(1);
    EXPECT_EQ(ring_.results(1), (Results{{sequence, 0}}));
}

TEST_F(Uring, CompletesAtOnceForACompleteCommand) {
    queue_.run(uapi::nop());
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

// All waits of a file share a timer. A short limit after a long one moves it forward, and the long
// one remains after the short one.
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

TEST_F(Uring, ReportsWhyACommandNeverCompletes) {
    ring_.wait_for(file_, queue_.handle(), 9);
    EXPECT_TRUE(ring_.idle());
    EXPECT_EQ(queue_.run_to_error(uapi::fill(16, 1, 4)).error,
              static_cast<std::uint32_t>(ACCEL_FAULT_UNMAPPED));
    EXPECT_EQ(ring_.results(1), (Results{{9, -EIO}}));
    ASSERT_EQ(queue_.reset(), 0);
    ring_.wait_for(file_, queue_.handle(), submit_gated());
    EXPECT_TRUE(ring_.idle());
    ASSERT_EQ(queue_.reset(), 0);
    EXPECT_EQ(ring_.results(1), (Results{{1, -ECANCELED}}));
    ring_.wait_for(file_, queue_.handle(), submit_gated());
    EXPECT_TRUE(ring_.idle());
    uapi::Card().reset();
    EXPECT_EQ(ring_.results(1), (Results{{1, -ESTALE}}));
    uapi::expect_working_card();
}

TEST_F(Uring, RefusesUnknownOperations) {
    ring_.wait_for(file_, queue_.handle(), 1, 0, 0x99);
    EXPECT_EQ(ring_.results(1), (Results{{1, -ENOTTY}}));
    ring_.wait_for(file_, 4711, 1);
    EXPECT_EQ(ring_.results(1), (Results{{1, -ENOENT}}));
    ring_.wait_for(file_, queue_.handle(), 1, ACCEL_URING_TIMEOUT_MAX + 1);
    EXPECT_EQ(ring_.results(1), (Results{{1, -EINVAL}}));
}

TEST_F(Uring, LimitsTheWaitsOfAFile) {
    const uapi::Semaphore never(file_);
    const std::uint64_t last = queue_.submit(uapi::wait_for(never.address(), 1));
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
    // There is room for another wait again.
    ring_.wait_for(file_, queue_.handle(), last);
    EXPECT_EQ(ring_.results(1), (Results{{last, 0}}));
}

TEST_F(Uring, EndsWithTheWaitingProcess) {
    const uapi::Capacity before = uapi::Capacity::measure();
    for (const bool kill : {false, true}) {
        const uapi::Counter waiting;
        uapi::Process process([&] {
            const uapi::File file;
            uapi::Queue queue(file);
            const uapi::Semaphore never(file);
            IoUring ring;
            for (int i = 0; i < 16; ++i) {
                ring.wait_for(file, queue.handle(),
                              queue.submit(uapi::wait_for(never.address(), 1)));
            }
            uapi::check(ring.idle(), "a wait completed too early");
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
        // A kernel thread ends the io_uring of a dead process.
        for (int i = 0; i < 600 && !(uapi::Capacity::measure() == before); ++i) {
            usleep(100'000);
        }
        EXPECT_EQ(uapi::Capacity::measure(), before);
    }
}

TEST_F(Uring, TransfersDataWithAndWithoutRegisteredBuffers) {
    constexpr std::size_t bytes = 300'000;
    const uapi::Buffer buffer(file_, 2 * bytes, uapi::device);
    const auto first = uapi::pattern(bytes, 1);
    auto fixed = uapi::pattern(bytes, 2);
    const auto second = fixed;
    const iovec registered{fixed.data(), fixed.size()};
    ASSERT_EQ(io_uring_register_buffers(ring_.get(), &registered, 1), 0);

    const std::uint64_t commands = uapi::counter("commands");
    io_uring_sqe* sqe = ring_.entry(1);
    io_uring_prep_write(sqe, file_.fd(), first.data(), bytes, buffer.address());
    sqe->user_data = 1;
    sqe = ring_.entry(2);
    io_uring_prep_write_fixed(sqe, file_.fd(), fixed.data(), bytes, buffer.address() + bytes, 0);
    sqe->user_data = 2;
    EXPECT_EQ(ring_.results(2), (Results{{1, int{bytes}}, {2, int{bytes}}}));
    EXPECT_EQ(uapi::counter("commands") - commands, 2U)
        << "each transfer is one command of the card";

    std::vector<std::byte> back(bytes);
    std::fill(fixed.begin(), fixed.end(), std::byte{0});
    queue_.submit(uapi::nop());
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

// The kernel ends an io_uring some time after its close, and interrupts its users for that. This is
// no signal: a transfer must continue.
TEST_F(Uring, ItsEndDoesNotTruncateTransfers) {
    constexpr std::size_t bytes = 4 << 20;
    const uapi::Buffer buffer(file_, bytes, uapi::device);
    const auto data = uapi::pattern(bytes, 1);
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
