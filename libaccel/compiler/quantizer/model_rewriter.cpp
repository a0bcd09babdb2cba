// SPDX-License-Identifier: Apache-2.0
#include "quantizer/model_rewriter.hpp"

#include <onnx.pb.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <vector>

#include "frontend/onnx_tensor.hpp"
#include "ir/number_reader.hpp"
#include "ir/program.hpp"
#include "passes/quantization_lowering.hpp"
#include "quantizer/block_packing.hpp"
#include "quantizer/onnx_writer.hpp"

namespace accel::compiler {

namespace {

// u8 parameters that cover a range. Zero is representable exactly.
struct ActivationParams {
    float scale = 1;
    std::uint8_t zero_point = 0;

    explicit ActivationParams(const Range& range) {
        const float low = std::min(range.low, 0.0F);
        const float high = std::max(range.high, 0.0F);
        if (const float step = (high - low) / 255.0F; step > 0) {
            scale = step;
            zero_point =
                static_cast<std::uint8_t>(std::lround(std::clamp(-low / step, 0.0F, 255.0F)));
        }
    }
};

class ModelRewriter {
  public:
    ModelRewriter(ParsedModel& model, const Sites& sites,
                  const std::map<std::string, Range>& ranges, TemporaryFile& quantized)
        : model_(model.proto),
          files_(model.weights),
          graph_(*model.proto.mutable_graph()),
          sites_(sites),
          ranges_(ranges),
          quantized_(quantized) {
        for (const auto& node : graph_.node()) {
            names_.insert(node.output().begin(), node.output().end());
        }
        for (const auto& input : graph_.input()) {
            names_.insert(input.name());
        }
        for (const auto& tensor : graph_.initializer()) {
            names_.insert(tensor.name());
        }
    }

    void run() {
        // This loop only adds tensors and renames inputs. add_nodes() changes the node list after
        // it.
        for (const Site& site : sites_.found()) {
            onnx::NodeProto& node = *graph_.mutable_node(site.node);
            if (site.packed) {
                pack_weights(site, node);
                continue;
            }
            const std::vector<float>& scales = quantize_weights(site, node);
            if (node.input_size() > 2 && !node.input(2).empty()) {
                quantize_bias(site, node, scales);
            }
            node.set_input(0, quantize_activation(site.activation));
        }
        for (const Neighbor& neighbor : sites_.neighbors()) {
            onnx::NodeProto& node = *graph_.mutable_node(neighbor.node);
            for (const int i : neighbor.inputs) {
                node.set_input(i, quantize_activation(node.input(i)));
            }
        }
        add_nodes();
        remove_unused();
        if (uses_contrib_ && std::ranges::none_of(model_.opset_import(), [](const auto& i) {
                return i.domain() == contrib_domain;
            })) {
            auto& import = *model_.add_opset_import();
            import.set_domain(contrib_domain);
            import.set_version(1);
        }
    }

  private:
    static constexpr const char* contrib_domain = "com.microsoft";

    std::string unique_name(const std::string& name) {
        std::string made = name;
        for (int i = 1; !names_.insert(made).second; ++i) {
            made = name + "_" + std::to_string(i);
        }
        return made;
    }

    onnx::TensorProto& add_tensor_head(const std::string& name, onnx::TensorProto::DataType type,
                                       const std::vector<std::int64_t>& dims) {
        auto& made = *graph_.add_initializer();
        made.set_name(unique_name(name));
        made.set_data_type(type);
        made.mutable_dims()->Add(dims.begin(), dims.end());
        return made;
    }

    std::string add_tensor(const std::string& name, onnx::TensorProto::DataType type,
                           const std::vector<std::int64_t>& dims,
                           std::span<const std::byte> bytes) {
        auto& made = add_tensor_head(name, type, dims);
        made.set_raw_data(bytes.data(), bytes.size());
        return made.name();
    }

    // A tensor with the bytes of the temporary file from `offset` on.
    std::string add_written_tensor(const std::string& name, onnx::TensorProto::DataType type,
                                   const std::vector<std::int64_t>& dims, std::uint64_t offset) {
        auto& made = add_tensor_head(name, type, dims);
        set_external(made, std::string(quantized_location), offset, quantized_.size() - offset);
        return made.name();
    }

    static void set_integer(onnx::NodeProto& node, const char* name, std::int64_t value) {
        auto& attribute = *node.add_attribute();
        attribute.set_name(name);
        attribute.set_type(onnx::AttributeProto::INT);
        attribute.set_i(value);
    }

    static onnx::NodeProto make_node(const char* op, const std::vector<std::string>& inputs,
                                     const std::string& output, std::int64_t axis) {
        onnx::NodeProto made;
        made.set_op_type(op);
        made.set_name(output);
        made.mutable_input()->Add(inputs.begin(), inputs.end());
        made.add_output(output);
        if (axis >= 0) {
            set_integer(made, "axis", axis);
        }
        return made;
    }

