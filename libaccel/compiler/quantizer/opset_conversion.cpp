// SPDX-License-Identifier: Apache-2.0
#include "quantizer/opset_conversion.hpp"

#include <onnx.pb.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "ir/error.hpp"

namespace accel::compiler {

namespace {

constexpr std::int64_t oldest = 7;
// The IR version of opset 13. From 4 on, weights are no inputs.
constexpr std::int64_t ir_version = 7;

bool is_standard(const std::string& domain) {
    return domain.empty() || domain == "ai.onnx";
}

class OpsetConversion {
  public:
    OpsetConversion(onnx::ModelProto& model, std::int64_t opset) : model_(model), opset_(opset) {
        collect_names(model.graph());
    }

    void run() { convert(*model_.mutable_graph()); }

  private:
    // The nodes of the graph that is converted, while it is rebuilt.
    using Nodes = google::protobuf::RepeatedPtrField<onnx::NodeProto>;

    void collect_names(const onnx::GraphProto& graph) {
        const auto note = [&](const onnx::ValueInfoProto& value) {
            names_.insert(value.name());
            const auto& type = value.type().tensor_type();
            if (value.type().has_tensor_type() && type.has_shape()) {
                ranks_[value.name()] = type.shape().dim_size();
            }
        };
        std::ranges::for_each(graph.input(), note);
        std::ranges::for_each(graph.output(), note);
        std::ranges::for_each(graph.value_info(), note);
        for (const auto& tensor : graph.initializer()) {
            names_.insert(tensor.name());
        }
        for (const auto& node : graph.node()) {
            names_.insert(node.output().begin(), node.output().end());
            for (const auto& attribute : node.attribute()) {
                if (attribute.has_g()) {
                    collect_names(attribute.g());
                }
            }
        }
    }

    void convert(onnx::GraphProto& graph) {
        graph_ = &graph;
        Nodes old;
        old.Swap(graph.mutable_node());
        for (onnx::NodeProto& node : old) {
            for (auto& attribute : *node.mutable_attribute()) {
                if (attribute.has_g()) {
                    convert(*attribute.mutable_g());
                    graph_ = &graph;
                }
            }
            if (is_standard(node.domain())) {
                convert(node);
            }
            *graph.add_node() = std::move(node);
        }
    }

    [[noreturn]] static void refuse_node(const onnx::NodeProto& node, const std::string& why) {
        refuse(node.op_type() + " '" + node.name() + "' cannot be converted to opset 13: " + why,
               "export the model for opset 13 or newer");
    }

    std::string unique_name(const std::string& name) {
        std::string made = name;
        for (int i = 1; !names_.insert(made).second; ++i) {
            made = name + "_" + std::to_string(i);
        }
        return made;
    }

    static onnx::AttributeProto* find(onnx::NodeProto& node, const char* name) {
        for (auto& attribute : *node.mutable_attribute()) {
            if (attribute.name() == name) {
                return &attribute;
            }
        }
        return nullptr;
    }
    static void drop(onnx::NodeProto& node, const char* name) {
        auto& all = *node.mutable_attribute();
        all.erase(std::remove_if(all.begin(), all.end(),
                                 [&](const auto& attribute) { return attribute.name() == name; }),
                  all.end());
    }
    static void set_integer(onnx::NodeProto& node, const char* name, std::int64_t value) {
        drop(node, name);
        auto& made = *node.add_attribute();
        made.set_name(name);
        made.set_type(onnx::AttributeProto::INT);
        made.set_i(value);
    }
    static void set_text(onnx::NodeProto& node, const char* name, const char* value) {
        drop(node, name);
        auto& made = *node.add_attribute();
        made.set_name(name);
        made.set_type(onnx::AttributeProto::STRING);
        made.set_s(value);
    }

