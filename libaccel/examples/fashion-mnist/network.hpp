// SPDX-License-Identifier: Apache-2.0
//
// The network on the card: weights in device memory, the whole of it recorded as one list, so that
// a batch of images is one 64-byte command.
#pragma once

#include <accel/accel.hpp>
#include <cstddef>
#include <cstdint>

#include "model.hpp"

namespace fashion {

/// What one job reads and writes; several, so that one can be filled while others are worked on.
struct Slot {
    accel::Buffer<float> images;               // batch x pixels
    accel::Buffer<float> logits;               // batch x classes
    accel::Buffer<float> probabilities;        // batch x classes
    accel::Buffer<std::uint32_t> predictions;  // batch
};

class Network {
  public:
    /// Uploads the weights and records the list. Waits until that is done.
    Network(const accel::Device& card, accel::Queue& queue, const Model& model, std::size_t batch);

    [[nodiscard]] std::size_t batch() const noexcept { return batch_; }
    [[nodiscard]] Slot make_slot() const;

    /// Adds one command for one slot. Only to batches of the queue it was made with: the calls
    /// share the hidden layer's memory, and it is the queue's order that keeps them apart.
    void add(accel::Batch& batch, const Slot& slot) const;

  private:
    const accel::Device& card_;
    std::size_t batch_;
    accel::CommandList list_;
};

}  // namespace fashion
