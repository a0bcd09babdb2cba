// SPDX-License-Identifier: Apache-2.0
#include "network.hpp"

#include <span>

namespace fashion {

namespace {

// The arguments of a call.
constexpr std::uint32_t arg_images = 0;
constexpr std::uint32_t arg_logits = 1;
constexpr std::uint32_t arg_probabilities = 2;
constexpr std::uint32_t arg_predictions = 3;

accel::Buffer<float> to_card(const accel::Device& card, accel::Queue& queue,
                             std::span<const float> values) {
    auto buffer = card.allocate_device<float>({values.size()});
    accel::upload(card, queue, buffer, values);
    return buffer;
}

accel::CommandList record(const accel::Device& card, accel::Queue& queue, const Model& model,
                          std::uint32_t batch) {
    using accel::argument;
    const auto w1 = to_card(card, queue, model.w1);
    const auto b1 = to_card(card, queue, model.b1);
    const auto w2 = to_card(card, queue, model.w2);
    const auto b2 = to_card(card, queue, model.b2);
    const auto h = card.allocate_device<float>({batch, hidden});

    accel::CommandList list = card.create_command_list(accel::Placement::device);
    list.add(accel::Gemm{.d = h,
                         .a = argument(arg_images),
                         .b = w1,
                         .bias = b1,
                         .m = batch,
                         .n = hidden,
                         .k = pixels,
                         .activation = accel::UnaryOp::relu});
    list.add(accel::Gemm{.d = argument(arg_logits),
                         .a = h,
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

Network::Network(const accel::Device& card, accel::Queue& queue, const Model& model,
                 std::size_t batch)
    : card_(card),
      batch_(batch),
      list_(record(card, queue, model, static_cast<std::uint32_t>(batch))) {}

Slot Network::make_slot() const {
    return {.images = card_.allocate<float>({batch_, pixels}),
            .logits = card_.allocate<float>({batch_, classes}),
            .probabilities = card_.allocate<float>({batch_, classes}),
            .predictions = card_.allocate<std::uint32_t>({batch_})};
}

void Network::add(accel::Batch& batch, const Slot& slot) const {
    batch.add(list_, {slot.images, slot.logits, slot.probabilities, slot.predictions});
}

}  // namespace fashion
