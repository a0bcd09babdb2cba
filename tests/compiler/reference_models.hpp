// SPDX-License-Identifier: Apache-2.0
//
// Trained models with inputs and the outputs of ONNX Runtime. data.sh fetches them.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

namespace accel::test {

/// The folder whose name a script prints; empty if the script failed.
[[nodiscard]] std::filesystem::path made_folder(const std::string& script);

/// The folder that data.sh prepares; empty if that failed.
[[nodiscard]] const std::filesystem::path& data_folder();

[[nodiscard]] std::vector<std::byte> data_file(const std::string& name);
[[nodiscard]] std::vector<float> floats(const std::vector<std::byte>& bytes);

/// The distance of results from those of ONNX Runtime. The tolerance is 1e-5 + 1e-4 relative.
struct Distance {
    double furthest = 0;
    double worst = 0;  // in multiples of the tolerance
    int beyond = 0;    // values outside the tolerance
    int values = 0;

    void add(const std::vector<float>& got, const std::vector<float>& expected);
    [[nodiscard]] std::string text() const;
};

}  // namespace accel::test
