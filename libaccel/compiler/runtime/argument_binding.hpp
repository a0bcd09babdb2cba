// SPDX-License-Identifier: Apache-2.0
//
// Arguments of a run: by name, and as tensors in the memory of the caller.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "runtime/compiled_model.hpp"

namespace accel::compiler {

/// The arguments for these tensors, in their order. Throws if one is missing. Subtracts the number
/// of tensors from `unused`.
template <typename T>
std::vector<T> order_by_name(std::span<const TensorInfo> tensors,
                             const std::map<std::string, T>& arguments, std::size_t& unused) {
    std::vector<T> result;
    for (const TensorInfo& tensor : tensors) {
        const auto found = arguments.find(tensor.name);
        if (found == arguments.end()) {
            throw Error(std::errc::invalid_argument,
                        "there is no argument for '" + tensor.name + "': give all tensors by name");
        }
        result.push_back(found->second);
        --unused;
    }
    return result;
}

[[noreturn]] void throw_unknown_name(const Model& model);

/// Names the inputs and outputs in the errors of a submission of a list of the model. `ports` are
/// those of the list, in the order of its arguments.
void name_arguments(const CompiledModel& model, std::span<const std::uint32_t> ports,
                    CommandList& list);

/// Buffers for the inputs and outputs of a run.
struct Bindings {
    std::vector<Buffer<std::byte>> buffers;
    std::vector<Operand> operands;
};

/// Copies the inputs to buffers. Throws if their types or shapes are not those of the model.
[[nodiscard]] Bindings bind_arguments(const CompiledModel& model,
                                      std::span<const TensorData> inputs);

/// Copies the outputs of the commands, once the commands have run.
[[nodiscard]] std::vector<TensorData> fetch_outputs(const CompiledModel& model,
                                                    const Bindings& bindings);

}  // namespace accel::compiler
