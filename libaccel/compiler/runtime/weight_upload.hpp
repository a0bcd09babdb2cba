// SPDX-License-Identifier: Apache-2.0
//
// What a model has on the card: weights and commands in the card's own memory, so that a run moves
// nothing over the link but its inputs and outputs.
#pragma once

#include <accel/model.hpp>

#include <cstdint>
#include <span>

#include "runtime/compiled_model.hpp"

namespace accel::compiler {

/// The engines that models are compiled for, as bits of DeviceInfo::features.
extern const std::uint64_t needed_features;

/// Throws Error if a card lacks a feature.
void check_card(const DeviceInfo& card, std::uint64_t features);

/// The commands, and the weights: those given, or if `shared` is a dma-buf those that another
/// process has put there, which must be the same.
void place(ModelState& state, std::span<const std::byte> weights, int shared);

/// The weights of a placed model.
[[nodiscard]] std::vector<std::byte> fetch_weights(const ModelState& state);

/// Tells changed bytes from unchanged ones; no defence against someone who means harm.
[[nodiscard]] std::uint64_t fingerprint(std::span<const std::byte> bytes);

}  // namespace accel::compiler
