// SPDX-License-Identifier: Apache-2.0
//
// Three steps: which nodes can multiply bytes, between what their inputs range, and the file.
#include <accel/quantize.hpp>

#include <onnx.pb.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <set>

#include "codegen/compile.hpp"
#include "frontend/onnx_file.hpp"
#include "frontend/onnx_import.hpp"
#include "frontend/operator.hpp"
#include "passes/quantization_lowering.hpp"
#include "quantizer/calibration.hpp"
#include "quantizer/quantize_sites.hpp"

namespace accel {

namespace compiler {

namespace {

constexpr std::int64_t opset_with_axes = 13;  // of QuantizeLinear

// u8 for all of a range, zero exactly among them.
struct Steps {
    float scale = 1;
    std::uint8_t zero = 0;

    explicit Steps(const Range& range) {
        const float low = std::min(range.low, 0.0F);
        const float high = std::max(range.high, 0.0F);
        if (const float step = (high - low) / 255.0F; step > 0) {
            scale = step;
            zero = static_cast<std::uint8_t>(std::lround(std::clamp(-low / step, 0.0F, 255.0F)));
        }
    }
};

// Puts QuantizeLinear and DequantizeLinear into a model.
class Rewriter {
  public:
    Rewriter(onnx::ModelProto& model, const Sites& sites,
             const std::map<std::string, Range>& ranges)
        : model_(model), graph_(*model.mutable_graph()), sites_(sites), ranges_(ranges) {
        for (const auto& node : graph_.node()) {
            names_.insert(node.output().begin(), node.output().end());
        }
        for (const auto& input : graph_.input()) {
            names_.insert(input.name());
        }
        for (const auto& tensor : graph_.initializer()) {
            names_.insert(tensor.name());
        }
        for (const auto& import : model_.opset_import()) {
            if (import.domain().empty() || import.domain() == "ai.onnx") {
                opset_ = import.version();
            }
        }
    }

    void run() {
        // Pointers to tensors would not outlive what comes: all weights first.
        for (const Site& site : sites_.found()) {
            onnx::NodeProto& node = *graph_.mutable_node(site.node);
            const std::vector<float>& scales = weights(site, node);
            if (node.input_size() > 2 && !node.input(2).empty()) {
                bias(site, node, scales);
            }
            node.set_input(0, activation(site.activation));
        }
        place();
        remove_unused();
        if (opset_ < opset_with_axes &&
            std::ranges::none_of(model_.opset_import(),
                                 [](const auto& i) { return i.domain() == own_domain; })) {
            auto& import = *model_.add_opset_import();
            import.set_domain(own_domain);
            import.set_version(1);
        }
    }

  private:
    static constexpr const char* own_domain = "com.microsoft";

    std::string fresh(const std::string& name) {
        std::string made = name;
        for (int i = 1; !names_.insert(made).second; ++i) {
            made = name + "_" + std::to_string(i);
        }
        return made;
    }

    std::string tensor(const std::string& name, onnx::TensorProto::DataType type,
                       std::vector<std::int64_t> dims, std::span<const std::byte> bytes) {
        auto& made = *graph_.add_initializer();
        made.set_name(fresh(name));
        made.set_data_type(type);
        made.mutable_dims()->Add(dims.begin(), dims.end());
        made.set_raw_data(bytes.data(), bytes.size());
        return made.name();
    }

    // A node of ours; opsets before 13 have none with a scale for each channel.
    onnx::NodeProto node(const char* op, const std::vector<std::string>& inputs,
                         const std::string& output, std::int64_t axis) const {
        onnx::NodeProto made;
        made.set_op_type(op);
        made.set_name(output);
        if (opset_ < opset_with_axes) {
            made.set_domain(own_domain);
        }
        made.mutable_input()->Add(inputs.begin(), inputs.end());
        made.add_output(output);
        if (axis >= 0) {
            auto& attribute = *made.add_attribute();
            attribute.set_name("axis");
            attribute.set_type(onnx::AttributeProto::INT);
            attribute.set_i(axis);
        }
        return made;
    }

