// SPDX-License-Identifier: Apache-2.0
//
// Several commands that are published to the card together.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <memory>
#include <span>

#include "accel/command.hpp"
#include "accel/command_list.hpp"
#include "accel/job.hpp"
#include "accel/visibility.hpp"

namespace accel {

namespace detail {
class QueueImpl;
}

/// Commands that are in the ring of a queue, but not yet visible to the card. Queue::batch() makes
/// one; submit() publishes all of it with at most one doorbell write. A batch that is destroyed
/// without submit() takes its commands back, so an exception leaves nothing behind. A batch holds
/// at most as many commands as the ring. Its queue accepts no other submission while the batch is
/// open. Move-only.
///
/// Thread-safety: none of its own; the caller serializes it with its queue.
class ACCEL_API Batch {
  public:
    Batch(Batch&&) noexcept;
    Batch& operator=(Batch&&) = delete;
    Batch(const Batch&) = delete;
    Batch& operator=(const Batch&) = delete;
    ~Batch();

    /// Appends a command, or a call of a closed list. Waits for room and throws like
    /// Queue::submit(); also throws Error(invalid_argument) when the batch would be longer than the
    /// ring. On an exception the batch is unchanged.
    Batch& add(const Command& command);
    Batch& add(const CommandList& list, std::initializer_list<Operand> arguments = {});
    Batch& add(const CommandList& list, std::span<const Operand> arguments);

    /// Number of commands added.
    [[nodiscard]] std::size_t size() const;

    /// Publishes all commands and ends the batch. The job is the last of them. Throws
    /// Error(invalid_argument) if the batch is empty.
    Job submit();

  private:
    friend class Queue;
    explicit Batch(std::shared_ptr<detail::QueueImpl> impl) noexcept;
    [[gnu::noinline]] Batch& add_slow(const Command& command);
    std::shared_ptr<detail::QueueImpl> impl_;
};

}  // namespace accel
