// SPDX-License-Identifier: Apache-2.0
//
// Whole models, what they are given, and what ONNX Runtime makes of it: data.sh fetches them.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

namespace accel::test {

/// The folder that data.sh prepares; empty if it could not.
[[nodiscard]] const std::filesystem::path& data_folder();

[[nodiscard]] std::vector<std::byte> data_file(const std::string& name);
[[nodiscard]] std::vector<float> floats(const std::vector<std::byte>& bytes);

/// How far results are from ONNX Runtime's, measured by 1e-5 + 1e-4 relative.
struct Distance {
    double furthest = 0;
    double worst = 0;  // as a share of what is allowed
    int beyond = 0;
    int values = 0;

    void add(const std::vector<float>& got, const std::vector<float>& expected);
    [[nodiscard]] std::string text() const;
};

}  // namespace accel::test
