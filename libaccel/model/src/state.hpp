// SPDX-License-Identifier: Apache-2.0
//
// What all copies of a Model share.
#pragma once

#include <accel/model.hpp>

#include <deque>
#include <mutex>
#include <optional>

namespace accel::model {

// Arguments of the recorded list: the scratch memory of a run, then inputs and outputs.
inline constexpr std::uint32_t scratch_argument = 0;
inline constexpr std::uint32_t first_argument = 1;
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
    std::vector<TensorInfo> outputs;
    std::vector<ModelStep> steps;
    std::vector<Command> commands;
    MemoryUse memory;
    Buffer<std::byte> weights;
    std::optional<CommandList> list;  // none: there is nothing to do

    std::mutex mutex;  // guards what follows; not held while a run is submitted
    std::deque<Scratch> scratch;
    std::optional<CommandList> profiled;  // as list, with a record of each command
};

struct ModelAccess {
    static Model wrap(std::shared_ptr<ModelState> state) { return Model(std::move(state)); }
};

}  // namespace accel::model
