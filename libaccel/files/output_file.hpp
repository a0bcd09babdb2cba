// SPDX-License-Identifier: Apache-2.0
//
// A file that a program writes as a whole. The model compiler and the tools both build this, so
// that every output behaves the same.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <stdexcept>
#include <string>
#include <system_error>

namespace accel::files {

/// The reason why an output cannot be written: what() names the path and the cause.
class OutputError : public std::runtime_error {
  public:
    OutputError(int error, const std::string& what) : std::runtime_error(what), error_(error) {}
    [[nodiscard]] std::errc errc() const { return static_cast<std::errc>(error_); }

  private:
    int error_;
};

/// An output. A regular file is replaced as a whole: the bytes are written to a temporary file in
/// its folder, which commit() renames. Until then the old file is complete, and without commit() it
/// stays. Several programs may write one path at the same time: the last commit() wins.
///
/// Symbolic links are followed. An existing file keeps its permissions, and its owner and group
/// where the system allows that; its other hard links keep the old content. Everything else (a
/// device, a pipe, /dev/stdout, /dev/fd/N) is written directly, from the first write() on.
///
/// Thread-safety: one thread at a time.
class OutputFile {
  public:
    /// Makes the temporary file. Opens nothing else yet, because opening a pipe waits for its
    /// reader. Throws OutputError.
    explicit OutputFile(std::filesystem::path path);
    OutputFile(const OutputFile&) = delete;
    OutputFile& operator=(const OutputFile&) = delete;
    OutputFile(OutputFile&&) = delete;
    OutputFile& operator=(OutputFile&&) = delete;
    /// Removes the temporary file unless commit() was called.
    ~OutputFile();

    /// Appends. Throws OutputError.
    void write(std::span<const std::byte> bytes);
    /// Puts the file into place. Throws OutputError; the old file then stays.
    void commit();

    /// True if the path names the standard output of this process.
    [[nodiscard]] static bool is_standard_output(const std::filesystem::path& path);

  private:
    void open_directly();
    void open_temporary();
    void name_temporary();
    [[noreturn]] void fail(int error) const;

    std::filesystem::path path_;       ///< as the caller gave it
    std::filesystem::path target_;     ///< the regular file behind all links; empty: write directly
    std::filesystem::path temporary_;  ///< empty: the file has no name, or there is none
    int fd_ = -1;
    bool exists_ = false;
};

/// Writes all bytes, and commits.
void write_output(const std::filesystem::path& path, std::span<const std::byte> bytes);

}  // namespace accel::files
