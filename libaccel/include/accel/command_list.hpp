// SPDX-License-Identifier: Apache-2.0
//
// A recorded list of commands that runs as one: a whole model is one 64-byte command.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "accel/buffer.hpp"
#include "accel/command.hpp"
#include "accel/visibility.hpp"

namespace accel {

namespace detail {
class ListImpl;
struct ListAccess;
}  // namespace detail

/// A recorded list. Addresses that change from call to call are recorded as argument(i). Recording
/// checks each command; submitting checks each argument against all that the list does with it.
/// The list keeps the buffers it names alive, and a job keeps its list alive. Move-only.
///
/// Thread-safety: recording by one thread at a time; once close() returned, const use by any.
class ACCEL_API CommandList {
  public:
    CommandList(CommandList&&) noexcept;
    CommandList& operator=(CommandList&&) noexcept;
    CommandList(const CommandList&) = delete;
    CommandList& operator=(const CommandList&) = delete;
    ~CommandList();

    /// Appends a command. On an exception the list is as before.
    CommandList& add(const Command& command);

    /// Writes the list, with its parameter blocks, where the card finds it. Nothing can be added
    /// after that. Submitting needs it.
    void close();

    [[nodiscard]] bool closed() const;
    [[nodiscard]] std::size_t size() const;

    /// How many arguments a call of this list takes: the highest argument(i) recorded, plus one.
    [[nodiscard]] std::uint32_t arguments() const;

  private:
    friend struct detail::ListAccess;
    explicit CommandList(std::shared_ptr<detail::ListImpl> impl) noexcept;
    std::shared_ptr<detail::ListImpl> impl_;
};

}  // namespace accel
