// SPDX-License-Identifier: Apache-2.0
//
// The log of the library, which the environment variable ACCEL_LOG switches on.
#pragma once

#include <cstdint>
#include <string_view>

#include "accel/visibility.hpp"

namespace accel {

/// How much is logged; each level includes those before it.
enum class LogLevel : std::uint8_t {
    off = 0,    ///< nothing: the default
    error = 1,  ///< failures of queues and cards
    warn = 2,   ///< events that cost time or work, such as a card that drops out of a group
    info = 3,   ///< cards opened, queues created and reset, models loaded, with times
    debug = 4,  ///< memory allocated, mapped, registered, exported and imported
};

/// Whether the log has this level. The variable is ACCEL_LOG=LEVEL or ACCEL_LOG=LEVEL,FILE, such as
/// `ACCEL_LOG=info` or `ACCEL_LOG=debug,/var/log/accel.log`; without a file, the log is on standard
/// error. It is read once, at the first use of the library; a bad value is reported on standard
/// error then, and nothing is logged. Programs with raised privileges ignore the variable.
///
/// Thread-safety: any thread.
[[nodiscard]] ACCEL_API bool log_enabled(LogLevel level) noexcept;

/// Writes a line to the log of the library, if it has the level: the time in UTC, the process, the
/// level, and `text`. Lines of several threads and processes do not mix.
///
/// Thread-safety: any thread.
ACCEL_API void log(LogLevel level, std::string_view text) noexcept;

}  // namespace accel
