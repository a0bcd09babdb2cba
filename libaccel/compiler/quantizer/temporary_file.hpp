// SPDX-License-Identifier: Apache-2.0
//
// A file without a name, for quantized weights: they are not kept in memory.
#pragma once

#include <accel/file_descriptor.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

#include "ir/byte_source.hpp"

namespace accel::compiler {

class TemporaryFile {
  public:
    /// In the folder of the result, so that the file system is one with room for it. If no file can
    /// be made there, in the folder for temporary files. Throws Error.
    explicit TemporaryFile(const std::filesystem::path& result);

    /// Appends. Throws Error.
    void write(std::span<const std::byte> bytes);
    /// Appends zeros up to the alignment of a tensor. Returns the new size.
    std::uint64_t align();
    [[nodiscard]] std::uint64_t size() const noexcept { return size_; }

    /// The bytes so far.
    [[nodiscard]] Bytes map() const;

  private:
    std::filesystem::path folder_;
    FileDescriptor file_;
    std::uint64_t size_ = 0;
};

}  // namespace accel::compiler