    // Adds a tensor, and makes it the input `i` of the node.
    onnx::TensorProto& add_input(onnx::NodeProto& node, int i, const char* name) {
        onnx::TensorProto& tensor = *graph_->add_initializer();
        tensor.set_name(unique_name(node.output(0) + "_" + name));
        while (node.input_size() <= i) {
            node.add_input("");
        }
        node.set_input(i, tensor.name());
        return tensor;
    }
    void add_integers(onnx::NodeProto& node, int i, const char* name,
                      const std::vector<std::int64_t>& values) {
        onnx::TensorProto& tensor = add_input(node, i, name);
        tensor.set_data_type(onnx::TensorProto::INT64);
        tensor.add_dims(static_cast<std::int64_t>(values.size()));
        tensor.mutable_int64_data()->Add(values.begin(), values.end());
    }
    void add_float(onnx::NodeProto& node, int i, const char* name, float value) {
        onnx::TensorProto& tensor = add_input(node, i, name);
        tensor.set_data_type(onnx::TensorProto::FLOAT);
        tensor.add_float_data(value);
    }
    // An attribute with a list, or a number, becomes an input.
    void list_to_input(onnx::NodeProto& node, const char* name, int i) {
        if (const onnx::AttributeProto* const attribute = find(node, name)) {
            add_integers(node, i, name, {attribute->ints().begin(), attribute->ints().end()});
            drop(node, name);
        }
    }
    void float_to_input(onnx::NodeProto& node, const char* name, int i) {
        if (const onnx::AttributeProto* const attribute = find(node, name)) {
            add_float(node, i, name, attribute->f());
            drop(node, name);
        }
    }

    // ---- one function for each kind of change

    // Until opset 12, Softmax, LogSoftmax and Hardmax flatten their input to a matrix.
    void convert_softmax(onnx::NodeProto& node) {
        const onnx::AttributeProto* const attribute = find(node, "axis");
        const std::int64_t axis = attribute == nullptr ? 1 : attribute->i();
        std::optional<int> rank;
        for (const std::string& name : {node.input(0), node.output(0)}) {
            if (const auto at = ranks_.find(name); at != ranks_.end()) {
                rank = at->second;
            }
        }
        set_integer(node, "axis", -1);
        if (axis == -1 || (rank && axis == *rank - 1)) {
            return;
        }
        const std::string x = node.input(0);
        const std::string y = node.output(0);
        const std::string flat = unique_name(y + "_flat");
        const std::string result = unique_name(y + "_result");
        const std::string shape = unique_name(y + "_shape");
        const auto add = [&](const char* op, const std::string& input,
                             const std::string& output) -> onnx::NodeProto& {
            onnx::NodeProto& made = *graph_->add_node();
            made.set_op_type(op);
            made.set_name(output);
            made.add_input(input);
            made.add_output(output);
            return made;
        };
        static_cast<void>(add("Shape", x, shape));
        set_integer(add("Flatten", x, flat), "axis", axis);
        onnx::NodeProto& inner = *graph_->add_node();
        inner = node;
        inner.set_input(0, flat);
        inner.set_output(0, result);
        const std::string name = node.name();
        node.Clear();
        node.set_op_type("Reshape");
        node.set_name(name);
        node.add_input(result);
        node.add_input(shape);
        node.add_output(y);
    }

    void convert_resize(onnx::NodeProto& node) {
        if (const onnx::AttributeProto* const scales = find(node, "scales")) {
            const std::vector<float> values(scales->floats().begin(), scales->floats().end());
            onnx::TensorProto& tensor = add_input(node, 1, "scales");
            tensor.set_data_type(onnx::TensorProto::FLOAT);
            tensor.add_dims(static_cast<std::int64_t>(values.size()));
            tensor.mutable_float_data()->Add(values.begin(), values.end());
            drop(node, "scales");
        }
        node.set_op_type("Resize");
        node.add_input(node.input(1));
        node.set_input(1, "");
        set_text(node, "coordinate_transformation_mode", "asymmetric");
        set_text(node, "nearest_mode", "floor");
        // Opset 7 to 10 call it bilinear, too.
        if (const auto* const mode = find(node, "mode");
            mode != nullptr && mode->s() == "bilinear") {
            set_text(node, "mode", "linear");
        }
    }

