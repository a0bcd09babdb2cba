// SPDX-License-Identifier: Apache-2.0
#include "text.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace accel::tools {

namespace {

std::string scaled(double value, double step, const std::array<const char*, 6>& units) {
    std::size_t unit = 0;
    while (std::fabs(value) >= step && unit + 1 < units.size()) {
        value /= step;
        ++unit;
    }
    const bool whole = value == std::floor(value) || std::fabs(value) >= 100;
    return fmt::format("{:.{}f}{}", value, whole ? 0 : 1, units.at(unit));
}

}  // namespace

std::string human_bytes(std::uint64_t bytes) {
    return scaled(static_cast<double>(bytes), 1024, {" B", " KiB", " MiB", " GiB", " TiB", " PiB"});
}

std::string human_rate(double bytes_per_second) {
    return scaled(bytes_per_second, 1000, {" B/s", " kB/s", " MB/s", " GB/s", " TB/s", " PB/s"});
}

std::string human_count(double count) {
    return scaled(count, 1000, {"", " k", " M", " G", " T", " P"});
}

std::string human_time(double seconds) {
    if (seconds < 1e-6) {
        return fmt::format("{:.0f} ns", seconds * 1e9);
    }
    if (seconds < 1e-3) {
        return fmt::format("{:.1f} us", seconds * 1e6);
    }
    return seconds < 1 ? fmt::format("{:.1f} ms", seconds * 1e3) : fmt::format("{:.1f} s", seconds);
}

std::size_t columns_of(std::string_view text) {
    return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
        return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U;
    }));
}

std::string plural(std::uint64_t count, std::string_view noun) {
    return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

std::string clip(std::string_view line, std::size_t columns) {
    std::string text;
    bool colored = false;
    std::size_t used = 0;
    for (std::size_t i = 0; i < line.size();) {
        if (line[i] == '\x1b') {  // a color: up to its 'm'
            const std::size_t end = std::min(line.find('m', i), line.size() - 1) + 1;
            text += line.substr(i, end - i);
            colored = true;
            i = end;
            continue;
        }
        std::size_t end = i + 1;
        while (end < line.size() && (static_cast<unsigned char>(line[end]) & 0xc0U) == 0x80U) {
            ++end;  // the rest of a UTF-8 character
        }
        if (++used > columns) {
            return colored ? text + "\x1b[0m" : text;
        }
        text += line.substr(i, end - i);
        i = end;
    }
    return text;
}

std::string Table::to_string(std::string_view indent) const {
    std::vector<std::size_t> widths;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
        std::size_t width = columns_of(columns_[i].title);
        for (const auto& row : rows_) {
            width = std::max(width, columns_of(row.at(i)));
        }
        widths.push_back(width);
    }
    std::string text;
    const auto line = [&](auto cell) {
        std::string out(indent);
        for (std::size_t i = 0; i < columns_.size(); ++i) {
            const std::string& value = cell(i);
            const std::string blanks(widths[i] - columns_of(value), ' ');
            out += (i == 0 ? "" : "  ");
            out += columns_[i].align == Align::right ? blanks + value : value + blanks;
        }
        out.erase(out.find_last_not_of(' ') + 1);
        text += out + "\n";
    };
    line([&](std::size_t i) -> const std::string& { return columns_[i].title; });
    for (const auto& row : rows_) {
        line([&](std::size_t i) -> const std::string& { return row.at(i); });
    }
    return text;
}

std::string shell_word(const std::string& text) {
    constexpr const char* plain =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+=:,@%";
    if (!text.empty() && text.find_first_not_of(plain) == std::string::npos) {
        return text;
    }
    std::string word = "'";
    for (const char c : text) {
        word += c == '\'' ? std::string("'\\''") : std::string(1, c);
    }
    return word + "'";
}

}  // namespace accel::tools
