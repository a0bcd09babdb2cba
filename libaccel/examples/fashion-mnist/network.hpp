// SPDX-License-Identifier: Apache-2.0
//
// The network on the card. Its weights are in device memory, and it is recorded as one command
// list: a batch of images is one 64-byte command.
#pragma once

#include <accel/accel.hpp>
#include <cstddef>
#include <cstdint>

#include "weights.hpp"

namespace fashion {

/// The input and the outputs of one job. Each job in flight has its own.
struct JobBuffers {
    accel::Buffer<float> images;               // batch x pixels
    accel::Buffer<float> logits;               // batch x classes
    accel::Buffer<float> probabilities;        // batch x classes
    accel::Buffer<std::uint32_t> predictions;  // batch
};

class Network {
  public:
    /// Uploads the weights, waits for that, and records the list.
    Network(const accel::Device& card, accel::Queue& queue, const MlpWeights& weights,
            std::size_t batch);

    [[nodiscard]] std::size_t batch() const noexcept { return batch_; }
    [[nodiscard]] JobBuffers make_buffers() const;

    /// Adds the command for one job. The batch must be of the queue of the constructor: all calls
    /// use the same memory for the hidden layer, and only the order of one queue keeps them apart.
    void add(accel::Batch& batch, const JobBuffers& buffers) const;

  private:
    const accel::Device& card_;
    std::size_t batch_;
    accel::CommandList list_;
};

}  // namespace fashion
