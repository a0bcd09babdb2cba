// SPDX-License-Identifier: Apache-2.0
//
// accelctl compile: a model as the card takes it, in a file.
#include <fmt/format.h>

#include <iostream>

#include "commands.hpp"
#include "models.hpp"
#include "text.hpp"

namespace accel::tools {

namespace {

struct CompileOptions {
    ModelOptions model;
    std::string output;
};

Exit compile(const Program& program, const CompileOptions& options) {
    const Card card = select_card_for_models(program, options.model);
    const Device device = Device::open(card.path());
    const Model net = load_model(device, options.model);
    of_model([&] {
        net.save(options.output);
        return 0;
    });
    const MemoryUse memory = net.memory();
    if (program.json()) {
        program.print_json("accelctl.compile/1", {{"model", options.model.model},
                                                  {"output", options.output},
                                                  {"inputs", to_json(net.inputs())},
                                                  {"outputs", to_json(net.outputs())},
                                                  {"commands", net.commands().size()},
                                                  {"memory",
                                                   {{"weights", memory.weights},
                                                    {"activations", memory.activations},
                                                    {"peak", memory.peak}}}});
        return Exit::ok;
    }
    std::cout << fmt::format("{}: {} commands, {} of weights, {} for a run\n", options.output,
                             net.commands().size(), human_bytes(memory.weights),
                             human_bytes(memory.peak));
    return Exit::ok;
}

}  // namespace

void add_compile(Program& program) {
    auto [command, options] = add_command<CompileOptions>(
        program, "compile", "Compile an ONNX model into a file that loads at once", compile);
    command->footer(
        "The file fits any card that has the engines and the memory, with the shapes given here. "
        "'accelctl run' and Model::load() take it.");
    options->model.add_to(*command);
    command->add_option("-o,--output", options->output, "Where the compiled model goes")
        ->required()
        ->type_name("FILE");
    program.add_json(*command);
}

}  // namespace accel::tools
