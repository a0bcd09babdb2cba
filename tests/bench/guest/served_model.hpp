// SPDX-License-Identifier: Apache-2.0
//
// The serving benchmark's interface to a model: its samples, a command list for a batch, and the
// check of the results. Each kind of model implements it.
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

/// One batch size of a model on a card: its command list, and memory for one batch in flight.
class ServedBatch {
  public:
    ServedBatch() = default;
    ServedBatch(const ServedBatch&) = delete;
    ServedBatch& operator=(const ServedBatch&) = delete;
    ServedBatch(ServedBatch&&) = delete;
    ServedBatch& operator=(ServedBatch&&) = delete;
    virtual ~ServedBatch() = default;

    /// Copies the samples [first, first + batch) into the memory that the card reads.
    virtual void load(std::size_t first) = 0;
    /// One command for the whole batch. It reads the samples from host memory, or from device
    /// memory if upload() has copied them there.
    virtual Job submit(Queue& queue) = 0;
    [[nodiscard]] virtual Copy upload() const = 0;
    /// Device ticks of the last complete job: from the start of its first node to the end of its
    /// last one.
    [[nodiscard]] virtual std::uint64_t device_ticks() const = 0;
    /// True if the results of the samples that were loaded last equal the reference, to the bit.
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
    /// `placement` is that of the samples that the list reads. The queue copies only the weights.
    [[nodiscard]] virtual std::unique_ptr<ServedBatch> prepare(const Device& card, Queue& queue,
                                                               std::size_t batch,
                                                               Placement placement) const = 0;

    // The least work of the card for a sample, for the roofline.
    [[nodiscard]] virtual std::uint64_t bytes_in() const = 0;
    [[nodiscard]] virtual std::uint64_t bytes_out() const = 0;
    [[nodiscard]] virtual std::uint64_t macs() const = 0;
};

/// Loads a model; throws std::runtime_error if the file's name has an unknown extension.
[[nodiscard]] std::unique_ptr<ServedModel> load_model(const ModelFiles& files);

}  // namespace accel::bench
