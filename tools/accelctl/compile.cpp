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

Exit compile(const Program& program, const CompileOptions& options) {
    std::ostream& out = summary_stream(options.output, program.json());
    check_output(options.output);
    const Card card = select_card_for_models(program, options.model);
    const Device device = open_card(card);
    const Model net = load_model(device, options.model);
    save_model(net, options.output);
    if (program.json()) {
        program.print_json("accelctl.compile/1", {{"model", options.model.model},
                                                  {"output", options.output},
                                                  {"inputs", to_json(net.inputs())},
                                                  {"outputs", to_json(net.outputs())},
                                                  {"commands", net.commands().size()},
                                                  {"memory", to_json(net.memory())}});
        return Exit::ok;
    }
    const MemoryUse memory = net.memory();
    out << fmt::format("{}: {} commands, {} of weights, {} for a run\n", options.output,
                       net.commands().size(), human_bytes(memory.weights),
                       human_bytes(memory.peak));
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
    add_output(command, options->output);
    program.add_json(command);
}

}  // namespace accel::tools
