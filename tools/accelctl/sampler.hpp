// SPDX-License-Identifier: Apache-2.0
//
// A child process that reads the state of the cards at an interval, and writes each snapshot into a
// pipe as one line of JSON. A card that does not answer may block the child for long. It never
// blocks the parent, which reads the pipe and can end the child at any time.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>

#include "root.hpp"

namespace accel::tools {

/// Owns the child and the pipe; the destructor kills the child.
class Sampler {
  public:
    Sampler(const SystemRoot& root, const std::string& card, std::chrono::milliseconds interval);
    Sampler(const Sampler&) = delete;
    Sampler& operator=(const Sampler&) = delete;
    Sampler(Sampler&&) = delete;
    Sampler& operator=(Sampler&&) = delete;
    ~Sampler();

    /// For poll(): readable when a document has arrived or the child has ended.
    [[nodiscard]] int fd() const { return fd_; }
    /// The newest document since the last call, if there is one. Does not block.
    [[nodiscard]] std::optional<std::string> take_newest();
    /// True after the child has ended.
    [[nodiscard]] bool ended() const { return ended_; }

  private:
    pid_t child_ = -1;
    int fd_ = -1;
    bool ended_ = false;
    std::string pending_;
};

}  // namespace accel::tools
