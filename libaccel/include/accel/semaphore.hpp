// SPDX-License-Identifier: Apache-2.0
//
// A timeline semaphore: a 64-bit counter that orders queues and the host.
#pragma once

#include <cstdint>
#include <utility>

#include "accel/buffer.hpp"
#include "accel/commands/synchronization.hpp"
#include "accel/visibility.hpp"

namespace accel {

/// A 64-bit word in host memory that only grows. Queues wait for it and set it with commands:
/// `producer.submit(s.signal(1)); consumer.submit(s.wait(1));`. Device::create_semaphore() makes
/// one. Move-only; commands keep the word alive.
///
/// Thread-safety: every member from any thread.
class ACCEL_API Semaphore {
  public:
    /// The command that holds a queue until the semaphore is at least `value`.
    [[nodiscard]] Wait wait(std::uint64_t value) const;

    /// The command that sets the semaphore.
    [[nodiscard]] Signal signal(std::uint64_t value) const;

    /// The current value. Writes that precede the signal are visible to this thread afterwards.
    [[nodiscard]] std::uint64_t value() const;

    /// Sets the semaphore from the host; earlier writes of this thread are visible to every reader
    /// of the new value. A waiting queue checks within a millisecond, or at once after
    /// Queue::ring_doorbell().
    void set(std::uint64_t value);

  private:
    friend class Device;
    explicit Semaphore(Buffer<std::uint64_t> word) noexcept : word_(std::move(word)) {}
    Buffer<std::uint64_t> word_;
};

}  // namespace accel
