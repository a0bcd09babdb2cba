// SPDX-License-Identifier: Apache-2.0
//
// accelctl quantize: makes an int8 model of an f32 model and calibration data.
#include <fmt/core.h>

#include <accel/quantize.hpp>

#include <cmath>
#include <iostream>

#include "commands.hpp"
#include "emulated.hpp"
#include "models.hpp"
#include "output.hpp"
#include "run/tensor_file.hpp"
#include "terminal.hpp"
#include "text.hpp"

namespace accel::tools {

namespace {

struct QuantizeCommand {
    ModelOptions model;
    std::string output;
    std::vector<std::string> calibration;
    std::vector<std::string> nodes_to_exclude;
    double percentile = 100;
    std::string weights = "i8";
    bool external_weights = false;
};

// One entry for each run. Every file holds the values of one input for the same number of runs.
std::vector<std::vector<TensorData>> read_calibration(const Model& net,
                                                      const std::vector<std::string>& files) {
    check_count(net.inputs(), files.size());
    std::vector<std::vector<TensorData>> runs;
    for (std::size_t i = 0; i < files.size(); ++i) {
        const TensorInfo& info = net.inputs()[i];
        const std::vector<std::byte> bytes = read_elements(files[i], info.type);
        const std::size_t count = info.bytes() == 0 ? 0 : bytes.size() / info.bytes();
        if (count == 0 || count * info.bytes() != bytes.size()) {
            throw Failure(
                Exit::usage,
                fmt::format("{} holds {} bytes, which is no multiple of the {} bytes of {}",
                            files[i], bytes.size(), info.bytes(), describe(info)),
                "the file must hold the elements of this input for one run after another");
        }
        if (i != 0 && count != runs.size()) {
            throw Failure(Exit::usage, fmt::format("{} holds {} runs, and {} holds {}", files[0],
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

// JSON has no infinity.
Json decibels(double value) {
    return std::isfinite(value) ? Json(value) : Json();
}

Json to_json(const QuantizeReport& report) {
    Json nodes = Json::array();
    for (const QuantizedNode& node : report.nodes) {
        Json one{
            {"node", node.node}, {"operator", node.op_type}, {"quantized", node.reason.empty()}};
        if (node.reason.empty()) {
            one["signal_to_noise"] = decibels(node.signal_to_noise);
        } else {
            one["reason"] = node.reason;
        }
        nodes.push_back(std::move(one));
    }
    Json outputs = Json::array();
    for (const OutputNoise& output : report.outputs) {
        outputs.push_back(
            {{"name", output.output}, {"signal_to_noise", decibels(output.signal_to_noise)}});
    }
    return {{"nodes", std::move(nodes)}, {"outputs", std::move(outputs)}};
}

void print(std::ostream& out, const QuantizeReport& report, std::size_t runs,
           const std::string& output) {
    Table table({{.title = "node"}, {.title = "operator"}, {.title = "signal to noise"}});
    for (const QuantizedNode& node : report.nodes) {
        table.add({node.node, node.op_type,
                   node.reason.empty() ? fmt::format("{:.1f} dB", node.signal_to_noise)
                                       : "stays f32: " + node.reason});
    }
    out << table.to_string();
    for (const OutputNoise& noise : report.outputs) {
        out << fmt::format("{}: {:.1f} dB of signal to noise over {} runs\n", noise.output,
                           noise.signal_to_noise, runs);
    }
    out << "wrote " << output << "\n";
}

Exit quantize_model(const Program& program, const QuantizeCommand& options) {
    std::ostream& out = summary_stream(options.output, program.json());
    check_output(options.output);
    const Card card = select_card_for_models(program, options.model);
    const Device device = open_card(card);
    // This load only tells the inputs. The model is released before it is loaded for calibration.
    const auto runs = [&] {
        return read_calibration(load_model(device, options.model), options.calibration);
    }();
    const QuantizeReport report = [&] {
        Progress progress("Calibrating");
        return with_model_errors([&] {
            return quantize(
                device, options.model.model, runs, output_path(options.output),
                {.load = options.model.load(),
                 .nodes_to_exclude = options.nodes_to_exclude,
                 .percentile = options.percentile,
                 .weights = options.weights == "i4" ? WeightFormat::i4 : WeightFormat::i8,
                 .external_weights = options.external_weights,
                 .progress = [&](double done) { progress.update(done); }});
        });
    }();
    if (program.json()) {
        Json document{
            {"model", options.model.model}, {"output", options.output}, {"runs", runs.size()}};
        document.append(to_json(report));
        program.print_json("accelctl.quantize/1", document);
    } else {
        print(out, report, runs.size(), options.output);
    }
    return Exit::ok;
}

}  // namespace

void add_quantize(Program& program) {
    auto [command, options] = add_command<QuantizeCommand>(
        program, "quantize", "Quantize an f32 model to int8", quantize_model);
    command.set_footer(
        "A calibration file holds the elements of one input for many runs, one run after another "
        "(.npy, or raw): a few hundred runs that are like those of the application. The result "
        "is ONNX with QuantizeLinear and DequantizeLinear.");
    options->model.add_to(command, onnx_file_help);
    add_output(command, options->output);
    command.add_option({.name = "--calibrate",
                        .help = "Give a calibration file for each input of the model",
                        .value = file_value,
                        .required = true},
                       options->calibration);
    command.add_option({.name = "--exclude", .help = "Leave a node in f32", .value = "NODE"},
                       options->nodes_to_exclude);
    command.add_option({.name = "--percentile",
                        .help = "Set the percentage of an activation's values that its range "
                                "covers; 100: all",
                        .value = "PERCENT",
                        .bounds = Bounds{50, 100}},
                       options->percentile);
    command.add_option({.name = "--weights",
                        .help = "Set the type of the weights; i4: of MatMul, in blocks of 32, "
                                "whose activations stay f32",
                        .value = "TYPE",
                        .choices = {"i8", "i4"}},
                       options->weights);
    command.add_flag({.name = "--external-weights",
                      .help = "Write the weights to a second file, with .data behind the name of "
                              "the result. A result above 2 GiB always has one"},
                     options->external_weights);
    program.add_json(command);
}

}  // namespace accel::tools