    // Adds the DequantizeLinear behind a quantized tensor. Returns the name of its output.
    template <typename T>
    std::string add_dequantized(const std::string& name, const std::string& quantized,
                                onnx::TensorProto::DataType type, const std::vector<float>& scales,
                                std::int64_t axis) {
        const std::string s = add_tensor(name + "_scale", onnx::TensorProto::FLOAT,
                                         {std::ssize(scales)}, std::as_bytes(std::span(scales)));
        const std::vector<T> zeros(scales.size(), 0);
        const std::string z = add_tensor(name + "_zero_point", type, {std::ssize(scales)},
                                         std::as_bytes(std::span(zeros)));
        std::string out = unique_name(name + "_dequantized");
        first_.push_back(make_node("DequantizeLinear", {quantized, s, z}, out, axis));
        return out;
    }

    // Calls visit(first, values) for the elements of a tensor, part by part.
    template <typename Visit>
    static void for_each_part(const Tensor& tensor, Visit&& visit) {
        constexpr std::int64_t part = std::int64_t{1} << 18;
        NumberReader<float> reader(tensor);
        std::vector<float> values;
        const std::int64_t count = elements(tensor.dims);
        for (std::int64_t first = 0; first < count; first += part) {
            values.resize(static_cast<std::size_t>(std::min(part, count - first)));
            reader.read(first, values);
            reader.evict(first, std::ssize(values));
            visit(static_cast<std::size_t>(first), std::span<const float>(values));
        }
    }

    // Quantizes weights to symmetric i8. Returns their scales.
    const std::vector<float>& quantize_weights(const Site& site, onnx::NodeProto& user) {
        const auto key = std::pair(site.weights, site.axis);
        auto& [made, scales] = weights_[key];
        if (made.empty()) {
            const Constant w = import_tensor(*sites_.tensor(site.weights), &files_);
            const auto axis = static_cast<std::size_t>(site.axis);
            const auto stride = static_cast<std::size_t>(dense_strides(w->dims)[axis]);
            const auto count = static_cast<std::size_t>(w->dims[axis]);
            std::vector<float> largest(count, 0.0F);
            bool finite = true;
            for_each_part(*w, [&](std::size_t first, std::span<const float> values) {
                for (std::size_t i = 0; i < values.size(); ++i) {
                    float& maximum = largest[(first + i) / stride % count];
                    maximum = std::max(maximum, std::fabs(values[i]));
                    finite = finite && std::isfinite(values[i]);
                }
            });
            check_finite(site, finite);
            for (const float maximum : largest) {
                const float scale = maximum / 127.0F;  // zero, too, for the least numbers
                scales.push_back(scale > 0 ? scale : 1.0F);
            }
            const std::uint64_t start = quantized_.align();
            std::vector<std::int8_t> steps;
            for_each_part(*w, [&](std::size_t first, std::span<const float> values) {
                steps.clear();
                for (std::size_t i = 0; i < values.size(); ++i) {
                    const float step =
                        std::nearbyint(values[i] / scales[(first + i) / stride % count]);
                    steps.push_back(static_cast<std::int8_t>(std::clamp(step, -127.0F, 127.0F)));
                }
                quantized_.write(std::as_bytes(std::span(steps)));
            });
            const std::string q = add_written_tensor(site.weights + "_quantized",
                                                     onnx::TensorProto::INT8, w->dims, start);
            made = add_dequantized<std::int8_t>(site.weights, q, onnx::TensorProto::INT8, scales,
                                                site.axis);
        }
        user.set_input(1, made);
        return scales;
    }

    // Turns a MatMul into one with weights of 4 bits, in blocks along each column: an element q
    // stands for (q - 8) * scale.
    void pack_weights(const Site& site, onnx::NodeProto& user) {
        const Constant w = import_tensor(*sites_.tensor(site.weights), &files_);
        const std::uint64_t start = quantized_.align();
        BlockPacking packing(*w);
        const std::vector<float> scales =
            packing.run([&](std::span<const std::byte> bytes) { quantized_.write(bytes); });
        check_finite(site, std::ranges::all_of(scales, [](float x) { return std::isfinite(x); }));
        const std::int64_t length = packing.blocks();
        constexpr std::int64_t block = BlockPacking::block;
        user.set_input(1, add_written_tensor(site.weights + "_quantized", onnx::TensorProto::UINT8,
                                             {w->dims[1], length, block / 2}, start));
        user.add_input(add_tensor(site.weights + "_scale", onnx::TensorProto::FLOAT,
                                  {w->dims[1] * length}, std::as_bytes(std::span(scales))));
        user.set_op_type("MatMulNBits");
        user.set_domain(contrib_domain);
        set_integer(user, "K", w->dims[0]);
        set_integer(user, "N", w->dims[1]);
        set_integer(user, "bits", 4);
        set_integer(user, "block_size", block);
        uses_contrib_ = true;
    }

    static void check_finite(const Site& site, bool finite) {
        if (!finite) {
            refuse("the weights '" + site.weights + "' have an element that is not finite",
                   "correct the weights, or exclude the node with "
                   "QuantizeOptions::nodes_to_exclude");
        }
    }

