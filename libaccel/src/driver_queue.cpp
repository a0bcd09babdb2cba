// SPDX-License-Identifier: Apache-2.0
//
// The driver's calls for a queue.
#include "driver_queue.hpp"

#include <bit>
#include <chrono>
#include <string>
#include <thread>
#include <utility>

namespace accel::detail {

DriverQueue::DriverQueue(std::shared_ptr<DeviceImpl> device, const QueueOptions& options)
    : spin_ns(options.spin.count()), device_(std::move(device)) {
    const std::uint32_t longest = device_->limits().max_ring_entries;
    if (!std::has_single_bit(options.entries) || options.entries < ACCEL_RING_ENTRIES_MIN ||
        options.entries > longest) {
        throw_invalid("cannot create a queue: QueueOptions::entries must be a power of two from " +
                      std::to_string(ACCEL_RING_ENTRIES_MIN) + " to " + std::to_string(longest) +
                      ", not " + std::to_string(options.entries));
    }
    accel_queue_create argument = {};
    argument.entries = options.entries;
    argument.priority = static_cast<std::uint32_t>(options.priority);
    device_->call(ACCEL_IOCTL_QUEUE_CREATE, argument, "cannot create a queue");
    handle_ = argument.handle;
    open_ = true;
    offsets_ = {
        .queue = argument.address, .queue_bytes = argument.bytes, .doorbell = argument.doorbell};
}

void DriverQueue::destroy() noexcept {
    if (std::exchange(open_, false)) {
        // It fails only if the card is gone or was reset, and then there is nothing to undo.
        accel_queue_destroy argument = {.size = 0, .handle = handle_};
        static_cast<void>(device_->try_call(ACCEL_IOCTL_QUEUE_DESTROY, argument));
    }
}

int DriverQueue::wait(std::uint64_t sequence, Deadline deadline) const noexcept {
    accel_queue_wait argument = {};
    argument.handle = handle_;
    argument.sequence = sequence;
    argument.deadline = deadline;
    return device_->try_call(ACCEL_IOCTL_QUEUE_WAIT, argument);
}

int DriverQueue::notify(std::uint64_t sequence) const noexcept {
    accel_queue_notify argument = {};
    argument.handle = handle_;
    argument.sequence = sequence;
    return device_->try_call(ACCEL_IOCTL_QUEUE_NOTIFY, argument);
}

int DriverQueue::reset() noexcept {
    for (;;) {
        accel_queue_reset argument = {.size = 0, .handle = handle_};
        if (const int error = device_->try_call(ACCEL_IOCTL_QUEUE_RESET, argument); error != 0) {
            return error;
        }
        for (int i = 0; calls_.load(std::memory_order_seq_cst) != 0; ++i) {
            constexpr int patience = 100;
            if (i == patience) {
                break;
            }
            std::this_thread::sleep_for(std::chrono::microseconds(100));
        }
        if (calls_.load(std::memory_order_seq_cst) == 0) {
            return 0;
        }
    }
}

void DriverQueue::close() noexcept {
    if (calls_.load(std::memory_order_seq_cst) != 0) {
        static_cast<void>(reset());
    }
    destroy();
}

accel_queue_query DriverQueue::query() const {
    accel_queue_query argument = {};
    argument.handle = handle_;
    device_->call(ACCEL_IOCTL_QUEUE_QUERY, argument, "cannot query the state of a queue");
    return argument;
}

std::optional<CardFailure> DriverQueue::failure() const {
    const accel_queue_query raw = query();
    if (raw.state != ACCEL_QUEUE_ERROR) {
        return std::nullopt;
    }
    return to_failure(raw);
}

}  // namespace accel::detail
