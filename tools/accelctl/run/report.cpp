// SPDX-License-Identifier: Apache-2.0
#include "run/report.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>

#include "models.hpp"
#include "text.hpp"

namespace accel::tools {

namespace {

// The card's time for all commands of a name.
struct TimeSpent {
    std::string name;
    std::uint64_t count = 0;
    double seconds = 0;
};

// Sums up by command or by node, longest first.
std::vector<TimeSpent> time_by(const Model& net, const RunReport& report,
                               std::string ModelCommand::*by) {
    std::map<std::string, TimeSpent> by_name;
    for (std::size_t i = 0; i < report.records.size(); ++i) {
        const std::string& name = net.commands()[i].*by;
        TimeSpent& time = by_name[name];
        time.name = name;
        ++time.count;
        time.seconds +=
            static_cast<double>(report.records[i].end - report.records[i].start) / report.clock_hz;
    }
    std::vector<TimeSpent> result;
    result.reserve(by_name.size());
    for (auto& [name, time] : by_name) {
        result.push_back(std::move(time));
    }
    std::ranges::stable_sort(result, std::greater<>(), &TimeSpent::seconds);
    return result;
}

void print_ranking(std::ostream& out, const Ranking& ranking) {
    for (std::size_t row = 0; row < ranking.best.size(); ++row) {
        out << fmt::format("top {} of {}{}\n", ranking.best[row].size(), ranking.output,
                           ranking.rows == 1 ? "" : fmt::format(", row {}", row));
        Table table({{.title = "class", .align = Table::Align::right},
                     {.title = "value", .align = Table::Align::right},
                     {.title = "label"}});
        for (const RankedClass& one : ranking.best[row]) {
            table.add({std::to_string(one.index), fmt::format("{:.4g}", one.value), one.label});
        }
        out << table.to_string("  ");
    }
    if (ranking.best.size() < ranking.rows) {
        out << fmt::format("  and {} more rows\n", ranking.rows - ranking.best.size());
    }
}

void print_comparison(std::ostream& out, const Comparison& comparison) {
    out << fmt::format("{} {}: the largest error is {:.3g}, relative {:.3g}",
                       comparison.different == 0 ? "as expected" : "DIFFERENT", comparison.name,
                       comparison.max_absolute, comparison.max_relative);
    if (comparison.different != 0) {
        out << fmt::format("; {} of {} elements are beyond the tolerance", comparison.different,
                           comparison.elements);
    }
    out << '\n';
}

// JSON has no infinity and no NaN.
Json number(double value) {
    return std::isfinite(value) ? Json(value) : Json();
}

// A list of the commands or the nodes with their times. `name` and `count` name the members.
Json times_json(const Model& net, const RunReport& report, std::string ModelCommand::*by,
                const char* name, const char* count) {
    Json all = Json::array();
    for (const TimeSpent& time : time_by(net, report, by)) {
        all.push_back({{name, time.name}, {count, time.count}, {"seconds", time.seconds}});
    }
    return all;
}

Json to_json(const Ranking& ranking) {
    Json rows = Json::array();
    for (const auto& best : ranking.best) {
        Json row = Json::array();
        for (const RankedClass& one : best) {
            Json entry{{"class", one.index}, {"value", number(one.value)}};
            if (!one.label.empty()) {
                entry["label"] = one.label;
            }
            row.push_back(std::move(entry));
        }
        rows.push_back(std::move(row));
    }
    return {{"output", ranking.output}, {"rows", std::move(rows)}};
}

template <typename Range, typename Convert>
void add_list(Json& document, const char* name, const Range& range, Convert convert) {
    if (range.empty()) {
        return;
    }
    document[name] = Json::array();
    for (const auto& one : range) {
        document[name].push_back(convert(one));
    }
}

}  // namespace

void print(std::ostream& out, const Model& net, const RunReport& report, bool nodes) {
    out << "card    " << report.card << '\n';
    for (const TensorInfo& info : net.inputs()) {
        const bool random = report.random_inputs.contains(info.name);
        out << "input   " << describe(info) << (random ? ", random values" : "") << '\n';
    }
    for (const TensorInfo& info : net.outputs()) {
        out << "output  " << describe(info) << '\n';
    }
    for (const HostNode& node : net.host_nodes()) {
        out << fmt::format("host    {}: {}\n", node.node, node.reason);
    }
    const MemoryUse memory = net.memory();
    out << fmt::format("memory  {} of weights; {} of activations in {} ({:.1f} %)\n",
                       human_bytes(memory.weights), human_bytes(memory.activations),
                       human_bytes(memory.peak), 100 * memory.ratio());
    Table table({{.title = nodes ? "node" : "command"},
                 {.title = nodes ? "commands" : "count", .align = Table::Align::right},
                 {.title = "ms", .align = Table::Align::right}});
    for (const TimeSpent& time :
         time_by(net, report, nodes ? &ModelCommand::node : &ModelCommand::command)) {
        table.add(
            {time.name, std::to_string(time.count), fmt::format("{:.3f}", time.seconds * 1e3)});
    }
    out << table.to_string();
    out << fmt::format("{} run{}: shortest {:.3f} ms, median {:.3f} ms\n", report.seconds.size(),
                       report.seconds.size() == 1 ? "" : "s", report.seconds.front() * 1e3,
                       report.seconds[report.seconds.size() / 2] * 1e3);
    for (const Ranking& ranking : report.rankings) {
        print_ranking(out, ranking);
    }
    for (const Comparison& comparison : report.comparisons) {
        print_comparison(out, comparison);
    }
    for (const auto& [name, path] : report.files) {
        out << fmt::format("wrote {}: output {}\n", path, name);
    }
    if (!report.trace.empty()) {
        out << fmt::format("wrote {}: a timeline of the commands, for ui.perfetto.dev\n",
                           report.trace);
    }
}

Json to_json(const Model& net, const RunReport& report) {
    Json document{
        {"model", report.model},
        {"inputs", to_json(net.inputs())},
        {"outputs", to_json(net.outputs())},
        {"commands", times_json(net, report, &ModelCommand::command, "command", "count")},
        {"nodes", times_json(net, report, &ModelCommand::node, "node", "commands")},
        {"memory", to_json(net.memory())},
        {"runs", report.seconds.size()},
        {"seconds",
         {{"min", report.seconds.front()}, {"median", report.seconds[report.seconds.size() / 2]}}}};
    add_list(document, "host_nodes", net.host_nodes(), [](const HostNode& node) {
        return Json{{"node", node.node}, {"reason", node.reason}};
    });
    double max_error = 0;
    for (const Comparison& comparison : report.comparisons) {
        max_error = std::max(max_error, comparison.max_absolute);
    }
    if (!report.comparisons.empty()) {
        document["max_error"] = max_error;
    }
    add_list(document, "comparisons", report.comparisons, [](const Comparison& comparison) {
        return Json{{"output", comparison.name},
                    {"elements", comparison.elements},
                    {"different", comparison.different},
                    {"max_absolute_error", comparison.max_absolute},
                    {"max_relative_error", comparison.max_relative}};
    });
    add_list(document, "top", report.rankings,
             [](const Ranking& ranking) { return to_json(ranking); });
    add_list(document, "files", report.files, [](const auto& file) {
        return Json{{"output", file.first}, {"path", file.second}};
    });
    if (!report.trace.empty()) {
        document["trace"] = report.trace;
    }
    return document;
}

}  // namespace accel::tools
