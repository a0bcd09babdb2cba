// SPDX-License-Identifier: Apache-2.0
//
// Serves a model in the scenarios of MLPerf inference and with its percentiles. The runs are
// shorter, so these are no MLPerf results. Time is virtual, the inputs are those of the data set,
// and all results are compared with the reference.
//
//   SingleStream  one query of one sample at a time: p90 of the latency
//   Server        queries of one sample at random times: p99 of the latency, by rate
//   Offline       all samples at once, in batches: samples a second, by batch size
#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdio>
#include <random>

#include "report.hpp"
#include "served_model.hpp"

namespace accel::bench {
namespace {

constexpr std::size_t queries = 1024;
constexpr std::size_t batch_samples = 24576;
constexpr std::size_t offline_samples = 2 * batch_samples;

class Serving {
  public:
    Serving(Report& report, const Device& card, const ServedModel& model)
        : report_(report),
          card_(card),
          model_(model),
          queue_(card.create_queue({.spin = never_sleep})) {}

    void single_stream() {
        const auto batch = model_.prepare(card_, queue_, 1, Placement::host);
        std::vector<std::uint64_t> latencies;
        std::vector<std::uint64_t> on_card;
        bool right = true;
        for (std::size_t i = 0; i < queries; ++i) {
            batch->load(i % model_.samples());
            const std::uint64_t start = now_ns();
            batch->submit(queue_).wait();
            latencies.push_back(now_ns() - start);
            on_card.push_back(batch->device_ticks());
            right &= batch->right();
        }
        std::ranges::sort(on_card);
        std::vector<std::uint64_t> sorted = latencies;
        std::ranges::sort(sorted);
        const auto device = static_cast<double>(on_card[on_card.size() / 2]);
        report_.latency("accel.serving.single.latency", latencies, right);
        report_.value("accel.serving.single",
                      static_cast<double>(sorted[sorted.size() * 9 / 10]) / device, "device times",
                      right, {{"device_ns", device}});
    }

    // Batches of `size`, two in flight, which the card reads from host memory.
    void batches(std::size_t size) {
        const auto pair = prepare_two(size, Placement::host);
        std::array<Job, 2> jobs;
        const std::size_t count = batch_samples / size;
        const std::uint64_t start = now_ns();
        for (std::size_t i = 0; i < count; ++i) {
            Job& job = jobs.at(i % 2);
            job.wait();
            job = pair.at(i % 2)->submit(queue_);
        }
        queue_.synchronize();
        report_rate("accel.serving.batch." + std::to_string(size), pair, size, count,
                    now_ns() - start);
    }

    // All samples at once: the next batch is copied to the card while it computes this one. Only
    // the card and the path to it are measured, and not the program's own copies of inputs.
    void offline(std::size_t size) {
        const auto pair = prepare_two(size, Placement::device);
        // One queue for each of the two batches, so that the link is always busy.
        std::array<Queue, 2> copiers{card_.create_queue({.entries = 256, .spin = never_sleep}),
                                     card_.create_queue({.entries = 256, .spin = never_sleep})};
        Queue calls = card_.create_queue({.entries = 256, .spin = never_sleep});
        const std::array<Semaphore, 2> loaded{card_.create_semaphore(), card_.create_semaphore()};
        const Semaphore used = card_.create_semaphore();
        const std::size_t count = offline_samples / size;
        const std::uint64_t start = now_ns();
        for (std::size_t i = 0; i < count; ++i) {
            Queue& copies = copiers.at(i % 2);
            if (i >= 2) {
                copies.submit(used.wait(i - 1));
            }
            copies.submit(pair.at(i % 2)->upload());
            copies.submit(loaded.at(i % 2).signal(i + 1));
            calls.submit(loaded.at(i % 2).wait(i + 1));
            pair.at(i % 2)->submit(calls);
            calls.submit(used.signal(i + 1));
        }
        calls.synchronize();
        report_rate("accel.serving.offline", pair, size, count, now_ns() - start);
    }

