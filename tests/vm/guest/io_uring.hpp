// SPDX-License-Identifier: Apache-2.0
//
// An io_uring instance that waits for commands and transfers data.
#pragma once

#include <liburing.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <map>
#include <stdexcept>

#include "uapi.hpp"

namespace uapi {

class IoUring {
  public:
    IoUring() { uapi::require(-io_uring_queue_init(64, &ring_, 0), "io_uring_queue_init"); }
    IoUring(const IoUring&) = delete;
    IoUring& operator=(const IoUring&) = delete;
    IoUring(IoUring&&) = delete;
    IoUring& operator=(IoUring&&) = delete;
    ~IoUring() { io_uring_queue_exit(&ring_); }

    [[nodiscard]] io_uring* get() { return &ring_; }

    void wait_for(const uapi::File& file, std::uint32_t queue, std::uint64_t sequence,
                  std::uint32_t timeout_ms = ACCEL_URING_TIMEOUT_MAX,
                  std::uint32_t operation = ACCEL_URING_WAIT) {
        io_uring_sqe* const sqe = entry(sequence);
        sqe->opcode = IORING_OP_URING_CMD;
        sqe->fd = file.fd();
        sqe->cmd_op = operation;
        const accel_uring_wait wait{
            .handle = queue, .timeout_ms = timeout_ms, .sequence = sequence};
        std::memcpy(sqe->cmd, &wait, sizeof wait);
    }
    [[nodiscard]] io_uring_sqe* entry(std::uint64_t tag) {
        io_uring_sqe* const sqe = io_uring_get_sqe(&ring_);
        if (sqe == nullptr) {
            throw std::runtime_error("the io_uring is full");
        }
        std::memset(sqe, 0, sizeof *sqe);
        sqe->user_data = tag;
        return sqe;
    }
    /// The results of `count` entries by tag, in any order.
    [[nodiscard]] std::map<std::uint64_t, int> results(unsigned count) {
        std::map<std::uint64_t, int> all;
        io_uring_submit(&ring_);
        for (unsigned i = 0; i < count; ++i) {
            __kernel_timespec limit{.tv_sec = uapi::time_limit.count(), .tv_nsec = 0};
            io_uring_cqe* cqe = nullptr;
            uapi::require(-io_uring_wait_cqe_timeout(&ring_, &cqe, &limit), "a completion");
            all[cqe->user_data] = cqe->res;
            io_uring_cqe_seen(&ring_, cqe);
        }
        return all;
    }
    [[nodiscard]] bool idle() {
        io_uring_submit(&ring_);
        io_uring_cqe* cqe = nullptr;
        return io_uring_peek_cqe(&ring_, &cqe) == -EAGAIN;
    }

  private:
    io_uring ring_{};
};

}  // namespace uapi
