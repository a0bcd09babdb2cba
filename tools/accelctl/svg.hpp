// SPDX-License-Identifier: Apache-2.0
//
// Line plots as one self-contained SVG file, without external fonts or scripts.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace accel::tools {

struct Series {
    std::string name;
    std::vector<std::pair<double, double>> points;
};

/// A plot with a logarithmic x axis; its ticks are the x values of the points.
struct Plot {
    std::string title;
    std::string x_label;
    std::string y_label;
    std::vector<Series> series;
    std::string (*x_text)(double) = nullptr;
    std::string (*y_text)(double) = nullptr;
};

/// An SVG file with the plots, one below the other.
[[nodiscard]] std::string to_svg(const std::vector<Plot>& plots);

}  // namespace accel::tools
