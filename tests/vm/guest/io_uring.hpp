// SPDX-License-Identifier: Apache-2.0
//
// An io_uring instance that waits for commands and transfers data.
#pragma once

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <map>

#include "io_uring_instance.hpp"
#include "uapi.hpp"

namespace uapi {

class IoUring : public accel::test::IoUring {
  public:
    explicit IoUring(unsigned entries = 64) : accel::test::IoUring(entries) {}

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
    /// The next free entry, cleared and with this tag. Throws if none is free.
    [[nodiscard]] io_uring_sqe* entry(std::uint64_t tag) {
        io_uring_sqe* const sqe = accel::test::IoUring::entry();
        std::memset(sqe, 0, sizeof *sqe);
        sqe->user_data = tag;
        return sqe;
    }
    /// The results of `count` entries by tag, in any order.
    [[nodiscard]] std::map<std::uint64_t, int> results(unsigned count) {
        std::map<std::uint64_t, int> all;
        io_uring_submit(get());
        for (unsigned i = 0; i < count; ++i) {
            __kernel_timespec limit{.tv_sec = uapi::time_limit.count(), .tv_nsec = 0};
            io_uring_cqe* cqe = nullptr;
            uapi::require(-io_uring_wait_cqe_timeout(get(), &cqe, &limit), "a completion");
            all[cqe->user_data] = cqe->res;
            io_uring_cqe_seen(get(), cqe);
        }
        return all;
    }
    [[nodiscard]] bool idle() {
        io_uring_submit(get());
        io_uring_cqe* cqe = nullptr;
        return io_uring_peek_cqe(get(), &cqe) == -EAGAIN;
    }
};

}  // namespace uapi
