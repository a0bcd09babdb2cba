// SPDX-License-Identifier: Apache-2.0
//
// Models: an ONNX file becomes one command of the card. docs/concepts/compiler.md says how.
#pragma once

#include <accel/command.hpp>
#include <accel/device.hpp>
#include <accel/error.hpp>
#include <accel/file_descriptor.hpp>
#include <accel/queue.hpp>

#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <iosfwd>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace accel {

namespace compiler {
struct ModelState;
struct ModelAccess;
}  // namespace compiler

/// An input or an output of a model.
struct TensorInfo {
    std::string name;
    DataType type = DataType::f32;
    std::vector<std::int64_t>
        shape;  ///< as ONNX orders it; -1: each run decides (LoadOptions::host_fallback)

    /// Zero if the shape is open.
    [[nodiscard]] ACCEL_API std::uint64_t elements() const;
    [[nodiscard]] ACCEL_API std::uint64_t bytes() const;
};

/// Elements of a tensor as they lie in memory, dense.
struct TensorData {
    DataType type = DataType::f32;
    std::vector<std::int64_t> shape;
    std::vector<std::byte> bytes;
};

struct LoadOptions {
    /// For a first dimension that the model leaves open. Zero: 1; else it also replaces a first
    /// dimension of 1 that the model gives.
    std::int64_t batch = 0;
    /// For dimensions that the model names.
    std::map<std::string, std::int64_t> dimensions = {};
    /// For inputs whose shape the model does not say, or says otherwise.
    std::map<std::string, std::vector<std::int64_t>> shapes = {};
    /// Inputs that are the same in every run, such as a shape to reshape to. They are no inputs of
    /// the loaded model.
    std::map<std::string, TensorData> constant_inputs = {};
    /// Models with f64 or u64 are refused, because the card does not compute in them. True: it
    /// takes f64 as f32 and u64 as i64; inputs and outputs stay what they are.
    bool allow_narrowing = false;
    /// Nodes that ask for what values are, such as how many boxes are left, cannot be compiled
    /// before a run and are refused. True: these and all that depends on them are worked out in
    /// each run, by the host, and Model::host_nodes() names them.
    bool host_fallback = false;
    /// Weights that another process has on the card: what Model::export_weights() gave. They must
    /// be those of this model, loaded with the same options. It stays the caller's. -1: none.
    int imported_weights = -1;
    /// Where every stage of the compiler prints what it did.
    std::ostream* log = nullptr;
};

/// What the memory plan came to, in bytes.
struct MemoryUse {
    std::uint64_t weights = 0;
    std::uint64_t activations = 0;  ///< of all of them together
    std::uint64_t peak = 0;         ///< of the memory they share in turns

    [[nodiscard]] double ratio() const {
        return activations == 0 ? 0 : static_cast<double>(peak) / static_cast<double>(activations);
    }
};

/// Thrown by Model::load() when what an input holds decides about the shape of something.
class ACCEL_API ConstantInputRequired : public Error {
  public:
    ConstantInputRequired(const std::string& what, std::string input);
    [[nodiscard]] const std::string& input() const noexcept { return input_; }

  private:
    std::string input_;
};

/// A node that each run leaves to the host.
struct HostNode {
    std::string node;
    std::string reason;
};

/// A command of a compiled model and the node it came from.
struct ModelCommand {
    std::string node;
    std::string command;
};

/// A model compiled for a card and its weights there. Cheap to copy: copies share them.
///
/// Thread-safety: const members from any thread, each with a queue of its own. Runs on one queue,
/// which are one after the other, share scratch memory; each queue in use has some of its own.
class ACCEL_API Model {
  public:
    /// Reads and compiles an ONNX file, opsets 7 to 21, or takes what save() wrote. Throws Error
    /// with the file, the node, its operator and what to do.
    [[nodiscard]] static Model load(const Device& device, const std::filesystem::path& file,
                                    const LoadOptions& options = {});

    /// The inputs that a file says its model has, without compiling it. Dimensions that it leaves
    /// open are -1.
    [[nodiscard]] static std::vector<TensorInfo> describe(const std::filesystem::path& file);

    /// Writes the compiled model with its weights: load() takes that in less time, on any card that
    /// has the engines and the memory. An existing file is replaced as a whole.
    void save(const std::filesystem::path& file) const;

    /// The weights, for LoadOptions::imported_weights of other processes, which only read them.
    /// They stay on the card until the last of these models and descriptors is gone. A process that
    /// has the descriptor could write them: give it to those you trust.
    [[nodiscard]] FileDescriptor export_weights() const;

    [[nodiscard]] std::span<const TensorInfo> inputs() const;
    [[nodiscard]] std::span<const TensorInfo> outputs() const;

    /// What each run leaves to the host; empty unless LoadOptions::host_fallback asked for it.
    [[nodiscard]] std::span<const HostNode> host_nodes() const;

    /// One 64-byte command; not for models with host_nodes(). `arguments` are the inputs and then
    /// the outputs, each a dense tensor.
    Job submit(Queue& queue, std::span<const Operand> arguments) const;
    Job submit(Queue& queue, std::initializer_list<Operand> arguments) const {
        return submit(queue, std::span<const Operand>(arguments.begin(), arguments.size()));
    }

    /// The same by name: every input and output has one.
    Job submit(Queue& queue, const std::map<std::string, Operand>& arguments) const;

    /// Copies the inputs to the card, runs, and copies the outputs back. Shapes are those of
    /// inputs() and outputs().
    [[nodiscard]] std::vector<TensorData> run(Queue& queue,
                                              std::span<const TensorData> inputs) const;

    /// The same by name.
    [[nodiscard]] std::map<std::string, TensorData> run(
        Queue& queue, const std::map<std::string, TensorData>& inputs) const;

    [[nodiscard]] MemoryUse memory() const;
    [[nodiscard]] std::span<const ModelCommand> commands() const;

    /// As run(), and how long each command took, in device ticks.
    [[nodiscard]] std::vector<TensorData> profile(Queue& queue, std::span<const TensorData> inputs,
                                                  std::vector<std::uint64_t>& ticks) const;

  private:
    friend struct compiler::ModelAccess;
    explicit Model(std::shared_ptr<compiler::ModelState> state) noexcept
        : state_(std::move(state)) {}
    std::shared_ptr<compiler::ModelState> state_;
};

}  // namespace accel