    // Queries arrive at their own rate; all waiting queries are served together, up to `most` at
    // once.
    void server(double rate) {
        constexpr std::size_t most = 32;
        std::vector<std::unique_ptr<ServedBatch>> batches;
        for (std::size_t size = 1; size <= most; size *= 2) {
            batches.push_back(model_.prepare(card_, queue_, size, Placement::host));
        }
        std::mt19937_64 random(42);
        std::exponential_distribution<double> gap(rate * 1e-9);
        std::vector<std::uint64_t> arrivals;
        double at = 0;
        for (std::size_t i = 0; i < queries; ++i) {
            at += gap(random);
            arrivals.push_back(static_cast<std::uint64_t>(at));
        }
        std::vector<std::uint64_t> latencies;
        bool right = true;
        const std::uint64_t start = now_ns();
        for (std::size_t next = 0; next < queries;) {
            std::uint64_t now = now_ns() - start;
            while (now < arrivals[next]) {
                now = now_ns() - start;
            }
            const auto due = static_cast<std::size_t>(std::ranges::upper_bound(arrivals, now) -
                                                      arrivals.begin());
            std::size_t which = 0;
            while ((std::size_t{2} << which) <= due - next && which + 1 < batches.size()) {
                ++which;
            }
            const std::size_t size = std::size_t{1} << which;
            batches[which]->load(next);
            batches[which]->submit(queue_).wait();
            now = now_ns() - start;
            right &= batches[which]->right();
            for (std::size_t i = 0; i < size; ++i) {
                latencies.push_back(now - arrivals[next++]);
            }
        }
        report_.latency("accel.serving.server." + std::to_string(static_cast<int>(rate)), latencies,
                        right, {{"rate", rate}});
    }

  private:
    using Pair = std::array<std::unique_ptr<ServedBatch>, 2>;

    [[nodiscard]] Pair prepare_two(std::size_t size, Placement placement) {
        Pair pair;
        for (std::size_t i = 0; i < pair.size(); ++i) {
            pair.at(i) = model_.prepare(card_, queue_, size, placement);
            pair.at(i)->load(i * size % (model_.samples() - size));
        }
        return pair;
    }
    void report_rate(const std::string& name, const Pair& pair, std::size_t size, std::size_t count,
                     std::uint64_t nanoseconds) {
        report_.value(name,
                      static_cast<double>(count * size) / static_cast<double>(nanoseconds) * 1e9,
                      "samples/s", pair[0]->right() && pair[1]->right(),
                      {{"batch", size},
                       {"samples", count * size},
                       {"bytes_in", model_.bytes_in()},
                       {"bytes_out", model_.bytes_out()},
                       {"macs", model_.macs()}});
    }

    Report& report_;
    const Device& card_;
    const ServedModel& model_;
    Queue queue_;
};

}  // namespace
}  // namespace accel::bench

int main(int argc, char** argv) try {
    using namespace accel::bench;
    std::string output = "/results/bench.jsonl";
    ModelFiles files;
    CLI::App app("Serves a model on the card, MLPerf-style.");
    app.add_option("output", output, "file for the results, one JSON object a line");
    app.add_option("--model", files.model, "the model's file")->required()->envname("BENCH_MODEL");
    app.add_option("--data", files.data, "folder of the samples")
        ->required()
        ->envname("BENCH_DATA");
    app.add_option("--reference", files.reference, "the reference results")
        ->required()
        ->envname("BENCH_REFERENCE");
    CLI11_PARSE(app, argc, argv);
    Report report(output);
    const auto model = load_model(files);
    const accel::Device card = accel::Device::open(0);
    Serving serving(report, card, *model);
    serving.single_stream();
    for (const double rate : {20'000.0, 50'000.0, 80'000.0, 100'000.0}) {
        serving.server(rate);
    }
    for (const std::size_t batch : {1UL, 4UL, 16UL, 64UL, 256UL, 1024UL}) {
        serving.batches(batch);
    }
    serving.offline(1024);
} catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", argv[0], error.what());
    return 1;
}
