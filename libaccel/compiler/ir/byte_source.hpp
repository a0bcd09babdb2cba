// SPDX-License-Identifier: Apache-2.0
//
// The memory behind tensors: a mapped file, memory of the compiler, or memory of the caller.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

namespace accel::compiler {

/// Bytes at one place. Tensors that share them keep the source alive.
class ByteSource {
  public:
    /// Zeroed bytes. A large source returns its memory to the system when it ends, whatever the
    /// heap does. Throws std::bad_alloc.
    [[nodiscard]] static std::shared_ptr<ByteSource> allocate(std::size_t bytes);
    /// The content of a regular file. Throws std::system_error if the system cannot map it. The
    /// file must not shrink while the source exists.
    [[nodiscard]] static std::shared_ptr<ByteSource> map(int fd, std::size_t bytes);
    [[nodiscard]] static std::shared_ptr<ByteSource> own(std::vector<std::byte> bytes);
    /// The caller keeps the bytes until the source ends.
    [[nodiscard]] static std::shared_ptr<ByteSource> borrow(std::span<const std::byte> bytes);

    ByteSource(const ByteSource&) = delete;
    ByteSource& operator=(const ByteSource&) = delete;
    ByteSource(ByteSource&&) = delete;
    ByteSource& operator=(ByteSource&&) = delete;
    ~ByteSource();

    [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return bytes_; }
    /// Null if the bytes are read-only.
    [[nodiscard]] std::byte* writable() const noexcept { return writable_; }

    /// Whether the bytes are those of a caller.
    [[nodiscard]] bool borrowed() const noexcept { return borrowed_; }
    /// Whether the bytes are those of a mapped file.
    [[nodiscard]] bool in_file() const noexcept { return file_ != 0; }

    /// Removes the pages of a mapped file that lie within `part` from the memory of the process. A
    /// later access reads them again. Other sources do nothing.
    void evict(std::span<const std::byte> part) const noexcept;

  private:
    ByteSource() = default;

    std::span<const std::byte> bytes_;
    std::byte* writable_ = nullptr;
    std::vector<std::byte> owned_;
    bool borrowed_ = false;
    std::size_t anonymous_ = 0;  // bytes of a mapping without a file
    std::size_t file_ = 0;       // bytes of a mapped file
};

using Bytes = std::shared_ptr<const ByteSource>;

}  // namespace accel::compiler
