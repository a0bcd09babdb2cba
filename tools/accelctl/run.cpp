// SPDX-License-Identifier: Apache-2.0
//
// accelctl run: compiles a model, runs it, checks its outputs, and shows where the time is spent.
#include <fmt/core.h>

#include <accel/model.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <iostream>
#include <map>
#include <random>

#include "accel/accel.hpp"
#include "commands.hpp"
#include "models.hpp"
#include "terminal.hpp"
#include "text.hpp"

namespace accel::tools {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds run_limit{30};

struct RunOptions {
    ModelOptions model;
    std::vector<std::string> inputs;
    std::vector<std::string> expected;
    std::uint32_t repeat = 1;
    double tolerance = 1e-3;
    bool nodes = false;
};

// The numbers are the same at every call: f32 from -1 to 1, otherwise 0 and 1.
std::vector<std::byte> random_bytes(const TensorInfo& info) {
    std::mt19937 generator(1);
    std::vector<std::byte> bytes(info.bytes());
    if (info.type == DataType::f32) {
        std::uniform_real_distribution<float> values(-1, 1);
        for (std::size_t i = 0; i < bytes.size(); i += sizeof(float)) {
            const float x = values(generator);
            std::memcpy(&bytes[i], &x, sizeof x);
        }
    } else {
        for (std::size_t i = 0; i < bytes.size(); i += size_of(info.type)) {
            bytes[i] = static_cast<std::byte>(generator() % 2);
        }
    }
    return bytes;
}

std::vector<TensorData> make_inputs(const Model& net, const RunOptions& options) {
    const bool random =
        options.inputs.empty() || options.inputs == std::vector<std::string>{"random"};
    if (!random) {
        check_count(net.inputs(), options.inputs.size());
    }
    std::vector<TensorData> inputs;
    for (std::size_t i = 0; i < net.inputs().size(); ++i) {
        const TensorInfo& info = net.inputs()[i];
        inputs.push_back({info.type, info.shape,
                          random || options.inputs[i] == "random"
                              ? random_bytes(info)
                              : read_tensor(options.inputs[i], info)});
    }
    return inputs;
}

// The largest error of the outputs. Throws Failure beyond the tolerance.
double compare(const Model& net, const std::vector<TensorData>& outputs,
               const RunOptions& options) {
    if (options.expected.size() != outputs.size()) {
        throw Failure(Exit::usage,
                      fmt::format("the model has {} outputs, and --expect gives {} files",
                                  outputs.size(), options.expected.size()));
    }
    double max_error = 0;
    for (std::size_t i = 0; i < outputs.size(); ++i) {
        const TensorInfo& info = net.outputs()[i];
        // The shape of an output may be known only after a run.
        const auto expected =
            read_tensor(options.expected[i], {info.name, outputs[i].type, outputs[i].shape});
        if (info.type != DataType::f32) {
            if (expected != outputs[i].bytes) {
                throw Failure(Exit::failed,
                              "output " + info.name + " differs from the expected one");
            }
            continue;
        }
        for (std::size_t k = 0; k < expected.size(); k += sizeof(float)) {
            float got = 0;
            float wanted = 0;
            std::memcpy(&got, &outputs[i].bytes[k], sizeof got);
            std::memcpy(&wanted, &expected[k], sizeof wanted);
            const double error = std::fabs(static_cast<double>(got) - wanted);
            if (!(error <= options.tolerance * (1 + std::fabs(wanted)))) {
                throw Failure(Exit::failed,
                              fmt::format("element {} of output {} is {:g}, and {:g} was expected",
                                          k / sizeof(float), info.name, got, wanted),
                              "--tolerance sets the allowed error");
            }
            max_error = std::max(max_error, error);
        }
    }
    return max_error;
}

// The card's time for all commands of a name.
struct TimeSpent {
    std::string name;
    std::uint64_t count = 0;
    std::uint64_t ticks = 0;
};

// Sums up by command or by node, longest first.
std::vector<TimeSpent> time_by(const Model& net, const std::vector<std::uint64_t>& ticks,
                               std::string ModelCommand::*by) {
    std::map<std::string, TimeSpent> by_name;
    for (std::size_t i = 0; i < ticks.size(); ++i) {
        TimeSpent& time = by_name[net.commands()[i].*by];
        time.name = net.commands()[i].*by;
        ++time.count;
        time.ticks += ticks[i];
    }
    std::vector<TimeSpent> result;
    result.reserve(by_name.size());
    for (auto& [name, time] : by_name) {
        result.push_back(std::move(time));
    }
    std::ranges::stable_sort(result, std::greater<>(), &TimeSpent::ticks);
    return result;
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

// The results of one command line.
struct Report {
    std::vector<std::uint64_t> ticks;  ///< of each command
    std::vector<double> seconds;       ///< of each run, shortest first
    double max_error = 0;
    double clock_hz = 0;

    [[nodiscard]] double shortest() const { return seconds.front(); }
    [[nodiscard]] double median() const { return seconds[seconds.size() / 2]; }
    [[nodiscard]] double to_seconds(std::uint64_t count) const {
        return static_cast<double>(count) / clock_hz;
    }
};

// A list of the commands or the nodes with their times. `name` and `count` name the members.
Json times_json(const Model& net, const Report& report, std::string ModelCommand::*by,
                const char* name, const char* count) {
    Json all = Json::array();
    for (const TimeSpent& time : time_by(net, report.ticks, by)) {
        all.push_back(
            {{name, time.name}, {count, time.count}, {"seconds", report.to_seconds(time.ticks)}});
    }
    return all;
}

Json run_json(const Model& net, const Report& report, const RunOptions& options) {
    Json document{{"model", options.model.model},
                  {"inputs", to_json(net.inputs())},
                  {"outputs", to_json(net.outputs())},
                  {"commands", times_json(net, report, &ModelCommand::command, "command", "count")},
                  {"nodes", times_json(net, report, &ModelCommand::node, "node", "commands")},
                  {"memory", to_json(net.memory())},
                  {"runs", options.repeat},
                  {"seconds", {{"min", report.shortest()}, {"median", report.median()}}}};
    for (const HostNode& node : net.host_nodes()) {
        Json& nodes = document["host_nodes"];
        nodes = nodes.is_null() ? Json::array() : nodes;
        nodes.push_back({{"node", node.node}, {"reason", node.reason}});
    }
    if (!options.expected.empty()) {
        document["max_error"] = report.max_error;
    }
    return document;
}

void print(const Model& net, const Report& report, const RunOptions& options) {
    for (const TensorInfo& info : net.inputs()) {
        std::cout << "input   " << describe(info) << '\n';
    }
    for (const TensorInfo& info : net.outputs()) {
        std::cout << "output  " << describe(info) << '\n';
    }
    for (const HostNode& node : net.host_nodes()) {
        std::cout << fmt::format("host    {}: {}\n", node.node, node.reason);
    }
    const MemoryUse memory = net.memory();
    std::cout << fmt::format("memory  {} of weights; {} of activations in {} ({:.1f} %)\n",
                             human_bytes(memory.weights), human_bytes(memory.activations),
                             human_bytes(memory.peak), 100 * memory.ratio());
    Table table({{.title = options.nodes ? "node" : "command"},
                 {.title = options.nodes ? "commands" : "count", .align = Table::Align::right},
                 {.title = "ms", .align = Table::Align::right}});
    const auto by = options.nodes ? &ModelCommand::node : &ModelCommand::command;
    for (const TimeSpent& time : time_by(net, report.ticks, by)) {
        table.add({time.name, std::to_string(time.count),
                   fmt::format("{:.3f}", report.to_seconds(time.ticks) * 1e3)});
    }
    std::cout << table.to_string();
    std::cout << fmt::format("{} run{}: shortest {:.3f} ms, median {:.3f} ms\n", options.repeat,
                             options.repeat == 1 ? "" : "s", report.shortest() * 1e3,
                             report.median() * 1e3);
    if (!options.expected.empty()) {
        std::cout << fmt::format("outputs are as expected; the largest error is {:g}\n",
                                 report.max_error);
    }
}

Exit run(const Program& program, const RunOptions& options) {
    const Card card = select_card_for_models(program, options.model);
    const Device device = Device::open(card.path());
    Queue queue = device.create_queue();
    const Model net = load_model(device, options.model);
    const std::vector<TensorData> inputs = make_inputs(net, options);
    Report report;
    report.clock_hz = device.info().clock_hz;
    const std::vector<TensorData> outputs = net.profile(queue, inputs, report.ticks);
    report.seconds = time_runs(device, queue, net, inputs, options.repeat);
    std::ranges::sort(report.seconds);
    report.max_error = options.expected.empty() ? 0 : compare(net, outputs, options);
    if (program.json()) {
        Json document{{"address", card.address}};
        document.append(run_json(net, report, options));
        program.print_json("accelctl.run/1", document);
    } else {
        print(net, report, options);
    }
    return Exit::ok;
}

}  // namespace

void add_run(Program& program) {
    auto [command, options] = add_command<RunOptions>(program, "run", "Run a model on a card", run);
    command.set_footer(
        "Files of inputs and outputs hold the elements of a tensor in memory order. The table "
        "shows the card's own time, from completion records. The last line shows the time of the "
        "program, from the submission of a run to its completion.");
    options->model.add_to(command, any_model_help);
    command.add_option({.name = "--input",
                        .help = "Give a file for each input, or 'random' for all",
                        .value = file_value},
                       options->inputs);
    command.add_option({.name = "--expect",
                        .help = "Give a file for each output, and fail if an output differs",
                        .value = file_value},
                       options->expected);
    command.add_option({.name = "--tolerance",
                        .help = "Set the allowed error of an output, relative and absolute",
                        .value = "NUMBER",
                        .positive = true},
                       options->tolerance);
    command.add_flag(
        {.name = "--nodes", .help = "Show the time of each node of the model, not of each command"},
        options->nodes);
    command.add_option({.name = "--repeat",
                        .help = "Set the number of timed runs",
                        .value = "N",
                        .bounds = Bounds{1, 1 << 30}},
                       options->repeat);
    program.add_json(command);
}

}  // namespace accel::tools
