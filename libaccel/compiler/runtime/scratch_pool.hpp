// SPDX-License-Identifier: Apache-2.0
//
// Scratch memory for runs of a model, in any of its shapes.
//
// Runs on one queue execute in order, so they share one buffer. Each queue in use has a buffer of
// its own. A queue without a buffer takes over the buffer of a queue whose last run has ended.
#pragma once

#include <accel/buffer.hpp>
#include <accel/device.hpp>
#include <accel/job.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>

namespace accel::compiler {

class ScratchPool {
  public:
    /// A buffer that no other queue takes over until the lease ends.
    class Lease;

    /// Allocates a buffer for the first queue, or makes an idle one as large, so that its runs need
    /// no more memory.
    void reserve(const Device& device, std::uint64_t bytes);
    /// The bytes of the largest buffer.
    [[nodiscard]] std::uint64_t largest() const;

  private:
    struct Scratch {
        std::uint32_t queue = 0;  // Queue::id()
        bool leased = false;
        Buffer<std::byte> memory;
        Job job;  // the last that uses the memory

        void grow(const Device& device, std::uint64_t bytes);
    };

    mutable std::mutex mutex_;  // guards the buffers; not held while a run is submitted
    std::deque<Scratch> buffers_;
};

class ScratchPool::Lease {
  public:
    /// Leases a buffer of `bytes` for a run on `queue`; allocates one if none is free.
    Lease(ScratchPool& pool, const Device& device, std::uint64_t bytes, std::uint32_t queue);
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    Lease(Lease&&) = delete;
    Lease& operator=(Lease&&) = delete;
    ~Lease();

    [[nodiscard]] const Buffer<std::byte>& memory() const { return scratch_->memory; }

    /// Records the run that uses the buffer.
    void used_by(const Job& job) { job_ = job; }

  private:
    ScratchPool& pool_;
    Scratch* scratch_ = nullptr;
    std::optional<Job> job_;
};

}  // namespace accel::compiler
