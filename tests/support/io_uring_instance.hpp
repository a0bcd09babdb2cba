// SPDX-License-Identifier: Apache-2.0
//
// Owns an io_uring instance of the kernel.
#pragma once

#include <liburing.h>

#include <stdexcept>
#include <system_error>

namespace accel::test {

class IoUring {
  public:
    // `flags` as for io_uring_setup(2).
    explicit IoUring(unsigned entries, unsigned flags = 0) {
        if (const int error = io_uring_queue_init(entries, &ring_, flags); error != 0) {
            throw std::system_error(-error, std::generic_category(), "io_uring_queue_init");
        }
    }
    IoUring(const IoUring&) = delete;
    IoUring& operator=(const IoUring&) = delete;
    IoUring(IoUring&&) = delete;
    IoUring& operator=(IoUring&&) = delete;
    ~IoUring() { io_uring_queue_exit(&ring_); }

    [[nodiscard]] io_uring* get() { return &ring_; }

    // The next free entry. Throws if none is free.
    [[nodiscard]] io_uring_sqe* entry() {
        io_uring_sqe* const sqe = io_uring_get_sqe(&ring_);
        if (sqe == nullptr) {
            throw std::length_error("the io_uring is full");
        }
        return sqe;
    }

  private:
    io_uring ring_{};
};

}  // namespace accel::test
