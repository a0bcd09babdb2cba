// SPDX-License-Identifier: Apache-2.0
//
// Operands of commands: a buffer, an argument of a command list, or a bare address.
#pragma once

#include <cstdint>
#include <memory>

#include "accel/buffer.hpp"

namespace accel {

namespace detail {
struct CommandAccess;
}

/// A placeholder in a recorded CommandList: argument `index` of the call, plus an offset.
struct Argument {
    std::uint32_t index = 0;
    std::uint64_t offset = 0;  ///< bytes
};

/// Argument `index` of the call that runs the list, `offset` bytes from its start.
[[nodiscard]] constexpr Argument argument(std::uint32_t index, std::uint64_t offset = 0) noexcept {
    return {index, offset};
}

/// The place where a command reads or writes. An operand made from a buffer is checked against the
/// size and the access of the buffer, and the job keeps the memory alive. A bare address is not
/// checked by the library, only by the card's MMU, and keeps nothing alive.
///
/// Thread-safety: a value; const members from any thread.
class Operand {
  public:
    Operand() = default;  ///< not set
    template <typename T>
    Operand(const Buffer<T>& buffer)  // NOLINT(google-explicit-constructor): a buffer is an operand
        : owner_(buffer.memory_.owner),
          space_(buffer.memory_.space),
          address_(buffer.memory_.address),
          bytes_(buffer.memory_.bytes),
          access_(buffer.memory_.access),
          kind_(buffer.memory_.owner != nullptr ? Kind::buffer : Kind::none) {}
    Operand(Argument argument)  // NOLINT(google-explicit-constructor)
        : address_(argument.offset), argument_(argument.index), kind_(Kind::argument) {}
    Operand(Address address)  // NOLINT(google-explicit-constructor)
        : address_(static_cast<std::uint64_t>(address)), kind_(Kind::address) {}

    /// Whether the operand is set.
    explicit operator bool() const noexcept { return kind_ != Kind::none; }

  private:
    friend struct detail::CommandAccess;

    enum class Kind : std::uint8_t { none, buffer, argument, address };

    std::shared_ptr<const void> owner_;  // as detail::Allocation::owner
    const void* space_ = nullptr;        // as detail::Allocation::space
    std::uint64_t address_ = 0;          // of an argument: the offset
    std::uint64_t bytes_ = 0;            // from the address on; buffers only
    std::uint32_t argument_ = 0;
    Access access_ = Access::read_write;
    Kind kind_ = Kind::none;
};

}  // namespace accel
