// SPDX-License-Identifier: Apache-2.0
#include "quantizer/temporary_file.hpp"

#include <accel/error.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <string>
#include <system_error>

namespace accel::compiler {

namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t alignment = 64;
constexpr mode_t mode = 0600;

// A file without a name. Not every file system has them: then one whose name is removed at once.
int open_unnamed(const fs::path& folder) {
    const int fd = ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, mode);
    if (fd >= 0) {
        return fd;
    }
    std::string name = (folder / ".accel-quantize.XXXXXX").string();
    const int named = ::mkostemp(name.data(), O_CLOEXEC);
    if (named >= 0) {
        ::unlink(name.c_str());
    }
    return named;
}

[[noreturn]] void fail(const fs::path& folder, int cause) {
    throw Error(static_cast<std::errc>(cause),
                "cannot write a temporary file for the quantized weights in " + folder.string() +
                    ": " + std::generic_category().message(cause) +
                    ": free some space there, or write the result to another folder");
}

}  // namespace

TemporaryFile::TemporaryFile(const fs::path& result)
    : folder_(result.has_parent_path() ? result.parent_path() : fs::path(".")),
      file_(open_unnamed(folder_)) {
    if (file_.get() < 0) {
        folder_ = fs::temp_directory_path();
        file_ = FileDescriptor(open_unnamed(folder_));
    }
    if (file_.get() < 0) {
        fail(folder_, errno);
    }
}

void TemporaryFile::write(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
        const ssize_t written = ::write(file_.get(), bytes.data(), bytes.size());
        if (written < 0 && errno != EINTR) {
            fail(folder_, errno);
        }
        const auto count = static_cast<std::size_t>(written < 0 ? 0 : written);
        bytes = bytes.subspan(count);
        size_ += count;
    }
}

std::uint64_t TemporaryFile::align() {
    constexpr std::array<std::byte, alignment> zeros{};
    write(std::span(zeros).first((alignment - size_ % alignment) % alignment));
    return size_;
}

Bytes TemporaryFile::map() const {
    try {
        return ByteSource::map(file_.get(), size_);
    } catch (const std::system_error& error) {
        fail(folder_, error.code().value());
    }
}

}  // namespace accel::compiler
