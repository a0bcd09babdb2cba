// SPDX-License-Identifier: Apache-2.0
//
// The common part of the commands for models: the options that say which model is loaded and how,
// and files of tensors.
#pragma once

#include <accel/model.hpp>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "card.hpp"
#include "exit.hpp"
#include "json.hpp"

namespace accel::tools {

class CommandLine;
class Program;

/// The help of MODEL: of a command that runs models, and of one that reads ONNX files only.
inline constexpr std::string_view any_model_help =
    "ONNX file, or compiled model that 'accelctl compile' wrote; -: standard input";
inline constexpr std::string_view onnx_model_help = "ONNX file; -: standard input";
inline constexpr std::string_view onnx_file_help = "ONNX file";

/// MODEL, --card, and the options that become LoadOptions.
struct ModelOptions {
    std::string model;
    std::string card;
    std::int64_t batch = 0;
    std::vector<std::string> dimensions;       ///< NAME=LENGTH
    std::vector<std::string> shapes;           ///< NAME=LENGTH,LENGTH,...
    std::vector<std::string> constant_inputs;  ///< NAME=NUMBER or NAME=FILE
    std::vector<std::string> specializations;  ///< NAME=LENGTH,NAME=LENGTH,...
    bool allow_narrowing = false;
    bool host_fallback = false;
    bool log = false;

    /// Declares the options. `model_help` describes MODEL.
    void add_to(CommandLine& command, std::string_view model_help);
    /// Throws Failure if an option is not NAME=VALUE.
    [[nodiscard]] LoadOptions load() const;

    /// Calls action(path) for a model in a file, or action(bytes) for one from standard input or a
    /// pipe. That can be read once only: copies of the options share the bytes.
    template <typename Action>
    auto use(Action&& action) const {
        if (is_streamed()) {
            return action(std::span<const std::byte>(streamed()));
        }
        return action(std::filesystem::path(model));
    }

  private:
    [[nodiscard]] bool is_streamed() const;
    [[nodiscard]] const std::vector<std::byte>& streamed() const;
    mutable std::shared_ptr<const std::vector<std::byte>> streamed_;  // once it is read
};

/// Declares -o, --output: the file that a command writes.
void add_output(CommandLine& command, std::string& path);

/// The card to run models on. Throws Failure if no driver has it.
[[nodiscard]] Card select_card_for_models(const Program& program, const ModelOptions& options);

/// Turns an error that concerns the model or its file into a Failure with its own exit code;
/// returns for any other error.
void rethrow_model_error(const Error& error);

/// Runs `action`, which loads, compiles or writes a model.
template <typename Action>
auto with_model_errors(Action action) {
    try {
        return action();
    } catch (const Error& error) {
        rethrow_model_error(error);
        throw;
    }
}

/// Writes the compiled model. Throws Failure if the file cannot be written.
void save_model(const Model& net, const std::string& path);

[[nodiscard]] Model load_model(const Device& device, const ModelOptions& options);

[[nodiscard]] std::string_view name_of(DataType type);
/// Name, data type and shape.
[[nodiscard]] std::string describe(const TensorInfo& info);
[[nodiscard]] Json to_json(std::span<const TensorInfo> infos);
[[nodiscard]] Json to_json(const MemoryUse& memory);

/// The content of a file. Throws Failure if it cannot be read.
[[nodiscard]] std::vector<std::byte> read_bytes(const std::string& path);

/// Throws Failure, with a list of the inputs, unless there is a file for each input.
void check_count(std::span<const TensorInfo> inputs, std::size_t files);

}  // namespace accel::tools
