// SPDX-License-Identifier: Apache-2.0
//
// The example's network as a served model.
#include "served_model.hpp"

#include <algorithm>
#include <stdexcept>
#include <vector>

#include "dataset.hpp"
#include "weights.hpp"

namespace accel::bench {

namespace {

using fashion::classes;
using fashion::hidden;
using fashion::pixels;

struct Network {
    fashion::MlpWeights weights;
    std::vector<float> images;
    std::vector<float> logits;  // reference
};

class FashionBatch final : public ServedBatch {
  public:
    FashionBatch(const Device& card, Queue& queue, const Network& network, std::size_t batch,
                 Placement placement)
        : network_(network),
          batch_(batch),
          images_(card.allocate<float>({batch, pixels})),
          input_(placement == Placement::host ? images_.alias()
                                              : card.allocate_device<float>({batch, pixels})),
          logits_(card.allocate<float>({batch, classes})),
          predictions_(card.allocate<std::uint32_t>({batch})),
          records_(card.allocate<CompletionRecord>({2})),
          list_(record(card, queue)) {}

    void load(std::size_t first) override {
        first_ = first;
        std::copy_n(network_.images.begin() + static_cast<std::ptrdiff_t>(first * pixels),
                    batch_ * pixels, images_.begin());
    }
    Job submit(Queue& queue) override {
        return queue.submit(list_, {input_, logits_, predictions_});
    }
    [[nodiscard]] Copy upload() const override { return copy(input_, images_); }
    [[nodiscard]] std::uint64_t device_ticks() const override {
        return records_[1].end - records_[0].start;
    }
    [[nodiscard]] bool right() const override {
        return std::equal(logits_.begin(), logits_.end(),
                          network_.logits.begin() + static_cast<std::ptrdiff_t>(first_ * classes));
    }

  private:
    static Buffer<float> to_card(const Device& card, Queue& queue, std::span<const float> values) {
        auto buffer = card.allocate_device<float>({values.size()});
        accel::upload(card, queue, buffer, values);
        return buffer;
    }
    CommandList record(const Device& card, Queue& queue) {
        const fashion::MlpWeights& w = network_.weights;
        const auto m = static_cast<std::uint32_t>(batch_);
        const auto w1 = to_card(card, queue, w.w1);
        const auto b1 = to_card(card, queue, w.b1);
        const auto w2 = to_card(card, queue, w.w2);
        const auto b2 = to_card(card, queue, w.b2);
        const auto h = card.allocate_device<float>({batch_, hidden});
        CommandList list = card.create_command_list(Placement::device);
        list.add(Command(Gemm{.d = h,
                              .a = argument(0),
                              .b = w1,
                              .bias = b1,
                              .m = m,
                              .n = hidden,
                              .k = pixels,
                              .activation = UnaryOp::relu})
                     .with_record(records_.slice(0, 1)));
        list.add(
            Gemm{.d = argument(1), .a = h, .b = w2, .bias = b2, .m = m, .n = classes, .k = hidden});
        list.add(Command(Reduce{.op = ReduceOp::argmax,
                                .dst = argument(2),
                                .src = argument(1),
                                .outer = m,
                                .n = classes})
                     .with_record(records_.slice(1, 1)));
        list.close();
        return list;
    }

    const Network& network_;
    std::size_t batch_;
    std::size_t first_ = 0;
    Buffer<float> images_;
    Buffer<float> input_;
    Buffer<float> logits_;
    Buffer<std::uint32_t> predictions_;
    Buffer<CompletionRecord> records_;
    CommandList list_;
};

class FashionModel final : public ServedModel {
  public:
    explicit FashionModel(const ModelFiles& files) {
        network_.weights = fashion::load_weights(files.model);
        const fashion::Dataset set = fashion::load_dataset(files.data, "t10k");
        network_.images.resize(set.size() * pixels);
        for (std::size_t i = 0; i < set.size(); ++i) {
            fashion::decode(set.image(i), std::span(network_.images).subspan(i * pixels, pixels));
        }
        network_.logits = fashion::load_logits(files.reference, set.size());
        samples_ = set.size();
    }
    [[nodiscard]] std::size_t samples() const override { return samples_; }
    [[nodiscard]] std::unique_ptr<ServedBatch> prepare(const Device& card, Queue& queue,
                                                       std::size_t batch,
                                                       Placement placement) const override {
        return std::make_unique<FashionBatch>(card, queue, network_, batch, placement);
    }
    [[nodiscard]] std::uint64_t bytes_in() const override { return pixels * sizeof(float); }
    [[nodiscard]] std::uint64_t bytes_out() const override {
        return classes * sizeof(float) + sizeof(std::uint32_t);
    }
    [[nodiscard]] std::uint64_t macs() const override { return pixels * hidden + hidden * classes; }

  private:
    Network network_;
    std::size_t samples_ = 0;
};

}  // namespace

std::unique_ptr<ServedModel> load_model(const ModelFiles& files) {
    if (files.model.extension() == ".model") {
        return std::make_unique<FashionModel>(files);
    }
    throw std::runtime_error(files.model.string() +
                             ": this kind of model cannot be served: give a .model of the "
                             "fashion-mnist example");
}

}  // namespace accel::bench
