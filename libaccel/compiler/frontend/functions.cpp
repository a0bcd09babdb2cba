// SPDX-License-Identifier: Apache-2.0
#include "frontend/functions.hpp"

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "frontend/onnx_newer.hpp"
#include "frontend/operator_table.hpp"
#include "ir/error.hpp"

namespace accel::compiler {

namespace {

// Limits that keep the expansion of any file within seconds.
constexpr int max_expanded_nodes = 500000;
constexpr std::size_t max_calls = 100;  // functions that call each other

using Nodes = google::protobuf::RepeatedPtrField<onnx::NodeProto>;
using Names = std::map<std::string, std::string>;  // from names in a function to names outside
using Attributes = std::map<std::string, onnx::AttributeProto>;

// Domain, name, and overload.
using Key = std::tuple<std::string, std::string, std::string>;

struct Function {
    const onnx::FunctionProto* proto = nullptr;
    Attributes defaults;
};

// The fields of a message that its description does not have.
template <typename Newer, typename Message>
Newer newer_fields(const Message& message) {
    Newer newer;
    if (!read_newer(message, newer)) {
        refuse_damaged("the file has fields of unknown types", "copy or export the model again");
    }
    return newer;
}

Key key_of(const onnx::NodeProto& node) {
    const bool has_newer = !node.unknown_fields().empty();
    return {std::string(table_name(node.domain())), node.op_type(),
            has_newer ? newer_fields<newer::Node>(node).overload() : ""};
}

std::string label_of(const onnx::NodeProto& node) {
    return node.name().empty() ? node.op_type() : node.name();
}

class Inliner {
  public:
    explicit Inliner(onnx::ModelProto& model) : model_(model) {
        for (const onnx::FunctionProto& function : model.functions()) {
            add(function);
        }
        note_names(model.graph());
    }

    void run() {
        expand(*model_.mutable_graph()->mutable_node());
        model_.clear_functions();
    }

  private:
    void add(const onnx::FunctionProto& proto) {
        const auto newer = newer_fields<newer::Function>(proto);
        Function function{.proto = &proto, .defaults = {}};
        for (const std::string& bytes : newer.attribute_proto()) {
            onnx::AttributeProto attribute;
            if (!attribute.ParseFromString(bytes)) {
                refuse_damaged("function '" + proto.name() + "' has a damaged attribute",
                               "copy or export the model again");
            }
            function.defaults[attribute.name()] = std::move(attribute);
        }
        Key key{std::string(table_name(proto.domain())), proto.name(), newer.overload()};
        if (!functions_.emplace(std::move(key), std::move(function)).second) {
            refuse("it defines the function '" + qualified_name(proto.domain(), proto.name()) +
                       "' twice",
                   "remove one of the two, or give them different overloads");
        }
    }

    // Notes all names of a graph and of the graphs inside, so that new names are different.
    void note_names(const onnx::GraphProto& graph) {
        for (const auto& input : graph.input()) {
            names_.insert(input.name());
        }
        for (const auto& tensor : graph.initializer()) {
            names_.insert(tensor.name());
        }
        for (const auto& node : graph.node()) {
            names_.insert(node.output().begin(), node.output().end());
            for (const auto& attribute : node.attribute()) {
                note_names(attribute.g());
            }
        }
    }

    std::string fresh(const std::string& name) {
        std::string made = name;
        for (int i = 1; !names_.insert(made).second; ++i) {
            made = name + "_" + std::to_string(i);
        }
        return made;
    }

    void expand(Nodes& nodes) {
        Nodes expanded;
        for (onnx::NodeProto& node : nodes) {
            append(std::move(node), expanded);
        }
        nodes.Swap(&expanded);
    }

    // Appends a node, or what it stands for.
    void append(onnx::NodeProto node, Nodes& result) {
        for (auto& attribute : *node.mutable_attribute()) {
            if (attribute.has_g()) {
                expand(*attribute.mutable_g()->mutable_node());
            }
        }
        const auto function = functions_.find(key_of(node));
        if (function != functions_.end()) {
            call(function->second, node, result);
            return;
        }
        if (result.size() > max_expanded_nodes) {
            refuse("it has more than " + std::to_string(max_expanded_nodes) +
                       " nodes when its functions are expanded",
                   "split the model");
        }
        *result.Add() = std::move(node);
    }

    void call(const Function& function, const onnx::NodeProto& node, Nodes& result) {
        const onnx::FunctionProto& proto = *function.proto;
        const std::string name = qualified_name(proto.domain(), proto.name());
        if (std::ranges::find(active_, &proto) != active_.end()) {
            std::string path;
            for (const onnx::FunctionProto* const one : active_) {
                path += one->name() + " -> ";
            }
            refuse("function '" + name + "' calls itself (" + path + proto.name() + ")",
                   "a function of a model must not be recursive: export the model again");
        }
        if (node.input_size() > proto.input_size() || node.output_size() > proto.output_size()) {
            refuse("node '" + label_of(node) + "' has more inputs or outputs than the function '" +
                       name + "' that it calls",
                   model_remedy);
        }
        if (active_.size() == max_calls) {
            refuse("more than " + std::to_string(max_calls) + " functions call each other",
                   "expand functions before the model is exported");
        }
        active_.push_back(&proto);
        import_opsets(proto);
        body(function, node, result);
        active_.pop_back();
    }

