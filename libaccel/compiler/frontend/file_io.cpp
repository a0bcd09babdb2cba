// SPDX-License-Identifier: Apache-2.0
#include "frontend/file_io.hpp"

#include <accel/error.hpp>
#include <accel/file_descriptor.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <vector>

#include "files/output_file.hpp"

namespace accel::compiler {

namespace fs = std::filesystem;

namespace {

[[noreturn]] void throw_unreadable(const fs::path& file, int cause) {
    throw Error(static_cast<std::errc>(cause), file.string() + ": the file cannot be read");
}

// A pipe may never end.
constexpr std::size_t max_piped = std::size_t{1} << 31;

std::vector<std::byte> read_to_end(const fs::path& file, int fd) {
    constexpr std::size_t step = std::size_t{1} << 16;
    std::vector<std::byte> bytes;
    for (std::size_t filled = 0;;) {
        if (filled == bytes.size()) {
            if (filled >= max_piped) {
                throw Error(std::errc::file_too_large,
                            file.string() +
                                ": it is a pipe and gives more than 2 GiB: write the "
                                "model to a file, and give its path");
            }
            bytes.resize(std::max(step, 2 * filled));
        }
        const ssize_t count = read(fd, bytes.data() + filled, bytes.size() - filled);
        if (count < 0 && errno != EINTR) {
            throw_unreadable(file, errno);
        }
        filled += count > 0 ? static_cast<std::size_t>(count) : 0;
        if (count == 0) {
            bytes.resize(filled);
            return bytes;
        }
    }
}

}  // namespace

Bytes read_file(const fs::path& file) {
    if (file.empty()) {
        throw Error(std::errc::no_such_file_or_directory,
                    "\"\": the name of the file is empty: give the path of a model");
    }
    const FileDescriptor opened(open(file.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat status {};
    if (opened.get() < 0 || fstat(opened.get(), &status) != 0) {
        throw_unreadable(file, errno);
    }
    if (S_ISDIR(status.st_mode)) {
        throw Error(std::errc::is_a_directory, file.string() + ": it is a folder, not a file");
    }
    if (S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode)) {
        throw Error(std::errc::invalid_seek,
                    file.string() + ": the file cannot be read: it is a device");
    }
    // Files of /proc and some file systems state no size.
    if (!S_ISREG(status.st_mode) || status.st_size == 0) {
        return ByteSource::own(read_to_end(file, opened.get()));
    }
    try {
        return ByteSource::map(opened.get(), static_cast<std::size_t>(status.st_size));
    } catch (const std::system_error& error) {
        throw_unreadable(file, error.code().value());
    }
}

void write_file(const fs::path& file, std::span<const std::byte> bytes) {
    write_file(file, [&](const WriteBytes& write) { write(bytes); });
}

void write_file(const fs::path& file, const std::function<void(const WriteBytes&)>& content) {
    try {
        files::OutputFile output(file);
        content([&](std::span<const std::byte> bytes) { output.write(bytes); });
        output.commit();
    } catch (const files::OutputError& error) {
        throw Error(error.errc(), error.what());
    }
}

}  // namespace accel::compiler
