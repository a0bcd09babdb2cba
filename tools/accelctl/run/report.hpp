// SPDX-License-Identifier: Apache-2.0
//
// The results of `accelctl run`, as text and as JSON.
#pragma once

#include <accel/model.hpp>
#include <cstdint>
#include <ostream>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "json.hpp"
#include "run/compare.hpp"
#include "run/top_classes.hpp"

namespace accel::tools {

/// The results of one command line.
struct RunReport {
    std::string card;                       ///< its title
    std::string model;                      ///< its file
    std::vector<CompletionRecord> records;  ///< of each command
    std::vector<double> seconds;            ///< of each run, shortest first
    double clock_hz = 0;
    std::set<std::string> random_inputs;  ///< names of the inputs that no file gives
    std::vector<Comparison> comparisons;
    std::vector<Ranking> rankings;
    std::vector<std::pair<std::string, std::string>>
        files;          ///< outputs and where they were written
    std::string trace;  ///< a file; empty: none
};

/// `nodes`: the table has a line for each node of the model, not for each kind of command.
void print(std::ostream& out, const Model& net, const RunReport& report, bool nodes);

[[nodiscard]] Json to_json(const Model& net, const RunReport& report);

}  // namespace accel::tools
