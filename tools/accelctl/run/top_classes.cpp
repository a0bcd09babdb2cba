// SPDX-License-Identifier: Apache-2.0
#include "run/top_classes.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>

#include "exit.hpp"
#include "models.hpp"
#include "run/numbers.hpp"

namespace accel::tools {

std::vector<std::string> read_labels(const std::string& path) {
    std::vector<std::string> labels;
    std::string line;
    for (const std::byte byte : read_bytes(path)) {
        const auto c = static_cast<char>(byte);
        if (c == '\n') {
            labels.push_back(std::move(line));
            line.clear();
        } else if (c != '\r') {
            line += c;
        }
    }
    if (!line.empty()) {
        labels.push_back(std::move(line));
    }
    if (labels.empty()) {
        throw Failure(Exit::usage, fmt::format("the file of labels {} is empty", path),
                      "give one line for each class, in their order");
    }
    return labels;
}

Ranking rank_classes(const std::string& name, const TensorData& output, std::size_t count,
                     const std::vector<std::string>& labels) {
    const std::vector<double> numbers = to_numbers(output.type, output.bytes);
    const std::size_t row_length =
        output.shape.empty() ? 1 : static_cast<std::size_t>(output.shape.back());
    Ranking ranking{
        .output = name, .rows = row_length == 0 ? 0 : numbers.size() / row_length, .best = {}};
    if (!labels.empty() && labels.size() != row_length) {
        throw Failure(Exit::usage,
                      fmt::format("the file of labels has {} lines, and output {} has {} classes",
                                  labels.size(), name, row_length),
                      "give one line for each class, in their order");
    }
    for (std::size_t row = 0; row < std::min(ranking.rows, max_ranked_rows); ++row) {
        const auto values = std::span(numbers).subspan(row * row_length, row_length);
        std::vector<std::size_t> order(row_length);
        std::iota(order.begin(), order.end(), 0);
        // NaN has no place in an order: it is last.
        const auto key = [&](std::size_t i) {
            return std::isnan(values[i]) ? -std::numeric_limits<double>::infinity() : values[i];
        };
        const std::size_t kept = std::min(count, row_length);
        std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(kept),
                          order.end(), [&](std::size_t a, std::size_t b) {
                              return key(a) != key(b) ? key(a) > key(b) : a < b;
                          });
        std::vector<RankedClass> best;
        for (std::size_t i = 0; i < kept; ++i) {
            best.push_back({.index = order[i],
                            .value = values[order[i]],
                            .label = labels.empty() ? "" : labels[order[i]]});
        }
        ranking.best.push_back(std::move(best));
    }
    return ranking;
}

}  // namespace accel::tools
