// SPDX-License-Identifier: Apache-2.0
//
// Numbers in units that people read, and tables.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace accel::tools {

/// "256 MiB"; exact if the value is a whole number of its unit.
[[nodiscard]] std::string human_bytes(std::uint64_t bytes);
/// "1.2 GB/s"
[[nodiscard]] std::string human_rate(double bytes_per_second);
/// "12.3 k", "4.5 M"
[[nodiscard]] std::string human_count(double count);
/// "1.5 us"
[[nodiscard]] std::string human_time(double seconds);

/// A table whose columns are as wide as their widest cells.
class Table {
  public:
    enum class Align : std::uint8_t { left, right };
    struct Column {
        std::string title;
        Align align = Align::left;
    };
    explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
    void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
    [[nodiscard]] bool empty() const { return rows_.empty(); }
    /// Lines that end with a newline; trailing blanks are cut.
    [[nodiscard]] std::string to_string(std::string_view indent = "") const;

  private:
    std::vector<Column> columns_;
    std::vector<std::vector<std::string>> rows_;
};

/// The first `columns` of a line with colors. A cut line ends with the default color.
[[nodiscard]] std::string clip(std::string_view line, std::size_t columns);

/// "1 queue", "3 queues"
[[nodiscard]] std::string plural(std::uint64_t count, std::string_view noun);

/// The columns that a UTF-8 text takes on a terminal; every character counts as one.
[[nodiscard]] std::size_t columns_of(std::string_view text);

/// The text as one word of a shell's command line, in quotes if it needs them.
[[nodiscard]] std::string shell_word(const std::string& text);

}  // namespace accel::tools
