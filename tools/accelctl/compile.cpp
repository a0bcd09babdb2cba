// SPDX-License-Identifier: Apache-2.0
//
// accelctl compile: compiles a model for a card into a file.
#include <fmt/core.h>

#include <iostream>

#include "commands.hpp"
#include "emulated.hpp"
#include "models.hpp"
#include "output.hpp"
#include "text.hpp"

namespace accel::tools {

namespace {

struct CompileOptions {
    ModelOptions model;
    std::string output;
};

// "batch, sequence"
std::string open_list(const Model& net) {
    std::string names;
    for (const OpenDimension& dimension : net.open_dimensions()) {
        const std::string name = dimension.name.empty()
                                     ? fmt::format("{} of {}", dimension.axis, dimension.input)
                                     : dimension.name;
        if ((", " + names + ",").find(", " + name + ",") == std::string::npos) {
            names += (names.empty() ? "" : ", ") + name;
        }
    }
    return names;
}

Json shapes_json(const Model& net) {
    Json all = Json::array();
    for (const Model& shape : net.specializations()) {
        all.push_back({{"inputs", to_json(shape.inputs())},
                       {"outputs", to_json(shape.outputs())},
                       {"commands", shape.commands().size()},
                       {"memory", to_json(shape.memory())}});
    }
    return all;
}

Exit compile(const Program& program, const CompileOptions& options) {
    std::ostream& out = summary_stream(options.output, program.json());
    check_output(options.output);
    const Card card = select_card_for_models(program, options.model);
    const Device device = open_card(card);
    const Model net = load_model(device, options.model);
    if (net.specializations().empty()) {
        throw Failure(Exit::usage, options.model.model + " leaves dimensions open: " + open_list(net),
                      "give their lengths with --dimension, or those of one or more shapes with "
                      "--shapes NAME=LENGTH,...");
    }
    save_model(net, options.output);
    if (program.json()) {
        program.print_json("accelctl.compile/1", {{"model", options.model.model},
                                                  {"output", options.output},
                                                  {"inputs", to_json(net.inputs())},
                                                  {"outputs", to_json(net.outputs())},
                                                  {"commands", net.commands().size()},
                                                  {"memory", to_json(net.memory())},
                                                  {"shapes", shapes_json(net)}});
        return Exit::ok;
    }
    for (const Model& shape : net.specializations()) {
        const MemoryUse memory = shape.memory();
        out << fmt::format("{}: {} commands, {} of weights, {} for a run", options.output,
                           shape.commands().size(), human_bytes(memory.weights),
                           human_bytes(memory.peak));
        std::string inputs;
        for (const TensorInfo& input : shape.inputs()) {
            inputs += (inputs.empty() ? ": " : ", ") + describe(input);
        }
        out << (net.open_dimensions().empty() ? "" : inputs) << '\n';
    }
    return Exit::ok;
}

}  // namespace

void add_compile(Program& program) {
    auto [command, options] = add_command<CompileOptions>(
        program, "compile", "Compile an ONNX model into a file that loads without compilation",
        compile);
    command.set_footer(
        "The file fits any card that has the same engines and enough memory, for the shapes given "
        "here. 'accelctl run' and Model::load() read it.");
    options->model.add_to(command, onnx_model_help);
    command.add_option({.name = "--shapes",
                        .help = "Compile the model for these lengths of its open dimensions; give "
                                "it once for each shape",
                        .value = "NAME=LENGTH,..."},
                       options->model.specializations);
    add_output(command, options->output);
    program.add_json(command);
}

}  // namespace accel::tools
