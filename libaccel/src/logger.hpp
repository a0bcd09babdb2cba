// SPDX-License-Identifier: Apache-2.0
//
// The destination and the level of the log.
#pragma once

#include <string>
#include <string_view>

#include "accel/file_descriptor.hpp"
#include "accel/log.hpp"

namespace accel::detail {

/// Thread-safety: const members from any thread.
class Logger {
  public:
    /// `setting` is the value of ACCEL_LOG. Complaints about it, and the log without a file, are
    /// written to `standard_error`, which the caller keeps open.
    Logger(std::string_view setting, int standard_error) noexcept;

    [[nodiscard]] LogLevel level() const noexcept { return level_; }
    void write(LogLevel level, std::string_view text) const noexcept;

  private:
    void open_file(std::string_view name) noexcept;

    LogLevel level_ = LogLevel::off;
    int fd_;
    FileDescriptor file_;
};

/// Writes the text that `describe` returns, unless it is empty. Without the level it is not called.
template <typename Describe>
void log_lazily(LogLevel level, Describe describe) noexcept {
    if (!log_enabled(level)) {
        return;
    }
    try {
        if (const std::string text = describe(); !text.empty()) {
            log(level, text);
        }
    } catch (...) {
        return;  // no memory for a line of the log
    }
}

}  // namespace accel::detail
