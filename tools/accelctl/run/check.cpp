// SPDX-License-Identifier: Apache-2.0
#include "run/check.hpp"

#include <fmt/core.h>

#include <iostream>
#include <string>
#include <vector>

#include "commands.hpp"

namespace accel::tools {

namespace {

std::string subject(const Unsupported& one) {
    if (one.op_type.empty()) {
        return one.node.empty() ? "the model" : one.node;
    }
    const std::string name = one.domain == "ai.onnx" ? one.op_type : one.domain + "." + one.op_type;
    if (one.node.empty()) {
        return fmt::format("{}, {} nodes", name, one.nodes);
    }
    return one.nodes == 1 ? fmt::format("{}, node '{}'", name, one.node)
                          : fmt::format("{}, {} nodes, first '{}'", name, one.nodes, one.node);
}

void print(const std::string& model, const std::vector<Unsupported>& found) {
    if (found.empty()) {
        std::cout << fmt::format("{}: the compiler supports this model\n", model);
        return;
    }
    std::cout << fmt::format("{}: not supported, for {} cause{}\n", model, found.size(),
                             found.size() == 1 ? "" : "s");
    for (const Unsupported& one : found) {
        std::cout << fmt::format("  {}\n      cause   {}\n      remedy  {}\n", subject(one),
                                 one.cause, one.remedy);
    }
}

Json to_json(const std::vector<Unsupported>& found) {
    Json all = Json::array();
    for (const Unsupported& one : found) {
        const auto or_null = [](const std::string& text) {
            return text.empty() ? Json() : Json(text);
        };
        all.push_back({{"domain", or_null(one.domain)},
                       {"operator", or_null(one.op_type)},
                       {"nodes", one.nodes},
                       {"node", or_null(one.node)},
                       {"cause", one.cause},
                       {"remedy", one.remedy}});
    }
    return all;
}

}  // namespace

Exit check_model(const Program& program, const ModelOptions& options) {
    const LoadOptions load = options.load();
    const auto found = with_model_errors([&] {
        return options.use([&](const auto& source) { return Model::check(source, load); });
    });
    if (program.json()) {
        program.print_json("accelctl.check/1", {{"model", options.model},
                                                {"supported", found.empty()},
                                                {"unsupported", to_json(found)}});
    } else {
        print(options.model, found);
    }
    return found.empty() ? Exit::ok : Exit::unsupported;
}

}  // namespace accel::tools
