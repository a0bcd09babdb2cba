// SPDX-License-Identifier: Apache-2.0
//
// A timeline semaphore: a 64-bit word that only grows, by which queues and the host order each
// other.
#pragma once

#include <cstdint>

#include "accel/buffer.hpp"
#include "accel/command.hpp"
#include "accel/visibility.hpp"

namespace accel {

/// A word in host memory. Queues wait for it with wait(v) and set it with signal(v), both commands:
/// `producer.submit(s.signal(1)); consumer.submit(s.wait(1));`. Move-only.
///
/// Thread-safety: every member from any thread.
class ACCEL_API Semaphore {
  public:
    /// The command that holds a queue until the semaphore is at least `value`.
    [[nodiscard]] Wait wait(std::uint64_t value) const;

    /// The command that sets it.
    [[nodiscard]] Signal signal(std::uint64_t value) const;

    /// What it is now.
    [[nodiscard]] std::uint64_t value() const;

    /// Sets it from the host; all that this thread wrote before is visible to who sees the value.
    /// A queue that waits looks within a millisecond, at once after Queue::ring_doorbell().
    void set(std::uint64_t value);

  private:
    friend class Device;
    explicit Semaphore(Buffer<std::uint64_t> word) noexcept : word_(std::move(word)) {}
    Buffer<std::uint64_t> word_;
};

}  // namespace accel
