// SPDX-License-Identifier: Apache-2.0
//
// Dynamic batching: many threads submit single requests, and the card runs them in batches.
#pragma once

#include <accel/duration.hpp>
#include <accel/model.hpp>
#include <accel/request.hpp>
#include <accel/tensor.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace accel {

namespace compiler {
class BatcherImpl;
}

struct BatcherOptions {
    /// The most requests in a batch. At least 1.
    std::size_t max_batch = 8;
    /// The longest time that a request waits for others to join its batch, while the card has room.
    /// Zero: a request joins only those that wait already.
    Duration max_delay = std::chrono::milliseconds(1);
    /// Requests that wait; submit() waits when there are more. At least 1.
    std::size_t max_waiting = 256;
    /// Batches that the card has at a time. At least 1.
    std::size_t in_flight = 2;
    /// The sizes for which the model is compiled. A batch runs with the smallest that holds it, and
    /// the rest of it is idle. Empty: the powers of two below max_batch, and max_batch.
    std::vector<std::size_t> batch_sizes = {};
    /// How the model is loaded. `batch` has no effect.
    LoadOptions load = {};
    QueueOptions queue = {};
};

struct BatcherStats {
    std::uint64_t requests = 0;  ///< that the card ran
    std::uint64_t batches = 0;   ///< that the card ran, with those of a single request
    std::uint64_t weights = 0;   ///< bytes on the card for all batch sizes together
};

/// A Request with the outputs of the model.
class ACCEL_API InferenceRequest : public Request {
  public:
    InferenceRequest() = default;  ///< no request

    /// Waits as Request::wait() does and throws the same; returns the outputs. Call it once: the
    /// outputs are moved out.
    [[nodiscard]] std::vector<TensorData> get();

  private:
    friend class compiler::BatcherImpl;
    InferenceRequest(const Request& request, std::shared_ptr<std::vector<TensorData>> outputs)
        : Request(request), outputs_(std::move(outputs)) {}

    std::shared_ptr<std::vector<TensorData>> outputs_;
};

/// Runs a model for single requests, which it joins into batches. A batch starts when it is
/// full, when its first request has waited for max_delay, or later when the card has no room. The
/// model is compiled for several batch sizes; its weights are on the card once.
///
/// A request has the inputs of the model with a first dimension of 1, and gets outputs of the same
/// kind. A request with wrong inputs is refused alone. When the job of a batch fails, its requests
/// run again one by one, so that only those with bad values get the Error. The destructor cancels
/// requests that are not over. Move-only; keeps its device open.
///
/// Thread-safety: every member from any thread.
class ACCEL_API Batcher {
  public:
    /// Loads an ONNX file. Throws Error like Model::load() and Device::create_queue(), and
    /// Error(invalid_argument) for a model whose inputs and outputs do not grow with the batch, or
    /// an option out of range.
    Batcher(const Device& device, const std::filesystem::path& file,
            const BatcherOptions& options = {});

    Batcher(Batcher&&) noexcept;
    Batcher& operator=(Batcher&&) noexcept;
    Batcher(const Batcher&) = delete;
    Batcher& operator=(const Batcher&) = delete;
    ~Batcher();

    /// The inputs and outputs of one request; their first dimension is 1.
    [[nodiscard]] std::span<const TensorInfo> inputs() const;
    [[nodiscard]] std::span<const TensorInfo> outputs() const;

    /// Accepts a request; waits while max_waiting requests wait. Throws Error(invalid_argument) for
    /// inputs of another number, type or shape.
    InferenceRequest submit(std::vector<TensorData> inputs);

    /// Like submit(), but returns nothing when max_waiting requests wait.
    [[nodiscard]] std::optional<InferenceRequest> try_submit(std::vector<TensorData> inputs);

    [[nodiscard]] BatcherStats stats() const;

  private:
    void close() noexcept;

    std::shared_ptr<compiler::BatcherImpl> impl_;
};

}  // namespace accel
