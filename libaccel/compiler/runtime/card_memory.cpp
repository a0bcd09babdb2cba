// SPDX-License-Identifier: Apache-2.0
#include "runtime/card_memory.hpp"

#include "ir/error.hpp"

namespace accel::compiler {

void check_free_memory(const CompiledModel& model, bool uploads, const LargestTensor& largest) {
    const DeviceInfo card = model.device.info();
    const std::uint64_t own = model.shape_weights_offset ? 0 : model.memory.shape_weights;
    const std::uint64_t weights = (uploads ? model.memory.weights : 0) + own;
    const std::uint64_t present = model.scratch->largest();
    const std::uint64_t scratch = model.memory.peak > present ? model.memory.peak : 0;
    if (weights <= card.memory_free && scratch <= card.memory_free - weights) {
        return;
    }
    std::string cause = "it needs " + std::to_string(weights) + " bytes of weights and " +
                        std::to_string(scratch) + " bytes of scratch memory, and " + card.path +
                        " has " + std::to_string(card.memory_free) + " free of " +
                        std::to_string(card.memory_size) + " bytes of device memory";
    if (!largest.node.empty()) {
        cause += "; the largest tensor in scratch memory, " + std::to_string(largest.bytes) +
                 " bytes, is a result of node '" + largest.node + "'";
    }
    throw Refusal(std::errc::no_space_on_device, cause,
                  "use a smaller batch or smaller shapes, release other models and buffers, or use "
                  "a card with more memory");
}

}  // namespace accel::compiler
