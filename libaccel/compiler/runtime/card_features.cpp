// SPDX-License-Identifier: Apache-2.0
#include "runtime/card_features.hpp"

#include <accel_hw.h>

#include <accel/error.hpp>

#include <algorithm>
#include <initializer_list>
#include <string>

#include "ir/tensor.hpp"

namespace accel::compiler {

namespace {

std::uint64_t needed_features(const AnyCommand& command) {
    if (std::holds_alternative<Attention>(command)) {
        return ACCEL_FEATURE_ATTENTION;
    }
    if (std::holds_alternative<Scatter>(command)) {
        return ACCEL_FEATURE_TENSOR_SCATTER;
    }
    if (const auto* const pool = std::get_if<Pool>(&command)) {
        return pool->type == DataType::f32 ? 0 : ACCEL_FEATURE_SMALL_TYPES;
    }
    if (begins_region(command) || std::holds_alternative<SetArgument>(command)) {
        return ACCEL_FEATURE_LOOPS;
    }
    const auto* const x = std::get_if<Elementwise>(&command);
    const bool small =
        x != nullptr && std::ranges::any_of(std::initializer_list<DataType>{x->dst_type, x->a_type,
                                                                            x->b_type, x->c_type},
                                            is_small);
    return small ? ACCEL_FEATURE_SMALL_TYPES : 0;
}

}  // namespace

std::uint64_t needed_features(const CommandPlan& plan) {
    std::uint64_t features =
        ACCEL_FEATURE_CALL | ACCEL_FEATURE_F32 | ACCEL_FEATURE_IMAGE | ACCEL_FEATURE_TENSOR;
    for (const CommandTemplate& planned : plan.commands) {
        features |= needed_features(planned.command);
    }
    return features;
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
