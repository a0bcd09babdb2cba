// SPDX-License-Identifier: Apache-2.0
//
// An io_uring instance for the benchmark programs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <system_error>
#include <vector>

#include "io_uring_instance.hpp"

namespace accel::bench {

/// Throws if `result` is a negative errno.
inline void require(int result, const char* what) {
    if (result < 0) {
        throw std::system_error(-result, std::generic_category(), what);
    }
}

class IoUring : public test::IoUring {
  public:
    using test::IoUring::IoUring;

    /// Submits all entries and waits for `count` completions, in one system call. True if all of
    /// them have the result `wanted`.
    [[nodiscard]] bool finish(unsigned count, int wanted = 0) {
        if (io_uring_submit_and_wait(get(), count) < 0) {
            return false;
        }
        bool right = true;
        unsigned head = 0;
        unsigned seen = 0;
        io_uring_cqe* cqe = nullptr;
        io_uring_for_each_cqe(get(), head, cqe) {
            right &= cqe->res == wanted;
            ++seen;
        }
        io_uring_cq_advance(get(), seen);
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
        require(io_uring_register_buffers(get(), vectors.data(), static_cast<unsigned>(slots)),
                "io_uring_register_buffers");
    }
};

}  // namespace accel::bench
