// SPDX-License-Identifier: Apache-2.0
//
// Models: an ONNX file is compiled to one command of the card. docs/concepts/compiler.md describes
// how.
#pragma once

#include <accel/command.hpp>
#include <accel/device.hpp>
#include <accel/error.hpp>
#include <accel/file_descriptor.hpp>
#include <accel/load_options.hpp>
#include <accel/model_info.hpp>
#include <accel/queue.hpp>
#include <accel/tensor.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace accel {

namespace compiler {
struct CompiledModel;
struct ModelAccess;
}  // namespace compiler

/// A model that is compiled for a card, with its weights on the card. A copy is cheap: copies share
/// the compiled model and the weights.
///
/// Thread-safety: any thread may call const members, each with its own queue. Runs on one queue
/// execute in order and share scratch memory. Each queue in use has scratch memory of its own.
class ACCEL_API Model {
  public:
    /// Reads and compiles an ONNX file of opset 1 to 28, or loads a compiled model that save()
    /// wrote. Throws Error with the file, the node, its operator and a remedy.
    /// A pipe, such as /dev/stdin, is read to its end. A file is mapped while it is loaded, so it
    /// must not be shortened meanwhile. Throws Error(no_space_on_device) if the card has too little
    /// free memory for the weights and the scratch memory of one queue, which load() allocates.
    [[nodiscard]] static Model load(const Device& device, const std::filesystem::path& file,
                                    const LoadOptions& options = {});

    /// The same for the content of a file. `folder` has the files of weights that the model does
    /// not contain ("external data"); without it, such weights are refused. The bytes are not read
    /// any more when load() returns.
    [[nodiscard]] static Model load(const Device& device, std::span<const std::byte> model,
                                    const LoadOptions& options = {},
                                    const std::filesystem::path& folder = {});

    /// Everything for which load() would refuse an ONNX file, instead of the first cause. It needs
    /// no card, and uploads nothing: limits of a card, such as its memory, are not among the
    /// causes. Empty: nothing is known that prevents the load. Throws Error if the file cannot be
    /// read, or is damaged. A node behind an unsupported one, whose shapes are therefore unknown,
    /// is checked for its operator only.
    [[nodiscard]] static std::vector<Unsupported> check(const std::filesystem::path& file,
                                                        const LoadOptions& options = {});
    /// The same for the content of a file, as for load().
    [[nodiscard]] static std::vector<Unsupported> check(std::span<const std::byte> model,
                                                        const LoadOptions& options = {},
                                                        const std::filesystem::path& folder = {});

    /// The inputs that an ONNX file declares, without compiling the model. Open dimensions are -1.
    [[nodiscard]] static std::vector<TensorInfo> describe_inputs(const std::filesystem::path& file);
    /// The same for the content of a file.
    [[nodiscard]] static std::vector<TensorInfo> describe_inputs(std::span<const std::byte> model);

    /// Writes the compiled model with its weights. load() reads such a file in less time, on any
    /// card that has the engines and the memory. An existing file is replaced as a whole.
    void save(const std::filesystem::path& file) const;

    /// Exports the weights, for LoadOptions::imported_weights of other processes. These processes
    /// map the weights read-only. The weights stay on the card until the last of these models and
    /// descriptors is closed. A process that has the descriptor could write to the weights: pass it
    /// only to processes that you trust.
    [[nodiscard]] FileDescriptor export_weights() const;

    [[nodiscard]] std::span<const TensorInfo> inputs() const;
    [[nodiscard]] std::span<const TensorInfo> outputs() const;

    /// The nodes that the host computes in each run. Empty unless LoadOptions::host_fallback was
    /// set.
    [[nodiscard]] std::span<const HostNode> host_nodes() const;

    /// Submits the model as one 64-byte command. A model with more commands than a list can have
    /// (DeviceInfo::max_list_commands), or with more than 765 inputs and outputs, is a batch of
    /// several. `arguments` are the inputs and then the outputs, each a dense tensor. Models with
    /// host_nodes() have run() only.
    Job submit(Queue& queue, std::span<const Operand> arguments) const;
    Job submit(Queue& queue, std::initializer_list<Operand> arguments) const {
        return submit(queue, std::span<const Operand>(arguments.begin(), arguments.size()));
    }

    /// The same, with an argument for the name of each input and output.
    Job submit(Queue& queue, const std::map<std::string, Operand>& arguments) const;

    /// Copies the inputs to the card, runs the model, and copies the outputs back. The shapes are
    /// those of inputs() and outputs().
    [[nodiscard]] std::vector<TensorData> run(Queue& queue,
                                              std::span<const TensorData> inputs) const;

    /// The same, with a tensor for the name of each input.
    [[nodiscard]] std::map<std::string, TensorData> run(
        Queue& queue, const std::map<std::string, TensorData>& inputs) const;

    [[nodiscard]] MemoryUse memory() const;
    [[nodiscard]] std::span<const ModelCommand> commands() const;

    /// Runs the model as run() does, and measures the time of each command in device ticks. A
    /// command in a loop has the time of all passes, estimated from the last one.
    [[nodiscard]] std::vector<TensorData> profile(Queue& queue, std::span<const TensorData> inputs,
                                                  std::vector<std::uint64_t>& ticks) const;

    /// The same, with the completion record of each command: a timeline of the run.
    [[nodiscard]] std::vector<TensorData> profile(Queue& queue, std::span<const TensorData> inputs,
                                                  std::vector<CompletionRecord>& records) const;

  private:
    friend struct compiler::ModelAccess;
    explicit Model(std::shared_ptr<compiler::CompiledModel> compiled) noexcept
        : compiled_(std::move(compiled)) {}
    std::shared_ptr<compiler::CompiledModel> compiled_;
};

}  // namespace accel
