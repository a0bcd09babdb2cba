// SPDX-License-Identifier: Apache-2.0
//
// A recorded list of commands that runs as one: a whole model is one 64-byte command.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "accel/command.hpp"
#include "accel/visibility.hpp"

namespace accel {

namespace detail {
class ListImpl;
struct ListAccess;
}  // namespace detail

/// A recorded list of commands. Record an address that changes from call to call as argument(i),
/// and pass the operand to Queue::submit(). add() checks each command; submit() checks each
/// argument against all commands that use it. The list keeps its buffers alive, and a job keeps its
/// list alive. Device::create_command_list() makes one. Move-only.
///
/// Thread-safety: one thread at a time records; after close(), const use from any thread.
class ACCEL_API CommandList {
  public:
    CommandList(CommandList&&) noexcept;
    CommandList& operator=(CommandList&&) noexcept;
    CommandList(const CommandList&) = delete;
    CommandList& operator=(const CommandList&) = delete;
    ~CommandList();

    /// Appends a command. Throws Error(invalid_argument) if the list is closed or has
    /// DeviceInfo::max_list_commands commands; the list is then unchanged.
    CommandList& add(const Command& command);

    /// Names argument(i) for the errors of a submission, such as "the image"; without a name it is
    /// "argument 3". Throws Error(invalid_argument) if the list is closed, or if a call cannot have
    /// that argument.
    CommandList& name_argument(std::uint32_t argument, std::string name);

    /// Writes the commands and their parameters to memory that the card reads. A list can be
    /// submitted once it is closed, and nothing can be added to it any more.
    void close();

    [[nodiscard]] bool closed() const;

    /// Number of commands.
    [[nodiscard]] std::size_t size() const;

    /// Number of arguments of a call: the highest recorded argument(i), plus one.
    [[nodiscard]] std::uint32_t arguments() const;

  private:
    friend struct detail::ListAccess;
    explicit CommandList(std::shared_ptr<detail::ListImpl> impl) noexcept;
    std::shared_ptr<detail::ListImpl> impl_;
};

}  // namespace accel
