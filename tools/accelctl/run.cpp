// SPDX-License-Identifier: Apache-2.0
//
// accelctl run: compiles a model, runs it, and says what came out, how long it took and where.
#include <fmt/format.h>

#include <accel/model.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <random>

#include "accel/accel.hpp"
#include "commands.hpp"
#include "models.hpp"
#include "terminal.hpp"
#include "text.hpp"

namespace accel::tools {

namespace {

using Json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds patience{30};

struct RunOptions {
    ModelOptions model;
    std::vector<std::string> inputs;
    std::vector<std::string> expected;
    std::uint32_t repeat = 1;
    double tolerance = 1e-3;
    bool nodes = false;
};

// The same numbers at every run: f32 in -1 .. 1, small integers otherwise.
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

// How far the outputs are from what was expected; throws beyond the tolerance.
double check(const Model& net, const std::vector<TensorData>& outputs, const RunOptions& options) {
    if (options.expected.size() != outputs.size()) {
        throw Failure(Exit::usage,
                      fmt::format("the model has {} outputs, and {} files are expected",
                                  outputs.size(), options.expected.size()));
    }
    double furthest = 0;
    for (std::size_t i = 0; i < outputs.size(); ++i) {
        const TensorInfo& info = net.outputs()[i];
        // Its shape may be known only now.
        const auto expected =
            read_tensor(options.expected[i], {info.name, outputs[i].type, outputs[i].shape});
        if (info.type != DataType::f32) {
            if (expected != outputs[i].bytes) {
                throw Failure(Exit::failed, "output " + info.name + " is not as expected");
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
                              "--tolerance says how far is too far");
            }
            furthest = std::max(furthest, error);
        }
    }
    return furthest;
}

struct Share {
    std::string name;
    std::uint64_t count = 0;
    std::uint64_t ticks = 0;
};

// By command or by node, the longest first.
std::vector<Share> shares(const Model& net, const std::vector<std::uint64_t>& ticks,
                          std::string ModelCommand::*by) {
    std::map<std::string, Share> by_name;
    for (std::size_t i = 0; i < ticks.size(); ++i) {
        Share& share = by_name[net.commands()[i].*by];
        share.name = net.commands()[i].*by;
        ++share.count;
        share.ticks += ticks[i];
    }
    std::vector<Share> result;
    result.reserve(by_name.size());
    for (auto& [name, share] : by_name) {
        result.push_back(std::move(share));
    }
    std::ranges::stable_sort(result, std::greater<>(), &Share::ticks);
    return result;
}

// Seconds of each run.
std::vector<double> time_runs(const Device& device, Queue& queue, const Model& net,
                              const std::vector<TensorData>& inputs, std::uint32_t repeat) {
    // As a program would: its buffers are there before the first run.
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
        } else if (net.submit(queue, arguments).wait(patience) == WaitResult::timed_out) {
            throw Failure(Exit::timeout, "the card does not finish a run within 30 s",
                          "'accelctl top' shows what it does; 'accelctl reset' ends it");
        }
        times.push_back(std::chrono::duration<double>(Clock::now() - start).count());
        progress.update(static_cast<double>(i + 1) / repeat);
    }
    return times;
}

