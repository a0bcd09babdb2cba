// SPDX-License-Identifier: Apache-2.0
#include "svg.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

namespace accel::tools {

namespace {

constexpr double width = 720;
constexpr double height = 340;
constexpr double left = 84;
constexpr double right = 160;
constexpr double top = 44;
constexpr double bottom = 60;
constexpr std::array colors{"#1f6fb4", "#d1661f", "#2f8f4e", "#8a4fb0", "#b03a48", "#5b6770"};

std::string escape(const std::string& text) {
    std::string out;
    for (const char c : text) {
        out += c == '<' ? "&lt;" : c == '>' ? "&gt;" : c == '&' ? "&amp;" : std::string(1, c);
    }
    return out;
}

// The next round number.
double ceiling(double value) {
    if (value <= 0) {
        return 1;
    }
    const double power = std::pow(10, std::floor(std::log10(value)));
    for (const double step : {1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0}) {
        if (value <= step * power) {
            return step * power;
        }
    }
    return 10 * power;
}

std::string text_at(double x, double y, const char* anchor, const std::string& text,
                    const char* attributes = "") {
    return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\"{}>{}</text>\n", x, y,
                       anchor, attributes, escape(text));
}

std::string draw(const Plot& plot, double offset) {
    std::set<double> xs;
    double most = 0;
    for (const Series& series : plot.series) {
        for (const auto& [x, y] : series.points) {
            xs.insert(x);
            most = std::max(most, y);
        }
    }
    if (xs.empty()) {
        return "";
    }
    const double high = ceiling(most);
    const double first = std::log2(*xs.begin());
    const double span = std::max(std::log2(*xs.rbegin()) - first, 1.0);
    const auto place_x = [&](double x) {
        return left + (std::log2(x) - first) / span * (width - left - right);
    };
    const auto place_y = [&](double y) {
        return offset + height - bottom - y / high * (height - top - bottom);
    };
    std::string out =
        text_at(left, offset + 24, "start", plot.title, R"( font-size="15" font-weight="bold")");
    constexpr int rows = 5;
    for (int i = 0; i <= rows; ++i) {
        const double value = high * i / rows;
        const double y = place_y(value);
        out += fmt::format(
            "<line x1=\"{}\" y1=\"{:.1f}\" x2=\"{}\" y2=\"{:.1f}\" "
            "stroke=\"#d8dde2\"/>\n",
            left, y, width - right, y);
        out += text_at(left - 8, y + 4, "end", plot.y_text(value));
    }
    double last = -1e9;
    for (const double x : xs) {
        if (place_x(x) - last > 44) {  // labels must not overlap
            out += text_at(place_x(x), offset + height - bottom + 18, "middle", plot.x_text(x));
            last = place_x(x);
        }
    }
    out += text_at((left + width - right) / 2, offset + height - 16, "middle", plot.x_label);
    out += fmt::format(
        "<text transform=\"translate({:.1f} {:.1f}) rotate(-90)\" "
        "text-anchor=\"middle\">{}</text>\n",
        16.0, offset + (top + height - bottom) / 2, escape(plot.y_label));
    for (std::size_t i = 0; i < plot.series.size(); ++i) {
        const Series& series = plot.series[i];
        const char* const color = colors.at(i % colors.size());
        std::string line;
        for (const auto& [x, y] : series.points) {
            line += fmt::format("{:.1f},{:.1f} ", place_x(x), place_y(y));
            out += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\" fill=\"{}\"/>\n",
                               place_x(x), place_y(y), color);
        }
        out += fmt::format(
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" "
            "stroke-width=\"2\"/>\n",
            line, color);
        const double y = offset + top + 18 * static_cast<double>(i);
        out += fmt::format("<rect x=\"{}\" y=\"{:.1f}\" width=\"12\" height=\"12\" fill=\"{}\"/>\n",
                           width - right + 16, y, color);
        out += text_at(width - right + 34, y + 10, "start", series.name);
    }
    return out;
}

}  // namespace

std::string to_svg(const std::vector<Plot>& plots) {
    const double all = height * static_cast<double>(plots.size());
    std::string out = fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" "
        "height=\"{1}\" font-family=\"sans-serif\" font-size=\"12\" fill=\"#24292f\">\n"
        "<rect width=\"{0}\" height=\"{1}\" fill=\"#ffffff\"/>\n",
        width, all);
    for (std::size_t i = 0; i < plots.size(); ++i) {
        out += draw(plots[i], height * static_cast<double>(i));
    }
    return out + "</svg>\n";
}

}  // namespace accel::tools
