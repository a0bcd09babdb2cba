// SPDX-License-Identifier: Apache-2.0
//
// ONNX's operator tests: models with inputs and expected outputs.
#pragma once

#include <accel/model.hpp>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "folders.hpp"

namespace accel::test {

/// `loosely`: within 1e-5 absolute, and not within the tolerance of ONNX's own runner.
enum class Outcome { passed, loosely, unsupported, wrong };

struct Verdict {
    std::string name;
    Outcome outcome = Outcome::passed;
    std::string detail;  // why it is not supported, or the difference
};

/// How the models are loaded.
struct SuiteOptions {
    /// If not empty, the compiled model is saved to this file and loaded from it.
    std::filesystem::path saved = {};
    /// The host computes nodes whose inputs are unknown when the model is loaded.
    bool host_fallback = false;
    /// All inputs are constants, so that the compiler folds all nodes that it can.
    bool folded = false;
    /// The difference that a result may have: of real numbers, the default being that of ONNX's own
    /// runner, and of integers.
    float relative = 1e-3F;
    float absolute = 1e-7F;
    std::int64_t steps = 0;
};

/// Loads and runs one model with each of its data sets.
[[nodiscard]] Verdict judge(const Device& device, Queue& queue, const std::filesystem::path& folder,
                            const SuiteOptions& suite = {});

/// Counts by outcome, the unsupported operators, and each wrong result.
[[nodiscard]] std::string summary(const std::vector<Verdict>& verdicts);

}  // namespace accel::test
