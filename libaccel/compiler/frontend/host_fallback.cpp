// SPDX-License-Identifier: Apache-2.0
#include "frontend/host_fallback.hpp"

#include <onnx.pb.h>

#include <algorithm>
#include <cstdint>

#include "frontend/node_order.hpp"
#include "frontend/onnx_tensor.hpp"
#include "ir/error.hpp"

namespace accel::compiler {

namespace {

// Marks the source of an output of the fallback, until the number of outputs of the program is
// known.
constexpr std::size_t next_fallback_output = SIZE_MAX;

// Collects the names that graphs inside a node define. They hide names outside.
void note_inner_names(const onnx::NodeProto& node, std::set<std::string>& names) {
    for (const auto& attribute : node.attribute()) {
        for (const auto& input : attribute.g().input()) {
            names.insert(input.name());
        }
        for (const auto& tensor : attribute.g().initializer()) {
            names.insert(tensor.name());
        }
        for (const auto& inner : attribute.g().node()) {
            names.insert(inner.output().begin(), inner.output().end());
            note_inner_names(inner, names);
        }
    }
}

void add_weights(onnx::GraphProto& graph, const std::string& name, const Tensor& tensor) {
    auto& made = *graph.add_initializer();
    made.set_name(name);
    made.set_data_type(onnx_type_of(tensor.type));
    made.mutable_dims()->Add(tensor.dims.begin(), tensor.dims.end());
    made.set_raw_data(tensor.data.data(), tensor.data.size());
}

// Passes a value of the program to the fallback: constants as weights, others as inputs.
void pass_value(Program& program, HostFallback& fallback, onnx::GraphProto& graph,
                const std::string& name, ValueId id) {
    const Value& value = program.values[id];
    if (value.constant && !value.given) {
        add_weights(graph, name, *value.constant);
        return;
    }
    auto& input = *graph.add_input();
    input.set_name(name);
    input.mutable_type()->mutable_tensor_type()->set_elem_type(onnx_type_of(value.type));
    fallback.inputs.push_back(name);
    program.outputs.push_back({name, id});
}

// The type and shape that a graph declares for an output; both may be missing.
TensorInfo describe_output(const onnx::ValueInfoProto& output) {
    const auto& tensor = output.type().tensor_type();
    TensorInfo info{output.name(), DataType::f32, {}};
    if (tensor.elem_type() != onnx::TensorProto::UNDEFINED) {
        info.type = data_type_of(tensor.elem_type());
    }
    for (const auto& dim : tensor.shape().dim()) {
        info.shape.push_back(dim.has_dim_value() ? dim.dim_value() : -1);
    }
    if (!tensor.has_shape()) {
        info.shape = {-1};
    }
    return info;
}

}  // namespace

bool HostFallbackBuilder::depends(const onnx::NodeProto& node) const {
    if (empty()) {
        return false;
    }
    std::set<std::string> names;
    note_names(node, names);
    return std::ranges::any_of(names,
                               [&](const std::string& name) { return made_.contains(name); });
}

void HostFallbackBuilder::add(const onnx::NodeProto& node, std::string reason) {
    nodes_.push_back(&node);
    reasons_.push_back(std::move(reason));
    for (const std::string& output : node.output()) {
        if (!output.empty()) {
            made_.insert(output);
        }
    }
}

void HostFallbackBuilder::finish(
    Program& program, const Builder& builder, WeightFiles& weights,
    const std::function<ValueId(const std::string& name)>& find) const {
    onnx::ModelProto model;
    *model.mutable_opset_import() = model_.opset_import();
    model.set_ir_version(model_.ir_version());
    onnx::GraphProto& graph = *model.mutable_graph();
    auto fallback = std::make_shared<HostFallback>();
    fallback->allow_narrowing = allow_narrowing_;
    std::set<std::string> names;
    std::set<std::string> inner;
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
        *graph.add_node() = *nodes_[i];
        note_names(*nodes_[i], names);
        note_inner_names(*nodes_[i], inner);
        const std::string name =
            nodes_[i]->name().empty() ? std::string() : " " + nodes_[i]->name();
        fallback->nodes.push_back({nodes_[i]->op_type() + name, reasons_[i]});
    }
    weights.restore(graph);
    // The outputs of the program: first those of the model, then the inputs of the fallback.
    for (const auto& output : model_.graph().output()) {
        if (made_.contains(output.name())) {
            if (output.type().has_sequence_type() || output.type().has_optional_type()) {
                refuse("output '" + output.name() +
                           "' is a sequence or an optional of the host "
                           "fallback, which computes tensors only",
                       "make its elements outputs of the model");
            }
            fallback->sources.push_back(next_fallback_output);
            fallback->outputs.push_back(describe_output(output));
            *graph.add_output() = output;
        } else {
            fallback->sources.push_back(program.outputs.size());
            program.outputs.push_back({output.name(), find(output.name())});
        }
    }
    for (const std::string& name : names) {
        if (name.empty() || made_.contains(name)) {
            continue;
        }
        // A name that an inner graph defines may exist outside, too.
        ValueId id = 0;
        try {
            id = find(name);
        } catch (const Error&) {
            if (inner.contains(name)) {
                continue;
            }
            throw;
        }
        if (const auto* const all = builder.sequence_elements(id)) {
            onnx::NodeProto node;
            node.set_op_type(all->empty() ? "SequenceEmpty" : "SequenceConstruct");
            node.add_output(name);
            for (std::size_t i = 0; i < all->size(); ++i) {
                node.add_input(name + "[" + std::to_string(i) + "]");
                pass_value(program, *fallback, graph, node.input(static_cast<int>(i)), (*all)[i]);
            }
            *graph.add_node() = node;
            continue;
        }
        builder.require_tensor(id, "'" + name + "', which the host needs,");
        pass_value(program, *fallback, graph, name, id);
    }
    std::size_t next = program.outputs.size();
    for (std::size_t& source : fallback->sources) {
        source = source == next_fallback_output ? next++ : source;
    }
    if (!model.SerializeToString(&fallback->model)) {
        refuse("the nodes of its host fallback are larger than 2 GiB, which an ONNX file cannot be",
               "split the model");
    }
    program.host_fallback = std::move(fallback);
}

}  // namespace accel::compiler
