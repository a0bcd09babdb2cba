// SPDX-License-Identifier: Apache-2.0
#include "runtime/card_features.hpp"

#include <accel_hw.h>

#include <accel/error.hpp>

#include <algorithm>
#include <string>

namespace accel::compiler {

std::uint64_t needed_features(const std::vector<ModelCommand>& commands) {
    constexpr std::uint64_t always =
        ACCEL_FEATURE_CALL | ACCEL_FEATURE_F32 | ACCEL_FEATURE_IMAGE | ACCEL_FEATURE_TENSOR;
    const bool scatters =
        std::ranges::find(commands, "SCATTER", &ModelCommand::command) != commands.end();
    return always | (scatters ? ACCEL_FEATURE_TENSOR_SCATTER : 0);
}

void check_card(const DeviceInfo& card, std::uint64_t features) {
    if ((card.features & features) != features) {
        throw Error(std::errc::not_supported,
                    card.path + " lacks engines that the model needs (its feature bits are " +
                        std::to_string(card.features) + ", and the model needs " +
                        std::to_string(features) + "): use a newer card");
    }
}

}  // namespace accel::compiler