Exit run(const Program& program, const RunOptions& options) {
    const Card card = select_card_for_models(program, options.model);
    const Device device = Device::open(card.path());
    Queue queue = device.create_queue();
    const Model net = load_model(device, options.model);
    const std::vector<TensorData> inputs = make_inputs(net, options);
    std::vector<std::uint64_t> ticks;
    const std::vector<TensorData> outputs = net.profile(queue, inputs, ticks);
    std::vector<double> times = time_runs(device, queue, net, inputs, options.repeat);
    std::ranges::sort(times);
    const double furthest = options.expected.empty() ? 0 : check(net, outputs, options);
    const double second = device.info().clock_hz;
    const MemoryUse memory = net.memory();
    if (program.json()) {
        Json commands = Json::array();
        for (const Share& share : shares(net, ticks, &ModelCommand::command)) {
            commands.push_back({{"command", share.name},
                                {"count", share.count},
                                {"seconds", static_cast<double>(share.ticks) / second}});
        }
        Json nodes = Json::array();
        for (const Share& share : shares(net, ticks, &ModelCommand::node)) {
            nodes.push_back({{"node", share.name},
                             {"commands", share.count},
                             {"seconds", static_cast<double>(share.ticks) / second}});
        }
        Json document{{"address", card.address},
                      {"model", options.model.model},
                      {"inputs", to_json(net.inputs())},
                      {"outputs", to_json(net.outputs())},
                      {"commands", std::move(commands)},
                      {"nodes", std::move(nodes)},
                      {"memory",
                       {{"weights", memory.weights},
                        {"activations", memory.activations},
                        {"peak", memory.peak}}},
                      {"runs", options.repeat},
                      {"seconds", {{"least", times.front()}, {"median", times[times.size() / 2]}}}};
        if (!net.host_nodes().empty()) {
            Json nodes = Json::array();
            for (const HostNode& node : net.host_nodes()) {
                nodes.push_back({{"node", node.node}, {"why", node.reason}});
            }
            document["host"] = std::move(nodes);
        }
        if (!options.expected.empty()) {
            document["furthest"] = furthest;
        }
        program.print_json("accelctl.run/1", document);
        return Exit::ok;
    }
    for (const TensorInfo& info : net.inputs()) {
        std::cout << "input   " << describe(info) << '\n';
    }
    for (const TensorInfo& info : net.outputs()) {
        std::cout << "output  " << describe(info) << '\n';
    }
    for (const HostNode& node : net.host_nodes()) {
        std::cout << fmt::format("host    {}: {}\n", node.node, node.reason);
    }
    std::cout << fmt::format("memory  {} of weights; activations of {} in {} ({:.1f} %)\n",
                             human_bytes(memory.weights), human_bytes(memory.activations),
                             human_bytes(memory.peak), 100 * memory.ratio());
    Table table({{.title = options.nodes ? "node" : "command"},
                 {.title = options.nodes ? "commands" : "count", .align = Table::Align::right},
                 {.title = "ms", .align = Table::Align::right}});
    const auto by = options.nodes ? &ModelCommand::node : &ModelCommand::command;
    for (const Share& share : shares(net, ticks, by)) {
        table.add({share.name, std::to_string(share.count),
                   fmt::format("{:.3f}", static_cast<double>(share.ticks) / second * 1e3)});
    }
    std::cout << table.to_string();
    std::cout << fmt::format("{} run{}: {:.3f} ms at the least, {:.3f} ms in the middle\n",
                             options.repeat, options.repeat == 1 ? "" : "s", times.front() * 1e3,
                             times[times.size() / 2] * 1e3);
    if (!options.expected.empty()) {
        std::cout << fmt::format("as expected: the furthest value is off by {:g}\n", furthest);
    }
    return Exit::ok;
}

}  // namespace

void add_run(Program& program) {
    auto [command, options] = add_command<RunOptions>(program, "run", "Run a model on a card", run);
    command->footer(
        "Files of inputs and outputs hold the elements of a tensor as they lie in memory. The "
        "table "
        "shows the time of the card, from completion records; the last line that of the program, "
        "from submitting to done.");
    options->model.add_to(*command);
    command->add_option("--input", options->inputs, "A file for each input, or 'random'")
        ->type_name("FILE");
    command
        ->add_option("--expect", options->expected,
                     "A file for each output: fails if the outputs are not like that")
        ->type_name("FILE");
    command
        ->add_option("--tolerance", options->tolerance,
                     "How far an output may be from what is expected, relative and absolute")
        ->check(CLI::PositiveNumber);
    command->add_flag("--nodes", options->nodes,
                      "The table has a line for each node of the model, not for each command");
    command->add_option("--repeat", options->repeat, "Runs to time")->check(CLI::Range(1, 1 << 30));
    program.add_json(*command);
}

}  // namespace accel::tools
