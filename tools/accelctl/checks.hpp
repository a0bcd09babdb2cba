// SPDX-License-Identifier: Apache-2.0
//
// What accelctl validate tries on a card. A check returns what it saw, or throws why it failed.
#pragma once

#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "accel/device.hpp"
#include "status.hpp"

namespace accel::tools {

/// The check cannot be done here, and why.
class Skip : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// The check failed.
class Wrong : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// What a check works with.
struct Bench {
    const Root& root;
    Card card;
    std::vector<Card> others;
    double patience = 30;  ///< seconds

    /// Waits, but not for ever: throws Wrong.
    void finish(const Job& job, const std::string& what) const;
};

struct Check {
    std::string name;
    std::string what;
    std::function<std::string(const Bench&)> run;  ///< a detail for people
};

/// In the order in which they are done: a later one relies on the earlier ones.
[[nodiscard]] std::vector<Check> all_checks();

// checks_bus.cpp
[[nodiscard]] std::string check_link(const Bench& bench);
[[nodiscard]] std::string check_bars(const Bench& bench);
[[nodiscard]] std::string check_interrupts(const Bench& bench);
// checks_memory.cpp
[[nodiscard]] std::string check_dma(const Bench& bench);
[[nodiscard]] std::string check_transfer(const Bench& bench);
[[nodiscard]] std::string check_isolation(const Bench& bench);
[[nodiscard]] std::string check_peers(const Bench& bench);
// checks_engines.cpp
[[nodiscard]] std::string check_copy_fill(const Bench& bench);
[[nodiscard]] std::string check_gemm(const Bench& bench);
[[nodiscard]] std::string check_elementwise(const Bench& bench);
[[nodiscard]] std::string check_conv2d(const Bench& bench);
[[nodiscard]] std::string check_pool(const Bench& bench);
[[nodiscard]] std::string check_softmax(const Bench& bench);
[[nodiscard]] std::string check_reduce(const Bench& bench);
[[nodiscard]] std::string check_semaphores(const Bench& bench);
// checks_tensor.cpp
[[nodiscard]] std::string check_transpose(const Bench& bench);
[[nodiscard]] std::string check_gather(const Bench& bench);
[[nodiscard]] std::string check_resize(const Bench& bench);
[[nodiscard]] std::string check_bytes(const Bench& bench);

/// RandomNumbers that look random and are the same every time.
class RandomNumbers {
  public:
    explicit RandomNumbers(std::uint64_t seed) : state_(seed) {}
    std::uint64_t next() {
        state_ ^= state_ << 13U;
        state_ ^= state_ >> 7U;
        state_ ^= state_ << 17U;
        return state_;
    }
    /// From -1 to 1.
    float real() { return static_cast<float>(next() % 2000001) / 1e6F - 1.0F; }

  private:
    std::uint64_t state_;
};

}  // namespace accel::tools
