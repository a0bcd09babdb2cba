// SPDX-License-Identifier: Apache-2.0
//
// Completion, notification and the end of queues.
#include "queue_state.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

namespace accel::emulated {

FileState::FileState() {
    std::array<int, 2> ends{};
    // Sockets and not a pipe: a write without a reader raises no signal.
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) != 0) {
        throw std::system_error(errno, std::generic_category());
    }
    OwnedFd user(ends[0]);
    peer_ = OwnedFd(ends[1]);
    user_ = std::move(user);
}

void FileState::set_ready(bool ready) noexcept {
    if (ready == ready_ || ended_ != 0) {
        return;
    }
    char token = 0;
    if (ready) {
        ready_ = ::send(peer_.get(), &token, 1, MSG_NOSIGNAL | MSG_DONTWAIT) == 1;
    } else {
        ready_ = ::recv(user_.get(), &token, 1, MSG_DONTWAIT) != 1;
    }
}

void FileState::end(int error) noexcept {
    ended_ = error;
    // A socket that is closed with unread data makes poll() on its peer report an error, too.
    const char token = 0;
    [[maybe_unused]] const auto sent = ::send(user_.get(), &token, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    peer_.reset();
}

std::uint64_t QueueState::completed() const noexcept {
    return __atomic_load_n(&status().completed, __ATOMIC_SEQ_CST);
}

int QueueState::look(std::uint64_t sequence, std::uint32_t since) const noexcept {
    if (epoch != since) {
        return -ECANCELED;
    }
    if (completed() >= sequence) {
        return 1;
    }
    if (file->ended() != 0) {
        return -file->ended();
    }
    if (error.status == ACCEL_TIME_LIMIT || error.status == ACCEL_NO_PROGRESS) {
        return -ETIME;
    }
    return error.status != 0 ? -EIO : 0;
}

void QueueState::arm() noexcept {
    const std::uint64_t done = completed();
    std::uint64_t lowest = notify > done ? notify : UINT64_MAX;
    const auto next = waiting.upper_bound(done);
    lowest = std::min(lowest, next == waiting.end() ? UINT64_MAX : *next);
    if (lowest != UINT64_MAX) {
        __atomic_store_n(&status().arm, lowest, __ATOMIC_SEQ_CST);
    }
}

void QueueState::update() noexcept {
    if (notify == 0 && waiting.empty()) {
        return;
    }
    // The queue is armed before it is read: a command that completes between raises an interrupt.
    arm();
    if (!waiting.empty() && look(*waiting.begin(), epoch) != 0) {
        changed.notify_all();
    }
    const int state = notify != 0 ? look(notify, epoch) : 0;
    if (state != 0) {
        signal_eventfd();
        file->due = true;
        file->failed = file->failed || state < 0;
    }
}

void QueueState::signal_eventfd() noexcept {
    if (eventfd && std::exchange(eventfd_due, false)) {
        const std::uint64_t one = 1;
        // It fails only if the counter is at its maximum, and then the eventfd is readable.
        [[maybe_unused]] const auto written = ::write(eventfd.get(), &one, sizeof one);
    }
}

}  // namespace accel::emulated
