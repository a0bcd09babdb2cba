// SPDX-License-Identifier: Apache-2.0
//
// The folders of ONNX's operator tests.
#pragma once

#include <filesystem>
#include <vector>

namespace accel::test {

inline constexpr const char* suite_folder = "/usr/share/libonnx-testdata/data";

/// All folders below `folder` that hold a model, sorted.
[[nodiscard]] std::vector<std::filesystem::path> find_models(const std::filesystem::path& folder);

}  // namespace accel::test
