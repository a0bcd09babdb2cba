// SPDX-License-Identifier: Apache-2.0
//
// A file that has ended tells why, and open() waits for a card that resets.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>

#include <atomic>
#include <cerrno>
#include <thread>

#include "commands.hpp"
#include "health.hpp"
#include "sanity.hpp"

namespace {

/// CLOCK_BOOTTIME in nanoseconds.
std::uint64_t boot_time() {
    timespec now{};
    ::clock_gettime(CLOCK_BOOTTIME, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1000000000U +
           static_cast<std::uint64_t>(now.tv_nsec);
}

class Reasons : public uapi::Health {
  protected:
    /// Ends all files with `disturb`, and expects that a file tells this errno and reason.
    template <typename Disturb>
    void expect_end(int error, accel_reason reason, Disturb disturb) {
        const uapi::File file;
        const std::uint64_t generation = file.info().generation;
        const std::uint64_t before = boot_time();
        disturb();
        accel_info info{};
        EXPECT_EQ(file.call(ACCEL_IOCTL_INFO, info), error);
        EXPECT_NE(file.poll() & POLLHUP, 0);
        const accel_context_query end = uapi::context_of(file);
        EXPECT_EQ(end.reason, reason);
        EXPECT_EQ(end.error, static_cast<std::uint32_t>(error));
        EXPECT_EQ(end.generation, generation);
        EXPECT_EQ(end.card_generation, generation + 1);
        EXPECT_GT(end.time, before);
        EXPECT_LE(end.time, boot_time());
        EXPECT_EQ(end.pid, 0U);
    }
};

TEST_F(Reasons, AFileThatWorksHasNone) {
    const uapi::File file;
    const accel_context_query query = uapi::context_of(file);
    EXPECT_EQ(query.reason, ACCEL_REASON_NONE);
    EXPECT_EQ(query.error, 0U);
    EXPECT_EQ(query.generation, file.info().generation);
    EXPECT_EQ(query.card_generation, query.generation);
    EXPECT_EQ(query.time, 0U);
}

TEST_F(Reasons, AResetByTheAdministrator) {
    expect_end(ESTALE, ACCEL_REASON_RESET, [&] { card().reset(); });
}

TEST_F(Reasons, ASuspend) {
    ASSERT_EQ(uapi::write_file("/sys/power/pm_test", "devices"), 0);
    ASSERT_EQ(uapi::write_file("/sys/module/suspend/parameters/pm_test_delay", "0"), 0);
    expect_end(ESTALE, ACCEL_REASON_SUSPEND,
               [&] { EXPECT_EQ(uapi::write_file("/sys/power/state", "freeze"), 0); });
    EXPECT_EQ(uapi::write_file("/sys/power/pm_test", "none"), 0);
}

TEST_F(Reasons, ARemoval) {
    expect_end(ENODEV, ACCEL_REASON_REMOVED, [&] { card().unbind(); });
}

TEST_F(Reasons, ARemovalCountsMoreThanTheResetBeforeIt) {
    const uapi::File file;
    card().reset();
    EXPECT_EQ(uapi::context_of(file).reason, ACCEL_REASON_RESET);
    card().unbind();
    EXPECT_EQ(uapi::context_of(file).reason, ACCEL_REASON_REMOVED);
    EXPECT_EQ(uapi::context_of(file).error, static_cast<std::uint32_t>(ENODEV));
}

TEST_F(Reasons, AFileOfTheNextGenerationHasNone) {
    const uapi::File old;
    card().reset();
    const uapi::File next;
    EXPECT_EQ(uapi::context_of(next).reason, ACCEL_REASON_NONE);
    EXPECT_EQ(uapi::context_of(next).generation, uapi::context_of(old).generation + 1);
}

TEST_F(Reasons, OpenWaitsForAResetAndNeverSaysThatThereIsNoCard) {
    std::atomic<bool> over = false;
    std::atomic<int> wrong = 0;
    std::jthread opener([&] {
        while (!over) {
            wrong += open_error() == 0 ? 0 : 1;
        }
    });
    for (int i = 0; i < 10; ++i) {
        card().reset();
    }
    over = true;
    opener.join();
    EXPECT_EQ(wrong, 0);
}

// The planted defect makes the reset take some seconds, after which the card is wedged.
TEST_F(Reasons, OpenDuringAResetDoesNotWaitIfItMustNot) {
    plant("reset");
    std::jthread reset([&] { card().reset(); });
    uapi::await("the reset", [&] { return open_error(O_NONBLOCK) == EAGAIN; });
    uapi::Process waiting([&] {
        // A signal ends the wait.
        static_cast<void>(open_error());
        ::_exit(1);
    });
    EXPECT_EQ(state(), "stopped");
    waiting.signal(SIGTERM);
    EXPECT_EQ(waiting.wait(), 128 + SIGTERM);
    reset.join();
    EXPECT_EQ(open_error(), ENOTRECOVERABLE);
}

}  // namespace
