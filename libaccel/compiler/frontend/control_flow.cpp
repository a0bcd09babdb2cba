// SPDX-License-Identifier: Apache-2.0
#include "frontend/control_flow.hpp"

#include <onnx.pb.h>

#include <algorithm>
#include <string>

#include "frontend/half_precision.hpp"
#include "frontend/scan.hpp"
#include "ir/error.hpp"

namespace accel::compiler {

namespace {

bool constant_condition(Builder& b, ValueId id, const char* what) {
    const auto values = b.require_constant(id, what).integers();
    if (values.size() != 1) {
        refuse(std::string(what) + " has " + std::to_string(values.size()) + " elements, not one");
    }
    return values[0] != 0;
}

// An If whose condition a run computes. Both branches have outputs of the same types and
// shapes.
std::optional<Values> lower_branches(const onnx::NodeProto& node, ValueId decides,
                                     const Scope& scope, GraphImporter& importer) {
    Builder& b = importer.builder();
    const std::string name = b.node();
    const ValueId condition = b.reshape(decides, {});
    Values states;
    for (const bool otherwise : {false, true}) {
        const Builder::Mark before = b.mark();
        const ValueId begin = b.begin_branch(condition, otherwise);
        const Values outputs = importer.import_inner(
            inner_graph(node, otherwise ? "else_branch" : "then_branch"), scope);
        b.set_node(name);
        if (otherwise && outputs.size() != states.size()) {
            return std::nullopt;
        }
        for (const ValueId output : outputs) {
            b.require_tensor(output, "an output of its branch");
            if (!otherwise) {
                states.push_back(b.empty_variable(b.type(output), b.dims(output)));
            }
        }
        for (std::size_t i = 0; i < outputs.size(); ++i) {
            states[i] = b.assign(states[i], outputs[i]);
        }
        b.end_region(begin);
        importer.half_precision().forget_from(before.values);
    }
    return states;
}

// A loop of the card. Nothing: it is to be unrolled.
std::optional<Values> loop_on_card(const onnx::NodeProto& node, const onnx::GraphProto& body,
                                   Scope scope, GraphImporter& importer) {
    Builder& b = importer.builder();
    const std::string name = b.node();
    Builder::LoopBounds bounds;
    bool known = true;
    if (!node.input(0).empty()) {
        const ValueId count = find(scope, node.input(0));
        if (elements(b.dims(count)) != 1) {
            return std::nullopt;
        }
        if (const Constant& constant = b.value(count).constant) {
            bounds.limit =
                static_cast<std::uint64_t>(std::max<std::int64_t>(constant->integers()[0], 0));
        } else {
            bounds.count = b.cast(count, DataType::i64);
            known = false;
        }
    }
    ValueId running =
        node.input(1).empty() ? b.scalar(DataType::boolean, 1) : find(scope, node.input(1));
    if (elements(b.dims(running)) != 1) {
        return std::nullopt;
    }
    running = b.reshape(running, {});
    const Constant begins = b.value(running).constant;
    if (begins && begins->integers()[0] == 0) {
        return std::nullopt;
    }
    Values states;
    for (int i = 2; i < node.input_size(); ++i) {
        const ValueId initial = find(scope, node.input(i));
        if (!can_be_carried(b, initial)) {
            return std::nullopt;
        }
        states.push_back(b.variable(initial));
        scope[body.input(i).name()] = states.back();
    }
    const ValueId condition = b.variable(running);
    const Builder::OpenLoop loop = b.begin_loop();
    scope[body.input(0).name()] = loop.pass;
    scope[body.input(1).name()] = b.scalar(DataType::boolean, 1);
    const Values results = importer.import_inner(body, std::move(scope));
    b.set_node(name);
    const Constant continues = b.value(results[0]).constant;
    if (continues && continues->integers() != std::vector<std::int64_t>{1}) {
        return std::nullopt;
    }
    known = known && begins && continues;
    const bool scans = results.size() > states.size() + 1;
    const auto most = static_cast<std::uint64_t>(max_unrolled_steps);
    if ((known && bounds.limit <= most) || (scans && (!known || bounds.limit > INT32_MAX))) {
        return std::nullopt;
    }
    Values outputs;
    for (std::size_t k = states.size() + 1; k < results.size(); ++k) {
        b.require_tensor(results[k], "a scan output of its body");
        Dims dims = b.dims(results[k]);
        dims.insert(dims.begin(), static_cast<std::int64_t>(bounds.limit));
        const ValueId whole = b.empty_variable(b.type(results[k]), std::move(dims));
        outputs.push_back(b.step_write(whole, results[k], loop.pass, 0, false));
    }
    const bool conditional = !begins || !continues;
    // The assignments follow each other: they apply together.
    const ValueId next_condition = continues ? 0 : b.reshape(results[0], {});
    for (std::size_t i = 0; i < states.size(); ++i) {
        states[i] = b.assign(states[i], results[i + 1]);
    }
    if (conditional) {
        bounds.condition = condition;
    }
    if (!continues) {
        static_cast<void>(b.assign(condition, next_condition));
    }
    b.end_loop(loop, bounds);
    states.insert(states.end(), outputs.begin(), outputs.end());
    return states;
}

// Imports the body of a loop once: updates the carried state, and appends the scan outputs.
// Returns the condition for the next iteration.
bool import_iteration(const onnx::GraphProto& body, Scope scope, std::int64_t trip, Values& state,
                      std::vector<Values>& scans, GraphImporter& importer) {
    Builder& b = importer.builder();
    scope[body.input(0).name()] = b.scalar(DataType::i64, static_cast<double>(trip));
    scope[body.input(1).name()] = b.scalar(DataType::boolean, 1);
    for (std::size_t i = 0; i < state.size(); ++i) {
        scope[body.input(static_cast<int>(i) + 2).name()] = state[i];
    }
    const Values results = importer.import_inner(body, std::move(scope));
    const bool running = constant_condition(b, results[0], "the condition that its body computes");
    for (std::size_t i = 0; i < state.size(); ++i) {
        state[i] = results[i + 1];
    }
    for (std::size_t i = 0; i < scans.size(); ++i) {
        const ValueId element = results[state.size() + 1 + i];
        b.require_tensor(element, "a scan output of its body");
        Dims dims = b.dims(element);
        dims.insert(dims.begin(), 1);
        scans[i].push_back(b.reshape(element, std::move(dims)));
    }
    return running;
}

}  // namespace

Values lower_if(const onnx::NodeProto& node, const Scope& scope, GraphImporter& importer) {
    Builder& b = importer.builder();
    if (node.input_size() != 1) {
        refuse("it has no condition");
    }
    const ValueId decides = find(scope, node.input(0));
    if (!b.value(decides).constant) {
        if (const auto results = importer.attempt(
                node, [&] { return lower_branches(node, decides, scope, importer); })) {
            return *results;
        }
    }
    const bool condition = constant_condition(b, decides, "its condition");
    return importer.import_inner(inner_graph(node, condition ? "then_branch" : "else_branch"),
                                 scope);
}

Values lower_loop(const onnx::NodeProto& node, const Scope& scope, GraphImporter& importer) {
    Builder& b = importer.builder();
    const onnx::GraphProto& body = inner_graph(node, "body");
    const int carried = node.input_size() - 2;
    if (carried < 0 || body.input_size() != carried + 2 || body.output_size() < carried + 1) {
        refuse("the inputs and outputs of its body are not those of a loop");
    }
    if (const auto looped =
            importer.attempt(node, [&] { return loop_on_card(node, body, scope, importer); })) {
        return *looped;
    }
    // The loop is unrolled. The number of its iterations must be known.
    std::int64_t trips = INT64_MAX;
    if (!node.input(0).empty()) {
        const auto count =
            b.require_constant(find(scope, node.input(0)), "its trip count").integers();
        trips = count.size() == 1 ? count[0] : -1;
    }
    bool running =
        node.input(1).empty() || constant_condition(b, find(scope, node.input(1)), "its condition");
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
        running = import_iteration(body, scope, trip, state, scans, importer);
    }
    for (const Values& scan : scans) {
        if (scan.empty()) {
            refuse("it never runs, so the shapes of its scan outputs are unknown");
        }
        state.push_back(b.concat(scan, 0));
    }
    return state;
}

}  // namespace accel::compiler
