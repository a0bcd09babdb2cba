// SPDX-License-Identifier: Apache-2.0
#include "frontend/onnx_import.hpp"

#include <onnx.pb.h>

#include <algorithm>
#include <set>
#include <stdexcept>
#include <unordered_map>

#include "frontend/node_order.hpp"
#include "frontend/onnx_file.hpp"
#include "frontend/operator.hpp"
#include "runtime/host_fallback.hpp"

namespace accel {

ConstantInputRequired::ConstantInputRequired(const std::string& what, std::string input)
    : Error(std::errc::invalid_argument, what), input_(std::move(input)) {}

namespace compiler {

namespace {

using Names = std::unordered_map<std::string, ValueId>;

constexpr int most_nested = 16;
constexpr std::size_t most_instructions = 50000;
constexpr std::int64_t most_nodes = 500000;  // with those of loops, as often as they run
constexpr std::int64_t most_iterations = 10000;

class Reader {
  public:
    Reader(const onnx::ModelProto& model, const LoadOptions& options)
        : model_(model), options_(options), builder_(program_, options.allow_narrowing) {}

    Program read() {
        check_versions();
        const onnx::GraphProto& graph = model_.graph();
        Names names;
        check_options(graph);
        read_inputs(graph, names);
        TailMaker tail(model_, options_.allow_narrowing);
        read_weights(graph, names);
        for (const onnx::NodeProto* const node : in_order(graph)) {
            read_or_leave(*node, names, tail);
        }
        if (graph.output_size() == 0) {
            refuse("the model has no outputs");
        }
        if (!tail.empty()) {
            tail.finish(program_, [&](const std::string& name) { return find(names, name); });
            return std::move(program_);
        }
        for (const auto& output : graph.output()) {
            program_.outputs.push_back(
                {output.name(), as_declared(output, find(names, output.name()))});
        }
        return std::move(program_);
    }

  private:
    void check_versions() {
        if (!model_.has_graph()) {
            refuse("it holds no graph: is it an ONNX model?");
        }
        for (const auto& import : model_.opset_import()) {
            if (import.domain().empty() || import.domain() == "ai.onnx") {
                opset_ = import.version();
            }
        }
        if (opset_ < 1 || opset_ > 21) {
            refuse("it is of opset " + std::to_string(opset_) +
                   ", and opsets up to 21 are known: convert it with onnx.version_converter");
        }
    }

    // A name that is written wrong would be ignored otherwise.
    void check_options(const onnx::GraphProto& graph) const {
        std::set<std::string> inputs;
        std::set<std::string> dims;
        for (const auto& input : graph.input()) {
            inputs.insert(input.name());
            for (const auto& dim : input.type().tensor_type().shape().dim()) {
                dims.insert(dim.dim_param());
            }
        }
        const auto check = [](const auto& given, const std::set<std::string>& names,
                              const char* option, const char* what) {
            for (const auto& [name, value] : given) {
                if (!names.contains(name)) {
                    refuse(std::string("LoadOptions::") + option + " names '" + name +
                           "', and the model has no such " + what);
                }
            }
        };
        check(options_.constant_inputs, inputs, "known", "input");
        check(options_.shapes, inputs, "shapes", "input");
        check(options_.dimensions, dims, "dims", "dimension");
    }

    // What is worked with in another type is given as the type that the file says.
    ValueId as_declared(const onnx::ValueInfoProto& output, ValueId value) {
        const std::int32_t said = output.type().tensor_type().elem_type();
        const bool narrow = said == onnx::TensorProto::DOUBLE || said == onnx::TensorProto::UINT64;
        return narrow ? builder_.cast(value, type_of(said)) : value;
    }

    void read_inputs(const onnx::GraphProto& graph, Names& names) {
        std::set<std::string> weights;
        for (const auto& tensor : graph.initializer()) {
            weights.insert(tensor.name());
        }
        for (const auto& input : graph.input()) {
            if (weights.contains(input.name())) {
                continue;
            }
            const auto known = options_.constant_inputs.find(input.name());
            if (known != options_.constant_inputs.end()) {
                const DataType wanted = type_of(input.type().tensor_type().elem_type());
                if (known->second.type != wanted) {
                    refuse("LoadOptions::constant_inputs gives input '" + input.name() + "' as " +
                           std::string(to_string(known->second.type)) + ", and it is " +
                           std::string(to_string(wanted)));
                }
                auto tensor = std::make_shared<Tensor>(known->second.type, known->second.shape);
                if (tensor->data.size() != known->second.bytes.size()) {
                    refuse("LoadOptions::constant_inputs gives input '" + input.name() + "' " +
                           std::to_string(known->second.bytes.size()) + " bytes, not " +
                           std::to_string(tensor->data.size()));
                }
                tensor->data = known->second.bytes;
                names[input.name()] = builder_.constant(std::move(tensor));
                continue;
            }
            if (!input.type().has_tensor_type()) {
                refuse("input '" + input.name() + "' is no tensor");
            }
            const auto& tensor = input.type().tensor_type();
            names[input.name()] =
                builder_.input(input.name(), type_of(tensor.elem_type()), shape(input));
        }
    }

