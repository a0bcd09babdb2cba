// SPDX-License-Identifier: Apache-2.0
#include "run/port_files.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <filesystem>

#include "exit.hpp"
#include "models.hpp"

namespace accel::tools {

namespace {

// The port that a value names, and the rest of the value. Names may contain '='.
std::optional<std::size_t> named_port(std::span<const TensorInfo> ports, std::string& value) {
    for (std::size_t i = 0; i < ports.size(); ++i) {
        if (value.starts_with(ports[i].name + "=")) {
            value.erase(0, ports[i].name.size() + 1);
            return i;
        }
    }
    return std::nullopt;
}

// A wrong name would otherwise be reported as a missing file.
void check_unnamed(std::span<const TensorInfo> ports, const std::string& value,
                   const char* option) {
    std::error_code ignored;
    const std::size_t sign = value.find('=');
    if (sign != std::string::npos && value.find('/') > sign &&
        !std::filesystem::exists(value, ignored)) {
        throw Failure(Exit::usage,
                      fmt::format("{}: the model has no '{}'", option, value.substr(0, sign)),
                      list_of(ports));
    }
}

}  // namespace

std::string list_of(std::span<const TensorInfo> ports) {
    std::string list = "the model has:";
    for (const TensorInfo& info : ports) {
        list += "\n  " + describe(info);
    }
    return list;
}

std::vector<std::optional<std::string>> assign_files(std::span<const TensorInfo> ports,
                                                     const std::vector<std::string>& values,
                                                     const char* option) {
    std::vector<std::optional<std::string>> files(ports.size());
    std::vector<std::string> unnamed;
    for (std::string value : values) {
        const auto port = named_port(ports, value);
        if (!port) {
            check_unnamed(ports, value, option);
            unnamed.push_back(std::move(value));
        } else if (files[*port]) {
            throw Failure(Exit::usage,
                          fmt::format("{}: '{}' is given twice", option, ports[*port].name),
                          list_of(ports));
        } else {
            files[*port] = std::move(value);
        }
    }
    auto next = unnamed.begin();
    for (auto& file : files) {
        if (!file && next != unnamed.end()) {
            file = std::move(*next++);
        }
    }
    if (next != unnamed.end()) {
        throw Failure(Exit::usage,
                      fmt::format("{}: {} files are given, and the model has {}", option,
                                  values.size(), ports.size()),
                      list_of(ports));
    }
    return files;
}

}  // namespace accel::tools
