// SPDX-License-Identifier: Apache-2.0
//
// A ring of io_uring, as the programs here need it.
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

class Ring {
  public:
    /// `flags` as for io_uring_setup(2).
    explicit Ring(unsigned entries, unsigned flags = 0) {
        require(io_uring_queue_init(entries, &ring_, flags), "io_uring");
    }
    Ring(const Ring&) = delete;
    Ring& operator=(const Ring&) = delete;
    Ring(Ring&&) = delete;
    Ring& operator=(Ring&&) = delete;
    ~Ring() { io_uring_queue_exit(&ring_); }

    [[nodiscard]] io_uring* get() { return &ring_; }
    /// Submitted by finish(); there are as many as the ring is long.
    [[nodiscard]] io_uring_sqe* entry() {
        io_uring_sqe* const sqe = io_uring_get_sqe(&ring_);
        if (sqe == nullptr) {
            throw std::length_error("the ring is full");
        }
        return sqe;
    }

    /// One system call: submits what there is and waits for `count` completions; whether all of
    /// them have the result zero, or `wanted`.
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

    /// The memory of each slot as a buffer of its own: on 6.1 a registered one that is longer than
    /// a command may be is of no use to passthrough.
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
