// SPDX-License-Identifier: Apache-2.0
//
// accelctl quantize: an f32 model becomes one that multiplies bytes.
#include <fmt/format.h>
#include <accel/quantize.hpp>

#include <cmath>
#include <iostream>

#include "commands.hpp"
#include "models.hpp"
#include "terminal.hpp"
#include "text.hpp"

namespace accel::tools {

namespace {

using Json = nlohmann::ordered_json;

struct QuantizeCommand {
    ModelOptions model;
    std::string output;
    std::vector<std::string> calibration;
    std::vector<std::string> keep;
    double percentile = 100;
};

// Each file holds the same number of inputs, one behind the other.
std::vector<std::vector<TensorData>> read_calibration(const Model& net,
                                                      const std::vector<std::string>& files) {
    check_count(net.inputs(), files.size());
    std::vector<std::vector<TensorData>> runs;
    for (std::size_t i = 0; i < files.size(); ++i) {
        const TensorInfo& info = net.inputs()[i];
        const std::vector<std::byte> bytes = read_bytes(files[i]);
        const std::size_t count = info.bytes() == 0 ? 0 : bytes.size() / info.bytes();
        if (count == 0 || count * info.bytes() != bytes.size()) {
            throw Failure(Exit::usage,
                          fmt::format("{} holds {} bytes, and that is no multiple of the {} of {}",
                                      files[i], bytes.size(), info.bytes(), describe(info)),
                          "the file is the elements of one input behind those of another");
        }
        if (i != 0 && count != runs.size()) {
            throw Failure(Exit::usage, fmt::format("{} holds {} inputs, and {} holds {}", files[0],
                                                   runs.size(), files[i], count));
        }
        runs.resize(count);
        for (std::size_t run = 0; run < count; ++run) {
            const auto first = bytes.begin() + static_cast<std::ptrdiff_t>(run * info.bytes());
            runs[run].push_back({info.type,
                                 info.shape,
                                 {first, first + static_cast<std::ptrdiff_t>(info.bytes())}});
        }
    }
    return runs;
}

Exit quantize_model(const Program& program, const QuantizeCommand& options) {
    const Card card = select_card_for_models(program, options.model);
    const Device device = Device::open(card.path());
    const auto runs = [&] {
        return read_calibration(load_model(device, options.model), options.calibration);
    }();
    const QuantizeReport report = [&] {
        Progress progress("Calibrating");
        return of_model([&] {
            return quantize(device, options.model.model, runs, options.output,
                            {.load = options.model.load(),
                             .keep = options.keep,
                             .percentile = options.percentile,
                             .progress = [&](double done) { progress.update(done); }});
        });
    }();
    if (program.json()) {
        Json nodes = Json::array();
        for (const QuantizedNode& node : report.nodes) {
            Json one{{"node", node.node}, {"quantized", node.reason.empty()}};
            if (!node.reason.empty()) {
                one["reason"] = node.reason;
            }
            nodes.push_back(std::move(one));
        }
        Json outputs = Json::array();
        for (const OutputNoise& output : report.outputs) {
            // There is no infinity in JSON.
            outputs.push_back(
                {{"name", output.output},
                 {"signal_to_noise",
                  std::isfinite(output.signal_to_noise) ? Json(output.signal_to_noise) : Json()}});
        }
        program.print_json("accelctl.quantize/1", {{"model", options.model.model},
                                                   {"output", options.output},
                                                   {"runs", runs.size()},
                                                   {"nodes", std::move(nodes)},
                                                   {"outputs", std::move(outputs)}});
        return Exit::ok;
    }
    Table table({{.title = "node"}, {.title = "multiplies"}, {.title = ""}});
    for (const QuantizedNode& node : report.nodes) {
        table.add({node.node, node.reason.empty() ? "bytes" : "f32", node.reason});
    }
    std::cout << table.to_string();
    for (const OutputNoise& output : report.outputs) {
        std::cout << fmt::format("{}: {:.1f} dB of signal to noise over {} runs\n", output.output,
                                 output.signal_to_noise, runs.size());
    }
    std::cout << options.output << " is written\n";
    return Exit::ok;
}

}  // namespace

void add_quantize(Program& program) {
    auto [command, options] = add_command<QuantizeCommand>(
        program, "quantize", "Make a model of bytes of an f32 model", quantize_model);
    command->footer(
        "A file of calibration holds the elements of some inputs, one input behind the other, as "
        "they lie in memory: a few hundred that are like those the model will see. The result is "
        "ONNX with QuantizeLinear and DequantizeLinear.");
    options->model.add_to(*command);
    command->add_option("-o,--output", options->output, "Where the quantized model goes")
        ->required()
        ->type_name("FILE");
    command->add_option("--calibrate", options->calibration, "A file for each input of the model")
        ->required()
        ->type_name("FILE");
    command->add_option("--keep", options->keep, "A node that stays f32")->type_name("NODE");
    command
        ->add_option("--percentile", options->percentile,
                     "How much of the values of an activation must be in its range; 100: all")
        ->check(CLI::Range(50.0, 100.0));
    program.add_json(*command);
}

}  // namespace accel::tools
