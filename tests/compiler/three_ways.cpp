// SPDX-License-Identifier: Apache-2.0
#include "three_ways.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <sstream>

#include "frontend/onnx_import.hpp"
#include "ir/tensor.hpp"
#include "runtime/compile.hpp"

namespace accel::test {

namespace {

using compiler::Dims;

Result run(const Device& device, Queue& queue, const Case& one, LoadOptions options) {
    options.allow_narrowing = true;
    for (std::size_t i = 0; i < one.ports.size(); ++i) {
        options.shapes[one.ports[i].name] = one.inputs[i].shape;
    }
    for (;;) {
        try {
            const Model net =
                compiler::compile(device, compiler::import_onnx(one.model, one.name, options));
            std::vector<TensorData> given;
            for (std::size_t i = 0; i < one.ports.size(); ++i) {
                if (!options.constant_inputs.contains(one.ports[i].name)) {
                    given.push_back(one.inputs[i]);
                }
            }
            return {net.run(queue, given), "", false};
        } catch (const ConstantInputRequired& unknown) {
            const auto port = std::ranges::find(one.ports, unknown.input(), &TensorInfo::name);
            if (port == one.ports.end() || options.constant_inputs.contains(unknown.input())) {
                return {{}, unknown.what(), true};
            }
            options.constant_inputs[unknown.input()] =
                one.inputs[static_cast<std::size_t>(port - one.ports.begin())];
        } catch (const Error& error) {
            if (queue.failure()) {
                queue.reset();
            }
            return {{}, error.what(), error.errc() == std::errc::invalid_argument};
        }
    }
}

void add_weights(onnx::GraphProto& graph, const std::string& name, const Dims& values) {
    onnx::TensorProto& made = *graph.add_initializer();
    made.set_name(name);
    made.set_data_type(onnx::TensorProto::INT64);
    made.add_dims(std::ssize(values));
    made.mutable_int64_data()->Add(values.begin(), values.end());
}

onnx::NodeProto& add_node(onnx::GraphProto& graph, const char* op, const std::string& a,
                          const std::string& b, const std::string& to) {
    onnx::NodeProto& node = *graph.add_node();
    node.set_op_type(op);
    node.add_input(a);
    node.add_input(b);
    node.add_output(to);
    return node;
}

// The model behind nodes that the host computes: each input passes a Compress whose condition is an
// input, too.
Case behind_host(const Case& one) {
    Case made = one;
    onnx::GraphProto& graph = *made.model.mutable_graph();
    for (std::size_t i = 0; i < one.ports.size(); ++i) {
        const std::string& name = one.ports[i].name;
        const std::string outside = name + " outside";
        const std::string kept = name + " kept";
        for (auto& input : *graph.mutable_input()) {
            if (input.name() == name) {
                input.set_name(outside);
            }
        }
        made.ports[i].name = outside;
        const auto count = compiler::elements(one.inputs[i].shape);
        add_weights(graph, name + " count", {count});
        add_weights(graph, name + " shape", one.inputs[i].shape);
        add_node(graph, "Reshape", outside, name + " count", name + " flat");
        add_node(graph, "Compress", name + " flat", kept, name + " dense");
        add_node(graph, "Reshape", name + " dense", name + " shape", name);
        onnx::ValueInfoProto& condition = *graph.add_input();
        condition.set_name(kept);
        auto& type = *condition.mutable_type()->mutable_tensor_type();
        type.set_elem_type(onnx::TensorProto::BOOL);
        type.mutable_shape()->add_dim()->set_dim_value(count);
        made.ports.push_back({kept, DataType::boolean, {count}});
        made.inputs.push_back(
            {DataType::boolean,
             {count},
             std::vector<std::byte>(static_cast<std::size_t>(count), std::byte{1})});
    }
    if (std::ranges::none_of(made.model.opset_import(),
                             [](const auto& import) { return import.domain().empty(); })) {
        made.model.add_opset_import()->set_version(13);
    }
    return made;
}

LoadOptions all_known(const Case& one) {
    LoadOptions options;
    for (std::size_t i = 0; i < one.ports.size(); ++i) {
        options.constant_inputs[one.ports[i].name] = one.inputs[i];
    }
    return options;
}

}  // namespace

std::string difference(const Result& card, const Result& other) {
    if (card.error.empty() != other.error.empty()) {
        return card.error.empty() ? "error: " + other.error
                                  : "no error, but the card: " + card.error;
    }
    if (card.outputs.size() != other.outputs.size()) {
        return "another number of outputs";
    }
    for (std::size_t i = 0; i < card.outputs.size(); ++i) {
        const TensorData& a = card.outputs[i];
        const TensorData& b = other.outputs[i];
        const std::string output = "output " + std::to_string(i);
        if (a.type != b.type || a.shape != b.shape) {
            return output + " has another type or shape";
        }
        compiler::Tensor x(a.type, a.shape);
        compiler::Tensor y(a.type, a.shape);
        x.data = a.bytes;
        y.data = b.bytes;
        const bool integers = compiler::is_integer(a.type);
        const std::vector<float> xs = integers ? std::vector<float>() : x.floats();
        const std::vector<float> ys = integers ? std::vector<float>() : y.floats();
        const std::size_t size = size_of(a.type);
        for (std::size_t k = 0; k * size < a.bytes.size(); ++k) {
            const bool same = std::memcmp(&a.bytes[k * size], &b.bytes[k * size], size) == 0;
            if (!same && (integers || !std::isnan(xs[k]) || !std::isnan(ys[k]))) {
                std::ostringstream text;
                text << output << ", element " << k << " is ";
                if (integers) {
                    text << y.integers()[k] << ", on the card " << x.integers()[k];
                } else {
                    text << ys[k] << ", on the card " << xs[k];
                }
                return text.str();
            }
        }
    }
    return "";
}

Result run_on_card(const Device& device, Queue& queue, const Case& one) {
    return run(device, queue, one, {});
}

Result run_folded(const Device& device, Queue& queue, const Case& one) {
    return run(device, queue, one, all_known(one));
}

// Whether Compress exists in the opset, Reshape takes the shapes, and all outputs are tensors.
bool fits_host(const Case& one) {
    const auto old = [](const auto& import) {
        return import.domain().empty() && import.version() < 9;
    };
    const auto empty = [](const TensorData& input) { return compiler::elements(input.shape) == 0; };
    const auto sequence = [](const onnx::ValueInfoProto& output) {
        return output.type().has_sequence_type() || output.type().has_optional_type();
    };
    return std::ranges::none_of(one.model.opset_import(), old) &&
           std::ranges::none_of(one.model.graph().output(), sequence) &&
           std::ranges::none_of(one.inputs, empty);
}

Result run_on_host(const Device& device, Queue& queue, const Case& one) {
    return run(device, queue, behind_host(one), {.host_fallback = true});
}

}  // namespace accel::test
