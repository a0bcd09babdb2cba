// SPDX-License-Identifier: Apache-2.0
#include "frontend/onnx_import.hpp"

#include <onnx.pb.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <set>

#include "frontend/findings.hpp"
#include "frontend/graph_inputs.hpp"
#include "frontend/half_precision.hpp"
#include "frontend/host_fallback.hpp"
#include "frontend/model_checks.hpp"
#include "frontend/node_order.hpp"
#include "frontend/onnx_tensor.hpp"
#include "frontend/operator_table.hpp"
#include "frontend/parsed_model.hpp"
#include "frontend/scan.hpp"
#include "ir/builder.hpp"
#include "ir/error.hpp"

namespace accel::compiler {

namespace {

// Limits that keep the import of any file within seconds. A million instructions are some hundred
// megabytes: more than an unrolled network of real models needs, and less than would fill a host.
constexpr int max_nested = 16;
constexpr std::size_t max_instructions = 1000000;
constexpr std::int64_t max_nodes = 500000;  // counts each iteration of a loop

class OnnxImporter {
  public:
    OnnxImporter(const onnx::ModelProto& model, WeightFiles& weights, const LoadOptions& options)
        : model_(model),
          weights_(weights),
          options_(options),
          opsets_(with_graph(model)),
          builder_(program_, options.allow_narrowing) {}

    Program run() {
        const onnx::GraphProto& graph = model_.graph();
        Scope scope;
        check_names(graph);
        Findings findings;
        check_operators(graph, opsets_, findings);
        refuse_unsupported(findings);
        check_options(graph, options_);
        import_inputs(graph, options_, builder_, scope);
        HostFallbackBuilder fallback(model_, options_.allow_narrowing);
        import_weights(graph, scope);
        for (const onnx::NodeProto* const node : in_order(graph)) {
            import_or_defer(*node, scope, fallback);
        }
        import_outputs(scope, fallback);
        return std::move(program_);
    }

    // As run(), and notes what is not supported. The program is complete if nothing is.
    Program check(Findings& findings) {
        const onnx::GraphProto& graph = model_.graph();
        check_names(graph);
        const auto unsupported = check_operators(graph, opsets_, findings);
        check_options(graph, options_);
        Scope scope;
        import_inputs(graph, options_, builder_, scope, &findings);
        import_weights(graph, scope, &findings);
        for (const auto& input : graph.input()) {
            if (!scope.contains(input.name())) {
                unknown_.insert(input.name());
            }
        }
        HostFallbackBuilder fallback(model_, options_.allow_narrowing);
        for (const onnx::NodeProto* const node : in_order(graph)) {
            if (unsupported.contains(node) || !reads_known(*node, fallback)) {
                declare_outputs(*node, scope);
                continue;
            }
            try {
                import_or_defer(*node, scope, fallback);
            } catch (const Error& error) {
                nested_ = 0;
                findings.add(*node, error);
                declare_outputs(*node, scope);
            }
        }
        if (findings.empty()) {
            import_outputs(scope, fallback);
        }
        return std::move(program_);
    }

  private:
    static const onnx::ModelProto& with_graph(const onnx::ModelProto& model) {
        if (!model.has_graph()) {
            refuse("it has no graph", "is it an ONNX model?");
        }
        return model;
    }

    void import_outputs(const Scope& scope, const HostFallbackBuilder& fallback) {
        const onnx::GraphProto& graph = model_.graph();
        if (graph.output_size() == 0) {
            refuse("the model has no outputs");
        }
        if (!fallback.empty()) {
            fallback.finish(program_, builder_, weights_,
                            [&](const std::string& name) { return find(scope, name); });
            return;
        }
        for (const auto& output : graph.output()) {
            const ValueId value = find(scope, output.name());
            if (const Values* const all = builder_.sequence_elements(value)) {
                import_elements(output, *all);
                continue;
            }
            builder_.require_tensor(value, "output '" + output.name() + "'");
            program_.outputs.push_back({output.name(), as_declared(output, value)});
        }
        if (program_.outputs.empty()) {
            refuse("all its outputs are sequences without elements, so it computes nothing",
                   "make a tensor an output of the model");
        }
    }

    // Each element of a sequence is an output, with its position in brackets behind the name.
    void import_elements(const onnx::ValueInfoProto& output, const Values& all) {
        for (std::size_t i = 0; i < all.size(); ++i) {
            const std::string name = output.name() + "[" + std::to_string(i) + "]";
            builder_.require_tensor(all[i], "output '" + name + "'");
            program_.outputs.push_back({name, as_declared(output, all[i])});
        }
    }

