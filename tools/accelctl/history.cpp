// SPDX-License-Identifier: Apache-2.0
#include "history.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace accel::tools {

namespace {

constexpr std::size_t most_values = 512;  // more than the columns of any terminal
constexpr int least_height = 2;
constexpr int most_height = 8;
constexpr int margin = 6;  // columns of the scale at the left

void keep(std::deque<double>& values, double value) {
    values.push_back(std::clamp(value, 0.0, 1.0));
    if (values.size() > most_values) {
        values.pop_front();
    }
}

// The columns of a graph in one row: a mark where the value reaches the middle of the row.
std::string graph_row(const std::deque<double>& values, int row, int height, int columns) {
    std::string text;
    for (int column = 0; column < columns; ++column) {
        const auto back = static_cast<std::size_t>(columns - column);
        const double value = back <= values.size() ? values[values.size() - back] : 0;
        const double reached = value * height - (height - 1 - row);
        text += reached >= 0.5 ? '#' : reached >= 0.05 ? '.' : ' ';
    }
    text.erase(text.find_last_not_of(' ') + 1);
    return text;
}

}  // namespace

void History::add(const Json& document) {
    for (const Json& card : document.at("cards").elements()) {
        const Json& rates = card.at("rates");
        if (rates.is_null()) {
            continue;
        }
        const std::string& address = card.at("address").text();
        const std::string name = card.at("node").is_string() ? card.at("node").text() : address;
        for (const auto& [engine, member] :
             {std::pair("COMPUTE", "compute_busy"), std::pair("DMA", "dma_busy")}) {
            Series& series = series_[address + " " + engine];
            series.title = fmt::format("{} {}", name, engine);
            keep(series.values, rates.at(member).number());
        }
    }
}

std::vector<std::string> History::render(int rows, int columns, const Terminal& terminal) const {
    if (series_.empty()) {
        return {};
    }
    // Each graph has a title.
    const int height = std::min(rows / static_cast<int>(series_.size()) - 1, most_height);
    if (height < least_height || columns <= 2 * margin) {
        return {};
    }
    std::vector<std::string> lines;
    for (const auto& [key, series] : series_) {
        lines.push_back(terminal.paint(
            Color::faint,
            fmt::format("{}, the last {} snapshots", series.title,
                        std::min<std::size_t>(series.values.size(),
                                              static_cast<std::size_t>(columns - margin)))));
        for (int row = 0; row < height; ++row) {
            const char* const scale = row == 0 ? "100 % " : row == height - 1 ? "  0 % " : "      ";
            lines.push_back(scale + graph_row(series.values, row, height, columns - margin));
        }
    }
    return lines;
}

}  // namespace accel::tools
