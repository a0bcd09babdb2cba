// SPDX-License-Identifier: Apache-2.0
//
// Colors and progress bars. Both are for terminals; colors may be forced.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace accel::tools {

enum class Color : std::uint8_t { none, good, bad, warning, faint, bold };

/// Standard output: a terminal or not, colored or not.
class Terminal {
  public:
    /// `mode` is auto, always or never. auto colors if stdout is a terminal, NO_COLOR is not set,
    /// and TERM is not dumb.
    explicit Terminal(std::string_view mode = "auto");

    [[nodiscard]] std::string paint(Color color, std::string_view text) const;
    [[nodiscard]] bool interactive() const { return interactive_; }
    [[nodiscard]] bool colored() const { return colored_; }

    /// Columns and rows; 80 x 24 if the terminal does not report them.
    struct Size {
        int columns = 80;
        int rows = 24;
    };
    [[nodiscard]] static Size size();

  private:
    bool interactive_;
    bool colored_;
};

/// A progress bar on stderr, if that is a terminal. It appears after a second and is erased when
/// this object is destroyed.
class Progress {
  public:
    explicit Progress(std::string what);
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;
    Progress(Progress&&) = delete;
    Progress& operator=(Progress&&) = delete;
    ~Progress();

    /// `done` is from 0 to 1.
    void update(double done, std::string_view detail = {});

  private:
    using Clock = std::chrono::steady_clock;
    std::string what_;
    Clock::time_point start_ = Clock::now();
    Clock::time_point drawn_;
    bool terminal_;
    bool shown_ = false;
};

}  // namespace accel::tools