    // Whether the values of all names that a node reads are known, or of the fallback. Names that
    // nothing defines are for import_node() to refuse.
    bool reads_known(const onnx::NodeProto& node, const HostFallbackBuilder& fallback) const {
        std::set<std::string> names;
        note_names(node, names);
        return fallback.depends(node) || std::ranges::none_of(names, [&](const auto& name) {
                   return unknown_.contains(name);
               });
    }

    // Gives the outputs of a node that is not supported the types and shapes that the model states,
    // so that the nodes behind it are checked.
    void declare_outputs(const onnx::NodeProto& node, Scope& scope) {
        for (const std::string& output : node.output()) {
            if (const auto shape = stated_shape(model_.graph(), output)) {
                scope[output] = builder_.input(output, shape->type, shape->shape);
            } else {
                unknown_.insert(output);
            }
        }
    }

    // Converts an output that was narrowed back to the type that the model declares.
    ValueId as_declared(const onnx::ValueInfoProto& output, ValueId value) {
        const std::int32_t declared = element_type_of(output.type()).elem_type();
        const bool narrowed =
            declared == onnx::TensorProto::DOUBLE || declared == onnx::TensorProto::UINT64;
        return narrowed ? builder_.cast(value, data_type_of(declared)) : value;
    }

    static ValueId find(const Scope& scope, const std::string& name) {
        const auto found = scope.find(name);
        if (found == scope.end()) {
            refuse("it reads '" + name + "', which no node, input or weight defines");
        }
        return found->second;
    }

    // Imports a node, or adds it to the host fallback.
    void import_or_defer(const onnx::NodeProto& node, Scope& scope, HostFallbackBuilder& fallback) {
        if (fallback.depends(node)) {
            check_operators_within(node, opsets_);
            fallback.add(node, "it reads an output of another node of the host fallback");
            return;
        }
        try {
            import_node(node, scope);
        } catch (const ConstantInputRequired& error) {
            if (!options_.host_fallback) {
                throw;
            }
            nested_ = 0;
            check_operators_within(node, opsets_);
            fallback.add(node, message_of(error));
        }
    }

    void import_weights(const onnx::GraphProto& graph, Scope& scope, Findings* findings = nullptr) {
        if (graph.sparse_initializer_size() != 0) {
            const std::string& name = graph.sparse_initializer(0).values().name();
            refuse("it has sparse weights, such as '" + name + "', which are not supported",
                   "convert them to dense weights");
        }
        for (const auto& tensor : graph.initializer()) {
            try {
                scope[tensor.name()] = builder_.constant(import_tensor(tensor, &weights_));
            } catch (const Error& error) {
                if (findings == nullptr || error.errc() == std::errc::bad_message) {
                    throw;
                }
                findings->add(error);
                unknown_.insert(tensor.name());
            }
        }
    }

    void import_node(const onnx::NodeProto& node, Scope& scope) {
        in_context(
            describe(node),
            [&] {
                builder_.set_node(node.op_type() + (node.name().empty() ? "" : " " + node.name()));
                const Values results = lower(node, scope);
                for (int i = 0; i < node.output_size(); ++i) {
                    if (node.output(i).empty()) {
                        continue;
                    }
                    if (static_cast<std::size_t>(i) >= results.size()) {
                        refuse("its output " + std::to_string(i) + " is not supported",
                               "remove the output if no node needs it");
                    }
                    scope[node.output(i)] = results[static_cast<std::size_t>(i)];
                }
            },
            node_remedy);
        if (++nodes_ > max_nodes || program_.instructions.size() > max_instructions) {
            refuse("the model is too large: it has more than " + std::to_string(max_instructions) +
                       " instructions, or more than " + std::to_string(max_nodes) +
                       " nodes, counting each iteration of a loop",
                   "split the model");
        }
    }

    Values lower(const onnx::NodeProto& node, Scope& scope) {
        const std::int64_t opset = opsets_.opset(node.domain());
        const std::string name = qualified_name(node.domain(), node.op_type());
        if (name == "If") {
            return lower_if(node, scope);
        }
        if (name == "Loop") {
            return lower_loop(node, scope);
        }
        std::vector<std::optional<ValueId>> inputs;
        for (const std::string& name : node.input()) {
            inputs.push_back(name.empty() ? std::nullopt : std::optional(find(scope, name)));
        }
        const auto half = half_precision_.widen(name, inputs);
        const Node read(
            node, builder_, std::move(inputs), opset,
            [&](const char* attribute, const Values& given) {
                return inline_graph(inner_graph(node, attribute), given, scope);
            },
            &weights_);
        if (name == "Scan" || name == "SequenceMap") {
            return lower_mapping(read, scope);
        }
        Values results = operators().find(name, opset)(read);
        if (half) {
            half_precision_.round(name, results, *half);
        } else if (name == "Cast" || name == "CastLike") {
            results[0] = half_precision_.cast(read.in(0), results[0]);
        }
        return results;
    }