    // Appends the nodes of a function, with the names and attributes of the node that calls it.
    void body(const Function& function, const onnx::NodeProto& node, Nodes& result) {
        const onnx::FunctionProto& proto = *function.proto;
        const std::string prefix = label_of(node) + "/";
        Names names;
        for (int i = 0; i < proto.input_size(); ++i) {
            names[proto.input(i)] = i < node.input_size() ? node.input(i) : "";
        }
        std::vector<int> copied;  // outputs that have the name of an input or of another output
        for (int i = 0; i < node.output_size(); ++i) {
            if (!node.output(i).empty() && !names.emplace(proto.output(i), node.output(i)).second) {
                copied.push_back(i);
            }
        }
        for (const auto& inner : proto.node()) {
            define(inner.output(), prefix, names);
        }
        Attributes attributes = function.defaults;
        for (const auto& attribute : node.attribute()) {
            attributes[attribute.name()] = attribute;
        }
        for (onnx::NodeProto inner : proto.node()) {
            inner.set_name(prefix + label_of(inner));
            rename(inner, prefix, names, attributes);
            append(std::move(inner), result);
        }
        for (const int i : copied) {
            onnx::NodeProto& copy = *result.Add();
            copy.set_op_type("Identity");
            copy.set_name(prefix + "Identity");
            copy.add_input(names.at(proto.output(i)));
            copy.add_output(node.output(i));
        }
    }

    // Gives names that a function or a graph inside defines a name outside.
    template <typename Outputs>
    void define(const Outputs& outputs, const std::string& prefix, Names& names) {
        for (const std::string& output : outputs) {
            if (!output.empty() && !names.contains(output)) {
                names[output] = fresh(prefix + output);
            }
        }
    }

    void rename(onnx::NodeProto& node, const std::string& prefix, const Names& names,
                const Attributes& attributes) {
        const auto outside = [&](std::string& name) {
            const auto found = names.find(name);
            name = found != names.end() ? found->second : name.empty() ? "" : prefix + name;
        };
        std::ranges::for_each(*node.mutable_input(), outside);
        std::ranges::for_each(*node.mutable_output(), outside);
        google::protobuf::RepeatedPtrField<onnx::AttributeProto> kept;
        for (auto& attribute : *node.mutable_attribute()) {
            if (!attribute.ref_attr_name().empty()) {
                const auto given = attributes.find(attribute.ref_attr_name());
                if (given == attributes.end()) {
                    continue;  // the operator has its default
                }
                onnx::AttributeProto value = given->second;
                value.set_name(attribute.name());
                attribute = std::move(value);
            } else if (attribute.has_g()) {
                rename(*attribute.mutable_g(), prefix, names, attributes);
            }
            *kept.Add() = std::move(attribute);
        }
        node.mutable_attribute()->Swap(&kept);
    }

    // A graph inside a node sees the names of the function around it.
    void rename(onnx::GraphProto& graph, const std::string& prefix, Names names,
                const Attributes& attributes) {
        const auto redefine = [&](const std::string& name) {
            names[name] = fresh(prefix + name);
            return names[name];
        };
        for (auto& input : *graph.mutable_input()) {
            input.set_name(redefine(input.name()));
        }
        for (auto& tensor : *graph.mutable_initializer()) {
            tensor.set_name(redefine(tensor.name()));
        }
        for (const auto& node : graph.node()) {
            for (const std::string& output : node.output()) {
                if (!output.empty()) {
                    redefine(output);
                }
            }
        }
        for (auto& node : *graph.mutable_node()) {
            rename(node, prefix, names, attributes);
        }
        for (auto& output : *graph.mutable_output()) {
            const auto found = names.find(output.name());
            output.set_name(found != names.end() ? found->second : prefix + output.name());
        }
    }

    // The nodes of a function become nodes of the model, so they must mean the same in its opsets.
    void import_opsets(const onnx::FunctionProto& proto) {
        for (const auto& import : proto.opset_import()) {
            const std::string domain(table_name(import.domain()));
            const auto known = std::ranges::find_if(model_.opset_import(), [&](const auto& one) {
                return table_name(one.domain()) == domain;
            });
            if (known == model_.opset_import().end()) {
                *model_.add_opset_import() = import;
            } else if (known->version() != import.version()) {
                check_same(proto, domain, import.version(), known->version());
            }
        }
    }

    static void check_same(const onnx::FunctionProto& proto, const std::string& domain,
                           std::int64_t own, std::int64_t models) {
        for (const auto& node : proto.node()) {
            if (table_name(node.domain()) == domain &&
                !operators().same(qualified_name(domain, node.op_type()), own, models)) {
                refuse("function '" + qualified_name(proto.domain(), proto.name()) +
                           "' is of opset " + std::to_string(own) + " of " +
                           std::string(display_name(domain)) + ", the model is of opset " +
                           std::to_string(models) + ", and " + node.op_type() +
                           " is another operator there",
                       "export the model again with one opset");
            }
        }
    }

    onnx::ModelProto& model_;
    std::map<Key, Function> functions_;
    std::set<std::string> names_;                     // all names that are in use
    std::vector<const onnx::FunctionProto*> active_;  // the calls around the current node
};

}  // namespace

void inline_functions(onnx::ModelProto& model) {
    if (model.functions_size() != 0) {
        Inliner(model).run();
    }
}

}  // namespace accel::compiler
