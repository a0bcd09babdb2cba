// SPDX-License-Identifier: Apache-2.0
//
// The files that the tools write. Every option that names an output ends here, so that all of them
// treat files, links, devices, pipes and "-" alike.
#pragma once

#include <cstddef>
#include <ostream>
#include <span>
#include <string>
#include <string_view>

namespace accel::tools {

/// The path that an option means: "-" is standard output.
[[nodiscard]] std::string output_path(const std::string& option);

[[nodiscard]] bool is_standard_output(const std::string& path);

/// Where a command that writes `path` prints what people read: standard error if the output itself
/// is standard output. Throws Failure if JSON is to be printed there, too.
[[nodiscard]] std::ostream& summary_stream(const std::string& path, bool json);

/// Throws Failure if the output cannot be written, before a command does minutes of work for it.
/// Changes nothing.
void check_output(const std::string& path);

/// Replaces a file as a whole, or writes to a device or pipe. Throws Failure that names the path
/// and the cause; the old file then stays.
void write_output(const std::string& path, std::span<const std::byte> bytes);
void write_output(const std::string& path, std::string_view text);

}  // namespace accel::tools
