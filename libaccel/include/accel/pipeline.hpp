// SPDX-License-Identifier: Apache-2.0
//
// A pipeline of three stages: items are uploaded, computed and downloaded at the same time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "accel/command.hpp"
#include "accel/device.hpp"
#include "accel/duration.hpp"
#include "accel/job.hpp"
#include "accel/queue.hpp"
#include "accel/unique_function.hpp"
#include "accel/visibility.hpp"

namespace accel {

struct PipelineOptions {
    /// The size of each input and of each output of an item, in bytes.
    std::vector<std::uint64_t> inputs = {};
    std::vector<std::uint64_t> outputs = {};
    /// Items in device memory at a time: 2 is double buffering, 1 runs one stage at a time. More
    /// helps when the stages of single items take different times. At least 1.
    std::size_t depth = 2;
    /// The most commands that the function of an item submits.
    std::uint32_t commands = 1;
    /// Priority, spin time and time limit of the three queues; the pipeline chooses `entries`.
    QueueOptions queue = {};
};

/// Sends items through the card. While one is computed, the next is uploaded and the one before is
/// downloaded, each by a queue of its own; semaphores on the card order them, so that no thread of
/// the host takes part. Inputs and outputs of an item are in host memory; the pipeline has
/// `depth` copies of them in device memory.
///
///     accel::Pipeline pipeline(card, {.inputs = {in_bytes}, .outputs = {out_bytes}},
///                              [&](accel::Queue& queue, std::span<const accel::Operand> args) {
///                                  return model.submit(queue, args);
///                              });
///     for (...) { pipeline.submit({in[i]}, {out[i]}); }
///     pipeline.synchronize();
///
/// A failure in one stage stops the pipeline: every item that is not finished, and every later
/// call, throws the Error, until reset(). No item uses its buffers any more then. The destructor
/// cancels items that are not finished. Move-only; keeps its device open.
///
/// Thread-safety: one thread at a time; the caller serializes.
class ACCEL_API Pipeline {
  public:
    /// Submits the commands of an item, and returns the last job. The operands are the inputs and
    /// then the outputs, in device memory.
    using Compute = UniqueFunction<Job(Queue&, std::span<const Operand>)>;

    /// Throws Error like Device::create_queue() and allocate_device(), and Error(invalid_argument)
    /// for an option out of range.
    Pipeline(const Device& device, const PipelineOptions& options, Compute compute);

    Pipeline(Pipeline&&) noexcept;
    Pipeline& operator=(Pipeline&&) noexcept;
    Pipeline(const Pipeline&) = delete;
    Pipeline& operator=(const Pipeline&) = delete;
    ~Pipeline();

    /// How many items for each unit of PipelineOptions::depth may be unfinished.
    static constexpr std::size_t items_per_slot = 4;

    /// Submits an item and returns its number, counted from 1. Operands that are buffers live until
    /// the item is finished. Waits while items_per_slot * depth items are not finished.
    std::uint64_t submit(std::span<const Operand> inputs, std::span<const Operand> outputs);
    std::uint64_t submit(std::initializer_list<Operand> inputs,
                         std::initializer_list<Operand> outputs) {
        return submit(std::span(inputs.begin(), inputs.size()),
                      std::span(outputs.begin(), outputs.size()));
    }

    /// Whether the item is finished: its outputs are in host memory.
    [[nodiscard]] bool done(std::uint64_t item) const;

    /// Waits until the item, and with it all before it, is finished.
    void wait(std::uint64_t item);
    [[nodiscard]] WaitResult wait(std::uint64_t item, Duration timeout);

    /// Waits until all items are finished.
    void synchronize();

    /// Cancels items that are not finished and restarts, also after an error.
    void reset();

  private:
    struct ACCEL_LOCAL Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace accel
