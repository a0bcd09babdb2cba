// SPDX-License-Identifier: Apache-2.0
#include "runtime/shape_source.hpp"

#include "ir/error.hpp"
#include "runtime/compile.hpp"
#include "runtime/weight_import.hpp"

namespace accel::compiler {

ShapeSource::ShapeSource(const Device& device, std::unique_ptr<ImportSession> session,
                         const LoadOptions& options)
    : device_(device.alias()), session_(std::move(session)) {
    if (options.imported_weights >= 0) {
        weights_ = in_context(session_->name(), [&] {
            return import_weights(device_, options.imported_weights, placed_);
        });
        unchecked_ = true;
    }
}

std::shared_ptr<CompiledModel> ShapeSource::compile(std::span<const Dims> shapes,
                                                    std::ostream* log) {
    const InputShapes& inputs = session_->shapes();
    inputs.check(shapes);
    const std::string name = session_->name();
    std::shared_ptr<CompiledModel> compiled;
    try {
        Program program = session_->import(shapes);
        compiled = in_context(name, [&] {
            return compile_shape(device_, std::move(program), log,
                                 {.placed = weights_ ? &placed_ : nullptr,
                                  .memory = weights_ ? &*weights_ : nullptr,
                                  .scratch = scratch_,
                                  .uploaded = weights_ ? nullptr : &placed_});
        });
    } catch (const Refusal& error) {
        throw Refusal(error.errc(),
                      "with the inputs " + describe_shapes(inputs.inputs(), shapes) + ": " +
                          error.cause(),
                      "give lengths that its nodes can have; the inputs are " +
                          describe_patterns(inputs.inputs()) + "; or: " + error.remedy());
    }
    session_->release();
    if (unchecked_ && compiled->memory.shape_weights > compiled->memory.weights / 2) {
        refuse(name + ": most of its weights are not among the imported ones",
               "import the weights of a process that loaded the same file");
    }
    unchecked_ = false;
    if (!weights_) {
        weights_ = SharedWeights{.memory = compiled->weights.alias(),
                                 .bytes = compiled->memory.weights,
                                 .fingerprint = compiled->fingerprint,
                                 .ranges = compiled->ranges};
    }
    return compiled;
}

}  // namespace accel::compiler
