// SPDX-License-Identifier: Apache-2.0
#include "frontend/file_io.hpp"

#include <accel/error.hpp>

#include <cerrno>
#include <fstream>
#include <system_error>

#include "files/output_file.hpp"

namespace accel::compiler {

namespace fs = std::filesystem;

std::vector<std::byte> read_file(const fs::path& file) {
    if (file.empty()) {
        throw Error(std::errc::no_such_file_or_directory,
                    "\"\": the name of the file is empty: give the path of a model");
    }
    std::error_code ignored;
    if (fs::is_directory(file, ignored)) {
        throw Error(std::errc::is_a_directory, file.string() + ": it is a folder, not a file");
    }
    std::ifstream in(file, std::ios::binary | std::ios::ate);
    if (!in) {
        const int cause = errno;
        throw Error(static_cast<std::errc>(cause), file.string() + ": the file cannot be read");
    }
    if (!fs::is_regular_file(file, ignored)) {
        throw Error(std::errc::invalid_seek,
                    file.string() + ": the file cannot be read: it is a device or a pipe");
    }
    std::vector<std::byte> bytes(static_cast<std::size_t>(in.tellg()));
    in.seekg(0);
    in.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    if (!in) {
        throw Error(std::errc::io_error,
                    file.string() + ": reading failed before the end of the file");
    }
    return bytes;
}

void write_file(const fs::path& file, std::span<const std::byte> bytes) {
    try {
        files::write_output(file, bytes);
    } catch (const files::OutputError& error) {
        throw Error(error.errc(), error.what());
    }
}

}  // namespace accel::compiler