    // Scan and SequenceMap.
    Values lower_mapping(const Node& n, const Scope& scope) {
        const onnx::GraphProto& body = inner_graph(n.proto(), "body");
        const auto import_body = [&](const Values& inputs) {
            return inline_graph(body, inputs, scope);
        };
        const auto outputs = static_cast<std::size_t>(body.output_size());
        if (n.proto().op_type() == "SequenceMap") {
            return lower_sequence_map(n, outputs, import_body);
        }
        if (n.opset() < 9) {
            return lower_batched_scan(n, outputs, import_body);
        }
        const auto looped = attempt(n.proto(), [&] { return loop_scan(n, outputs, import_body); });
        return looped ? *looped : lower_scan(n, outputs, import_body);
    }

    // Imports a node as a loop or a branch of the card. Nothing: it cannot be one, or it is to be
    // folded, and the program is as before.
    std::optional<Values> attempt(const onnx::NodeProto& node,
                                  const std::function<std::optional<Values>()>& import) {
        if (unrolled_.contains(&node)) {
            return std::nullopt;
        }
        const Builder::Mark mark = builder_.mark();
        const std::string name = builder_.node();
        const int nested = nested_;
        std::optional<Values> results;
        try {
            results = import();
            if (!builder_.reads_run_values(mark) || builder_.draws_random_numbers(mark)) {
                results.reset();
            }
        } catch (const Error& error) {
            if (error.errc() != std::errc::invalid_argument) {
                throw;
            }
            results.reset();
        }
        nested_ = nested;
        builder_.set_node(name);
        half_precision_.forget_from(mark.values);
        if (!results) {
            builder_.roll_back(mark);
            unrolled_.insert(&node);
        }
        return results;
    }

    // Imports an inner graph whose inputs are these values. Returns its outputs.
    Values inline_graph(const onnx::GraphProto& graph, const Values& inputs, Scope scope) {
        if (std::ssize(inputs) != graph.input_size()) {
            refuse("its graph '" + graph.name() + "' has " + std::to_string(graph.input_size()) +
                   " inputs, and " + std::to_string(inputs.size()) + " are given");
        }
        for (std::size_t i = 0; i < inputs.size(); ++i) {
            scope[graph.input(static_cast<int>(i)).name()] = inputs[i];
        }
        return import_inner(graph, std::move(scope));
    }

    // Imports an inner graph, which sees the names around it. Returns its outputs.
    Values import_inner(const onnx::GraphProto& graph, Scope scope) {
        if (++nested_ > max_nested) {
            refuse("its graphs are nested more than " + std::to_string(max_nested) + " deep");
        }
        import_weights(graph, scope);
        for (const onnx::NodeProto* const node : in_order(graph)) {
            import_node(*node, scope);
        }
        Values results;
        for (const auto& output : graph.output()) {
            results.push_back(find(scope, output.name()));
        }
        --nested_;
        return results;
    }

    bool constant_condition(ValueId id, const char* what) {
        const auto values = builder_.require_constant(id, what).integers();
        if (values.size() != 1) {
            refuse(std::string(what) + " has " + std::to_string(values.size()) +
                   " elements, not one");
        }
        return values[0] != 0;
    }

    Values lower_if(const onnx::NodeProto& node, Scope& scope) {
        if (node.input_size() != 1) {
            refuse("it has no condition");
        }
        const ValueId decides = find(scope, node.input(0));
        if (!builder_.value(decides).constant) {
            if (const auto results =
                    attempt(node, [&] { return lower_branches(node, decides, scope); })) {
                return *results;
            }
        }
        const bool condition = constant_condition(decides, "its condition");
        return import_inner(inner_graph(node, condition ? "then_branch" : "else_branch"), scope);
    }

