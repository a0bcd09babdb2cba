// SPDX-License-Identifier: Apache-2.0
//
// The perf counter: opening, starting and reading it.
#include "syscalls.hpp"

#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <stdexcept>
#include <system_error>

namespace fashion {

namespace {

constexpr std::array trace_directories = {"/sys/kernel/tracing", "/sys/kernel/debug/tracing"};

std::optional<std::uint64_t> tracepoint_id() {
    for (const std::string directory : trace_directories) {
        std::ifstream file(directory + "/events/raw_syscalls/sys_enter/id");
        std::uint64_t id = 0;
        if (file >> id) {
            return id;
        }
    }
    return std::nullopt;
}

}  // namespace

SyscallCounter::SyscallCounter() {
    const auto id = tracepoint_id();
    if (!id) {
        problem_ = "there is no tracepoint raw_syscalls:sys_enter; mount tracefs, and run as root";
        return;
    }
    perf_event_attr attributes{};
    attributes.type = PERF_TYPE_TRACEPOINT;
    attributes.size = sizeof(attributes);
    attributes.config = *id;
    attributes.disabled = 1;
    constexpr int this_thread = 0;
    constexpr int any_cpu = -1;
    fd_ = static_cast<int>(
        syscall(SYS_perf_event_open, &attributes, this_thread, any_cpu, -1, PERF_FLAG_FD_CLOEXEC));
    if (fd_ < 0) {
        problem_ = "perf_event_open: " + std::generic_category().message(errno);
        return;
    }
    start();
    own_ = raw_stop();
}

SyscallCounter::~SyscallCounter() {
    if (fd_ >= 0) {
        close(fd_);
    }
}

void SyscallCounter::start() {
    if (fd_ >= 0) {
        ioctl(fd_, PERF_EVENT_IOC_RESET, 0);
        ioctl(fd_, PERF_EVENT_IOC_ENABLE, 0);
    }
}

std::uint64_t SyscallCounter::raw_stop() {
    ioctl(fd_, PERF_EVENT_IOC_DISABLE, 0);
    std::uint64_t count = 0;
    if (read(fd_, &count, sizeof(count)) != sizeof(count)) {
        throw std::runtime_error("cannot read the count of system calls: the perf counter failed");
    }
    return count;
}

std::optional<std::uint64_t> SyscallCounter::stop() {
    if (fd_ < 0) {
        return std::nullopt;
    }
    return raw_stop() - own_;
}

}  // namespace fashion
