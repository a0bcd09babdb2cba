// SPDX-License-Identifier: Apache-2.0
//
// The memory that a model needs on the card.
#pragma once

#include <cstdint>
#include <string>

#include "runtime/compiled_model.hpp"

namespace accel::compiler {

/// The largest tensor in the scratch memory of a model. An empty node: not known.
struct LargestTensor {
    std::uint64_t bytes = 0;
    std::string node = {};
};

/// Throws if the card has too little free memory for the scratch memory of a model and, if
/// `uploads` is set, its weights. The error has all figures.
void check_free_memory(const CompiledModel& model, bool uploads, const LargestTensor& largest);

}  // namespace accel::compiler
