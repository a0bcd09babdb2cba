// SPDX-License-Identifier: Apache-2.0
//
// accelctl bench: latency, job rate, bandwidth, as a program that uses the SDK gets them.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

#include "accel/accel.hpp"
#include "commands.hpp"
#include "status.hpp"
#include "svg.hpp"
#include "text.hpp"

namespace accel::tools {

namespace {

using Json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds patience{30};
constexpr std::uint64_t smallest = 4 << 10;

struct BenchOptions {
    std::string card;
    double seconds = 0.2;
    std::uint64_t largest_mib = 16;
    std::string svg;
};

struct Latency {
    std::string how;
    std::size_t samples = 0;
    double p50 = 0;
    double p90 = 0;
    double p99 = 0;
    double most = 0;
};

struct Rate {
    std::uint32_t depth = 0;
    double per_second = 0;
};

struct Bandwidth {
    std::string direction;
    std::uint64_t bytes = 0;
    double per_second = 0;
};

void finish(const Job& job) {
    if (job.wait(patience) == WaitResult::timed_out) {
        throw Failure(Exit::timeout, "the card does not finish a job within 30 s",
                      "'accelctl top' shows what it does; 'accelctl reset' ends it");
    }
}

double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

Latency measure_latency(const Device& device, const char* how, std::chrono::nanoseconds spin,
                        double limit) {
    Queue queue = device.create_queue({.spin = spin});
    for (int i = 0; i < 16; ++i) {
        finish(queue.submit(Nop{}));
    }
    std::vector<double> samples;
    const auto start = Clock::now();
    while (seconds_since(start) < limit || samples.size() < 100) {
        const auto one = Clock::now();
        finish(queue.submit(Nop{}));
        samples.push_back(seconds_since(one));
    }
    std::sort(samples.begin(), samples.end());
    const auto at = [&](double share) {
        const auto index = static_cast<std::size_t>(share * static_cast<double>(samples.size()));
        return samples[std::min(index, samples.size() - 1)];
    };
    return {.how = how,
            .samples = samples.size(),
            .p50 = at(0.5),
            .p90 = at(0.9),
            .p99 = at(0.99),
            .most = samples.back()};
}

Rate measure_rate(const Device& device, std::uint32_t depth, double limit) {
    Queue queue = device.create_queue({.entries = 512});
    const auto round = [&] {
        Batch batch = queue.batch();
        for (std::uint32_t i = 0; i < depth; ++i) {
            batch.add(Nop{});
        }
        finish(batch.submit());
    };
    round();
    std::uint64_t jobs = 0;
    const auto start = Clock::now();
    do {
        round();
        jobs += depth;
    } while (seconds_since(start) < limit);
    return {.depth = depth, .per_second = static_cast<double>(jobs) / seconds_since(start)};
}

Bandwidth measure_bandwidth(Queue& queue, const std::string& direction, const Command& command,
                            std::uint64_t bytes, double limit) {
    // Several in flight, so that the card never waits for us.
    constexpr std::size_t flight = 4;
    finish(queue.submit(command));
    std::uint64_t moved = 0;
    std::vector<Job> jobs;
    const auto start = Clock::now();
    do {
        jobs.clear();
        for (std::size_t i = 0; i < flight; ++i) {
            jobs.push_back(queue.submit(command));
        }
        finish(jobs.back());
        moved += flight * bytes;
    } while (seconds_since(start) < limit);
    return {.direction = direction,
            .bytes = bytes,
            .per_second = static_cast<double>(moved) / seconds_since(start)};
}

struct Results {
    std::vector<Latency> latencies;
    std::vector<Rate> rates;
    std::vector<Bandwidth> bandwidths;
};

Results measure(const Device& device, const BenchOptions& options) {
    const std::uint64_t largest = options.largest_mib << 20;
    std::vector<std::uint64_t> sizes;
    for (std::uint64_t size = smallest; size <= largest; size *= 4) {
        sizes.push_back(size);
    }
    constexpr std::uint32_t deepest = 256;
    const double steps = 2 + 5 + 3 * static_cast<double>(sizes.size());
    double done = 0;
    Progress progress("Measuring");
    const auto step = [&](const std::string& what) { progress.update(done++ / steps, what); };
    Results results;
    step("latency");
    results.latencies.push_back(measure_latency(device, "polling", never_sleep, options.seconds));
    step("latency");
    results.latencies.push_back(
        measure_latency(device, "sleeping", std::chrono::nanoseconds(0), options.seconds));
    for (std::uint32_t depth = 1; depth <= deepest; depth *= 4) {
        step("job rate");
        results.rates.push_back(measure_rate(device, depth, options.seconds));
    }
    const auto host = device.allocate<std::byte>({largest});
    const auto card = device.allocate_device<std::byte>({largest});
    const auto other = device.allocate_device<std::byte>({largest});
    Queue queue = device.create_queue();
    for (const std::uint64_t size : sizes) {
        const auto piece = [&](const Buffer<std::byte>& buffer) { return buffer.slice(0, size); };
        step("bandwidth");
        results.bandwidths.push_back(measure_bandwidth(
            queue, "to card", copy(piece(card), piece(host)), size, options.seconds));
        step("bandwidth");
        results.bandwidths.push_back(measure_bandwidth(
            queue, "from card", copy(piece(host), piece(card)), size, options.seconds));
        step("bandwidth");
        results.bandwidths.push_back(measure_bandwidth(
            queue, "on card", copy(piece(other), piece(card)), size, options.seconds));
    }
    return results;
}

std::string bytes_text(double bytes) {
    return human_bytes(static_cast<std::uint64_t>(bytes));
}

std::string depth_text(double depth) {
    return fmt::format("{:.0f}", depth);
}

void write_svg(const std::string& path, const std::string& name, const Results& results) {
    std::vector<Series> lines;
    for (const char* direction : {"to card", "from card", "on card"}) {
        Series series{.name = direction, .points = {}};
        for (const Bandwidth& bandwidth : results.bandwidths) {
            if (bandwidth.direction == direction) {
                series.points.emplace_back(static_cast<double>(bandwidth.bytes),
                                           bandwidth.per_second);
            }
        }
        lines.push_back(std::move(series));
    }
    Series rates{.name = "jobs", .points = {}};
    for (const Rate& rate : results.rates) {
        rates.points.emplace_back(rate.depth, rate.per_second);
    }
    std::ofstream file(path);
    file << to_svg({{.title = name + ": bandwidth by size",
                     .x_label = "bytes a copy",
                     .y_label = "bandwidth",
                     .series = std::move(lines),
                     .x_text = bytes_text,
                     .y_text = human_rate},
                    {.title = name + ": jobs a second by batch size",
                     .x_label = "jobs a batch",
                     .y_label = "jobs a second",
                     .series = {std::move(rates)},
                     .x_text = depth_text,
                     .y_text = human_count}});
    file.close();
    if (!file) {
        throw Failure(Exit::file, "cannot write " + path);
    }
}

void print(const Results& results) {
    using Align = Table::Align;
    Table latencies({{"LATENCY"},
                     {"P50", Align::right},
                     {"P90", Align::right},
                     {"P99", Align::right},
                     {"WORST", Align::right},
                     {"JOBS", Align::right}});
    for (const Latency& latency : results.latencies) {
        latencies.add({latency.how, human_time(latency.p50), human_time(latency.p90),
                       human_time(latency.p99), human_time(latency.most),
                       std::to_string(latency.samples)});
    }
    Table rates({{"JOBS A BATCH", Align::right}, {"JOBS A SECOND", Align::right}});
    for (const Rate& rate : results.rates) {
        rates.add({std::to_string(rate.depth), human_count(rate.per_second)});
    }
    Table bandwidths({{"BYTES", Align::right},
                      {"TO CARD", Align::right},
                      {"FROM CARD", Align::right},
                      {"ON CARD", Align::right}});
    for (std::size_t i = 0; i + 2 < results.bandwidths.size(); i += 3) {
        const auto at = [&](std::size_t j) {
            return human_rate(results.bandwidths[i + j].per_second);
        };
        bandwidths.add({human_bytes(results.bandwidths[i].bytes), at(0), at(1), at(2)});
    }
    std::cout << latencies.to_string() << "\n"
              << rates.to_string() << "\n"
              << bandwidths.to_string();
}

Json results_json(const Results& results) {
    Json document{
        {"latency", Json::array()}, {"rate", Json::array()}, {"bandwidth", Json::array()}};
    for (const Latency& latency : results.latencies) {
        document["latency"].push_back({{"how", latency.how},
                                       {"samples", latency.samples},
                                       {"p50_seconds", latency.p50},
                                       {"p90_seconds", latency.p90},
                                       {"p99_seconds", latency.p99},
                                       {"max_seconds", latency.most}});
    }
    for (const Rate& rate : results.rates) {
        document["rate"].push_back({{"batch", rate.depth}, {"jobs_per_second", rate.per_second}});
    }
    for (const Bandwidth& bandwidth : results.bandwidths) {
        document["bandwidth"].push_back({{"direction", bandwidth.direction},
                                         {"bytes", bandwidth.bytes},
                                         {"bytes_per_second", bandwidth.per_second}});
    }
    return document;
}

Exit bench(const Program& program, const BenchOptions& options) {
    const Root root = program.root();
    const Card card = select_card(root, options.card);
    if (!card.node) {
        throw Failure(Exit::no_card, card.address + " has no driver",
                      "'accelctl doctor' looks for the reason");
    }
    if (!options.svg.empty() && !std::ofstream(options.svg, std::ios::app)) {
        throw Failure(Exit::file, "cannot write " + options.svg);  // before minutes are spent
    }
    const Status status = read_status(root, card);
    const Device device = Device::open(card.path());
    const Results results = measure(device, options);
    if (!options.svg.empty()) {
        write_svg(options.svg, card.name(), results);
    }
    if (program.json()) {
        Json document{
            {"address", card.address}, {"node", card.name()}, {"link", to_json(status)["link"]}};
        document.update(results_json(results));
        program.print_json("accelctl.bench/1", document);
        return Exit::ok;
    }
    std::cout << fmt::format("{} {}, link {}\n\n", card.name(), card.address, status.link.now());
    print(results);
    return Exit::ok;
}

}  // namespace

void add_bench(Program& program) {
    auto [command, options] = add_command<BenchOptions>(
        program, "bench", "Latency, job rate, and bandwidth by size and direction", bench);
    command->footer(
        "Wall-clock times of this machine, now: compare those of one run with each "
        "other. In an emulator they say nothing of a card.");
    add_card(*command, options->card, "may be left out when there is one");
    command->add_option("--seconds", options->seconds, "Measure each point for so long (0.2)")
        ->check(CLI::Range(0.001, 60.0))
        ->type_name("SECONDS");
    command->add_option("--largest", options->largest_mib, "Largest copy in MiB (16)")
        ->check(CLI::Range(1, 1024))
        ->type_name("MIB");
    command->add_option("--svg", options->svg, "Draw it into this file")->type_name(file_type);
    program.add_json(*command);
}

}  // namespace accel::tools
