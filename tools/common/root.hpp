// SPDX-License-Identifier: Apache-2.0
//
// The files of /sys, /proc and /dev: those of this machine, or a copy of another machine's in a
// folder (--root).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace accel::tools {

/// The content of a file without its last newline, or an errno.
struct Text {
    std::string value;
    int error = 0;
};

/// Reads files. Never throws for a file that is missing, denied or removed during the call. Paths
/// begin with '/'. Thread-safety: immutable.
class SystemRoot {
  public:
    explicit SystemRoot(std::string prefix = {}) : prefix_(std::move(prefix)) {}

    /// True for this machine: its nodes can be opened.
    [[nodiscard]] bool own() const { return prefix_.empty(); }
    /// The path of the file on this machine.
    [[nodiscard]] std::string real(std::string_view path) const;

    [[nodiscard]] Text read(const std::string& path) const;
    [[nodiscard]] std::optional<std::string> text(const std::string& path) const;
    [[nodiscard]] std::optional<std::int64_t> number(const std::string& path, int base = 10) const;
    /// The last component of a symbolic link's target.
    [[nodiscard]] std::optional<std::string> link(const std::string& path) const;
    /// The target of a symbolic link.
    [[nodiscard]] std::optional<std::string> target(const std::string& path) const;
    /// The names in a folder, sorted. Empty if it cannot be read; `error` then gets the errno.
    [[nodiscard]] std::vector<std::string> list(const std::string& path,
                                                int* error = nullptr) const;
    [[nodiscard]] bool exists(const std::string& path) const;

  private:
    std::string prefix_;
};

/// The number that is all of the text. With base 16 a prefix "0x" is skipped. `T` is one of the
/// types that root.cpp instantiates.
template <typename T>
[[nodiscard]] std::optional<T> parse_number(std::string_view text, int base = 10);

}  // namespace accel::tools