    template <typename T>
    std::string dequantized(const std::string& name, onnx::TensorProto::DataType type,
                            const std::vector<std::int64_t>& dims, const std::vector<T>& steps,
                            const std::vector<float>& scales, std::int64_t axis) {
        const auto bytes = std::as_bytes(std::span(steps));
        const std::string q = tensor(name + "_quantized", type, dims, bytes);
        const std::string s = tensor(name + "_scale", onnx::TensorProto::FLOAT,
                                     {std::ssize(scales)}, std::as_bytes(std::span(scales)));
        const std::vector<T> zeros(scales.size(), 0);
        const std::string z = tensor(name + "_zero_point", type, {std::ssize(scales)},
                                     std::as_bytes(std::span(zeros)));
        std::string out = fresh(name + "_dequantized");
        first_.push_back(node("DequantizeLinear", {q, s, z}, out, axis));
        return out;
    }

    // Symmetric i8; gives the scales.
    const std::vector<float>& weights(const Site& site, onnx::NodeProto& user) {
        const auto key = std::pair(site.weights, site.axis);
        auto& [made, scales] = weights_[key];
        if (made.empty()) {
            const Constant w = read_tensor(*sites_.tensor(site.weights));
            const std::vector<float> values = w->floats();
            const auto axis = static_cast<std::size_t>(site.axis);
            const auto stride = static_cast<std::size_t>(dense_strides(w->dims)[axis]);
            const auto count = static_cast<std::size_t>(w->dims[axis]);
            std::vector<float> largest(count, 0.0F);
            for (std::size_t i = 0; i < values.size(); ++i) {
                float& most = largest[i / stride % count];
                most = std::max(most, std::fabs(values[i]));
            }
            for (const float most : largest) {
                if (!std::isfinite(most)) {
                    refuse("the weights '" + site.weights + "' are not finite");
                }
                scales.push_back(most > 0 ? most / 127.0F : 1.0F);
            }
            std::vector<std::int8_t> steps;
            for (std::size_t i = 0; i < values.size(); ++i) {
                const float step = std::nearbyint(values[i] / scales[i / stride % count]);
                steps.push_back(static_cast<std::int8_t>(std::clamp(step, -127.0F, 127.0F)));
            }
            made = dequantized(site.weights, onnx::TensorProto::INT8, w->dims, steps, scales,
                               site.axis);
        }
        user.set_input(1, made);
        return scales;
    }

    // In steps of a sum; it stays f32 if it does not fit or is not one for each channel.
    void bias(const Site& site, onnx::NodeProto& user, const std::vector<float>& scales) {
        const onnx::TensorProto* const known = sites_.tensor(user.input(2));
        if (known == nullptr || known->data_type() != onnx::TensorProto::FLOAT ||
            known->dims_size() != 1 || known->dims(0) != std::ssize(scales)) {
            return;
        }
        const std::vector<float> values = read_tensor(*known)->floats();
        const float input = Steps(ranges_.at(site.activation)).scale;
        std::vector<std::int32_t> steps;
        std::vector<float> both;
        for (std::size_t c = 0; c < values.size(); ++c) {
            both.push_back(input * scales[c]);
            const double step = std::nearbyint(static_cast<double>(values[c]) / both[c]);
            if (!(std::fabs(step) < most_bias)) {
                return;
            }
            steps.push_back(static_cast<std::int32_t>(step));
        }
        user.set_input(2, dequantized(user.input(2), onnx::TensorProto::INT32, {std::ssize(values)},
                                      steps, both, 0));
    }

    // Gives the name of what stands for an activation.
    std::string activation(const std::string& name) {
        auto& made = activations_[name];
        if (made.empty()) {
            const Steps steps(ranges_.at(name));
            const std::string s = tensor(name + "_scale", onnx::TensorProto::FLOAT, {},
                                         std::as_bytes(std::span(&steps.scale, 1)));
            const std::string z = tensor(name + "_zero_point", onnx::TensorProto::UINT8, {},
                                         std::as_bytes(std::span(&steps.zero, 1)));
            const std::string q = fresh(name + "_quantized");
            made = fresh(name + "_dequantized");
            behind_[name] = {node("QuantizeLinear", {name, s, z}, q, -1),
                             node("DequantizeLinear", {q, s, z}, made, -1)};
        }
        return made;
    }

    // Each new node behind what it reads.
    void place() {
        google::protobuf::RepeatedPtrField<onnx::NodeProto> old;
        old.Swap(graph_.mutable_node());
        const auto put = [&](std::vector<onnx::NodeProto>& nodes) {
            for (onnx::NodeProto& made : nodes) {
                *graph_.add_node() = std::move(made);
            }
        };
        put(first_);
        for (const auto& input : graph_.input()) {
            if (const auto at = behind_.find(input.name()); at != behind_.end()) {
                put(at->second);
            }
        }
        for (onnx::NodeProto& node : old) {
            onnx::NodeProto& placed = *graph_.add_node();
            placed.Swap(&node);
            for (const std::string& output : placed.output()) {
                if (const auto at = behind_.find(output); at != behind_.end()) {
                    put(at->second);
                }
            }
        }
    }

