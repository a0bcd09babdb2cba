// SPDX-License-Identifier: Apache-2.0
//
// Files as a whole.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <vector>

namespace accel::compiler {

/// Throws Error that names the file.
[[nodiscard]] std::vector<std::byte> read_file(const std::filesystem::path& file);

/// Replaces a file as a whole, as files::OutputFile does. If that fails, the old file stays, and
/// the function throws Error that names the file and the cause.
void write_file(const std::filesystem::path& file, std::span<const std::byte> bytes);

}  // namespace accel::compiler
