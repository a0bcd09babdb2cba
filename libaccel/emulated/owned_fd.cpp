// SPDX-License-Identifier: Apache-2.0
//
// The table of file descriptors, and what fork() does with it.
#include "owned_fd.hpp"

#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <mutex>
#include <new>
#include <vector>

namespace accel::emulated {

namespace {

// The lock is held across fork(), so that the child sees a whole table.
class FdTable {
  public:
    static FdTable& instance() {
        // Never destroyed: objects of static duration may own file descriptors.
        static FdTable* const table = make();
        return *table;
    }

    void add(int fd) {
        const std::lock_guard lock(mutex_);
        fds_.push_back(fd);
    }

    // Closed under the lock: no fork() may happen between, and the number is not reused before.
    void close(int fd) noexcept {
        const std::lock_guard lock(mutex_);
        fds_.erase(std::find(fds_.begin(), fds_.end(), fd));
        ::close(fd);
    }

    [[nodiscard]] std::size_t size() noexcept {
        const std::lock_guard lock(mutex_);
        return fds_.size();
    }

    [[nodiscard]] unsigned forks() const noexcept { return forks_; }

  private:
    static void before_fork() { instance().mutex_.lock(); }
    static void in_parent() { instance().mutex_.unlock(); }
    static void in_child() {
        FdTable& self = instance();
        ++self.forks_;
        for (const int fd : self.fds_) {
            ::close(fd);
        }
        self.fds_.clear();
        self.mutex_.unlock();
    }

    static FdTable* make() {
        // NOLINTNEXTLINE(cppcoreguidelines-owning-memory): lives as long as the process
        auto* const table = new FdTable;
        if (::pthread_atfork(before_fork, in_parent, in_child) != 0) {
            delete table;  // NOLINT(cppcoreguidelines-owning-memory)
            throw std::bad_alloc();
        }
        return table;
    }

    std::mutex mutex_;
    std::vector<int> fds_;
    unsigned forks_ = 0;
};

}  // namespace

OwnedFd::OwnedFd(int fd) : fd_(fd) {
    if (fd < 0) {
        return;
    }
    try {
        FdTable::instance().add(fd);
    } catch (...) {
        ::close(fd);
        throw;
    }
}

void OwnedFd::reset() noexcept {
    if (fd_ >= 0) {
        FdTable::instance().close(std::exchange(fd_, -1));
    }
}

std::size_t owned_fds() noexcept {
    return FdTable::instance().size();
}

unsigned fork_count() noexcept {
    return FdTable::instance().forks();
}

}  // namespace accel::emulated
