// SPDX-License-Identifier: Apache-2.0
//
// Line plots that a person can look at: an SVG file of its own, no fonts or scripts from elsewhere.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace accel::tools {

struct Series {
    std::string name;
    std::vector<std::pair<double, double>> points;
};

/// A plot with a logarithmic x axis whose ticks are the x values themselves.
struct Plot {
    std::string title;
    std::string x_label;
    std::string y_label;
    std::vector<Series> series;
    std::string (*x_text)(double) = nullptr;
    std::string (*y_text)(double) = nullptr;
};

/// The plots below each other.
[[nodiscard]] std::string to_svg(const std::vector<Plot>& plots);

}  // namespace accel::tools
