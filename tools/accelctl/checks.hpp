// SPDX-License-Identifier: Apache-2.0
//
// The checks of accelctl validate. A check returns a detail for people, or throws the reason why it
// fails or cannot run.
#pragma once

#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "accel/device.hpp"
#include "status.hpp"

namespace accel::tools {

/// Thrown by a check that cannot run here; says why.
class CheckSkipped : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// Thrown by a check that fails; says why.
class CheckFailed : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// The card under test, and the other cards of the machine.
struct CheckContext {
    const SystemRoot& root;
    Card card;
    std::vector<Card> others;
    double time_limit = 30;  ///< seconds, for each job

    /// Waits for a job. Throws CheckFailed when the time limit passes.
    void finish(const Job& job, const std::string& what) const;
};

struct Check {
    std::string name;
    std::string summary;
    std::function<std::string(const CheckContext&)> run;  ///< returns a detail for people
};

/// The checks in the order in which they run: later ones rely on earlier ones.
[[nodiscard]] std::vector<Check> all_checks();

// checks_bus.cpp
[[nodiscard]] std::string check_link(const CheckContext& context);
[[nodiscard]] std::string check_bars(const CheckContext& context);
[[nodiscard]] std::string check_interrupts(const CheckContext& context);
// checks_memory.cpp
[[nodiscard]] std::string check_dma(const CheckContext& context);
[[nodiscard]] std::string check_transfer(const CheckContext& context);
[[nodiscard]] std::string check_isolation(const CheckContext& context);
[[nodiscard]] std::string check_peers(const CheckContext& context);
// checks_engines.cpp
[[nodiscard]] std::string check_copy_fill(const CheckContext& context);
[[nodiscard]] std::string check_semaphores(const CheckContext& context);
// checks_math.cpp
[[nodiscard]] std::string check_gemm(const CheckContext& context);
[[nodiscard]] std::string check_elementwise(const CheckContext& context);
[[nodiscard]] std::string check_softmax(const CheckContext& context);
[[nodiscard]] std::string check_reduce(const CheckContext& context);
// checks_image.cpp
[[nodiscard]] std::string check_conv2d(const CheckContext& context);
[[nodiscard]] std::string check_pool(const CheckContext& context);
// checks_tensor.cpp
[[nodiscard]] std::string check_transpose(const CheckContext& context);
[[nodiscard]] std::string check_gather(const CheckContext& context);
[[nodiscard]] std::string check_attention(const CheckContext& context);
[[nodiscard]] std::string check_scatter(const CheckContext& context);
[[nodiscard]] std::string check_resize(const CheckContext& context);
[[nodiscard]] std::string check_gemm_int8(const CheckContext& context);

}  // namespace accel::tools
