// SPDX-License-Identifier: Apache-2.0
//
// Recording the network: two matrix products, softmax and argmax.
#include "network.hpp"

#include <span>

namespace fashion {

namespace {

// The arguments of a call of the list.
constexpr std::uint32_t arg_images = 0;
constexpr std::uint32_t arg_logits = 1;
constexpr std::uint32_t arg_probabilities = 2;
constexpr std::uint32_t arg_predictions = 3;

accel::Buffer<float> upload_to_new_buffer(const accel::Device& card, accel::Queue& queue,
                                          std::span<const float> values) {
    auto buffer = card.allocate_device<float>({values.size()});
    accel::upload(card, queue, buffer, values);
    return buffer;
}

accel::CommandList record(const accel::Device& card, accel::Queue& queue, const MlpWeights& weights,
                          std::uint32_t batch) {
    using accel::argument;
    const auto w1 = upload_to_new_buffer(card, queue, weights.w1);
    const auto b1 = upload_to_new_buffer(card, queue, weights.b1);
    const auto w2 = upload_to_new_buffer(card, queue, weights.w2);
    const auto b2 = upload_to_new_buffer(card, queue, weights.b2);
    const auto hidden_layer = card.allocate_device<float>({batch, hidden});

    accel::CommandList list = card.create_command_list(accel::Placement::device);
    list.add(accel::Gemm{.d = hidden_layer,
                         .a = argument(arg_images),
                         .b = w1,
                         .bias = b1,
                         .m = batch,
                         .n = hidden,
                         .k = pixels,
                         .activation = accel::UnaryOp::relu});
    list.add(accel::Gemm{.d = argument(arg_logits),
                         .a = hidden_layer,
                         .b = w2,
                         .bias = b2,
                         .m = batch,
                         .n = classes,
                         .k = hidden});
    list.add(accel::Softmax{.dst = argument(arg_probabilities),
                            .src = argument(arg_logits),
                            .outer = batch,
                            .n = classes});
    list.add(accel::Reduce{.op = accel::ReduceOp::argmax,
                           .dst = argument(arg_predictions),
                           .src = argument(arg_probabilities),
                           .outer = batch,
                           .n = classes});
    list.close();
    return list;
}

}  // namespace

Network::Network(const accel::Device& card, accel::Queue& queue, const MlpWeights& weights,
                 std::size_t batch)
    : card_(card),
      batch_(batch),
      list_(record(card, queue, weights, static_cast<std::uint32_t>(batch))) {}

JobBuffers Network::make_buffers() const {
    return {.images = card_.allocate<float>({batch_, pixels}),
            .logits = card_.allocate<float>({batch_, classes}),
            .probabilities = card_.allocate<float>({batch_, classes}),
            .predictions = card_.allocate<std::uint32_t>({batch_})};
}

void Network::add(accel::Batch& batch, const JobBuffers& buffers) const {
    batch.add(list_, {buffers.images, buffers.logits, buffers.probabilities, buffers.predictions});
}

}  // namespace fashion