    // An If whose condition a run computes. Both branches have outputs of the same types and
    // shapes.
    std::optional<Values> lower_branches(const onnx::NodeProto& node, ValueId decides,
                                         const Scope& scope) {
        const std::string name = builder_.node();
        const ValueId condition = builder_.reshape(decides, {});
        Values states;
        for (const bool otherwise : {false, true}) {
            const Builder::Mark before = builder_.mark();
            const ValueId begin = builder_.begin_branch(condition, otherwise);
            const Values outputs =
                import_inner(inner_graph(node, otherwise ? "else_branch" : "then_branch"), scope);
            builder_.set_node(name);
            if (otherwise && outputs.size() != states.size()) {
                return std::nullopt;
            }
            for (std::size_t i = 0; i < outputs.size(); ++i) {
                builder_.require_tensor(outputs[i], "an output of its branch");
                if (!otherwise) {
                    states.push_back(builder_.empty_variable(builder_.type(outputs[i]),
                                                             builder_.dims(outputs[i])));
                }
            }
            for (std::size_t i = 0; i < outputs.size(); ++i) {
                states[i] = builder_.assign(states[i], outputs[i]);
            }
            builder_.end_region(begin);
            half_precision_.forget_from(before.values);
        }
        return states;
    }

    // A loop of the card. Nothing: it is to be unrolled.
    std::optional<Values> loop_on_card(const onnx::NodeProto& node, const onnx::GraphProto& body,
                                       Scope scope) {
        const std::string name = builder_.node();
        Builder::LoopBounds bounds;
        bool known = true;
        if (!node.input(0).empty()) {
            const ValueId count = find(scope, node.input(0));
            if (elements(builder_.dims(count)) != 1) {
                return std::nullopt;
            }
            if (const Constant& constant = builder_.value(count).constant) {
                bounds.limit =
                    static_cast<std::uint64_t>(std::max<std::int64_t>(constant->integers()[0], 0));
            } else {
                bounds.count = builder_.cast(count, DataType::i64);
                known = false;
            }
        }
        ValueId running = node.input(1).empty() ? builder_.scalar(DataType::boolean, 1)
                                                : find(scope, node.input(1));
        if (elements(builder_.dims(running)) != 1) {
            return std::nullopt;
        }
        running = builder_.reshape(running, {});
        const Constant begins = builder_.value(running).constant;
        if (begins && begins->integers()[0] == 0) {
            return std::nullopt;
        }
        Values states;
        for (int i = 2; i < node.input_size(); ++i) {
            const ValueId initial = find(scope, node.input(i));
            if (!can_be_carried(builder_, initial)) {
                return std::nullopt;
            }
            states.push_back(builder_.variable(initial));
            scope[body.input(i).name()] = states.back();
        }
        ValueId condition = builder_.variable(running);
        const Builder::OpenLoop loop = builder_.begin_loop();
        scope[body.input(0).name()] = loop.pass;
        scope[body.input(1).name()] = builder_.scalar(DataType::boolean, 1);
        const Values results = import_inner(body, std::move(scope));
        builder_.set_node(name);
        const Constant continues = builder_.value(results[0]).constant;
        if (continues && continues->integers() != std::vector<std::int64_t>{1}) {
            return std::nullopt;
        }
        known = known && begins && continues;
        const bool scans = results.size() > states.size() + 1;
        const std::uint64_t most = static_cast<std::uint64_t>(max_unrolled_steps);
        if ((known && bounds.limit <= most) || (scans && (!known || bounds.limit > INT32_MAX))) {
            return std::nullopt;
        }
        Values outputs;
        for (std::size_t k = states.size() + 1; k < results.size(); ++k) {
            builder_.require_tensor(results[k], "a scan output of its body");
            Dims dims = builder_.dims(results[k]);
            dims.insert(dims.begin(), static_cast<std::int64_t>(bounds.limit));
            const ValueId whole =
                builder_.empty_variable(builder_.type(results[k]), std::move(dims));
            outputs.push_back(builder_.step_write(whole, results[k], loop.pass, 0, false));
        }
        const bool conditional = !begins || !continues;
        // The assignments follow each other: they apply together.
        const ValueId next_condition = continues ? 0 : builder_.reshape(results[0], {});
        for (std::size_t i = 0; i < states.size(); ++i) {
            states[i] = builder_.assign(states[i], results[i + 1]);
        }
        if (conditional) {
            bounds.condition = condition;
        }
        if (!continues) {
            condition = builder_.assign(condition, next_condition);
        }
        builder_.end_loop(loop, bounds);
        states.insert(states.end(), outputs.begin(), outputs.end());
        return states;
    }

