// SPDX-License-Identifier: Apache-2.0
//
// Options that give a file to inputs or outputs of a model: FILE in their order, or NAME=FILE.
#pragma once

#include <accel/tensor.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace accel::tools {

/// The file of each port, in the order of `ports`. Files without a name belong to the ports that
/// no option names. Throws Failure with a list of the ports if a name is unknown, a port has two
/// files, or there are more files than ports. `option` is for messages.
[[nodiscard]] std::vector<std::optional<std::string>> assign_files(
    std::span<const TensorInfo> ports, const std::vector<std::string>& values, const char* option);

/// A line for each port, as a hint.
[[nodiscard]] std::string list_of(std::span<const TensorInfo> ports);

}  // namespace accel::tools
