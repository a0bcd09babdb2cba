// SPDX-License-Identifier: Apache-2.0
//
// Waiting by eventfd: it is signaled once for each notification, even if the command fails.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

#include "card.hpp"
#include "commands.hpp"
#include "sanity.hpp"

namespace {

constexpr int patience_ms = static_cast<int>(
    std::chrono::duration_cast<std::chrono::milliseconds>(uapi::time_limit).count());

class Eventfd : public testing::Test {
  protected:
    void SetUp() override { ASSERT_EQ(bind(event_.get()), 0); }

    [[nodiscard]] int bind(int fd) const {
        accel_queue_eventfd argument = {};
        argument.handle = queue_.handle();
        argument.fd = fd;
        return file_.call(ACCEL_IOCTL_QUEUE_EVENTFD, argument);
    }
    /// The number of signals since the last call.
    [[nodiscard]] std::uint64_t signals(int milliseconds = 0) const {
        pollfd item{.fd = event_.get(), .events = POLLIN, .revents = 0};
        std::uint64_t count = 0;
        if (::poll(&item, 1, milliseconds) == 1 &&
            read(event_.get(), &count, sizeof count) != sizeof count) {
            ADD_FAILURE() << "an eventfd that is ready cannot be read";
        }
        return count;
    }
    std::uint64_t submit_gated(std::uint64_t value = 1) {
        return queue_.submit(uapi::wait_for(gate_.address(), value));
    }

    uapi::Descriptor event_{eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    uapi::File file_;
    uapi::Queue queue_{file_};
    uapi::Semaphore gate_{file_};
};

TEST_F(Eventfd, IsSignaledOnceWhenTheCommandCompletes) {
    const std::uint64_t sequence = submit_gated();
    ASSERT_EQ(queue_.notify(sequence), 0);
    EXPECT_EQ(signals(5), 0U);
    gate_.set(1);
    EXPECT_EQ(signals(patience_ms), 1U);
    queue_.run(uapi::nop());
    EXPECT_EQ(signals(5), 0U);
}

TEST_F(Eventfd, IsSignaledAtOnceForACompleteCommand) {
    queue_.run(uapi::nop());
    ASSERT_EQ(queue_.notify(1), 0);
    EXPECT_EQ(signals(), 1U);
    ASSERT_EQ(queue_.notify(1), 0);
    EXPECT_EQ(signals(), 1U);
}

TEST_F(Eventfd, MissesNoneOfManyRounds) {
    for (std::uint64_t round = 1; round <= 200; ++round) {
        const std::uint64_t sequence = queue_.submit(uapi::nop());
        ASSERT_EQ(queue_.notify(sequence), 0);
        ASSERT_EQ(signals(patience_ms), 1U) << "round " << round;
    }
}

TEST_F(Eventfd, WorksBesideSleepersWithLowerAndHigherTargets) {
    for (std::uint64_t round = 1; round <= 20; ++round) {
        const std::uint64_t low = submit_gated(3 * round);
        const std::uint64_t middle = submit_gated(3 * round + 1);
        const std::uint64_t high = submit_gated(3 * round + 2);
        ASSERT_EQ(queue_.notify(middle), 0);
        std::thread first([&] { EXPECT_EQ(queue_.wait(low), 0); });
        std::thread last([&] { EXPECT_EQ(queue_.wait(high), 0); });
        gate_.set(3 * round);
        first.join();
        EXPECT_EQ(signals(), 0U);
        gate_.set(3 * round + 1);
        EXPECT_EQ(signals(patience_ms), 1U);
        gate_.set(3 * round + 2);
        last.join();
    }
}

TEST_F(Eventfd, IsSignaledWhenTheQueueStops) {
    ASSERT_EQ(queue_.notify(5), 0);
    EXPECT_EQ(queue_.run_to_error(uapi::fill(16, 1, 4)).error,
              static_cast<std::uint32_t>(ACCEL_FAULT_UNMAPPED));
    EXPECT_EQ(signals(patience_ms), 1U);
}

TEST_F(Eventfd, IsSignaledWhenTheQueueIsResetOrDestroyed) {
    const std::uint64_t sequence = submit_gated();
    ASSERT_EQ(queue_.notify(sequence), 0);
    ASSERT_EQ(queue_.reset(), 0);
    EXPECT_EQ(signals(patience_ms), 1U);
    ASSERT_EQ(queue_.notify(submit_gated()), 0);
    ASSERT_EQ(queue_.destroy(), 0);
    EXPECT_EQ(signals(patience_ms), 1U);
}

TEST_F(Eventfd, IsSignaledWhenTheCardIsReset) {
    ASSERT_EQ(queue_.notify(submit_gated()), 0);
    uapi::Card().reset();
    EXPECT_EQ(signals(patience_ms), 1U);
    uapi::expect_working_card();
}

TEST_F(Eventfd, IsReleasedWhenItIsReplacedOrRemoved) {
    uapi::Descriptor other(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    ASSERT_EQ(bind(other.get()), 0);
    queue_.run(uapi::nop());
    ASSERT_EQ(queue_.notify(1), 0);
    EXPECT_EQ(signals(), 0U);
    std::uint64_t count = 0;
    EXPECT_EQ(read(other.get(), &count, sizeof count), ssize_t{sizeof count});
    ASSERT_EQ(bind(-1), 0);
    ASSERT_EQ(queue_.notify(1), 0);
    EXPECT_EQ(read(other.get(), &count, sizeof count), -1);
    EXPECT_EQ(errno, EAGAIN);
}

TEST_F(Eventfd, MustBeAnEventfd) {
    EXPECT_EQ(bind(file_.fd()), EINVAL);
    EXPECT_EQ(bind(9999), EBADF);
    accel_queue_eventfd argument = {};
    argument.handle = 4711;
    argument.fd = event_.get();
    EXPECT_EQ(file_.call(ACCEL_IOCTL_QUEUE_EVENTFD, argument), ENOENT);
    argument.handle = queue_.handle();
    argument.reserved = 1;
    EXPECT_EQ(file_.call(ACCEL_IOCTL_QUEUE_EVENTFD, argument), EINVAL);
}

}  // namespace
