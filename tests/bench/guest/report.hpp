// SPDX-License-Identifier: Apache-2.0
//
// The results of a benchmark program: one JSON object a line, appended to a file.
//
//     Report report("/results/bench.jsonl");
//     Region region(report, "accel.submit.32", {.jobs = 2048, .bytes = 4096});
//     region.begin();
//     ...                       // the counted work
//     region.end();
//     region.verify(data == expected, "buffer 3 differs");
//
// Not thread-safe: the same thread begins and ends a region.
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
    /// Appends to `path`, and arms the plugin.
    explicit Report(std::string path);

    /// Writes a value in virtual time, without a region. `verified` says that the results of the
    /// measured work were checked and right.
    void value(const std::string& name, double value, const std::string& unit, bool verified,
               nlohmann::json more = nlohmann::json::object());
    /// Writes percentiles of `samples`, in nanoseconds.
    void latency(const std::string& name, std::vector<std::uint64_t> samples, bool verified,
                 nlohmann::json more = nlohmann::json::object());

    void write(const nlohmann::json& line);

  private:
    std::string path_;
};

struct Work {
    std::uint64_t jobs = 1;
    std::uint64_t bytes = 0;      ///< payload of one job
    std::string interrupts = {};  ///< counts the lines of /proc/interrupts that contain this
};

/// A counted region. Call begin() and end() once each, then verify(). The destructor writes the
/// line.
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
        paused_ = pauses_ = 0;  // a warm-up may have paused
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

    /// Records whether the results are right; `error` describes the difference if not.
    void verify(bool right, const std::string& error = "");
    /// Adds a value to the line.
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

/// Implements main(): opens the report that the command line names, runs `body`, and prints an
/// exception.
[[nodiscard]] int program(int argc, char** argv, const std::function<void(Report&)>& body) noexcept;

/// CLOCK_MONOTONIC, which is virtual time under icount.
[[nodiscard]] std::uint64_t now_ns();

}  // namespace accel::bench