    Dims shape(const onnx::ValueInfoProto& input) {
        const auto given = options_.shapes.find(input.name());
        if (given != options_.shapes.end()) {
            return given->second;
        }
        const auto& tensor = input.type().tensor_type();
        if (!tensor.has_shape()) {
            refuse("input '" + input.name() + "' has no shape: give one in LoadOptions::shapes " +
                   "(accelctl --shape)");
        }
        Dims dims;
        for (const auto& dim : tensor.shape().dim()) {
            const auto named = options_.dimensions.find(dim.dim_param());
            if (dim.has_dim_value() && dim.dim_value() >= 0) {
                const bool batch = dims.empty() && dim.dim_value() == 1 && options_.batch > 0 &&
                                   tensor.shape().dim_size() > 1;
                dims.push_back(batch ? options_.batch : dim.dim_value());
            } else if (named != options_.dimensions.end()) {
                dims.push_back(named->second);
            } else if (dims.empty()) {
                dims.push_back(std::max<std::int64_t>(options_.batch, 1));
            } else {
                refuse(
                    "dimension " + std::to_string(dims.size()) + " of input '" + input.name() +
                    "' is open" + (dim.dim_param().empty() ? "" : " ('" + dim.dim_param() + "')") +
                    ": give it in LoadOptions::dimensions or shapes (accelctl --dimension or "
                    "--shape)");
            }
        }
        return dims;
    }

    static ValueId find(const Names& names, const std::string& name) {
        const auto found = names.find(name);
        if (found == names.end()) {
            refuse("it uses '" + name + "', which nothing before it makes");
        }
        return found->second;
    }

    // What a node must know and cannot before a run goes to the host, if that is wanted.
    void read_or_leave(const onnx::NodeProto& node, Names& names, TailMaker& tail) {
        if (tail.depends(node)) {
            tail.add(node, "it depends on another node of the host");
            return;
        }
        try {
            read_node(node, names);
        } catch (const ConstantInputRequired& unknown) {
            if (!options_.host_fallback) {
                throw;
            }
            nested_ = 0;
            tail.add(node, message_of(unknown));
        }
    }

    void read_weights(const onnx::GraphProto& graph, Names& names) {
        if (graph.sparse_initializer_size() != 0) {
            refuse("it has sparse weights, which are not supported");
        }
        for (const auto& tensor : graph.initializer()) {
            names[tensor.name()] = builder_.constant(read_tensor(tensor));
        }
    }

    void read_graph(const onnx::GraphProto& graph, Names& names) {
        read_weights(graph, names);
        for (const onnx::NodeProto* const node : in_order(graph)) {
            read_node(*node, names);
        }
    }

    void read_node(const onnx::NodeProto& node, Names& names) {
        const std::string where =
            node.op_type() + (node.name().empty() ? "" : " '" + node.name() + "'") +
            (node.output_size() > 0 ? " (makes '" + node.output(0) + "')" : "");
        try {
            builder_.at(node.op_type() + (node.name().empty() ? "" : " " + node.name()));
            const std::vector<ValueId> results = lower(node, names);
            for (int i = 0; i < node.output_size(); ++i) {
                if (node.output(i).empty()) {
                    continue;
                }
                if (static_cast<std::size_t>(i) >= results.size()) {
                    refuse("its output " + std::to_string(i) + " is not supported");
                }
                names[node.output(i)] = results[static_cast<std::size_t>(i)];
            }
        } catch (const ConstantInputRequired& error) {
            throw ConstantInputRequired(where + ": " + message_of(error), error.input());
        } catch (const Error& error) {
            throw Error(error.errc(), where + ": " + message_of(error));
        } catch (const std::logic_error&) {
            // An element that is not there, or a length that cannot be: checked access, so
            // harmless.
            throw Error(std::errc::invalid_argument,
                        where + ": an input or attribute is shorter than the operator needs");
        }
        if (++nodes_ > most_nodes || program_.code.size() > most_instructions) {
            refuse("the model is too large: more than " + std::to_string(most_instructions) +
                   " instructions, or " + std::to_string(most_nodes) + " nodes with its loops");
        }
    }

    std::vector<ValueId> lower(const onnx::NodeProto& node, Names& names) {
        const bool own = node.domain().empty() || node.domain() == "ai.onnx";
        if (!own && node.domain() != "com.microsoft") {
            refuse("operators of the domain '" + node.domain() + "' are not supported");
        }
        if (node.op_type() == "If") {
            return lower_if(node, names);
        }
        if (node.op_type() == "Loop") {
            return lower_loop(node, names);
        }
        const auto found =
            operators().find(own ? node.op_type() : node.domain() + "." + node.op_type());
        if (found == operators().end()) {
            refuse("this operator is not supported: docs/concepts/compiler.md shows how to add one");
        }
        std::vector<std::optional<ValueId>> inputs;
        for (const std::string& name : node.input()) {
            inputs.push_back(name.empty() ? std::nullopt : std::optional(find(names, name)));
        }
        return found->second(Node(node, opset_, builder_, std::move(inputs),
                                  static_cast<std::size_t>(node.output_size())));
    }

