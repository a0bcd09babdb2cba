// SPDX-License-Identifier: Apache-2.0
//
// Command: a checked and encoded command of the card. The structs under accel/commands/ describe
// one each. The data sheet (docs/reference/hardware.md, section 5) defines the results, to the bit.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "accel/commands/attention.hpp"
#include "accel/commands/data_type.hpp"
#include "accel/commands/elementwise.hpp"
#include "accel/commands/image.hpp"
#include "accel/commands/list_control.hpp"
#include "accel/commands/matrix.hpp"
#include "accel/commands/memory.hpp"
#include "accel/commands/operand.hpp"
#include "accel/commands/synchronization.hpp"
#include "accel/commands/tensor.hpp"
#include "accel/commands/unary_op.hpp"
#include "accel/visibility.hpp"

namespace accel {

namespace detail {
struct CommandAccess;
}

/// A raw command as text, such as "FILL dst=0x1000 pattern=0x0 pattern_bytes=4 bytes=64", for
/// diagnostics. Every 64 bytes have a description.
[[nodiscard]] ACCEL_API std::string describe_command(std::span<const std::byte, 64> bytes);

/// Written by the card for a command made with Command::with_record().
struct alignas(32) CompletionRecord {
    std::uint64_t sequence;    ///< as Job::sequence()
    std::uint32_t status;      ///< a CardStatus
    std::uint32_t list_index;  ///< index in the CommandList; ~0 for a command outside of one
    std::uint64_t start;       ///< device ticks, of which DeviceInfo::clock_hz make a second
    std::uint64_t end;
};

/// A checked and encoded command. It converts from each of the command structs, so a program seldom
/// names it: `queue.submit(accel::Fill{...})`. A Command that is kept can be submitted many times
/// and is checked only once. It keeps its buffers alive.
///
/// Errors: the constructors throw Error(invalid_argument) with a sentence that names the field.
/// Thread-safety: a value; const members from any thread.
class ACCEL_API Command {
  public:
    // NOLINTBEGIN(google-explicit-constructor): each of these structs is a command
    Command(const Nop& nop);
    Command(const Copy& copy);
    Command(const Fill& fill);
    Command(const Wait& wait);
    Command(const Signal& signal);
    Command(const Loop& loop);
    Command(const Skip& skip);
    Command(const SetArgument& set);
    Command(const Gemm& gemm);
    Command(const Elementwise& elementwise);
    Command(const Softmax& softmax);
    Command(const Reduce& reduce);
    Command(const Conv2d& conv);
    Command(const Pool& pool);
    Command(const Transpose& transpose);
    Command(const Gather& gather);
    Command(const Resize& resize);
    Command(const Scatter& scatter);
    Command(const Attention& attention);
    // NOLINTEND(google-explicit-constructor)

    /// A command of 64 bytes that the card gets unchanged: for a card with commands that this
    /// library does not know. The library checks nothing and keeps nothing alive.
    [[nodiscard]] static Command raw(const std::array<std::byte, 64>& bytes);

    /// The command as bytes for a file; deserialize() reads them. Throws Error(invalid_argument)
    /// unless all operands are arguments.
    [[nodiscard]] std::vector<std::byte> serialize() const;

    /// The command that serialize() of this version of libaccel wrote. Throws
    /// Error(invalid_argument) for bytes that it cannot have written. The bytes need not be
    /// trusted: the card checks every access.
    [[nodiscard]] static Command deserialize(std::span<const std::byte> bytes);

    /// A copy of the command for which the card also writes a CompletionRecord at `record` (32-byte
    /// aligned) when it is finished.
    [[nodiscard]] Command with_record(const Operand& record) const;

  private:
    friend struct detail::CommandAccess;

    static constexpr std::size_t max_uses = 8;  // those of Attention, and a record
    static constexpr std::size_t max_params = 144;

    // An operand, and the bytes and the access that the command needs of it.
    struct Use {
        Operand operand;
        std::uint64_t bytes = 0;
        std::uint32_t alignment = 1;
        Access access = Access::read;
    };

    Command() = default;

    alignas(16) std::array<std::uint64_t, 8> words_{};  // struct accel_command
    // A summary of all uses, so that a submission need not look at each of them.
    const void* space_ = nullptr;  // as detail::Allocation::space; null: any
    bool only_in_list_ = false;    // it has arguments, or changes the order of a list
    std::uint32_t owner_count_ = 0;
    std::array<const void*, max_uses> owners_{};  // of the operands in uses_
    std::uint32_t use_count_ = 0;
    std::uint32_t params_size_ = 0;
    std::array<Use, max_uses> uses_{};
    alignas(16) std::array<std::byte, max_params> params_{};
};

}  // namespace accel
