// SPDX-License-Identifier: Apache-2.0
#include "sampler.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <system_error>
#include <thread>

#include "exit.hpp"
#include "snapshot.hpp"

namespace accel::tools {

namespace {

// A selected card may be removed at any time. The caller shows that; it is no reason to end.
Snapshot snapshot_or_nothing(const SystemRoot& root, const std::string& card) {
    try {
        return take_snapshot(root, card);
    } catch (const Failure&) {
        return {.time = realtime(), .cards = {}, .clients = {}};
    }
}

[[noreturn]] void sample_forever(int fd, const SystemRoot& root, const std::string& card,
                                 std::chrono::milliseconds interval) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    // Close the standard streams: a pipe on the parent's output would otherwise stay open.
    for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
        ::close(stream);
    }
    Snapshot before = snapshot_or_nothing(root, card);
    for (;;) {
        std::this_thread::sleep_for(interval);
        Snapshot after = snapshot_or_nothing(root, card);
        const std::string line = to_json(before, after).dump(true) + '\n';
        for (std::size_t done = 0; done < line.size();) {
            const ssize_t put = ::write(fd, line.data() + done, line.size() - done);
            if (put < 0) {
                ::_exit(0);
            }
            done += static_cast<std::size_t>(put);
        }
        before = std::move(after);
    }
}

}  // namespace

Sampler::Sampler(const SystemRoot& root, const std::string& card,
                 std::chrono::milliseconds interval) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
        throw std::system_error(errno, std::generic_category(), "pipe");
    }
    child_ = ::fork();
    if (child_ < 0) {
        throw std::system_error(errno, std::generic_category(), "fork");
    }
    if (child_ == 0) {
        ::close(ends[0]);
        try {
            sample_forever(ends[1], root, card, interval);
        } catch (...) {
            ::_exit(1);
        }
    }
    ::close(ends[1]);
    fd_ = ends[0];
    ::fcntl(fd_, F_SETFL, O_NONBLOCK);
}

Sampler::~Sampler() {
    ::close(fd_);
    ::kill(child_, SIGKILL);
    // The child may wait for a card in the kernel, so do not wait for the child.
    ::waitpid(child_, nullptr, WNOHANG);
}

std::optional<std::string> Sampler::take_newest() {
    std::array<char, 65536> part{};
    ssize_t got = 0;
    while ((got = ::read(fd_, part.data(), part.size())) > 0) {
        pending_.append(part.data(), static_cast<std::size_t>(got));
    }
    ended_ = ended_ || got == 0;
    const std::size_t end = pending_.rfind('\n');
    if (end == std::string::npos) {
        return std::nullopt;
    }
    const std::size_t start = end == 0 ? std::string::npos : pending_.rfind('\n', end - 1);
    std::string line = pending_.substr(start == std::string::npos ? 0 : start + 1,
                                       end - (start == std::string::npos ? 0 : start + 1));
    pending_.erase(0, end + 1);
    return line;
}

}  // namespace accel::tools
