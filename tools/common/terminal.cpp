// SPDX-License-Identifier: Apache-2.0
#include "terminal.hpp"

#include <fmt/core.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace accel::tools {

namespace {

constexpr int bar_columns = 30;

bool wanted(std::string_view mode, bool terminal) {
    if (mode != "auto") {
        return mode == "always";
    }
    const char* const kind = std::getenv("TERM");  // NOLINT(concurrency-mt-unsafe): read only
    return terminal && std::getenv("NO_COLOR") == nullptr &&  // NOLINT(concurrency-mt-unsafe)
           kind != nullptr && std::string_view(kind) != "dumb";
}

}  // namespace

Terminal::Terminal(std::string_view mode)
    : interactive_(::isatty(STDOUT_FILENO) == 1), colored_(wanted(mode, interactive_)) {}

std::string Terminal::paint(Color color, std::string_view text) const {
    if (!colored_) {
        return std::string(text);
    }
    const char* code = "";
    switch (color) {
        case Color::none:
            return std::string(text);
        case Color::good:
            code = "32";
            break;
        case Color::bad:
            code = "1;31";
            break;
        case Color::warning:
            code = "33";
            break;
        case Color::faint:
            code = "2";
            break;
        case Color::bold:
            code = "1";
            break;
    }
    return fmt::format("\x1b[{}m{}\x1b[0m", code, text);
}

Terminal::Size Terminal::size() {
    winsize window{};
    if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 0 &&
        window.ws_row > 0) {
        return {.columns = window.ws_col, .rows = window.ws_row};
    }
    return {};
}

Progress::Progress(std::string what)
    : what_(std::move(what)), terminal_(::isatty(STDERR_FILENO) == 1) {}

void Progress::update(double done, std::string_view detail) {
    const auto now = Clock::now();
    if (!terminal_ || now - start_ < std::chrono::seconds(1) ||
        now - drawn_ < std::chrono::milliseconds(100)) {
        return;
    }
    drawn_ = now;
    shown_ = true;
    const int full = std::clamp(static_cast<int>(done * bar_columns), 0, bar_columns);
    (void)std::fputs(
        fmt::format("\r\x1b[K{} [{}{}] {:3.0f} % {}", what_, std::string(full, '#'),
                    std::string(bar_columns - full, '.'), std::clamp(done, 0.0, 1.0) * 100, detail)
            .c_str(),
        stderr);
    (void)std::fflush(stderr);
}

Progress::~Progress() {
    if (shown_) {
        (void)std::fputs("\r\x1b[K", stderr);
        (void)std::fflush(stderr);
    }
}

}  // namespace accel::tools
