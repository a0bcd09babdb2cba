// SPDX-License-Identifier: Apache-2.0
//
// The order of a recorded list: how the bodies of its loops nest, and which arguments its own
// commands set.
#pragma once

#include <accel_hw.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "command_access.hpp"

namespace accel::detail {

/// A slice that a SET_ARGUMENT makes an argument.
struct SetSlice {
    Operand base;  // the lowest of its slices
    std::uint64_t bytes = 0;
    std::uint64_t distances = 0;  // the bits of its address and of all strides: their alignment
    Access access = Access::read_write;
};

/// Checks the commands that only lists may hold. check() changes nothing; add() records a command
/// that it accepted.
class ListNesting {
  public:
    /// Throws if the command, as the one behind `size` commands, does not fit the bodies around it.
    void check(const accel_command& command, std::size_t size) const;
    /// `resolved` is without_slices(uses).
    void add(const accel_command& command, std::span<const CommandAccess::Use> uses,
             std::span<const CommandAccess::Use> resolved, std::size_t size);
    /// Throws if a body has no end, or if the caller passes an argument that the list sets.
    void check_end(std::size_t size, std::size_t arguments) const;

    /// The slice of an argument, if a command before has set it.
    [[nodiscard]] const SetSlice* slice(std::uint32_t argument) const {
        const auto found = slices_.find(argument);
        return found == slices_.end() ? nullptr : &found->second;
    }
    /// The uses of the arguments of a call that these uses amount to: a use of a slice is a use of
    /// its base. Throws if one does not fit its slice.
    [[nodiscard]] std::vector<CommandAccess::Use> without_slices(
        std::span<const CommandAccess::Use> uses) const;

  private:
    // The bodies that contain command `at`, by their ends, outermost first.
    [[nodiscard]] std::vector<std::size_t> open_bodies(std::size_t at) const;

    std::vector<std::size_t> ends_;  // of the bodies that may be open, outermost first
    std::size_t furthest_ = 0;       // the end of the last commands that a SKIP skips
    std::map<std::uint32_t, SetSlice> slices_;
};

}  // namespace accel::detail
