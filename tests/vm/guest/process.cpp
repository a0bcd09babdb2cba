// SPDX-License-Identifier: Apache-2.0
//
// Child processes that cannot hang and leave nothing behind.
#include "process.hpp"

#include <grp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <exception>
#include <stdexcept>
#include <thread>

namespace uapi {

namespace {

[[noreturn]] void run_child(const std::function<void()>& body) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    int status = 0;
    try {
        body();
    } catch (const std::exception& error) {
        std::fprintf(stderr, "process %d: %s\n", ::getpid(), error.what());
        status = 1;
    }
    // Not exit(): exit handlers belong to the parent.
    ::_exit(status);
}

}  // namespace

Process::Process(const std::function<void()>& body) {
    std::fflush(nullptr);
    pid_ = ::fork();
    if (pid_ == 0) {
        run_child(body);
    }
    require(pid_ > 0 ? 0 : errno, "fork");
}

Process::~Process() {
    kill();
}

void Process::signal(int number) const {
    require(::kill(pid_, number) == 0 ? 0 : errno, "kill");
}

int Process::wait(std::chrono::nanoseconds limit) {
    const std::int64_t end = deadline_in(limit);
    int status = 0;
    for (;;) {
        const pid_t done = ::waitpid(pid_, &status, WNOHANG);
        require(done >= 0 ? 0 : errno, "waitpid");
        if (done == pid_) {
            break;
        }
        if (deadline_in({}) > end) {
            kill();
            throw std::runtime_error("a process did not end");
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void Process::kill() {
    if (pid_ > 0) {
        ::kill(pid_, SIGKILL);
        ::waitpid(std::exchange(pid_, -1), nullptr, 0);
    }
}

OneProcessor::OneProcessor() {
    require(::sched_getaffinity(0, sizeof(before_), &before_) == 0 ? 0 : errno, "affinity");
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(0, &one);
    require(::sched_setaffinity(0, sizeof(one), &one) == 0 ? 0 : errno, "affinity");
}

OneProcessor::~OneProcessor() {
    ::sched_setaffinity(0, sizeof(before_), &before_);
}

void check(bool condition, const char* text) {
    if (!condition) {
        throw std::runtime_error(text);
    }
}

void Counter::add(std::uint64_t value) const {
    count().fetch_add(value);
}

std::uint64_t Counter::value() const {
    return count().load();
}

void Counter::await(std::uint64_t value) const {
    uapi::await("a signal of another process", [&] { return this->value() >= value; });
}

Channel::Channel() {
    int ends[2];
    require(::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends) == 0 ? 0 : errno,
            "socketpair");
    sender_ = Descriptor(ends[0]);
    receiver_ = Descriptor(ends[1]);
}

namespace {

/// A message of one byte with room for one file descriptor.
struct DescriptorMessage {
    DescriptorMessage() {
        header.msg_iov = &data;
        header.msg_iovlen = 1;
        header.msg_control = control;
        header.msg_controllen = sizeof(control);
    }

    char byte = 0;
    iovec data{.iov_base = &byte, .iov_len = 1};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))]{};
    msghdr header{};
};

}  // namespace

void Channel::send(int fd) const {
    DescriptorMessage message;
    cmsghdr* control = CMSG_FIRSTHDR(&message.header);
    control->cmsg_level = SOL_SOCKET;
    control->cmsg_type = SCM_RIGHTS;
    control->cmsg_len = CMSG_LEN(sizeof(fd));
    std::memcpy(CMSG_DATA(control), &fd, sizeof(fd));
    require(::sendmsg(sender_.get(), &message.header, 0) == 1 ? 0 : errno, "sendmsg");
}

Descriptor Channel::receive() const {
    DescriptorMessage message;
    int fd = -1;
    require(::recvmsg(receiver_.get(), &message.header, MSG_CMSG_CLOEXEC) == 1 ? 0 : errno,
            "recvmsg");
    const cmsghdr* control = CMSG_FIRSTHDR(&message.header);
    check(control != nullptr && control->cmsg_type == SCM_RIGHTS, "no descriptor was sent");
    std::memcpy(&fd, CMSG_DATA(control), sizeof(fd));
    return Descriptor(fd);
}

void become_user(std::initializer_list<gid_t> groups, uid_t user) {
    require(::setgroups(groups.size(), std::data(groups)) == 0 ? 0 : errno, "setgroups");
    require(::setresgid(user, user, user) == 0 ? 0 : errno, "setresgid");
    require(::setresuid(user, user, user) == 0 ? 0 : errno, "setresuid");
}

}  // namespace uapi
