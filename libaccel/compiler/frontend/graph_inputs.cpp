// SPDX-License-Identifier: Apache-2.0
#include "frontend/graph_inputs.hpp"

#include <onnx.pb.h>

#include <accel/log.hpp>
#include <algorithm>
#include <map>
#include <set>

#include "frontend/input_shapes.hpp"
#include "frontend/onnx_tensor.hpp"
#include "ir/error.hpp"

namespace accel::compiler {

namespace {

Constant constant_input(const onnx::ValueInfoProto& input, const TensorData& given) {
    const DataType wanted = data_type_of(element_type_of(input.type()).elem_type());
    if (given.type != wanted) {
        refuse("LoadOptions::constant_inputs gives input '" + input.name() + "' as " +
                   std::string(to_string(given.type)) + ", and the model declares " +
                   std::string(to_string(wanted)),
               "give it the data type of the model");
    }
    const std::size_t needed = static_cast<std::size_t>(elements(given.shape)) * size_of(wanted);
    if (needed != given.bytes.size()) {
        refuse("LoadOptions::constant_inputs gives input '" + input.name() + "' " +
                   std::to_string(given.bytes.size()) + " bytes, and its shape needs " +
                   std::to_string(needed),
               "give as many bytes as the shape needs");
    }
    const Bytes source = ByteSource::own(given.bytes);
    return std::make_shared<Tensor>(given.type, given.shape,
                                    TensorStorage(source, source->bytes()));
}

// The shapes of inputs, and the dimensions whose lengths neither the model nor the options state.
class StatedShapes {
  public:
    explicit StatedShapes(const LoadOptions& options) : options_(options) {}

    // The shape of an input. A length that is missing is noted, and is 1 here.
    Dims shape_of(const onnx::ValueInfoProto& input);

    // Whether a length of an input is missing.
    [[nodiscard]] bool open(const onnx::ValueInfoProto& input) const {
        StatedShapes one(options_);
        static_cast<void>(one.shape_of(input));
        return !one.open_.empty();
    }

    // Refuses all that was noted, in one message.
    void refuse_open() const;

  private:
    std::int64_t length_of(const onnx::TensorShapeProto::Dimension& dim, bool first, bool only,
                           std::string& open);

