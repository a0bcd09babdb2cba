// SPDX-License-Identifier: Apache-2.0
//
// accelctl bench: measures latency, job rate and bandwidth through the SDK, as applications do.
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <iostream>

#include "accel/accel.hpp"
#include "commands.hpp"
#include "emulated.hpp"
#include "json.hpp"
#include "output.hpp"
#include "status.hpp"
#include "svg.hpp"
#include "text.hpp"

namespace accel::tools {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds job_limit{30};
constexpr std::uint64_t min_size = 4 << 10;

struct BenchOptions {
    std::string card;
    double seconds = 0.2;
    std::uint64_t max_mib = 16;
    std::string svg;
};

struct Latency {
    std::string wait;
    std::size_t samples = 0;
    double p50 = 0;
    double p90 = 0;
    double p99 = 0;
    double max = 0;
};

struct Rate {
    std::uint32_t batch = 0;  ///< jobs that are submitted together
    double per_second = 0;
};

struct Bandwidth {
    std::string direction;
    std::uint64_t bytes = 0;
    double per_second = 0;
};

void finish(const Job& job) {
    if (job.wait(job_limit) == WaitResult::timed_out) {
        throw Failure(Exit::timeout, "the card did not finish a job within 30 s", stuck_card_hint);
    }
}

double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

Latency measure_latency(const Device& device, const char* wait, std::chrono::nanoseconds spin,
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
    const auto at = [&](double quantile) {
        const auto index = static_cast<std::size_t>(quantile * static_cast<double>(samples.size()));
        return samples[std::min(index, samples.size() - 1)];
    };
    return {.wait = wait,
            .samples = samples.size(),
            .p50 = at(0.5),
            .p90 = at(0.9),
            .p99 = at(0.99),
            .max = samples.back()};
}

Rate measure_rate(const Device& device, std::uint32_t batch_size, double limit) {
    Queue queue = device.create_queue({.entries = 512});
    const auto round = [&] {
        Batch batch = queue.batch();
        for (std::uint32_t i = 0; i < batch_size; ++i) {
            batch.add(Nop{});
        }
        finish(batch.submit());
    };
    round();
    std::uint64_t jobs = 0;
    const auto start = Clock::now();
    do {
        round();
        jobs += batch_size;
    } while (seconds_since(start) < limit);
    return {.batch = batch_size, .per_second = static_cast<double>(jobs) / seconds_since(start)};
}

Bandwidth measure_bandwidth(Queue& queue, const std::string& direction, const Command& command,
                            std::uint64_t bytes, double limit) {
    // Several copies are in flight, so that the card never waits for this program.
    constexpr std::size_t in_flight = 4;
    finish(queue.submit(command));
    std::uint64_t moved = 0;
    std::vector<Job> jobs;
    const auto start = Clock::now();
    do {
        jobs.clear();
        for (std::size_t i = 0; i < in_flight; ++i) {
            jobs.push_back(queue.submit(command));
        }
        finish(jobs.back());
        moved += in_flight * bytes;
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
    const std::uint64_t max_size = options.max_mib << 20;
    std::vector<std::uint64_t> sizes;
    for (std::uint64_t size = min_size; size <= max_size; size *= 4) {
        sizes.push_back(size);
    }
    constexpr std::uint32_t max_batch = 256;
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
    for (std::uint32_t batch = 1; batch <= max_batch; batch *= 4) {
        step("job rate");
        results.rates.push_back(measure_rate(device, batch, options.seconds));
    }
    const auto host = device.allocate<std::byte>({max_size});
    const auto card = device.allocate_device<std::byte>({max_size});
    const auto other = device.allocate_device<std::byte>({max_size});
    Queue queue = device.create_queue();
    for (const std::uint64_t size : sizes) {
        const auto part = [&](const Buffer<std::byte>& buffer) { return buffer.slice(0, size); };
        step("bandwidth");
        results.bandwidths.push_back(measure_bandwidth(
            queue, "to card", copy(part(card), part(host)), size, options.seconds));
        step("bandwidth");
        results.bandwidths.push_back(measure_bandwidth(
            queue, "from card", copy(part(host), part(card)), size, options.seconds));
        step("bandwidth");
        results.bandwidths.push_back(measure_bandwidth(
            queue, "on card", copy(part(other), part(card)), size, options.seconds));
    }
    return results;
}

std::string bytes_text(double bytes) {
    return human_bytes(static_cast<std::uint64_t>(bytes));
}

std::string batch_text(double batch) {
    return fmt::format("{:.0f}", batch);
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
        rates.points.emplace_back(rate.batch, rate.per_second);
    }
    write_output(path, to_svg({{.title = name + ": bandwidth by size",
                                .x_label = "bytes per copy",
                                .y_label = "bandwidth",
                                .series = std::move(lines),
                                .x_text = bytes_text,
                                .y_text = human_rate},
                               {.title = name + ": jobs per second by batch size",
                                .x_label = "jobs per batch",
                                .y_label = "jobs per second",
                                .series = {std::move(rates)},
                                .x_text = batch_text,
                                .y_text = human_count}}));
}

void print(std::ostream& out, const Results& results) {
    using Align = Table::Align;
    Table latencies({{"LATENCY"},
                     {"P50", Align::right},
                     {"P90", Align::right},
                     {"P99", Align::right},
                     {"MAX", Align::right},
                     {"JOBS", Align::right}});
    for (const Latency& latency : results.latencies) {
        latencies.add({latency.wait, human_time(latency.p50), human_time(latency.p90),
                       human_time(latency.p99), human_time(latency.max),
                       std::to_string(latency.samples)});
    }
    Table rates({{"JOBS/BATCH", Align::right}, {"JOBS/S", Align::right}});
    for (const Rate& rate : results.rates) {
        rates.add({std::to_string(rate.batch), human_count(rate.per_second)});
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
    out << latencies.to_string() << "\n" << rates.to_string() << "\n" << bandwidths.to_string();
}

Json results_json(const Results& results) {
    Json document{
        {"latency", Json::array()}, {"rate", Json::array()}, {"bandwidth", Json::array()}};
    for (const Latency& latency : results.latencies) {
        document["latency"].push_back({{"wait", latency.wait},
                                       {"samples", latency.samples},
                                       {"p50_seconds", latency.p50},
                                       {"p90_seconds", latency.p90},
                                       {"p99_seconds", latency.p99},
                                       {"max_seconds", latency.max}});
    }
    for (const Rate& rate : results.rates) {
        document["rate"].push_back({{"batch", rate.batch}, {"jobs_per_second", rate.per_second}});
    }
    for (const Bandwidth& bandwidth : results.bandwidths) {
        document["bandwidth"].push_back({{"direction", bandwidth.direction},
                                         {"bytes", bandwidth.bytes},
                                         {"bytes_per_second", bandwidth.per_second}});
    }
    return document;
}

Exit bench(const Program& program, const BenchOptions& options) {
    const SystemRoot root = program.root();
    const Card card = select_card_with_driver(root, options.card);
    // A measurement takes minutes: a file that cannot be written is reported before it.
    std::ostream& out = summary_stream(options.svg, program.json());
    if (!options.svg.empty()) {
        check_output(options.svg);
    }
    const Status status = read_status(root, card);
    const Device device = open_card(card);
    const Results results = measure(device, options);
    if (!options.svg.empty()) {
        write_svg(options.svg, card.name(), results);
    }
    if (program.json()) {
        Json document{
            {"address", card.address}, {"node", card.name()}, {"link", to_json(status.link)}};
        document.append(results_json(results));
        program.print_json("accelctl.bench/1", document);
        return Exit::ok;
    }
    out << fmt::format("{}, {}\n\n", card.title(),
                       card.emulated.empty() ? "link " + status.link.now()
                                             : "the speed of this machine, not of a card");
    print(out, results);
    return Exit::ok;
}

}  // namespace

void add_bench(Program& program) {
    auto [command, options] = add_command<BenchOptions>(
        program, "bench", "Measure latency, job rate, and bandwidth by size and direction", bench);
    command.set_footer(
        "The times are wall-clock times of this machine: compare only those of one run with each "
        "other. In an emulator they do not predict the speed of a real card.");
    add_card(command, options->card, only_card);
    command.add_option({.name = "--seconds",
                        .help = "Set the time to measure each point (default 0.2)",
                        .value = "SECONDS",
                        .bounds = Bounds{0.001, 60}},
                       options->seconds);
    command.add_option({.name = "--max-size",
                        .help = "Set the size of the largest copy in MiB (default 16)",
                        .value = "MIB",
                        .bounds = Bounds{1, 1024}},
                       options->max_mib);
    command.add_option(
        {.name = "--svg", .help = "Draw the results into this SVG file", .value = file_value},
        options->svg);
    program.add_json(command);
}

}  // namespace accel::tools
