// SPDX-License-Identifier: Apache-2.0
#include "frontend/file_io.hpp"

#include <accel/error.hpp>

#include <fstream>
#include <system_error>

namespace accel::compiler {

namespace fs = std::filesystem;

std::vector<std::byte> read_file(const fs::path& file) {
    std::ifstream in(file, std::ios::binary | std::ios::ate);
    if (!in || !fs::is_regular_file(file)) {
        throw Error(std::errc::no_such_file_or_directory,
                    file.string() + ": the file cannot be read: check its name and permissions");
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
    fs::path draft = file;
    draft += ".part";
    std::ofstream out(draft, std::ios::binary | std::ios::trunc);
    out.write(reinterpret_cast<const char*>(bytes.data()),
              static_cast<std::streamsize>(bytes.size()));
    out.close();
    std::error_code error;
    if (out) {
        fs::rename(draft, file, error);
    }
    if (!out || error) {
        std::error_code ignored;
        fs::remove(draft, ignored);
        throw Error(std::errc::io_error,
                    file.string() +
                        ": the file cannot be written: check free space, and the permissions of "
                        "the folder");
    }
}

}  // namespace accel::compiler
