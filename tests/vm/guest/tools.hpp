// SPDX-License-Identifier: Apache-2.0
//
// Runs lsaccel and accelctl in the guest, and reads the state of the card from QEMU's monitor.
#pragma once

#include <gtest/gtest.h>
#include <sys/types.h>

#include <chrono>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "card.hpp"
#include "uapi.hpp"

namespace uapi {

struct ToolResult {
    int status = -1;  ///< exit status, or 128 + the signal
    std::string out;
    std::string err;
};

/// A running program with its output in files. The destructor kills it.
class ToolProcess {
  public:
    /// Runs as root, or as a plain user.
    explicit ToolProcess(const std::vector<std::string>& command, bool as_user = false);
    ToolProcess(const ToolProcess&) = delete;
    ToolProcess& operator=(const ToolProcess&) = delete;
    ToolProcess(ToolProcess&&) = delete;
    ToolProcess& operator=(ToolProcess&&) = delete;
    ~ToolProcess();

    /// Waits until its standard output contains this text; throws after `time_limit`.
    void await_output(const std::string& text) const;
    [[nodiscard]] std::string out() const;
    [[nodiscard]] bool ended();
    void signal(int number) const;
    [[nodiscard]] ToolResult wait();

  private:
    pid_t pid_ = -1;
    std::string out_;
    std::string err_;
    int status_ = -1;
    bool over_ = false;
};

[[nodiscard]] ToolResult run(const std::vector<std::string>& command, bool as_user = false);

/// The JSON document that a tool printed, also stored in /results: the host checks it against its
/// schema. Throws if it is no JSON, or if the tool's exit status is not `status`.
[[nodiscard]] nlohmann::json document(const std::vector<std::string>& command, int status = 0);

/// The name of the first card for the tools. Its number may not be 0 after it was unbound.
[[nodiscard]] inline std::string card() {
    return Card(0).address();
}

/// QEMU's monitor (QMP), which the harness connects to a port of the guest.
class Monitor {
  public:
    /// Throws if the machine has no monitor.
    Monitor();

    [[nodiscard]] static bool present();
    nlohmann::json call(const std::string& command, const nlohmann::json& arguments = {});
    /// A property of card `index`: temperature, power, trained-width, defect, ...
    [[nodiscard]] nlohmann::json get(int index, const std::string& property);
    void set(int index, const std::string& property, const nlohmann::json& value);

  private:
    [[nodiscard]] nlohmann::json read();
    Descriptor port_;
    std::string pending_;
};

/// Tests of the tools; they are skipped without the tools or the monitor. The card must work after
/// each test.
class ToolTest : public testing::Test {
  protected:
    void SetUp() override;
    void TearDown() override;
};

}  // namespace uapi
