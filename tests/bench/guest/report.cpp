// SPDX-License-Identifier: Apache-2.0
//
// Writes the lines of JSON.
#include "report.hpp"

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <utility>

namespace accel::bench {

std::uint64_t now_ns() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
           static_cast<std::uint64_t>(now.tv_nsec);
}

int program(int argc, char** argv, const std::function<void(Report&)>& body) noexcept {
    try {
        if (argc > 2) {
            throw std::invalid_argument(
                "usage: give at most one argument, the file for the results");
        }
        Report report(argc > 1 ? argv[1] : "/results/bench.jsonl");
        body(report);
        return 0;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s: %s\n", argv[0], error.what());
        return 1;
    }
}

Report::Report(std::string path) : path_(std::move(path)) {
    std::ifstream maps("/proc/self/maps");
    std::ostringstream text;
    text << maps.rdbuf();
    write({{"maps", text.str()}});
    arm_regions();
    const timespec while_it_takes_effect{.tv_sec = 0, .tv_nsec = 5'000'000};
    nanosleep(&while_it_takes_effect, nullptr);
}

void Report::write(const nlohmann::json& line) {
    std::ofstream file(path_, std::ios::app);
    file << line.dump() << '\n';
    if (!file.flush()) {
        throw std::runtime_error("cannot write " + path_);
    }
}

void Report::value(const std::string& name, double value, const std::string& unit, bool verified,
                   nlohmann::json more) {
    more.update({{"case", name}, {"value", value}, {"unit", unit}, {"verified", verified}});
    write(more);
}

void Report::latency(const std::string& name, std::vector<std::uint64_t> samples, bool verified,
                     nlohmann::json more) {
    std::ranges::sort(samples);
    const auto percentile = [&](double part) {
        const auto rank = static_cast<std::size_t>(part * static_cast<double>(samples.size() - 1));
        return samples.at(rank);
    };
    more.update({{"case", name},
                 {"unit", "ns"},
                 {"samples", samples.size()},
                 {"values",
                  {{"min", samples.at(0)},
                   {"p50", percentile(0.5)},
                   {"p90", percentile(0.9)},
                   {"p99", percentile(0.99)},
                   {"p99.9", percentile(0.999)},
                   {"max", samples.back()}}},
                 {"verified", verified}});
    write(more);
}

Region::Region(Report& report, std::string name, Work work)
    : report_(report), work_(std::move(work)) {
    line_ = {{"case", std::move(name)}, {"jobs", work_.jobs}, {"bytes", work_.bytes}};
    line_["verified"] = false;
    line_["error"] = "the program did not verify the results";
}

Region::~Region() {  // NOLINT(bugprone-exception-escape): on purpose
    line_["counted"] = true;
    line_["tsc"] = total_;
    line_["pauses"] = pauses_;
    if (!work_.interrupts.empty()) {
        line_["interrupts"] = interrupts_;
    }
    report_.write(line_);
}

void Region::verify(bool right, const std::string& error) {
    line_["verified"] = right;
    if (right) {
        line_.erase("error");
    } else {
        line_["error"] = error;
    }
}

std::uint64_t Region::count_interrupts() const {
    if (work_.interrupts.empty()) {
        return 0;
    }
    std::ifstream file("/proc/interrupts");
    std::uint64_t count = 0;
    for (std::string line; std::getline(file, line);) {
        if (line.find(work_.interrupts) != std::string::npos) {
            std::istringstream in(line);
            std::string label;
            std::uint64_t here = 0;
            in >> label >> here;  // one processor
            count += here;
        }
    }
    return count;
}

}  // namespace accel::bench