    static const onnx::GraphProto& body(const onnx::NodeProto& node, const char* name) {
        for (const auto& attribute : node.attribute()) {
            if (attribute.name() == name && attribute.has_g()) {
                return attribute.g();
            }
        }
        refuse(std::string("it has no graph '") + name + "'");
    }

    // What a graph inside makes, by name; it sees the names around it.
    std::vector<ValueId> read_body(const onnx::GraphProto& graph, Names names) {
        if (++nested_ > most_nested) {
            refuse("graphs are nested too deeply");
        }
        read_graph(graph, names);
        std::vector<ValueId> results;
        for (const auto& output : graph.output()) {
            results.push_back(find(names, output.name()));
        }
        --nested_;
        return results;
    }

    bool truth(ValueId id, const char* what) {
        const auto values = builder_.known(id, what).integers();
        if (values.size() != 1) {
            refuse(std::string(what) + " is not one value");
        }
        return values[0] != 0;
    }

    std::vector<ValueId> lower_if(const onnx::NodeProto& node, Names& names) {
        if (node.input_size() != 1) {
            refuse("it has no condition");
        }
        const bool condition = truth(find(names, node.input(0)), "its condition");
        return read_body(body(node, condition ? "then_branch" : "else_branch"), names);
    }

    // Unrolled: as often as it turns out to run, known when the model is loaded.
    std::vector<ValueId> lower_loop(const onnx::NodeProto& node, Names& names) {
        const onnx::GraphProto& graph = body(node, "body");
        const int carried = node.input_size() - 2;
        if (carried < 0 || graph.input_size() != carried + 2 || graph.output_size() < carried + 1) {
            refuse("its body does not have the inputs and outputs of a loop");
        }
        std::int64_t trips = INT64_MAX;
        if (!node.input(0).empty()) {
            const auto count =
                builder_.known(find(names, node.input(0)), "its trip count").integers();
            trips = count.size() == 1 ? count[0] : -1;
        }
        bool going = node.input(1).empty() || truth(find(names, node.input(1)), "its condition");
        std::vector<ValueId> state;
        state.reserve(static_cast<std::size_t>(carried));
        for (int i = 0; i < carried; ++i) {
            state.push_back(find(names, node.input(i + 2)));
        }
        std::vector<std::vector<ValueId>> scans(
            static_cast<std::size_t>(graph.output_size() - carried - 1));
        for (std::int64_t trip = 0; going && trip < trips; ++trip) {
            if (trip == most_iterations) {
                refuse("it runs more than " + std::to_string(most_iterations) + " times");
            }
            Names inside = names;
            inside[graph.input(0).name()] =
                builder_.scalar(DataType::i64, static_cast<double>(trip));
            inside[graph.input(1).name()] = builder_.scalar(DataType::boolean, 1);
            for (int i = 0; i < carried; ++i) {
                inside[graph.input(i + 2).name()] = state[static_cast<std::size_t>(i)];
            }
            const std::vector<ValueId> results = read_body(graph, std::move(inside));
            going = truth(results[0], "the condition its body makes");
            for (std::size_t i = 0; i < state.size(); ++i) {
                state[i] = results[i + 1];
            }
            for (std::size_t i = 0; i < scans.size(); ++i) {
                const ValueId one = results[state.size() + 1 + i];
                Dims dims = builder_.dims(one);
                dims.insert(dims.begin(), 1);
                scans[i].push_back(builder_.reshape(one, std::move(dims)));
            }
        }
        for (const auto& scan : scans) {
            if (scan.empty()) {
                refuse("it never runs, and what it collects has no known shape");
            }
            state.push_back(builder_.concat(scan, 0));
        }
        return state;
    }

    const onnx::ModelProto& model_;
    const LoadOptions& options_;
    Program program_;
    Builder builder_;
    std::int64_t opset_ = 0;
    int nested_ = 0;
    std::int64_t nodes_ = 0;
};

}  // namespace

Program read_onnx(const onnx::ModelProto& model, const std::string& name,
                  const LoadOptions& options) {
    try {
        return Reader(model, options).read();
    } catch (const ConstantInputRequired& error) {
        throw ConstantInputRequired(name + ": " + message_of(error), error.input());
    } catch (const Error& error) {
        throw Error(error.errc(), name + ": " + message_of(error));
    }
}

Program read_onnx(std::span<const std::byte> bytes, const std::string& name,
                  const LoadOptions& options) {
    return read_onnx(parse_model(bytes, name), name, options);
}

Program read_onnx_file(std::span<const std::byte> bytes, const std::filesystem::path& file,
                       const LoadOptions& options) {
    return read_onnx(read_model(bytes, file), file.string(), options);
}

}  // namespace compiler

}  // namespace accel