    void convert_batch_norm(onnx::NodeProto& node) {
        if (const auto* const spatial = find(node, "spatial");
            spatial != nullptr && spatial->i() == 0) {
            refuse_node(node, "its statistics are those of each element");
        }
        drop(node, "spatial");
    }

    void convert_slice(onnx::NodeProto& node) {
        list_to_input(node, "starts", 1);
        list_to_input(node, "ends", 2);
        list_to_input(node, "axes", 3);
    }

    void convert_top_k(onnx::NodeProto& node) {
        if (const auto* const k = find(node, "k")) {
            add_integers(node, 1, "k", {k->i()});
            drop(node, "k");
        }
    }

    void convert(onnx::NodeProto& node) {
        const std::string& op = node.op_type();
        if (op == "Softmax" || op == "LogSoftmax" || op == "Hardmax") {
            convert_softmax(node);
        } else if (op == "Squeeze" || op == "Unsqueeze" || op == "ReduceSum") {
            list_to_input(node, "axes", 1);
        } else if (op == "Split") {
            list_to_input(node, "split", 1);
        } else if (op == "Dropout") {
            drop(node, "ratio");
        }
        if (opset_ < 11) {
            convert_from_before_11(node);
        }
    }

    void convert_from_before_11(onnx::NodeProto& node) {
        const std::string op = node.op_type();
        if (op == "Clip") {
            float_to_input(node, "min", 1);
            float_to_input(node, "max", 2);
        } else if (op == "Pad") {
            list_to_input(node, "pads", 1);
            float_to_input(node, "value", 2);
        } else if (op == "Resize" || op == "Upsample") {
            convert_resize(node);
        } else if (op == "Scatter") {
            node.set_op_type("ScatterElements");
        } else if (op == "Slice" && opset_ < 10) {
            convert_slice(node);
        } else if (op == "TopK" && opset_ < 10) {
            convert_top_k(node);
        } else if (op == "BatchNormalization" && opset_ < 9) {
            convert_batch_norm(node);
        } else if (op == "Scan" && opset_ < 9) {
            refuse_node(node, "its inputs have another order");
        }
    }

    onnx::ModelProto& model_;
    std::int64_t opset_;
    onnx::GraphProto* graph_ = nullptr;
    std::set<std::string> names_;
    std::map<std::string, int> ranks_;
};

// Weights that are inputs could be replaced in each run, so no runtime would use them as constants.
void remove_weights_from_inputs(onnx::GraphProto& graph) {
    std::set<std::string> weights;
    for (const auto& tensor : graph.initializer()) {
        weights.insert(tensor.name());
    }
    auto& inputs = *graph.mutable_input();
    inputs.erase(std::remove_if(inputs.begin(), inputs.end(),
                                [&](const auto& input) { return weights.contains(input.name()); }),
                 inputs.end());
}

}  // namespace

void raise_opset(onnx::ModelProto& model) {
    remove_weights_from_inputs(*model.mutable_graph());
    model.set_ir_version(std::max<std::int64_t>(model.ir_version(), ir_version));
    const auto standard = [](const auto& import) { return is_standard(import.domain()); };
    auto& imports = *model.mutable_opset_import();
    auto at = std::ranges::find_if(imports, standard);
    if (at == imports.end()) {
        refuse("the model states no opset", "export the model for opset 13 or newer");
    }
    if (at->version() >= quantized_opset) {
        return;
    }
    if (at->version() < oldest) {
        refuse("the model has opset " + std::to_string(at->version()) +
                   ", and quantized models need opset 13",
               "export the model for opset 7 or newer, or convert it with onnx.version_converter");
    }
    OpsetConversion(model, at->version()).run();
    at->set_version(quantized_opset);
}

}  // namespace accel::compiler
