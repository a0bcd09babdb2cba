// SPDX-License-Identifier: Apache-2.0
#include "runtime/host_fallback.hpp"

#include <onnx.pb.h>

#include "frontend/node_order.hpp"
#include "frontend/operator.hpp"

namespace accel::compiler {

namespace {

// Names that graphs within a node make: they hide those outside.
void note_inner(const onnx::NodeProto& node, std::set<std::string>& names) {
    for (const auto& attribute : node.attribute()) {
        for (const auto& input : attribute.g().input()) {
            names.insert(input.name());
        }
        for (const auto& tensor : attribute.g().initializer()) {
            names.insert(tensor.name());
        }
        for (const auto& inner : attribute.g().node()) {
            names.insert(inner.output().begin(), inner.output().end());
            note_inner(inner, names);
        }
    }
}

void add_weights(onnx::GraphProto& graph, const std::string& name, const Tensor& tensor) {
    auto& made = *graph.add_initializer();
    made.set_name(name);
    made.set_data_type(number_of(tensor.type));
    made.mutable_dims()->Add(tensor.dims.begin(), tensor.dims.end());
    made.set_raw_data(tensor.data.data(), tensor.data.size());
}

TensorInfo declared(const onnx::ValueInfoProto& output) {
    const auto& tensor = output.type().tensor_type();
    TensorInfo info{output.name(), DataType::f32, {}};
    if (tensor.elem_type() != onnx::TensorProto::UNDEFINED) {
        info.type = type_of(tensor.elem_type());
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

bool TailMaker::depends(const onnx::NodeProto& node) const {
    if (empty()) {
        return false;
    }
    std::set<std::string> names;
    note_names(node, names);
    for (const std::string& name : names) {
        if (made_.contains(name)) {
            return true;
        }
    }
    return false;
}

void TailMaker::add(const onnx::NodeProto& node, std::string why) {
    nodes_.push_back(&node);
    reasons_.push_back(std::move(why));
    for (const std::string& output : node.output()) {
        if (!output.empty()) {
            made_.insert(output);
        }
    }
}

void TailMaker::finish(Program& program,
                       const std::function<ValueId(const std::string& name)>& find) const {
    onnx::ModelProto model;
    *model.mutable_opset_import() = model_.opset_import();
    model.set_ir_version(model_.ir_version());
    onnx::GraphProto& graph = *model.mutable_graph();
    auto tail = std::make_shared<Tail>();
    tail->narrow = narrow_;
    std::set<std::string> names;
    std::set<std::string> inner;
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
        *graph.add_node() = *nodes_[i];
        note_names(*nodes_[i], names);
        note_inner(*nodes_[i], inner);
        const std::string name =
            nodes_[i]->name().empty() ? std::string() : " " + nodes_[i]->name();
        tail->nodes.push_back({nodes_[i]->op_type() + name, reasons_[i]});
    }
    // Outputs of the model first, then what the tail reads.
    std::vector<std::size_t> sources;
    for (const auto& output : model_.graph().output()) {
        if (made_.contains(output.name())) {
            sources.push_back(SIZE_MAX);
            tail->outputs.push_back(declared(output));
            *graph.add_output() = output;
        } else {
            sources.push_back(program.outputs.size());
            program.outputs.push_back({output.name(), find(output.name())});
        }
    }
    for (const std::string& name : names) {
        if (name.empty() || made_.contains(name)) {
            continue;
        }
        // A name that graphs inside make is theirs, unless there is one outside, too.
        ValueId id = 0;
        try {
            id = find(name);
        } catch (const Error&) {
            if (inner.contains(name)) {
                continue;
            }
            throw;
        }
        const Value& value = program.values[id];
        if (value.constant) {
            add_weights(graph, name, *value.constant);
            continue;
        }
        auto& input = *graph.add_input();
        input.set_name(name);
        input.mutable_type()->mutable_tensor_type()->set_elem_type(number_of(value.type));
        tail->inputs.push_back(name);
        program.outputs.push_back({name, id});
    }
    std::size_t next = program.outputs.size();
    for (std::size_t& source : sources) {
        source = source == SIZE_MAX ? next++ : source;
    }
    tail->sources = std::move(sources);
    if (!model.SerializeToString(&tail->model)) {
        refuse("what is left to the host is larger than 2 GiB");
    }
    program.tail = std::move(tail);
}

}  // namespace accel::compiler
