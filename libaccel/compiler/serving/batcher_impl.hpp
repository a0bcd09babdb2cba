// SPDX-License-Identifier: Apache-2.0
//
// The requests, the slots and the timer of a Batcher.
//
// Requests wait in the host. A slot is the host memory of one batch; there are as many as the card
// may have batches. A batch starts when a slot is free, and enough requests wait or the first has
// waited long enough.
//
// Lock order: mutex_, then the locks of requests. Slots are filled and emptied without mutex_.
#pragma once

#include <accel/batcher.hpp>
#include <accel/event_loop.hpp>
#include <accel/request_queue.hpp>

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "serving/batch_sizes.hpp"

namespace accel::compiler {

/// Thread-safety: any thread.
class BatcherImpl final : public detail::RequestOwner,
                          public std::enable_shared_from_this<BatcherImpl> {
  public:
    BatcherImpl(const Device& device, const std::filesystem::path& file,
                const BatcherOptions& options);

    [[nodiscard]] const BatchSizes& models() const { return models_; }
    [[nodiscard]] std::optional<InferenceRequest> submit(std::vector<TensorData> inputs,
                                                         bool block);
    [[nodiscard]] BatcherStats stats() const;

    [[nodiscard]] bool cancel(const Request& request) override;
    [[nodiscard]] bool completes_on_this_thread() const noexcept override;

    /// Cancels all requests.
    void close() noexcept;

    /// Whether this is a child of the process that made it: threads and holders of locks may not
    /// exist here.
    [[nodiscard]] bool in_child() const noexcept { return forks_ != detail::fork_count; }

  private:
    using Clock = std::chrono::steady_clock;

    struct Item {
        Request request;
        std::vector<TensorData> inputs;
        std::shared_ptr<std::vector<TensorData>> outputs;
        Clock::time_point due;  // when it starts even if its batch is not full
        bool alone = false;     // its batch failed: it runs again, by itself
    };
    using Items = std::vector<Item>;
    struct Slot {
        std::vector<Buffer<std::byte>> buffers;  // inputs, then outputs, of the largest batch
        std::vector<std::uint64_t> bytes;        // of a single request
    };

    void check_inputs(const std::vector<TensorData>& inputs) const;
    [[nodiscard]] Slot make_slot(const Device& device) const;

    // Under mutex_.
    [[nodiscard]] Items take_batch();
    void arm_timer();

    void start_batches();
    void start(Slot& slot, Items items);
    void end_batch(Slot& slot, Items& items, const JobResult& result);
    void fetch_outputs(const Slot& slot, Items& items) const;

    const std::uint32_t forks_ = detail::fork_count;
    const BatcherOptions options_;
    BatchSizes models_;
    EventLoop loop_ = EventLoop::with_thread();
    std::deque<Slot> slots_;

    mutable std::mutex mutex_;  // guards the members below
    std::condition_variable has_room_;
    std::optional<RequestQueue> requests_;
    std::deque<Item> waiting_;
    std::vector<Slot*> free_;
    std::optional<Clock::time_point> timer_;
    BatcherStats stats_;
    bool closed_ = false;
};

}  // namespace accel::compiler
