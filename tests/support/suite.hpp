// SPDX-License-Identifier: Apache-2.0
//
// ONNX's own operator tests: models with inputs and the outputs that must come of them.
#pragma once

#include <accel/model.hpp>

#include <filesystem>
#include <string>
#include <vector>

#include "folders.hpp"

namespace accel::test {

enum class Outcome { passed, unsupported, wrong };

struct Verdict {
    std::string name;
    Outcome outcome = Outcome::passed;
    std::string detail;  // what is unsupported or wrong
};

/// How the models are loaded.
struct How {
    /// What was compiled goes through this file first.
    std::filesystem::path saved = {};
    /// What must be known is left to the host, not given.
    bool host_fallback = false;
    /// All inputs are given when the model is loaded, so that the compiler computes what it can.
    bool folded = false;
};

/// Loads and runs one model with each of its data sets.
[[nodiscard]] Verdict judge(const Device& device, Queue& queue, const std::filesystem::path& folder,
                            const How& how = {});

/// passed / not supported by operator / wrong
[[nodiscard]] std::string summary(const std::vector<Verdict>& verdicts);

}  // namespace accel::test
