// SPDX-License-Identifier: Apache-2.0
#include "output.hpp"

#include <iostream>

#include "exit.hpp"
#include "files/output_file.hpp"

namespace accel::tools {

namespace {

template <typename Action>
void with_output_errors(Action action) {
    try {
        action();
    } catch (const files::OutputError& error) {
        throw Failure(Exit::file, error.what());
    }
}

}  // namespace

std::string output_path(const std::string& option) {
    return option == "-" ? "/dev/stdout" : option;
}

bool is_standard_output(const std::string& path) {
    return files::OutputFile::is_standard_output(output_path(path));
}

std::ostream& summary_stream(const std::string& path, bool json) {
    if (!is_standard_output(path)) {
        return std::cout;
    }
    if (json) {
        throw Failure(Exit::usage, "--json and " + path + " would both write to standard output",
                      "give a file for one of them");
    }
    return std::cerr;
}

void check_output(const std::string& path) {
    with_output_errors([&] { const files::OutputFile probe(output_path(path)); });
}

void write_output(const std::string& path, std::span<const std::byte> bytes) {
    std::cout.flush();  // what was printed before comes first
    with_output_errors([&] { files::write_output(output_path(path), bytes); });
}

void write_output(const std::string& path, std::string_view text) {
    write_output(path, std::as_bytes(std::span(text)));
}

}  // namespace accel::tools
