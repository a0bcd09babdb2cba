// SPDX-License-Identifier: Apache-2.0
//
// An io_uring instance for the benchmark programs.
#pragma once

#include <liburing.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace accel::bench {

inline void require(int result, const char* what) {
    if (result < 0) {
        throw std::runtime_error(std::string(what) + ": error " + std::to_string(-result));
    }
}

class IoUring {
  public:
    /// `flags` as for io_uring_setup(2).
    explicit IoUring(unsigned entries, unsigned flags = 0) {
        require(io_uring_queue_init(entries, &ring_, flags), "io_uring");
    }
    IoUring(const IoUring&) = delete;
    IoUring& operator=(const IoUring&) = delete;
    IoUring(IoUring&&) = delete;
    IoUring& operator=(IoUring&&) = delete;
    ~IoUring() { io_uring_queue_exit(&ring_); }

    [[nodiscard]] io_uring* get() { return &ring_; }
    /// The next free entry, which finish() submits. Throws if none is free.
    [[nodiscard]] io_uring_sqe* entry() {
        io_uring_sqe* const sqe = io_uring_get_sqe(&ring_);
        if (sqe == nullptr) {
            throw std::length_error("the io_uring is full");
        }
        return sqe;
    }

    /// Submits all entries and waits for `count` completions, in one system call. True if all of
    /// them have the result `wanted`.
    [[nodiscard]] bool finish(unsigned count, int wanted = 0) {
        if (io_uring_submit_and_wait(&ring_, count) < 0) {
            return false;
        }
        bool right = true;
        unsigned head = 0;
        unsigned seen = 0;
        io_uring_cqe* cqe = nullptr;
        io_uring_for_each_cqe(&ring_, head, cqe) {
            right &= cqe->res == wanted;
            ++seen;
        }
        io_uring_cq_advance(&ring_, seen);
        return right && seen == count;
    }

    /// Registers each slot as a buffer of its own. On 6.1, passthrough refuses a registered buffer
    /// that is longer than the longest command.
    void register_slots(std::span<std::byte> memory, std::size_t slots) {
        std::vector<iovec> vectors;
        const std::size_t bytes = memory.size() / slots;
        for (std::size_t i = 0; i < slots; ++i) {
            vectors.push_back({memory.data() + i * bytes, bytes});
        }
        require(io_uring_register_buffers(&ring_, vectors.data(), static_cast<unsigned>(slots)),
                "registering buffers");
    }

  private:
    io_uring ring_{};
};

}  // namespace accel::bench
