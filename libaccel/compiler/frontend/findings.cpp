// SPDX-License-Identifier: Apache-2.0
#include "frontend/findings.hpp"

#include <onnx.pb.h>

#include "frontend/operator_table.hpp"

namespace accel::compiler {

namespace {

// The cause and the remedy in the text of an error, without `place` in front of them.
Unsupported parts_of(const Error& error, const std::string& place, const char* remedy) {
    const auto* const refusal = dynamic_cast<const Refusal*>(&error);
    Unsupported one;
    one.cause = refusal != nullptr ? refusal->cause() : message_of(error);
    one.remedy = refusal != nullptr ? refusal->remedy() : "";
    if (one.remedy.empty()) {
        one.remedy = remedy;
    }
    if (!place.empty() && one.cause.starts_with(place + ": ")) {
        one.cause.erase(0, place.size() + 2);
    }
    return one;
}

}  // namespace

void Findings::add(const onnx::NodeProto& node, const Error& error) {
    Unsupported one = parts_of(error, describe(node), node_remedy);
    if (const auto* const needed = dynamic_cast<const ConstantInputRequired*>(&error)) {
        one.remedy = "give input '" + needed->input() +
                     "' in LoadOptions::constant_inputs (accelctl --constant-input), or set "
                     "LoadOptions::host_fallback (--host-fallback)";
    }
    one.domain = display_name(table_name(node.domain()));
    one.op_type = node.op_type();
    one.node = !node.name().empty()      ? node.name()
               : node.output_size() != 0 ? node.output(0)
                                         : std::string();
    one.nodes = 1;
    count(std::move(one));
}

void Findings::add(const Error& error, std::string node) {
    Unsupported one = parts_of(error, node, model_remedy);
    one.nodes = node.empty() ? 0 : 1;
    one.node = std::move(node);
    count(std::move(one));
}

void Findings::count(Unsupported one) {
    const auto [known, is_new] =
        index_.try_emplace({one.domain, one.op_type, one.cause}, found_.size());
    if (is_new) {
        found_.push_back(std::move(one));
    } else {
        found_[known->second].nodes += one.nodes;
    }
}

std::string describe(const onnx::NodeProto& node) {
    return qualified_name(node.domain(), node.op_type()) +
           (node.name().empty() ? "" : " '" + node.name() + "'") +
           (node.output_size() > 0 ? " (output '" + node.output(0) + "')" : "");
}

}  // namespace accel::compiler
