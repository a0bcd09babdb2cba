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

/// Loads and runs one model with each of its data sets. With `saved` what was compiled goes through
/// that file first.
[[nodiscard]] Verdict judge(const Device& device, Queue& queue, const std::filesystem::path& folder,
                            const std::filesystem::path& saved = {});

/// passed / not supported by operator / wrong
[[nodiscard]] std::string summary(const std::vector<Verdict>& verdicts);

}  // namespace accel::test
