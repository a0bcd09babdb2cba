// SPDX-License-Identifier: Apache-2.0
//
// Waits in io_uring that nobody looks at: of a process that sleeps, and of one that ends.
#include <gtest/gtest.h>
#include <liburing.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <memory>
#include <sstream>
#include <string>
#include <thread>

#include "card.hpp"
#include "commands.hpp"
#include "io_uring_instance.hpp"
#include "process.hpp"
#include "sanity.hpp"

namespace {

/// Counts how often the kernel runs a timer of the driver.
class TimerTrace {
  public:
    TimerTrace() {
        uapi::require(::mkdir(folder_.c_str(), 0700) == 0 ? 0 : errno, folder_);
        set("/buffer_size_kb", "4096");
        set("/trace_options", "norecord-cmd");
        set("/events/timer/timer_expire_entry/enable", "1");
    }
    TimerTrace(const TimerTrace&) = delete;
    TimerTrace& operator=(const TimerTrace&) = delete;
    TimerTrace(TimerTrace&&) = delete;
    TimerTrace& operator=(TimerTrace&&) = delete;
    ~TimerTrace() { ::rmdir(folder_.c_str()); }

    /// The number of runs of this function during this time.
    [[nodiscard]] std::size_t runs(const std::string& function, std::chrono::milliseconds time) {
        const std::size_t before = total(function);
        std::this_thread::sleep_for(time);
        return total(function) - before;
    }

  private:
    [[nodiscard]] std::size_t total(const std::string& function) const {
        std::istringstream lines(uapi::read_file(folder_ + "/trace"));
        std::size_t count = 0;
        for (std::string line; std::getline(lines, line);) {
            count += line.find("function=" + function) != std::string::npos ? 1 : 0;
        }
        return count;
    }
    void set(const std::string& file, const std::string& text) {
        uapi::require(uapi::write_file(folder_ + file, text), file);
    }
    std::string folder_ = "/sys/kernel/tracing/instances/accel_timer";
};

/// An entry that waits; with `fixed`, the node is the first registered file.
void wait_for(accel::test::IoUring& ring, const uapi::Queue& queue, int fd, bool fixed,
              std::uint32_t timeout_ms) {
    io_uring_sqe* const sqe = ring.entry();
    std::memset(sqe, 0, sizeof *sqe);
    sqe->opcode = IORING_OP_URING_CMD;
    sqe->fd = fd;
    sqe->flags = fixed ? IOSQE_FIXED_FILE : 0;
    sqe->cmd_op = ACCEL_URING_WAIT;
    const accel_uring_wait wait{
        .handle = queue.handle(), .timeout_ms = timeout_ms, .sequence = 1000};
    std::memcpy(sqe->cmd, &wait, sizeof wait);
}

// The completions of this io_uring run only when its owner asks for them.
TEST(UringLimits, TheTimerRestsOnceAllWaitsAreOverEvenIfTheirOwnerDoesNotLook) {
    const uapi::File file;
    const uapi::Queue queue(file);
    accel::test::IoUring ring(64, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);
    constexpr int count = 40;
    TimerTrace trace;
    for (int i = 0; i < count; ++i) {
        wait_for(ring, queue, file.fd(), false, 500);
    }
    ASSERT_EQ(io_uring_submit(ring.get()), count);
    EXPECT_GT(trace.runs("accel_uring_timeout", std::chrono::seconds(2)), 0U);
    EXPECT_EQ(trace.runs("accel_uring_timeout", std::chrono::seconds(1)), 0U);
    for (int i = 0; i < count; ++i) {
        io_uring_cqe* cqe = nullptr;
        ASSERT_EQ(io_uring_wait_cqe(ring.get(), &cqe), 0);
        EXPECT_EQ(cqe->res, -ETIMEDOUT);
        io_uring_cqe_seen(ring.get(), cqe);
    }
}

bool kernel_cancels() {
    utsname name{};
    ::uname(&name);
    int major = 0;
    int minor = 0;
    return std::sscanf(name.release, "%d.%d", &major, &minor) == 2 &&
           (major > 6 || (major == 6 && minor >= 8));
}

// A registered file has no descriptor that the end of the process closes.
TEST(UringLimits, WaitsOnARegisteredFileEndWithTheProcess) {
    if (!kernel_cancels()) {
        GTEST_SKIP() << "io_uring of this kernel cannot cancel a command of a driver";
    }
    const uapi::Capacity before = uapi::Capacity::measure();
    const uapi::Counter waiting;
    uapi::Process process([&] {
        auto file = std::make_unique<uapi::File>();
        const uapi::Queue queue(*file);
        accel::test::IoUring ring(64);
        const int fd = file->fd();
        uapi::require(-io_uring_register_files(ring.get(), &fd, 1), "io_uring_register_files");
        // The io_uring keeps the file open.
        file.reset();
        for (int i = 0; i < 16; ++i) {
            wait_for(ring, queue, 0, true, ACCEL_URING_TIMEOUT_MAX);
        }
        uapi::check(io_uring_submit(ring.get()) == 16, "a wait was not submitted");
        waiting.add();
        ::pause();
    });
    waiting.await(1);
    process.kill();
    // Well before the time limit of the waits.
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (uapi::Capacity::measure() != before && std::chrono::steady_clock::now() < end) {
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    EXPECT_EQ(uapi::Capacity::measure(), before);
}

}  // namespace
