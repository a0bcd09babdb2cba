// SPDX-License-Identifier: Apache-2.0
//
// A child that looks at the cards again and again and writes what it sees into a pipe, a JSON
// document a line. Looking may block for as long as a card does not answer; who reads the pipe
// never does, and can end the child at any time.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>

#include "root.hpp"

namespace accel::tools {

class Sampler {
  public:
    Sampler(const Root& root, const std::string& card, std::chrono::milliseconds interval);
    Sampler(const Sampler&) = delete;
    Sampler& operator=(const Sampler&) = delete;
    Sampler(Sampler&&) = delete;
    Sampler& operator=(Sampler&&) = delete;
    ~Sampler();

    /// For poll(): readable when there is a document, or the child is gone.
    [[nodiscard]] int fd() const { return fd_; }
    /// The newest document that has arrived, if one has since the last call. Does not block.
    [[nodiscard]] std::optional<std::string> take();
    /// The child ended.
    [[nodiscard]] bool ended() const { return ended_; }

  private:
    pid_t child_ = -1;
    int fd_ = -1;
    bool ended_ = false;
    std::string pending_;
};

}  // namespace accel::tools