    const LoadOptions& options_;
    std::string open_;                  // the inputs whose dimensions are open
    std::map<std::string, int> named_;  // how many open dimensions have a name
    std::set<std::string> batches_;     // inputs whose open batch is 1
};

std::int64_t StatedShapes::length_of(const onnx::TensorShapeProto::Dimension& dim, bool first,
                                    bool only, std::string& open) {
    const auto named = options_.dimensions.find(dim.dim_param());
    if (dim.has_dim_value() && dim.dim_value() >= 0) {
        const bool replaced = first && !only && dim.dim_value() == 1 && options_.batch > 0;
        return replaced ? options_.batch : dim.dim_value();
    }
    if (named != options_.dimensions.end()) {
        return named->second;
    }
    if (first && options_.batch > 0) {
        return options_.batch;
    }
    if (!first || !counts_examples(dim.dim_param())) {
        const std::string& name = dim.dim_param();
        open = name.empty() ? "without a name" : "'" + name + "'";
        ++named_[name];
    }
    return 1;
}

Dims StatedShapes::shape_of(const onnx::ValueInfoProto& input) {
    const auto given = options_.shapes.find(input.name());
    if (given != options_.shapes.end()) {
        return given->second;
    }
    const auto& tensor = element_type_of(input.type());
    const std::string before = open_.empty() ? "" : "; ";
    if (!tensor.has_shape()) {
        open_ += before + "input '" + input.name() + "' has no shape";
        ++named_[""];
        return {};
    }
    Dims dims;
    std::string list;
    for (const auto& dim : tensor.shape().dim()) {
        std::string open;
        dims.push_back(length_of(dim, dims.empty(), tensor.shape().dim_size() == 1, open));
        if (!open.empty()) {
            list +=
                (list.empty() ? "" : ", ") + std::to_string(dims.size() - 1) + " (" + open + ")";
        }
    }
    if (!list.empty()) {
        open_ += before + "dimension " + list + " of input '" + input.name() + "' " +
                 (list.find(',') == std::string::npos ? "is open" : "are open");
    } else if (tensor.shape().dim_size() > 0 && !tensor.shape().dim(0).has_dim_value() &&
               options_.batch == 0 && dims[0] == 1) {
        batches_.insert(input.name());
    }
    return dims;
}

void StatedShapes::refuse_open() const {
    if (open_.empty()) {
        for (const std::string& input : batches_) {
            log(LogLevel::warn, "input '" + input +
                                    "' leaves its batch open, which is 1 here: LoadOptions::batch "
                                    "(accelctl --batch) sets it");
        }
        return;
    }
    // One length for a name that stands for different lengths is of no use.
    const bool by_name = std::ranges::all_of(
        named_, [](const auto& one) { return !one.first.empty() && one.first != "?"; });
    refuse(open_, by_name ? "give the lengths in LoadOptions::dimensions, by name (accelctl "
                            "--dimension NAME=LENGTH), or the whole shape in LoadOptions::shapes "
                            "(--shape INPUT=N,N,...)"
                          : "give the whole shape of each of these inputs in "
                            "LoadOptions::shapes (accelctl --shape INPUT=N,N,...)");
}

}  // namespace

void check_options(const onnx::GraphProto& graph, const LoadOptions& options) {
    if (options.batch < 0) {
        throw Error(std::errc::invalid_argument,
                    "LoadOptions::batch (accelctl --batch) is " + std::to_string(options.batch) +
                        ": it must be at least 1, or 0 for the batch of the model");
    }
    std::set<std::string> inputs;
    std::set<std::string> dims;
    for (const auto& input : graph.input()) {
        inputs.insert(input.name());
        for (const auto& dim : element_type_of(input.type()).shape().dim()) {
            dims.insert(dim.dim_param());
        }
    }
    const auto check = [](const auto& given, const std::set<std::string>& names, const char* option,
                          const char* flag, const char* what) {
        for (const auto& [name, value] : given) {
            if (!names.contains(name)) {
                std::string has;
                for (const std::string& one : names) {
                    has += one.empty() ? "" : (has.empty() ? "'" : ", '") + one + "'";
                }
                throw Error(std::errc::argument_out_of_domain,
                            "the model has no " + std::string(what) + " '" + name +
                                "', which LoadOptions::" + option + " (accelctl " + flag +
                                ") names: it has " + (has.empty() ? "none" : has));
            }
        }
    };
    check(options.constant_inputs, inputs, "constant_inputs", "--constant-input", "input");
    check(options.shapes, inputs, "shapes", "--shape", "input");
    check(options.dimensions, dims, "dimensions", "--dimension", "dimension");
    std::map<std::string, int> open;
    for (const std::string& name : options.open_dimensions.value_or(std::vector<std::string>())) {
        open[name] = 0;
    }
    check(open, dims, "open_dimensions", "--open", "dimension");
}

void check_open_dimensions(const onnx::GraphProto& graph, const LoadOptions& options) {
    if (!options.open_dimensions) {
        return;
    }
    LoadOptions closed = options;
    for (const std::string& name : *options.open_dimensions) {
        closed.dimensions.try_emplace(name, 1);
    }
    std::set<std::string> weights;
    for (const auto& tensor : graph.initializer()) {
        weights.insert(tensor.name());
    }
    StatedShapes shapes(closed);
    for (const auto& input : graph.input()) {
        if (!weights.contains(input.name()) && !options.constant_inputs.contains(input.name())) {
            static_cast<void>(shapes.shape_of(input));
        }
    }
    shapes.refuse_open();
}

void import_inputs(const onnx::GraphProto& graph, const LoadOptions& options, Builder& builder,
                   Scope& scope, Findings* findings) {
    std::set<std::string> weights;
    for (const auto& tensor : graph.initializer()) {
        weights.insert(tensor.name());
    }
    StatedShapes shapes(options);
    const auto add = [&](const onnx::ValueInfoProto& input) {
        const auto constant = options.constant_inputs.find(input.name());
        if (constant != options.constant_inputs.end()) {
            scope[input.name()] = builder.given_input(constant_input(input, constant->second));
        } else {
            const TensorInfo declared = describe_tensor(input);
            scope[input.name()] =
                builder.input(input.name(), declared.type, shapes.shape_of(input));
        }
    };
    const auto noted = [&](const auto& action) {
        try {
            action();
        } catch (const Error& error) {
            if (findings == nullptr) {
                throw;
            }
            findings->add(error);
        }
    };
    const bool decided = findings == nullptr || options.open_dimensions;
    for (const auto& input : graph.input()) {
        // Without a first length, a run decides.
        const bool skipped = !decided && !options.constant_inputs.contains(input.name()) &&
                             shapes.open(input);
        if (!weights.contains(input.name()) && !skipped) {
            noted([&] { add(input); });
        }
    }
    if (decided) {
        noted([&] { shapes.refuse_open(); });
    }
}

std::optional<TensorInfo> stated_shape(const onnx::GraphProto& graph, const std::string& name) {
    const auto& infos = graph.value_info();
    auto found = std::ranges::find(infos, name, &onnx::ValueInfoProto::name);
    if (found == infos.end()) {
        found = std::ranges::find(graph.output(), name, &onnx::ValueInfoProto::name);
        if (found == graph.output().end()) {
            return std::nullopt;
        }
    }
    try {
        TensorInfo info = describe_tensor(*found);
        const bool has_shape = found->type().tensor_type().has_shape();
        const bool known =
            has_shape && std::ranges::none_of(info.shape, [](auto length) { return length < 0; });
        return known ? std::optional(std::move(info)) : std::nullopt;
    } catch (const Error&) {
        return std::nullopt;
    }
}

}  // namespace accel::compiler
