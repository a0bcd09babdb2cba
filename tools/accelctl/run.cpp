// SPDX-License-Identifier: Apache-2.0
//
// accelctl run: compiles a model, runs it, shows and checks its outputs, and shows where the time
// is spent.
#include <fmt/core.h>

#include <accel/model.hpp>
#include <algorithm>
#include <chrono>
#include <iostream>
#include <random>

#include "accel/accel.hpp"
#include "commands.hpp"
#include "emulated.hpp"
#include "models.hpp"
#include "output.hpp"
#include "run/check.hpp"
#include "run/numbers.hpp"
#include "run/port_files.hpp"
#include "run/report.hpp"
#include "run/tensor_file.hpp"
#include "run/trace.hpp"
#include "terminal.hpp"

namespace accel::tools {

namespace {

using Clock = std::chrono::steady_clock;
using Files = std::vector<std::optional<std::string>>;  // one for each input or output

constexpr std::chrono::seconds run_limit{30};
constexpr double default_tolerance = 1e-3;

struct RunOptions {
    ModelOptions model;
    std::vector<std::string> inputs;
    PictureOptions pictures;
    std::vector<std::string> expected;
    std::vector<std::string> outputs;
    std::uint32_t top = 0;
    std::string labels;
    std::string trace;
    std::uint32_t repeat = 1;
    std::optional<double> tolerance;
    std::optional<double> absolute;
    std::optional<double> relative;
    bool nodes = false;
    bool check_only = false;
};

// The numbers are the same at every call: from -1 to 1, or 0 and 1 for integers.
std::vector<std::byte> random_bytes(const TensorInfo& info) {
    std::mt19937 generator(1);
    std::vector<double> numbers(info.elements());
    std::uniform_real_distribution<float> values(-1, 1);
    for (double& number : numbers) {
        number = is_real(info.type) ? static_cast<double>(values(generator))
                                    : static_cast<double>(generator() % 2);
    }
    return from_numbers(info.type, numbers);
}

std::vector<std::size_t> open_axes(const Model& net, const std::string& input) {
    std::vector<std::size_t> axes;
    for (const OpenDimension& dimension : net.open_dimensions()) {
        if (dimension.input == input) {
            axes.push_back(dimension.axis);
        }
    }
    return axes;
}

std::vector<TensorData> make_inputs(const Model& net, const RunOptions& options,
                                    RunReport& report) {
    const bool all_random =
        options.inputs.empty() || options.inputs == std::vector<std::string>{"random"};
    const Files files = assign_files(
        net.inputs(), all_random ? std::vector<std::string>{} : options.inputs, "--input");
    std::vector<TensorData> inputs;
    for (std::size_t i = 0; i < net.inputs().size(); ++i) {
        const TensorInfo& info = net.inputs()[i];
        if (all_random || files[i] == "random") {
            if (std::ranges::find(info.shape, -1) != info.shape.end()) {
                throw Failure(Exit::usage,
                              fmt::format("input {} leaves dimensions open, so it cannot be random",
                                          describe(info)),
                              "give their lengths with --dimension, or a file for the input");
            }
            report.random_inputs.insert(info.name);
            inputs.push_back({info.type, info.shape, random_bytes(info)});
        } else if (files[i]) {
            inputs.push_back(
                read_tensor_file(*files[i], info, options.pictures, open_axes(net, info.name)));
        } else {
            throw Failure(
                Exit::usage, "--input: there is no file for input " + info.name,
                list_of(net.inputs()) + "\n'random' instead of a file gives random values");
        }
    }
    return inputs;
}

// The shapes of the inputs are those of their files.
ModelShape shape_of(const Model& net, const std::vector<TensorData>& inputs) {
    ModelShape shape;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
        shape.inputs[net.inputs()[i].name] = inputs[i].shape;
    }
    return shape;
}

// Integers must be equal, unless the user gives a tolerance.
Tolerance tolerance_of(DataType type, const RunOptions& options) {
    const double otherwise = options.tolerance.value_or(is_real(type) ? default_tolerance : 0);
    if (options.absolute || options.relative) {
        return {options.absolute.value_or(options.tolerance.value_or(0)),
                options.relative.value_or(options.tolerance.value_or(0))};
    }
    return {otherwise, otherwise};
}

// The shape of an output may be known only after a run.
TensorInfo info_of(const Model& net, std::size_t output, const TensorData& data) {
    return {net.outputs()[output].name, data.type, data.shape};
}

void compare_outputs(const Model& net, const std::vector<TensorData>& outputs,
                     const RunOptions& options, RunReport& report) {
    const Files expected = assign_files(net.outputs(), options.expected, "--expect");
    for (std::size_t i = 0; i < outputs.size(); ++i) {
        if (expected[i]) {
            const TensorInfo info = info_of(net, i, outputs[i]);
            report.comparisons.push_back(compare(info.name, outputs[i],
                                                 read_tensor_file(*expected[i], info, {}),
                                                 tolerance_of(info.type, options)));
        }
    }
}

void rank_outputs(const Model& net, const std::vector<TensorData>& outputs,
                  const RunOptions& options, RunReport& report) {
    if (options.top == 0) {
        return;
    }
    const auto labels =
        options.labels.empty() ? std::vector<std::string>{} : read_labels(options.labels);
    for (std::size_t i = 0; i < outputs.size(); ++i) {
        report.rankings.push_back(
            rank_classes(net.outputs()[i].name, outputs[i], options.top, labels));
    }
}

void write_outputs(const Model& net, const std::vector<TensorData>& outputs, const Files& files,
                   RunReport& report) {
    for (std::size_t i = 0; i < outputs.size(); ++i) {
        if (files[i]) {
            const std::string& name = net.outputs()[i].name;
            write_output(*files[i], tensor_file(*files[i], name, outputs[i]));
            report.files.emplace_back(name, *files[i]);
        }
    }
}

// The seconds that each run takes.
std::vector<double> time_runs(const Device& device, Queue& queue, const Model& net,
                              const std::vector<TensorData>& inputs, std::uint32_t repeat) {
    // A real program allocates its buffers before the first run, and so does this.
    std::vector<Buffer<std::byte>> buffers;
    std::vector<Operand> arguments;
    for (const auto& ports : {net.inputs(), net.outputs()}) {
        for (const TensorInfo& info : ports) {
            buffers.push_back(
                device.allocate<std::byte>({std::max<std::uint64_t>(info.bytes(), 1)}));
            arguments.emplace_back(buffers.back());
        }
    }
    for (std::size_t i = 0; i < inputs.size(); ++i) {
        std::ranges::copy(inputs[i].bytes, buffers[i].begin());
    }
    std::vector<double> times;
    Progress progress("Running");
    for (std::uint32_t i = 0; i < repeat; ++i) {
        const auto start = Clock::now();
        if (!net.host_nodes().empty()) {
            static_cast<void>(net.run(queue, inputs));
        } else if (net.submit(queue, arguments).wait(run_limit) == WaitResult::timed_out) {
            throw Failure(Exit::timeout, "the card did not finish a run within 30 s",
                          stuck_card_hint);
        }
        times.push_back(std::chrono::duration<double>(Clock::now() - start).count());
        progress.update(static_cast<double>(i + 1) / repeat);
    }
    return times;
}

// Where the report is printed: standard error if an output is standard output.
std::ostream& report_stream(const Program& program, const Files& outputs,
                            const RunOptions& options) {
    std::ostream* out = &summary_stream(options.trace, program.json());
    for (const auto& path : outputs) {
        if (path && &summary_stream(*path, program.json()) == &std::cerr) {
            out = &std::cerr;
        }
    }
    return *out;
}

// The report is complete before a difference ends the command.
Exit verdict(const RunReport& report) {
    Exit exit = Exit::ok;
    std::cout.flush();
    for (const Comparison& comparison : report.comparisons) {
        if (comparison.different != 0) {
            std::cerr << fmt::format("accelctl: output {}: {}\n", comparison.name,
                                     comparison.first_different);
            exit = Exit::failed;
        }
    }
    if (exit != Exit::ok) {
        std::cerr << "          --atol and --rtol set the allowed error\n";
    }
    return exit;
}

Exit run(const Program& program, const RunOptions& options) {
    if (options.check_only) {
        return check_model(program, options.model);
    }
    const Card card = select_card_for_models(program, options.model);
    const Device device = open_card(card);
    Queue queue = device.create_queue();
    Model net = load_model(device, options.model);
    const Files files = assign_files(net.outputs(), options.outputs, "--output");
    std::ostream& out = report_stream(program, files, options);
    for (const auto& path : files) {
        if (path) {
            check_output(*path);
        }
    }
    if (!options.trace.empty()) {
        check_output(options.trace);
    }
    RunReport report;
    const std::vector<TensorData> inputs = make_inputs(net, options, report);
    net = with_model_errors([&] { return net.specialize(shape_of(net, inputs)); });
    report.card = card.title();
    report.model = options.model.model;
    report.clock_hz = device.info().clock_hz;
    const std::vector<TensorData> outputs = net.profile(queue, inputs, report.records);
    report.seconds = time_runs(device, queue, net, inputs, options.repeat);
    std::ranges::sort(report.seconds);
    compare_outputs(net, outputs, options, report);
    rank_outputs(net, outputs, options, report);
    write_outputs(net, outputs, files, report);
    if (!options.trace.empty()) {
        write_output(options.trace, trace_json(card.name(), net, report.records, report.clock_hz));
        report.trace = options.trace;
    }
    if (program.json()) {
        Json document{{"address", card.address}};
        document.append(to_json(net, report));
        program.print_json("accelctl.run/1", document);
    } else {
        print(out, net, report, options.nodes);
    }
    return verdict(report);
}

void add_input_options(CommandLine& command, RunOptions& options) {
    command.add_option({.name = "--input",
                        .help = "Give an input a file (.npy, .pb, PNG, JPEG, or raw elements), or "
                                "'random'; without this option all inputs are random",
                        .value = "[NAME=]FILE"},
                       options.inputs);
    command.add_option({.name = "--mean",
                        .help = "Subtract this from the samples of a picture (0 to 255): one "
                                "number, or one for each channel",
                        .value = "N,N,...",
                        .comma_separated = true},
                       options.pictures.mean);
    command.add_option({.name = "--scale",
                        .help = "Multiply the samples by this after --mean",
                        .value = "N,N,...",
                        .comma_separated = true},
                       options.pictures.scale);
    command.add_option({.name = "--layout",
                        .help = "Set the order of channels, height and width of an input for "
                                "pictures; auto: from its shape",
                        .value = "ORDER",
                        .choices = {"auto", "chw", "hwc"}},
                       options.pictures.layout);
    command.add_flag({.name = "--bgr",
                      .help = "Put the channels of a picture in the order blue, "
                              "green, red"},
                     options.pictures.bgr);
}

void add_output_options(CommandLine& command, RunOptions& options) {
    command.add_option({.name = "-o,--output",
                        .help = "Write an output into this file: .npy, .pb (ONNX), or with another "
                                "ending the raw elements; -: standard output",
                        .value = "[NAME=]FILE"},
                       options.outputs);
    command.add_option({.name = "--top",
                        .help = "Show the N largest elements of each row of the outputs",
                        .value = "N",
                        .bounds = Bounds{1, 1000}},
                       options.top);
    command.add_option({.name = "--labels",
                        .help = "Name the classes of --top by the lines of this file",
                        .value = file_value,
                        .needs = "--top"},
                       options.labels);
    command.add_option({.name = "--expect",
                        .help = "Compare an output with this file, and fail if it differs",
                        .value = "[NAME=]FILE"},
                       options.expected);
    command.add_option({.name = "--atol",
                        .help = "Set the allowed absolute error of --expect",
                        .value = "NUMBER",
                        .bounds = Bounds{0, 1e300}},
                       options.absolute);
    command.add_option({.name = "--rtol",
                        .help = "Set the allowed error relative to the expected element",
                        .value = "NUMBER",
                        .bounds = Bounds{0, 1e300}},
                       options.relative);
    command.add_option({.name = "--tolerance",
                        .help = "Set both (default 0.001, and 0 for integers)",
                        .value = "NUMBER",
                        .bounds = Bounds{0, 1e300}},
                       options.tolerance);
    command.add_option({.name = "--trace",
                        .help = "Write a timeline of the commands of a run into this file, for "
                                "Perfetto (ui.perfetto.dev) or chrome://tracing",
                        .value = file_value},
                       options.trace);
}

}  // namespace

void add_run(Program& program) {
    auto [command, options] = add_command<RunOptions>(program, "run", "Run a model on a card", run);
    command.set_footer(
        "Files without a name are for the inputs or outputs in the order of the model. A picture "
        "is stretched to the size of its input; the samples are (sample - mean) * scale. The table "
        "shows the card's own time, from completion records. The last line of the times shows the "
        "time of the program, from the submission of a run to its completion.");
    options->model.add_to(command, any_model_help);
    add_input_options(command, *options);
    add_output_options(command, *options);
    command.add_flag(
        {.name = "--nodes", .help = "Show the time of each node of the model, not of each command"},
        options->nodes);
    command.add_flag({.name = "--check-only",
                      .help = "Run nothing: list all that the compiler does not support in the "
                              "model. No card is needed; the exit code is 8 if there is any"},
                     options->check_only);
    command.add_option({.name = "--repeat",
                        .help = "Set the number of timed runs",
                        .value = "N",
                        .bounds = Bounds{1, 1 << 30}},
                       options->repeat);
    program.add_json(command);
}

}  // namespace accel::tools
