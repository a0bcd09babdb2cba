// SPDX-License-Identifier: Apache-2.0
//
// Files as a whole.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

#include "ir/byte_source.hpp"

namespace accel::compiler {

/// The content of a file. A regular file is mapped, and must not shrink while it is in use; a pipe
/// or a terminal is read to its end. Throws Error that names the file.
[[nodiscard]] Bytes read_file(const std::filesystem::path& file);

/// Replaces a file as a whole, as files::OutputFile does. If that fails, the old file stays, and
/// the function throws Error that names the file and the cause.
void write_file(const std::filesystem::path& file, std::span<const std::byte> bytes);

}  // namespace accel::compiler
