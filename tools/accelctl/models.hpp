// SPDX-License-Identifier: Apache-2.0
//
// What the commands for models share: which model and how it is loaded, and files of tensors.
#pragma once

#include <CLI/CLI.hpp>
#include <accel/accel.hpp>
#include <accel/model.hpp>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "program.hpp"
#include "status.hpp"

namespace accel::tools {

/// MODEL, --card, and how it is loaded.
struct ModelOptions {
    std::string model;
    std::string card;
    std::int64_t batch = 0;
    std::vector<std::string> dims;    // NAME=LENGTH
    std::vector<std::string> shapes;  // NAME=LENGTH,LENGTH,...
    std::vector<std::string> known;   // NAME=NUMBER or NAME=FILE
    bool narrow = false;
    bool host = false;
    bool dump = false;

    void add_to(CLI::App& command);
    /// Throws Failure for what is no NAME=VALUE.
    [[nodiscard]] LoadOptions load() const;
};

/// A card with a driver; throws Failure.
[[nodiscard]] Card select_card_for_models(const Program& program, const ModelOptions& options);

/// What `action` gives; what it says about a model becomes a Failure with its exit code.
template <typename Action>
auto of_model(Action action) {
    try {
        return action();
    } catch (const Error& error) {
        switch (error.errc()) {
            case std::errc::no_such_file_or_directory:
            case std::errc::io_error:
                throw Failure(Exit::file, error.what());
            case std::errc::invalid_argument:
            case std::errc::not_supported:
                throw Failure(Exit::unsupported, error.what());
            default:
                throw;
        }
    }
}

[[nodiscard]] Model load_model(const Device& device, const ModelOptions& options);

[[nodiscard]] std::string_view name_of(DataType type);
/// name, type and shape
[[nodiscard]] std::string describe(const TensorInfo& info);
[[nodiscard]] nlohmann::ordered_json to_json(std::span<const TensorInfo> infos);

/// All of a file; throws Failure.
[[nodiscard]] std::vector<std::byte> read_bytes(const std::string& path);

/// A file that holds a tensor's elements; throws Failure if it is of another length.
[[nodiscard]] std::vector<std::byte> read_tensor(const std::string& path, const TensorInfo& info);

/// Throws Failure that lists the inputs unless there is a file for each.
void check_count(std::span<const TensorInfo> inputs, std::size_t files);

}  // namespace accel::tools
