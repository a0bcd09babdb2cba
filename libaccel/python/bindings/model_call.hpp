// SPDX-License-Identifier: Apache-2.0
//
// Running a model on arrays, without a copy where their memory allows.
#pragma once

#include <nanobind/nanobind.h>

#include <accel/model.hpp>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "objects.hpp"

namespace accel::python {

/// Counters of the calls of a model.
struct CallStats {
    std::uint64_t calls = 0;
    std::uint64_t bytes_copied = 0;    ///< of inputs and outputs, between arrays and card memory
    std::uint64_t bytes_in_place = 0;  ///< of inputs and outputs that the card used in place
};

/// Card memory for the inputs and outputs of one call. A place is empty until a call needs it.
struct CallMemory {
    std::vector<StorageRef> inputs;
    std::vector<StorageRef> outputs;
};

/// Memory of outputs that no array uses any more. Arrays give their memory back to it.
struct OutputPool {
    std::vector<std::vector<std::unique_ptr<Storage>>> idle;  // for each output
};

struct ModelObject {
    std::shared_ptr<DeviceState> device;  // null after close()
    std::optional<accel::Model> model;
    CallStats stats;
    std::vector<CallMemory> idle;  // memory of calls that have ended
    std::shared_ptr<OutputPool> pool = std::make_shared<OutputPool>();

    bool open = false;  // calls may have other shapes

    [[nodiscard]] const accel::Model& checked() const;
    void set(accel::Model loaded);
    void close();
};

/// The inputs of a call in the order of `tensors`, those of the model. `named` tells whether names
/// were given.
[[nodiscard]] std::vector<nb::object> order_inputs(std::span<const TensorInfo> tensors,
                                                   const nb::args& positional,
                                                   const nb::kwargs& named_inputs, bool& named);

/// Runs `model`, which is that of `self` for the shapes of the inputs. `out` is none, an array, or a sequence of arrays. Waits without the GIL.
[[nodiscard]] std::vector<nb::object> call_model(ModelObject& self, const accel::Model& model,
                                                 const std::vector<nb::object>& inputs,
                                                 const std::shared_ptr<QueueState>& queue,
                                                 const nb::object& out);

/// Runs the model with a copy of all tensors, as models with host nodes need.
[[nodiscard]] std::vector<nb::object> run_on_copies(ModelObject& self, const accel::Model& model,
                                                    const std::vector<nb::object>& inputs,
                                                    const std::shared_ptr<QueueState>& queue);

/// The inputs as values.
[[nodiscard]] std::vector<TensorData> to_tensors(std::span<const TensorInfo> tensors,
                                                 const std::vector<nb::object>& inputs);

/// The outputs in the form of the arguments: names for names, one array, or a tuple.
[[nodiscard]] nb::object to_result(std::span<const TensorInfo> tensors,
                                   const std::vector<nb::object>& outputs, bool named);

/// A tensor as an array of numpy, by a copy.
[[nodiscard]] nb::object to_array(const TensorData& tensor);

/// "f32[1, 3]".
[[nodiscard]] std::string describe(const TensorInfo& tensor);

}  // namespace accel::python
