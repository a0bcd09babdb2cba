// SPDX-License-Identifier: Apache-2.0
//
// A page fault never waits for a call: not of its own process, not of another one.
#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <fstream>
#include <string>
#include <system_error>
#include <thread>

#include <sys/syscall.h>
#include <unistd.h>

#include "health.hpp"

namespace {

/// True while the thread sleeps in a call that no signal ends.
bool sleeps_in_a_call(pid_t thread) {
    std::ifstream file("/proc/self/task/" + std::to_string(thread) + "/stat");
    const std::string line{std::istreambuf_iterator<char>(file), {}};
    return line.find(") D ") != std::string::npos;
}

class Faults : public uapi::Health {};

TEST_F(Faults, OfADoorbellWaitForNoCallOfTheFile) {
    const uapi::File file;
    const uapi::Queue queue(file, 4);
    plant("admin");
    std::atomic<pid_t> thread = 0;
    std::atomic<bool> over = false;
    std::jthread caller([&] {
        thread = static_cast<pid_t>(::syscall(SYS_gettid));
        try {
            // The card does not answer, so this call holds the file until the driver gives up.
            const uapi::Buffer buffer(file, uapi::page, uapi::device);
        } catch (const std::system_error&) {
        }
        over = true;
    });
    uapi::await("the call to wait for the card", [&] { return sleeps_in_a_call(thread); });
    queue.ring_doorbell(0);
    EXPECT_FALSE(over) << "the first access to the doorbell waited for the call";
    caller.join();
    // The driver resets the card. An administrator's reset makes it forget that.
    uapi::await("the recovery", [&] { return state() == "running"; });
    card().reset();
}

}  // namespace
