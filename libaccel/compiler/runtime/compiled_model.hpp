// SPDX-License-Identifier: Apache-2.0
//
// What all copies of a Model share.
#pragma once

#include <accel/model.hpp>

#include <array>
#include <deque>
#include <mutex>
#include <optional>

#include "ir/program.hpp"

namespace accel::compiler {

// Arguments of the recorded list: the scratch memory of a run, the weights, then inputs and
// outputs. So commands have no address in them, and can be kept in a file.
inline constexpr std::uint32_t scratch_argument = 0;
inline constexpr std::uint32_t weights_argument = 1;
inline constexpr std::uint32_t first_argument = 2;
inline constexpr std::size_t most_arguments = 63;

/// Memory of runs on one queue: those are one after the other, so one is enough for all of them.
struct Scratch {
    std::uint32_t queue = 0;  // Queue::id()
    bool submitting = false;
    Buffer<std::byte> memory;
    Job job;  // the last that uses it
};

struct ModelState {
    explicit ModelState(Device card) : device(std::move(card)) {}

    // Constant once the model is compiled.
    Device device;
    std::vector<TensorInfo> inputs;
    std::vector<TensorInfo> outputs;   // of the commands
    std::shared_ptr<const Tail> tail;  // null: all is done by commands
    std::vector<TensorInfo> results;   // of the model: the same without a tail
    std::vector<ModelCommand> steps;
    std::vector<Command> commands;
    MemoryUse memory;
    Buffer<std::byte> weights;        // and behind them a Seal
    std::uint64_t fingerprint = 0;    // of the weights
    std::optional<CommandList> list;  // none: there is nothing to do

    std::mutex mutex;  // guards what follows; not held while a run is submitted
    std::deque<Scratch> scratch;
    std::optional<CommandList> profiled;  // as list, with a record of each command
};

/// What stands behind the weights on the card: whether they are those that a model wants.
struct Seal {
    std::array<char, 8> magic{'A', 'C', 'C', 'E', 'L', 'W', 'T', '1'};
    std::uint64_t bytes = 0;
    std::uint64_t fingerprint = 0;
};

/// What a model gives, of what its commands give and what each run works out.
[[nodiscard]] std::vector<TensorInfo> results_of(const ModelState& state);

struct ModelAccess {
    static const ModelState& state(const Model& model) { return *model.state_; }
    static Model wrap(std::shared_ptr<ModelState> state) { return Model(std::move(state)); }
};

}  // namespace accel::compiler