    Values lower_loop(const onnx::NodeProto& node, Scope& scope) {
        const onnx::GraphProto& body = inner_graph(node, "body");
        const int carried = node.input_size() - 2;
        if (carried < 0 || body.input_size() != carried + 2 || body.output_size() < carried + 1) {
            refuse("the inputs and outputs of its body are not those of a loop");
        }
        if (const auto looped = attempt(node, [&] { return loop_on_card(node, body, scope); })) {
            return *looped;
        }
        // The loop is unrolled. The number of its iterations must be known.
        std::int64_t trips = INT64_MAX;
        if (!node.input(0).empty()) {
            const auto count =
                builder_.require_constant(find(scope, node.input(0)), "its trip count").integers();
            trips = count.size() == 1 ? count[0] : -1;
        }
        bool running = node.input(1).empty() ||
                       constant_condition(find(scope, node.input(1)), "its condition");
        Values state;
        state.reserve(static_cast<std::size_t>(carried));
        for (int i = 0; i < carried; ++i) {
            state.push_back(find(scope, node.input(i + 2)));
        }
        std::vector<Values> scans(static_cast<std::size_t>(body.output_size() - carried - 1));
        for (std::int64_t trip = 0; running && trip < trips; ++trip) {
            if (trip == max_iterations) {
                refuse("it runs more than " + std::to_string(max_iterations) +
                       " times, which is the limit of an unrolled loop");
            }
            running = import_iteration(body, scope, trip, state, scans);
        }
        for (const Values& scan : scans) {
            if (scan.empty()) {
                refuse("it never runs, so the shapes of its scan outputs are unknown");
            }
            state.push_back(builder_.concat(scan, 0));
        }
        return state;
    }

    // Imports the body of a loop once: updates the carried state, and appends the scan outputs.
    // Returns the condition for the next iteration.
    bool import_iteration(const onnx::GraphProto& body, Scope scope, std::int64_t trip,
                          Values& state, std::vector<Values>& scans) {
        scope[body.input(0).name()] = builder_.scalar(DataType::i64, static_cast<double>(trip));
        scope[body.input(1).name()] = builder_.scalar(DataType::boolean, 1);
        for (std::size_t i = 0; i < state.size(); ++i) {
            scope[body.input(static_cast<int>(i) + 2).name()] = state[i];
        }
        const Values results = import_inner(body, std::move(scope));
        const bool running = constant_condition(results[0], "the condition that its body computes");
        for (std::size_t i = 0; i < state.size(); ++i) {
            state[i] = results[i + 1];
        }
        for (std::size_t i = 0; i < scans.size(); ++i) {
            const ValueId element = results[state.size() + 1 + i];
            builder_.require_tensor(element, "a scan output of its body");
            Dims dims = builder_.dims(element);
            dims.insert(dims.begin(), 1);
            scans[i].push_back(builder_.reshape(element, std::move(dims)));
        }
        return running;
    }

    const onnx::ModelProto& model_;
    WeightFiles& weights_;
    const LoadOptions& options_;
    OpsetImports opsets_;
    Program program_;
    Builder builder_;
    HalfPrecision half_precision_{builder_};
    int nested_ = 0;
    std::int64_t nodes_ = 0;
    std::set<const onnx::NodeProto*> unrolled_;  // loops and branches that the card cannot have
    std::set<std::string> unknown_;              // outputs of nodes that are not supported
};

}  // namespace

Program import_onnx(const onnx::ModelProto& model, const std::string& name,
                    const LoadOptions& options) {
    WeightFiles none;
    return in_context(name, [&] { return OnnxImporter(model, none, options).run(); });
}

Program import_onnx(std::span<const std::byte> bytes, const std::string& name,
                    const LoadOptions& options) {
    return import_onnx({.bytes = ByteSource::borrow(bytes), .name = name}, options);
}

Program check_onnx(const ModelSource& source, const LoadOptions& options, Findings& findings) {
    ParsedModel model = parse_model(source.bytes, source.name, source.folder);
    LoadOptions checked = options;
    if (!options.allow_narrowing) {
        check_narrowing(model.proto.graph(), findings);
        checked.allow_narrowing = true;  // noted above; the check continues
    }
    try {
        return OnnxImporter(model.proto, model.weights, checked).check(findings);
    } catch (const Error& error) {
        if (error.errc() != std::errc::invalid_argument) {
            throw;
        }
        findings.add(error);
        return {};
    }
}

Program import_onnx(const ModelSource& source, const LoadOptions& options) {
    ParsedModel model = parse_model(source.bytes, source.name, source.folder);
    Program program = in_context(
        source.name, [&] { return OnnxImporter(model.proto, model.weights, options).run(); });
    source.bytes->evict(source.bytes->bytes());
    return program;
}

}  // namespace accel::compiler
