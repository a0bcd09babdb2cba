// SPDX-License-Identifier: Apache-2.0
//
// Files as a whole.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <span>

#include "ir/byte_source.hpp"

namespace accel::compiler {

/// The content of a file. A regular file is mapped, and must not shrink while it is in use; a pipe
/// or a terminal is read to its end. Throws Error that names the file.
[[nodiscard]] Bytes read_file(const std::filesystem::path& file);

/// Replaces a file as a whole, as files::OutputFile does. If that fails, the old file stays, and
/// the function throws Error that names the file and the cause.
void write_file(const std::filesystem::path& file, std::span<const std::byte> bytes);

/// Appends bytes to a file.
using WriteBytes = std::function<void(std::span<const std::byte>)>;

/// The same for content that is not in memory as a whole: content(write) writes it part by part. If
/// it throws, the old file stays.
void write_file(const std::filesystem::path& file,
                const std::function<void(const WriteBytes&)>& content);

}  // namespace accel::compiler
