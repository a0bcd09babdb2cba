// SPDX-License-Identifier: Apache-2.0
//
// The state that all copies of a Model share.
#pragma once

#include <accel/model.hpp>

#include <mutex>

#include "codegen/command_emitter.hpp"
#include "ir/host_fallback.hpp"
#include "runtime/recorded_list.hpp"
#include "runtime/scratch_pool.hpp"

namespace accel::compiler {

struct CompiledModel {
    explicit CompiledModel(Device card) : device(std::move(card)) {}

    // Constant once the model is compiled.
    Device device;
    std::vector<TensorInfo> inputs;
    std::vector<TensorInfo> outputs;                    // of the commands
    std::shared_ptr<const HostFallback> host_fallback;  // null if commands compute all nodes
    std::vector<TensorInfo> results;                    // of the model, with those of the host
    std::vector<Command> commands;
    std::vector<ModelCommand> command_names;
    std::vector<ListPart> parts;  // of the commands
    MemoryUse memory;
    Buffer<std::byte> weights;        // with a WeightsTrailer behind them
    std::uint64_t fingerprint = 0;    // of the weights
    std::uint64_t features = 0;       // that the commands need of the card
    std::vector<RecordedList> lists;  // run in their order; empty if there are no commands

    ScratchPool scratch;

    std::mutex profiled_mutex;           // guards `profiled`
    std::vector<RecordedList> profiled;  // as `lists`, each command with a completion record
};

/// The outputs of a model: those of its commands, and those of the host fallback.
[[nodiscard]] std::vector<TensorInfo> results_of(const CompiledModel& model);

/// The access of this library to the private members of Model.
struct ModelAccess {
    static const CompiledModel& compiled(const Model& model) { return *model.compiled_; }
    static Model wrap(std::shared_ptr<CompiledModel> compiled) {
        return Model(std::move(compiled));
    }
};

}  // namespace accel::compiler
