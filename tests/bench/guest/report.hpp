// SPDX-License-Identifier: Apache-2.0
//
// What a benchmark program tells: one JSON object a line, appended to a file.
//
//     Report report("/results/bench.jsonl");
//     Region region(report, "accel.submit.32", {.jobs = 2048, .bytes = 4096});
//     region.begin();
//     ...                       // what is counted
//     region.end();
//     region.verify(data == expected, "buffer 3 differs");
//
// Not thread-safe: the thread that begins a region ends it.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "region.hpp"

namespace accel::bench {

class Report {
  public:
    /// Appends to `path`; arms the plugin.
    explicit Report(std::string path);

    /// A line that belongs to no region: a value in virtual time, or several.
    /// `verified`: the results of what was measured were looked at and were right.
    void value(const std::string& name, double value, const std::string& unit, bool verified,
               nlohmann::json more = nlohmann::json::object());
    /// Percentiles of `samples`, in nanoseconds.
    void latency(const std::string& name, std::vector<std::uint64_t> samples, bool verified,
                 nlohmann::json more = nlohmann::json::object());

    void write(const nlohmann::json& line);

  private:
    std::string path_;
};

struct Work {
    std::uint64_t jobs = 1;
    std::uint64_t bytes = 0;      ///< payload of one job
    std::string interrupts = {};  ///< lines of /proc/interrupts that contain this are counted
};

/// A region: begin() and end() once each, verify() after that. Writes its line when destroyed.
class Region {
  public:
    Region(Report& report, std::string name, Work work);
    /// Ends the program if the line cannot be written.
    ~Region();  // NOLINT(bugprone-exception-escape): on purpose
    Region(const Region&) = delete;
    Region& operator=(const Region&) = delete;
    Region(Region&&) = delete;
    Region& operator=(Region&&) = delete;

    [[gnu::always_inline]] void begin() {
        interrupts_ = count_interrupts();
        paused_ = pauses_ = 0;  // of a warm-up
        begin_region();
        start_ = instructions();
    }
    [[gnu::always_inline]] void end() {
        const std::uint64_t now = instructions();
        end_region();
        total_ = now - start_ - paused_;
        interrupts_ = count_interrupts() - interrupts_;
    }
    [[gnu::always_inline]] void pause() {
        pause_region();
        paused_at_ = instructions();
    }
    [[gnu::always_inline]] void resume() {
        ++pauses_;
        paused_ += instructions() - paused_at_;
        resume_region();
    }

    /// Whether the results are right; what is wrong, if not.
    void verify(bool right, const std::string& error = "");
    /// Something more for the line.
    template <typename T>
    void note(const std::string& key, const T& value) {
        line_[key] = value;
    }

  private:
    [[nodiscard]] std::uint64_t count_interrupts() const;

    Report& report_;
    Work work_;
    nlohmann::json line_;
    std::uint64_t start_ = 0;
    std::uint64_t total_ = 0;
    std::uint64_t paused_at_ = 0;
    std::uint64_t paused_ = 0;
    std::uint64_t pauses_ = 0;
    std::uint64_t interrupts_ = 0;
};

/// What main() does: hands `body` the report whose file the command line names, and says what
/// failed.
[[nodiscard]] int program(int argc, char** argv, const std::function<void(Report&)>& body) noexcept;

/// CLOCK_MONOTONIC: virtual time under icount.
[[nodiscard]] std::uint64_t now_ns();

}  // namespace accel::bench
