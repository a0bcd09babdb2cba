// SPDX-License-Identifier: Apache-2.0
//
// A model that is compiled for one shape of its inputs, and the state that all copies of a Model
// share.
#pragma once

#include <accel/model.hpp>

#include <mutex>
#include <optional>

#include "codegen/command_emitter.hpp"
#include "ir/host_fallback.hpp"
#include "ir/placed_weights.hpp"
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
    Buffer<std::byte> weights;             // all shapes share them; a WeightsTrailer is behind them
    std::vector<WeightRange> ranges;       // of the weights; empty: one range
    Buffer<std::byte> shape_weights;       // of this shape alone
    std::optional<std::uint64_t> shape_weights_offset;  // in `weights`, if they are a part of these
    std::uint64_t fingerprint = 0;         // of the weights
    std::uint64_t features = 0;       // that the commands need of the card
    bool compiled = true;             // false: only inputs and outputs are known, with open lengths
    std::vector<RecordedList> lists;  // run in their order; empty if there are no commands

    std::shared_ptr<ScratchPool> scratch = std::make_shared<ScratchPool>();  // of all shapes

    [[nodiscard]] bool has_shape_weights() const { return memory.shape_weights != 0; }

    std::mutex profiled_mutex;           // guards `profiled`
    std::vector<RecordedList> profiled;  // as `lists`, each command with a completion record
};

/// The outputs of a model: those of its commands, and those of the host fallback.
[[nodiscard]] std::vector<TensorInfo> results_of(const CompiledModel& model);

class ShapeCache;

/// What a Model is.
struct ModelState {
    // The shape of Model::inputs(). While no shape has been compiled, it has lengths of -1, and no
    // commands.
    std::shared_ptr<CompiledModel> shape;
    std::shared_ptr<ShapeCache> shapes;  // null if the model has this shape only
};

/// The access of this library to the private members of Model.
struct ModelAccess {
    static const CompiledModel& compiled(const Model& model) { return *model.state_->shape; }
    static const std::shared_ptr<CompiledModel>& shared(const Model& model) {
        return model.state_->shape;
    }
    static Model wrap(std::shared_ptr<CompiledModel> compiled,
                      std::shared_ptr<ShapeCache> shapes = nullptr) {
        return Model(std::make_shared<ModelState>(
            ModelState{std::move(compiled), std::move(shapes)}));
    }
};

}  // namespace accel::compiler
