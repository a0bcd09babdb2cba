// SPDX-License-Identifier: Apache-2.0
#include "frontend/node_order.hpp"

#include <onnx.pb.h>

#include <cstdint>
#include <unordered_map>
#include <utility>

#include "ir/error.hpp"

namespace accel::compiler {

void note_names(const onnx::NodeProto& node, std::set<std::string>& names) {
    names.insert(node.input().begin(), node.input().end());
    for (const auto& attribute : node.attribute()) {
        for (const auto& inner : attribute.g().node()) {
            note_names(inner, names);
        }
        for (const auto& output : attribute.g().output()) {
            names.insert(output.name());
        }
    }
}

std::vector<const onnx::NodeProto*> in_order(const onnx::GraphProto& graph) {
    std::unordered_map<std::string, int> producers;
    for (int i = 0; i < graph.node_size(); ++i) {
        for (const std::string& output : graph.node(i).output()) {
            producers.try_emplace(output, i);
        }
    }
    enum class State : std::uint8_t { fresh, open, done };
    std::vector<State> states(static_cast<std::size_t>(graph.node_size()));
    std::vector<const onnx::NodeProto*> order;
    std::vector<std::pair<int, std::vector<std::string>>>
        path;  // nodes, and the names they still wait for
    const auto enter = [&](int i) {
        State& state = states[static_cast<std::size_t>(i)];
        if (state == State::open) {
            refuse("its nodes form a cycle at '" + graph.node(i).name() + "' (" +
                   graph.node(i).op_type() + ")");
        }
        if (state == State::fresh) {
            state = State::open;
            std::set<std::string> names;
            note_names(graph.node(i), names);
            path.emplace_back(i, std::vector<std::string>(names.begin(), names.end()));
        }
    };
    for (int i = 0; i < graph.node_size(); ++i) {
        enter(i);
        while (!path.empty()) {
            auto& [node, open] = path.back();
            if (open.empty()) {
                states[static_cast<std::size_t>(node)] = State::done;
                order.push_back(&graph.node(node));
                path.pop_back();
                continue;
            }
            const auto producer = producers.find(open.back());
            open.pop_back();
            if (producer != producers.end() && producer->second != node) {
                enter(producer->second);
            }
        }
    }
    return order;
}

}  // namespace accel::compiler