    static void note_uses(const onnx::GraphProto& graph, std::set<std::string>& used) {
        for (const auto& node : graph.node()) {
            used.insert(node.input().begin(), node.input().end());
            for (const auto& attribute : node.attribute()) {
                if (attribute.has_g()) {
                    note_uses(attribute.g(), used);
                }
            }
        }
        for (const auto& output : graph.output()) {
            used.insert(output.name());
        }
    }

    // Weights that nobody reads any more.
    void remove_unused() {
        std::set<std::string> used;
        note_uses(graph_, used);
        std::set<std::string> gone;
        const auto drop = [](auto& list, auto unwanted) {
            list.erase(std::remove_if(list.begin(), list.end(), unwanted), list.end());
        };
        drop(*graph_.mutable_initializer(), [&](const auto& tensor) {
            return !used.contains(tensor.name()) && gone.insert(tensor.name()).second;
        });
        drop(*graph_.mutable_input(),
             [&](const auto& input) { return gone.contains(input.name()); });
        drop(*graph_.mutable_node(), [&](const auto& node) {
            return node.op_type() == "Constant" && node.output_size() == 1 &&
                   !used.contains(node.output(0));
        });
    }

    onnx::ModelProto& model_;
    onnx::GraphProto& graph_;
    const Sites& sites_;
    const std::map<std::string, Range>& ranges_;
    std::int64_t opset_ = 0;
    std::set<std::string> names_;
    std::vector<onnx::NodeProto> first_;
    std::map<std::string, std::vector<onnx::NodeProto>> behind_;
    std::map<std::pair<std::string, std::int64_t>, std::pair<std::string, std::vector<float>>>
        weights_;
    std::map<std::string, std::string> activations_;
};

std::vector<std::byte> serialized(const onnx::ModelProto& model) {
    std::vector<std::byte> bytes(model.ByteSizeLong());
    if (bytes.size() > static_cast<std::size_t>(INT32_MAX) ||
        !model.SerializeToArray(bytes.data(), static_cast<int>(bytes.size()))) {
        refuse("the quantized model is larger than 2 GiB, which an ONNX file cannot be");
    }
    return bytes;
}

QuantizeReport quantize(const Device& device, const std::filesystem::path& file,
                        CalibrationData data, const std::filesystem::path& result,
                        const QuantizeOptions& options) {
    onnx::ModelProto model = read_model(file);
    if (data.empty()) {
        refuse("there is no calibration data: give some inputs as the model will see them");
    }
    Sites sites(model.graph(), options.keep);
    std::set<std::string> wanted;
    for (const Site& site : sites.found()) {
        wanted.insert(site.activation);
    }
    if (wanted.empty()) {
        std::string why;
        for (const QuantizedNode& node : sites.report()) {
            why += "; " + node.node + ": " + node.reason;
        }
        refuse("it has no Conv, Gemm or MatMul that could multiply bytes" + why);
    }
    const std::string name = file.string();
    const auto ranges =
        calibrate(device, model, name, {wanted.begin(), wanted.end()}, data, options);
    const Model before = compile(device, read_onnx(model, name, options.load));
    // The sites point to tensors of the model as it was.
    onnx::ModelProto quantized = model;
    Rewriter(quantized, sites, ranges).run();
    const std::vector<std::byte> bytes = serialized(quantized);
    const Model after = compile(device, read_onnx(quantized, result.string(), options.load));
    QuantizeReport report{.nodes = std::move(sites.report()), .outputs = {}};
    report.outputs = noise(device, before, after, data);
    write_file(result, bytes);
    return report;
}

}  // namespace

}  // namespace compiler

QuantizeReport quantize(const Device& device, const std::filesystem::path& model,
                        std::span<const std::vector<TensorData>> calibration,
                        const std::filesystem::path& result, const QuantizeOptions& options) {
    try {
        return compiler::quantize(device, model, calibration, result, options);
    } catch (const Error& error) {
        const std::string what = compiler::message_of(error);
        throw Error(error.errc(),
                    what.starts_with(model.string()) ? what : model.string() + ": " + what);
    }
}

}  // namespace accel