    // The activation whose range decides about the quantization of another.
    [[nodiscard]] const Range& range_of(const std::string& name) const {
        const std::string* root = &name;
        const auto& same = sites_.same_range();
        for (auto at = same.find(name); at != same.end(); at = same.find(*root)) {
            root = &at->second;
        }
        return ranges_.at(*root);
    }

    // Quantizes a bias to i32. It stays f32 if it does not fit, or has no element for each channel.
    void quantize_bias(const Site& site, onnx::NodeProto& user, const std::vector<float>& scales) {
        const onnx::TensorProto* const bias = sites_.tensor(user.input(2));
        if (bias == nullptr || bias->data_type() != onnx::TensorProto::FLOAT ||
            bias->dims_size() != 1 || bias->dims(0) != std::ssize(scales)) {
            return;
        }
        const std::vector<float> values = import_tensor(*bias, &files_)->floats();
        const float input_scale = ActivationParams(range_of(site.activation)).scale;
        std::vector<std::int32_t> steps;
        std::vector<float> bias_scales;
        for (std::size_t c = 0; c < values.size(); ++c) {
            bias_scales.push_back(input_scale * scales[c]);
            const double step = std::nearbyint(static_cast<double>(values[c]) / bias_scales[c]);
            if (!(std::fabs(step) < max_bias)) {
                return;
            }
            steps.push_back(static_cast<std::int32_t>(step));
        }
        const std::string q = add_tensor(user.input(2) + "_quantized", onnx::TensorProto::INT32,
                                         {std::ssize(values)}, std::as_bytes(std::span(steps)));
        user.set_input(2, add_dequantized<std::int32_t>(user.input(2), q, onnx::TensorProto::INT32,
                                                        bias_scales, 0));
    }

    // Returns the name of the dequantized form of an activation.
    std::string quantize_activation(const std::string& name) {
        auto& made = activations_[name];
        if (made.empty()) {
            const ActivationParams params(range_of(name));
            const std::string s = add_tensor(name + "_scale", onnx::TensorProto::FLOAT, {},
                                             std::as_bytes(std::span(&params.scale, 1)));
            const std::string z = add_tensor(name + "_zero_point", onnx::TensorProto::UINT8, {},
                                             std::as_bytes(std::span(&params.zero_point, 1)));
            const std::string q = unique_name(name + "_quantized");
            made = unique_name(name + "_dequantized");
            behind_[name] = {make_node("QuantizeLinear", {name, s, z}, q, -1),
                             make_node("DequantizeLinear", {q, s, z}, made, -1)};
        }
        return made;
    }

    // Inserts each new node behind the node or input that it reads.
    void add_nodes() {
        google::protobuf::RepeatedPtrField<onnx::NodeProto> old;
        old.Swap(graph_.mutable_node());
        const auto append = [&](std::vector<onnx::NodeProto>& nodes) {
            for (onnx::NodeProto& made : nodes) {
                *graph_.add_node() = std::move(made);
            }
        };
        append(first_);
        for (const auto& input : graph_.input()) {
            if (const auto at = behind_.find(input.name()); at != behind_.end()) {
                append(at->second);
            }
        }
        for (onnx::NodeProto& node : old) {
            onnx::NodeProto& moved = *graph_.add_node();
            moved.Swap(&node);
            for (const std::string& output : moved.output()) {
                if (const auto at = behind_.find(output); at != behind_.end()) {
                    append(at->second);
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

    // Removes weights that no node reads.
    void remove_unused() {
        std::set<std::string> used;
        note_uses(graph_, used);
        std::set<std::string> removed;
        const auto drop = [](auto& list, auto unwanted) {
            list.erase(std::remove_if(list.begin(), list.end(), unwanted), list.end());
        };
        drop(*graph_.mutable_initializer(), [&](const auto& tensor) {
            return !used.contains(tensor.name()) && removed.insert(tensor.name()).second;
        });
        drop(*graph_.mutable_input(),
             [&](const auto& input) { return removed.contains(input.name()); });
        drop(*graph_.mutable_node(), [&](const auto& node) {
            return node.op_type() == "Constant" && node.output_size() == 1 &&
                   !used.contains(node.output(0));
        });
    }

    onnx::ModelProto& model_;
    WeightFiles& files_;
    onnx::GraphProto& graph_;
    const Sites& sites_;
    const std::map<std::string, Range>& ranges_;
    TemporaryFile& quantized_;
    bool uses_contrib_ = false;
    std::set<std::string> names_;
    std::vector<onnx::NodeProto> first_;  // before all other nodes
    std::map<std::string, std::vector<onnx::NodeProto>>
        behind_;  // behind the node or input of this name
    std::map<std::pair<std::string, std::int64_t>, std::pair<std::string, std::vector<float>>>
        weights_;
    std::map<std::string, std::string> activations_;
};

}  // namespace

void insert_quantization(ParsedModel& model, const Sites& sites,
                         const std::map<std::string, Range>& ranges, TemporaryFile& quantized) {
    ModelRewriter(model, sites, ranges, quantized).run();
    model.weights.add(quantized_location, quantized.map());
}

}  // namespace accel::compiler
