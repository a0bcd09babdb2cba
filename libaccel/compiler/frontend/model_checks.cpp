// SPDX-License-Identifier: Apache-2.0
#include "frontend/model_checks.hpp"

#include <onnx.pb.h>

#include <map>
#include <string>
#include <utility>

#include "frontend/onnx_tensor.hpp"
#include "frontend/operator_table.hpp"

namespace accel::compiler {

namespace {

void find_operator(const onnx::NodeProto& node, const OpsetImports& opsets) {
    static_cast<void>(operators().find(qualified_name(node.domain(), node.op_type()),
                                       opsets.opset(node.domain())));
}

}  // namespace

void check_names(const onnx::GraphProto& graph) {
    std::map<std::string, std::string> definitions;  // of each name
    const auto define = [&](const std::string& name, const std::string& what) {
        const auto [other, is_new] = definitions.try_emplace(name, what);
        if (!is_new) {
            refuse("the name '" + name + "' is defined twice: it is " + other->second + " and " +
                       (other->second == what ? "another one" : what),
                   "rename one of them");
        }
    };
    for (const auto& tensor : graph.initializer()) {
        define(tensor.name(), "a weight");
    }
    for (const auto& input : graph.input()) {
        const auto weight = definitions.find(input.name());
        if (weight == definitions.end() || weight->second != "a weight") {
            define(input.name(), "an input");
        }
    }
    for (const auto& node : graph.node()) {
        for (const std::string& output : node.output()) {
            if (!output.empty()) {
                const std::string name = node.name().empty() ? "" : " '" + node.name() + "'";
                define(output, "an output of the node " + node.op_type() + name);
            }
        }
        for (const auto& attribute : node.attribute()) {
            check_names(attribute.g());
        }
    }
}

std::set<const onnx::NodeProto*> check_operators(const onnx::GraphProto& graph,
                                                 const OpsetImports& opsets, Findings& findings) {
    std::set<const onnx::NodeProto*> unsupported;
    for (const auto& node : graph.node()) {
        try {
            find_operator(node, opsets);
        } catch (const Error& error) {
            findings.add(node, error);
            unsupported.insert(&node);
        }
    }
    return unsupported;
}

void check_operators_within(const onnx::NodeProto& node, const OpsetImports& opsets) {
    in_context(
        describe(node), [&] { find_operator(node, opsets); }, node_remedy);
    for (const auto& attribute : node.attribute()) {
        for (const auto& inner : attribute.g().node()) {
            check_operators_within(inner, opsets);
        }
    }
}

void check_narrowing(const onnx::GraphProto& graph, Findings& findings) {
    const auto check = [&](std::int64_t type, const std::string& place) {
        if (type == onnx::TensorProto::DOUBLE || type == onnx::TensorProto::UINT64) {
            try {
                refuse_wide(data_type_of(type));
            } catch (const Error& error) {
                findings.add(error, place);
            }
        }
    };
    for (const auto& input : graph.input()) {
        check(input.type().tensor_type().elem_type(), "input '" + input.name() + "'");
    }
    for (const auto& tensor : graph.initializer()) {
        check(tensor.data_type(), "tensor '" + tensor.name() + "'");
    }
    for (const auto& node : graph.node()) {
        for (const auto& attribute : node.attribute()) {
            const bool names_type = attribute.name() == "to" || attribute.name() == "dtype" ||
                                    attribute.name() == "output_dtype";
            check(names_type ? attribute.i() : attribute.t().data_type(), describe(node));
            check_narrowing(attribute.g(), findings);
        }
    }
}

void refuse_unsupported(const Findings& findings) {
    if (findings.empty()) {
        return;
    }
    const auto described = [](const Unsupported& one) {
        return qualified_name(one.domain, one.op_type) +
               (one.node.empty() ? "" : " '" + one.node + "'");
    };
    const Unsupported& first = findings.all().front();
    if (findings.all().size() == 1) {
        refuse(described(first) + ": " + first.cause, first.remedy);
    }
    std::string list;
    for (const Unsupported& one : findings.all()) {
        list += (list.empty() ? "" : ", ") + described(one) +
                (one.nodes > 1 ? " (" + std::to_string(one.nodes) + " nodes)" : "");
    }
    refuse(std::to_string(findings.all().size()) + " operators are not supported: " + list + ": " +
               first.cause,
           first.remedy + "; accelctl run --check-only lists all causes");
}

}  // namespace accel::compiler
