// SPDX-License-Identifier: Apache-2.0
#include "run/trace.hpp"

#include <algorithm>

#include "json.hpp"

namespace accel::tools {

namespace {

constexpr int process = 1;
constexpr int node_track = 1;
constexpr int command_track = 2;
constexpr double microseconds = 1e6;  // the format's unit of time

// Names a process or, with its number, a track.
Json name_event(const char* what, int track, const std::string& name) {
    return {
        {"ph", "M"}, {"name", what}, {"pid", process}, {"tid", track}, {"args", {{"name", name}}}};
}

struct Slice {
    std::string name;
    int track = 0;
    double start = 0;  // microseconds
    double end = 0;
    Json details{};
};

Json slice_event(const Slice& slice) {
    return {{"ph", "X"},
            {"name", slice.name},
            {"cat", slice.track == node_track ? "node" : "command"},
            {"pid", process},
            {"tid", slice.track},
            {"ts", slice.start},
            {"dur", slice.end - slice.start},
            {"args", slice.details}};
}

}  // namespace

std::string trace_json(const std::string& card, const Model& net,
                       std::span<const CompletionRecord> records, double clock_hz) {
    Json events = Json::array();
    events.push_back(name_event("process_name", node_track, card));
    events.push_back(name_event("thread_name", node_track, "nodes"));
    events.push_back(name_event("thread_name", command_track, "commands"));
    const std::uint64_t origin =
        records.empty() ? 0 : std::ranges::min(records, {}, &CompletionRecord::start).start;
    const auto time = [&](std::uint64_t ticks) {
        return static_cast<double>(ticks - origin) / clock_hz * microseconds;
    };
    Slice node;
    std::uint64_t commands_of_node = 0;
    const auto finish_node = [&] {
        if (commands_of_node != 0) {
            node.details = Json{{"commands", commands_of_node}};
            events.push_back(slice_event(node));
        }
    };
    for (std::size_t i = 0; i < records.size(); ++i) {
        const ModelCommand& command = net.commands()[i];
        const double start = time(records[i].start);
        const double end = time(records[i].end);
        events.push_back(slice_event({.name = command.command,
                                      .track = command_track,
                                      .start = start,
                                      .end = end,
                                      .details = Json{{"node", command.node}, {"index", i}}}));
        // Commands of one node are neighbors; together they are one slice.
        if (commands_of_node == 0 || node.name != command.node) {
            finish_node();
            node = {.name = command.node, .track = node_track, .start = start, .end = end};
            commands_of_node = 0;
        }
        node.end = end;
        ++commands_of_node;
    }
    finish_node();
    return Json{{"displayTimeUnit", "ns"}, {"traceEvents", events}}.dump(true) + "\n";
}

}  // namespace accel::tools
