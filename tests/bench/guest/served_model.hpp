// SPDX-License-Identifier: Apache-2.0
//
// What the serving benchmark wants of a model: samples, a recorded list for a batch of them, and
// whether the results are right. A model that the project learns to load is another one of these.
#pragma once

#include <accel/accel.hpp>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

namespace accel::bench {

struct ModelFiles {
    std::filesystem::path model;
    std::filesystem::path data;
    std::filesystem::path reference;
};

/// A batch size of a model on a card: its list, and memory for one batch that is in flight.
class ServedBatch {
  public:
    ServedBatch() = default;
    ServedBatch(const ServedBatch&) = delete;
    ServedBatch& operator=(const ServedBatch&) = delete;
    ServedBatch(ServedBatch&&) = delete;
    ServedBatch& operator=(ServedBatch&&) = delete;
    virtual ~ServedBatch() = default;

    /// Puts samples [first, first + batch) where the card reads them.
    virtual void load(std::size_t first) = 0;
    /// One command for all of them. It reads the samples from the host's memory, or from the
    /// card's, where upload() must have put them.
    virtual Job submit(Queue& queue) = 0;
    [[nodiscard]] virtual Copy upload() const = 0;
    /// Of the last finished job: device ticks from its first node's start to its last one's end.
    [[nodiscard]] virtual std::uint64_t device_ticks() const = 0;
    /// Whether the results of the samples loaded last are the reference's, to the bit.
    [[nodiscard]] virtual bool right() const = 0;
};

class ServedModel {
  public:
    ServedModel() = default;
    ServedModel(const ServedModel&) = delete;
    ServedModel& operator=(const ServedModel&) = delete;
    ServedModel(ServedModel&&) = delete;
    ServedModel& operator=(ServedModel&&) = delete;
    virtual ~ServedModel() = default;

    [[nodiscard]] virtual std::size_t samples() const = 0;
    /// `placement`: of the samples that the list reads. The queue serves for the weights only.
    [[nodiscard]] virtual std::unique_ptr<ServedBatch> prepare(const Device& card, Queue& queue,
                                                               std::size_t batch,
                                                               Placement placement) const = 0;

    // What a sample costs the card at the least, for its roofline.
    [[nodiscard]] virtual std::uint64_t bytes_in() const = 0;
    [[nodiscard]] virtual std::uint64_t bytes_out() const = 0;
    [[nodiscard]] virtual std::uint64_t macs() const = 0;
};

/// By the name of its file; throws std::runtime_error for one of a kind that is not known.
[[nodiscard]] std::unique_ptr<ServedModel> load_model(const ModelFiles& files);

}  // namespace accel::bench
