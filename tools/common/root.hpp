// SPDX-License-Identifier: Apache-2.0
//
// /sys, /proc and /dev: the machine's own, or a copy of another's under a folder (--root).
#pragma once

#include <charconv>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace accel::tools {

/// A file as it was read: its text without the last newline, or an errno.
struct Text {
    std::string value;
    int error = 0;
};

/// Reads; never throws for what is missing, denied or gone meanwhile. Paths begin with '/'.
/// Thread-safety: immutable.
class Root {
  public:
    explicit Root(std::filesystem::path prefix = {}) : prefix_(std::move(prefix)) {}

    /// The machine's own, so that what is found can be opened.
    [[nodiscard]] bool own() const { return prefix_.empty(); }
    [[nodiscard]] std::filesystem::path real(std::string_view path) const;

    [[nodiscard]] Text read(const std::string& path) const;
    [[nodiscard]] std::optional<std::string> text(const std::string& path) const;
    [[nodiscard]] std::optional<std::int64_t> number(const std::string& path, int base = 10) const;
    /// The last component of what a symbolic link points to.
    [[nodiscard]] std::optional<std::string> link(const std::string& path) const;
    /// What a symbolic link points to.
    [[nodiscard]] std::optional<std::string> target(const std::string& path) const;
    /// Names in a folder, sorted; nothing if it cannot be read, and then the errno in `error`.
    [[nodiscard]] std::vector<std::string> list(const std::string& path,
                                                int* error = nullptr) const;
    [[nodiscard]] bool exists(const std::string& path) const;

  private:
    std::filesystem::path prefix_;
};

/// A number that takes up all of the text; "0x" is understood with base 16.
template <typename T>
[[nodiscard]] std::optional<T> parse_number(std::string_view text, int base = 10) {
    if (base == 16 && (text.starts_with("0x") || text.starts_with("0X"))) {
        text.remove_prefix(2);
    }
    T value{};
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value, base);
    if (text.empty() || error != std::errc{} || stop != end) {
        return std::nullopt;
    }
    return value;
}

}  // namespace accel::tools
