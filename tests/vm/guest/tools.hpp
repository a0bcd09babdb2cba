// SPDX-License-Identifier: Apache-2.0
//
// Running lsaccel and accelctl in the guest, and QEMU's monitor, which knows what is so.
#pragma once

#include <gtest/gtest.h>
#include <sys/types.h>

#include <chrono>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "bench.hpp"
#include "card.hpp"

namespace bench {

struct Ended {
    int status = -1;  ///< exit status, or 128 + the signal
    std::string out;
    std::string err;
};

/// A program that runs, its output in files until somebody looks. Killed when this is destroyed.
class Running {
  public:
    /// As root, or as the plain user with these groups.
    explicit Running(const std::vector<std::string>& command, bool as_user = false);
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;
    Running(Running&&) = delete;
    Running& operator=(Running&&) = delete;
    ~Running();

    /// Waits until its standard output has this text; throws if it ends or time does.
    void await_output(const std::string& text) const;
    [[nodiscard]] std::string out() const;
    [[nodiscard]] bool ended();
    void signal(int number) const;
    [[nodiscard]] Ended wait();

  private:
    pid_t pid_ = -1;
    std::string out_;
    std::string err_;
    int status_ = -1;
    bool over_ = false;
};

[[nodiscard]] Ended run(const std::vector<std::string>& command, bool as_user = false);

/// The document that a tool printed with --json; kept in /results, where the host holds it against
/// its schema. Throws if it is none, or if the tool ended otherwise than with `status`.
[[nodiscard]] nlohmann::json document(const std::vector<std::string>& command, int status = 0);

/// How tests name the first card to the tools: its number is not always 0, after tests that had it
/// unbound.
[[nodiscard]] inline std::string card() {
    return Card(0).address();
}

/// QEMU's monitor (QMP), which the harness gives the guest.
class Monitor {
  public:
    /// Throws if this machine has none.
    Monitor();

    [[nodiscard]] static bool present();
    nlohmann::json call(const std::string& command, const nlohmann::json& arguments = {});
    /// A property of the card `index`: temperature, power, trained-width, defect, ...
    [[nodiscard]] nlohmann::json get(int index, const std::string& property);
    void set(int index, const std::string& property, const nlohmann::json& value);

  private:
    [[nodiscard]] nlohmann::json read();
    Descriptor port_;
    std::string pending_;
};

/// Tests of the tools: skipped where they, or the monitor, are missing. Whatever a test did, the
/// card is in order afterwards.
class ToolTest : public testing::Test {
  protected:
    void SetUp() override;
    void TearDown() override;
};

}  // namespace bench
