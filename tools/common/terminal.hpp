// SPDX-License-Identifier: Apache-2.0
//
// Colours and progress bars: on a terminal only, unless asked for.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace accel::tools {

enum class Colour : std::uint8_t { none, good, bad, warning, faint, bold };

/// What stdout is, and whether to colour it.
class Terminal {
  public:
    /// `mode` is auto, always or never. auto: if stdout is a terminal, NO_COLOR is not set, and
    /// TERM is not dumb.
    explicit Terminal(std::string_view mode = "auto");

    [[nodiscard]] std::string paint(Colour colour, std::string_view text) const;
    [[nodiscard]] bool interactive() const { return interactive_; }
    [[nodiscard]] bool coloured() const { return coloured_; }

    /// Columns and rows; 80 x 24 if nobody knows.
    struct Size {
        int columns = 80;
        int rows = 24;
    };
    [[nodiscard]] static Size size();

  private:
    bool interactive_;
    bool coloured_;
};

/// A bar on stderr, if that is a terminal, for what takes longer than a second. It is gone when
/// this is destroyed.
class Progress {
  public:
    explicit Progress(std::string what);
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;
    Progress(Progress&&) = delete;
    Progress& operator=(Progress&&) = delete;
    ~Progress();

    /// `share` from 0 to 1.
    void update(double share, std::string_view detail = {});

  private:
    using Clock = std::chrono::steady_clock;
    std::string what_;
    Clock::time_point start_ = Clock::now();
    Clock::time_point drawn_;
    bool terminal_;
    bool shown_ = false;
};

}  // namespace accel::tools
