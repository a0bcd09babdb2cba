// SPDX-License-Identifier: Apache-2.0
//
// The driver's calls for a queue.
#include "driver_queue.hpp"

#include <array>
#include <bit>
#include <chrono>
#include <limits>
#include <string>
#include <thread>
#include <utility>

#include "quota.hpp"

namespace accel::detail {

Reason reason_of(CardStatus status) noexcept {
    switch (status) {
        case CardStatus::time_limit:
            return Reason::time_limit;
        case CardStatus::no_progress:
            return Reason::no_progress;
        case CardStatus::aborted:
            return Reason::stopped;
        default:
            return Reason::error;
    }
}

namespace {

std::uint32_t to_time_limit(Duration limit) {
    const auto ms = std::chrono::ceil<std::chrono::milliseconds>(limit.nanoseconds()).count();
    if (ms < 0 || ms > std::numeric_limits<std::uint32_t>::max()) {
        throw_invalid("cannot create a queue: QueueOptions::time_limit must be 0 to " +
                      std::to_string(std::numeric_limits<std::uint32_t>::max()) + " ms, not " +
                      std::to_string(ms) + " ms; 0 stands for the limit of the card");
    }
    return static_cast<std::uint32_t>(ms);
}

const char* name_of(Priority priority) {
    constexpr std::array names{"low", "normal", "high", "urgent"};
    return names.at(static_cast<std::size_t>(priority));
}

// Names the option that the driver refused, as far as the current limits tell it.
[[noreturn]] void throw_refused(const DeviceImpl& device, const QueueOptions& options,
                                std::uint32_t time_limit_ms, int error) {
    const std::string failed = "cannot create a queue on " + device.path();
    if (error != EPERM && error != EINVAL) {
        detail::throw_refused(device, Resource::queues, 1, error, failed);
    }
    const DeviceInfo info = device.query();
    if (error == EPERM && options.priority > info.max_priority) {
        throw Error(std::errc::operation_not_permitted,
                    failed + ": QueueOptions::priority is " + name_of(options.priority) +
                        ", and this user may choose at most " + name_of(info.max_priority) +
                        ": choose a lower one, run the program with CAP_SYS_NICE, or raise "
                        "quota/priority of the card in sysfs");
    }
    if (error == EINVAL && info.time_limit && time_limit_ms > info.time_limit->count()) {
        throw_invalid(failed + ": QueueOptions::time_limit is " + std::to_string(time_limit_ms) +
                      " ms, and the limit of the card is " +
                      std::to_string(info.time_limit->count()) +
                      " ms: choose a lower one, or raise time_limit_ms of the card in sysfs");
    }
    device.throw_call_error(error, failed);
}

}  // namespace

DriverQueue::DriverQueue(std::shared_ptr<DeviceImpl> device, const QueueOptions& options)
    : spin_ns(options.spin.nanoseconds().count()), device_(std::move(device)) {
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
    argument.time_limit_ms = to_time_limit(options.time_limit);
    if (const int error = device_->try_call(ACCEL_IOCTL_QUEUE_CREATE, argument); error != 0) {
        throw_refused(*device_, options, argument.time_limit_ms, error);
    }
    time_limit_ms_ = argument.time_limit_ms;
    if (time_limit_ms_ == 0 && device_->limits().time_limit) {
        time_limit_ms_ = static_cast<std::uint32_t>(device_->limits().time_limit->count());
    }
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
    CardFailure failure = to_failure(raw);
    if (raw.reason != ACCEL_REASON_NONE) {
        failure.reason = static_cast<Reason>(raw.reason);
    }
    return failure;
}

}  // namespace accel::detail
