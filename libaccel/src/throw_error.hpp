// SPDX-License-Identifier: Apache-2.0
//
// The functions by which the library throws Error.
#pragma once

#include <cerrno>  // for the callers of throw_errno()
#include <cstdint>
#include <string>
#include <system_error>

#include "accel/buffer.hpp"
#include "accel/error.hpp"
#include "accel/shape.hpp"

namespace accel::detail {

/// Throws with the text "what: explain(error)".
[[noreturn]] void throw_errno(int error, const std::string& what);

/// Throws invalid_argument: a mistake of the caller that the library detects itself.
[[noreturn]] void throw_invalid(const std::string& what);

/// Throws invalid_argument: an object of class `type` is used after it was moved from.
[[noreturn]] void throw_moved_from(const char* type);

/// The command that stopped a queue, and the reason: "command 3 (FILL), at address 0x...: ...".
[[nodiscard]] std::string describe_failure(const CardFailure& failure);

/// Throws io_error or ETIME: job `sequence` failed, or did not run, because its queue stopped at
/// `failure`. `time_limit_ms` is that of the queue; zero: unknown.
[[noreturn]] void throw_failed(std::uint64_t sequence, const CardFailure& failure,
                               std::uint32_t time_limit_ms);

}  // namespace accel::detail
