// SPDX-License-Identifier: Apache-2.0
//
// The hot path: room, slot, tail, doorbell.
#include "queue_impl.hpp"

#include <accel_uapi.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cstring>
#include <string>
#include <thread>
#include <utility>

#include "epoch.hpp"
#include "fence.hpp"
#include "memory.hpp"

namespace accel::detail {

namespace {

// Room for the arguments of the longest call, and for any parameter block.
constexpr std::size_t block_bytes = ACCEL_CALL_ARGS_MAX * sizeof(std::uint64_t);
static_assert(block_bytes >= CommandAccess::max_params);

}  // namespace

struct QueueImpl::Created {
    std::uint32_t handle;
    std::uint64_t address;
    std::uint64_t bytes;
    std::uint64_t doorbell;
};

void QueueImpl::Handle::destroy() noexcept {
    if (device_ != nullptr) {
        // It fails only if the card is gone or was reset, and then there is nothing to undo.
        accel_queue_destroy argument = {.size = 0, .handle = value_};
        static_cast<void>(device_->try_call(ACCEL_IOCTL_QUEUE_DESTROY, argument));
        device_ = nullptr;
    }
}

std::shared_ptr<Epoch> QueueImpl::create(const std::shared_ptr<DeviceImpl>& device,
                                         const QueueOptions& options) {
    return std::make_shared<Epoch>(std::make_shared<QueueImpl>(device, options));
}

std::shared_ptr<Epoch> QueueImpl::next_epoch(const Epoch& epoch) {
    return std::make_shared<Epoch>(epoch.shared_queue());
}

QueueImpl::Created QueueImpl::create_handle(const DeviceImpl& device, const QueueOptions& options) {
    const std::uint32_t longest = device.limits().ring_entries;
    if (!std::has_single_bit(options.entries) || options.entries < ACCEL_RING_ENTRIES_MIN ||
        options.entries > longest) {
        throw_invalid("QueueOptions::entries is a power of two from " +
                      std::to_string(ACCEL_RING_ENTRIES_MIN) + " to " + std::to_string(longest) +
                      ", not " + std::to_string(options.entries));
    }
    accel_queue_create argument = {};
    argument.entries = options.entries;
    argument.priority = static_cast<std::uint32_t>(options.priority);
    device.call(ACCEL_IOCTL_QUEUE_CREATE, argument, "cannot create a queue");
    return {argument.handle, argument.address, argument.bytes, argument.doorbell};
}

QueueImpl::QueueImpl(const std::shared_ptr<DeviceImpl>& device, const QueueOptions& options)
    : QueueImpl(device, options, create_handle(*device, options)) {}

QueueImpl::QueueImpl(std::shared_ptr<DeviceImpl> device, const QueueOptions& options,
                     const Created& created)
    : spin_ns(options.spin.count()),
      device_(std::move(device)),
      handle_(*device_, created.handle),
      entries_(options.entries),
      queue_mapping_(*device_, created.address, created.bytes, "cannot map a queue"),
      doorbell_mapping_(*device_, created.doorbell, ACCEL_DOORBELL_STRIDE, "cannot map a doorbell"),
      status_(static_cast<accel_queue_status*>(queue_mapping_.data())),
      ring_(reinterpret_cast<accel_command*>(static_cast<std::byte*>(queue_mapping_.data()) +
                                             ACCEL_QUEUE_RING_OFFSET)) {
    const Lanes::Place place = device_->lanes().join(*this);
    lane_ = place.lane;
    base_.store(place.base, std::memory_order_relaxed);
    joined_ = true;
}

QueueImpl::~QueueImpl() {
    leave();
}

void QueueImpl::leave() noexcept {
    if (std::exchange(joined_, false)) {
        device_->lanes().leave(lane_, base_ + staged_);
        limbo_.release(0, 0);
    }
}

// ---- Producer ----

void QueueImpl::check_open(const Epoch& epoch) const {
    if (epoch.ended()) {
        throw_errno(ECANCELED, "cannot submit to a queue that has ended");
    }
}

bool QueueImpl::make_room(Epoch& epoch, std::uint64_t sequence, bool block) {
    finished_ = finished();
    reap();
    if (has_room(sequence)) {
        return true;
    }
    if (sequence - published() > entries_) {
        throw_invalid("a batch is not longer than its ring of " + std::to_string(entries_) +
                      " commands: submit it in parts, or make a queue with more entries");
    }
    if (!block) {
        return false;
    }
    static_cast<void>(epoch.wait(sequence - entries_, no_deadline));
    finished_ = finished();
    return true;
}

std::span<std::byte> QueueImpl::block_of(std::uint64_t sequence, std::uint64_t* address) {
    if (!blocks_.owner) {
        blocks_ = allocate(device_, std::uint64_t{entries_} * block_bytes,
                           {.placement = Placement::host, .access = Access::read});
    }
    const std::size_t offset = slot(sequence) * block_bytes;
    *address = blocks_.address + offset;
    return {static_cast<std::byte*>(blocks_.data) + offset, block_bytes};
}

// Says why a command is not taken.
void QueueImpl::refuse(const Epoch& epoch, const Command& command) const {
    check_open(epoch);
    for (const auto& use : CommandAccess::uses(command)) {
        check_space(use.operand, device_.get());
    }
    throw_invalid(
        "argument() stands for an argument of a call: record the command in a CommandList and "
        "submit "
        "that");
}

std::uint64_t QueueImpl::stage(Epoch& epoch, const Command& command, bool block) {
    if (epoch.ended() || !CommandAccess::fits(command, device_.get())) [[unlikely]] {
        refuse(epoch, command);
    }
    const std::uint64_t sequence = staged_.load(std::memory_order_relaxed) + 1;
    if (!has_room(sequence) && !make_room(epoch, sequence, block)) [[unlikely]] {
        return 0;
    }
    accel_command raw;
    std::memcpy(&raw, CommandAccess::words(command).data(), sizeof(raw));
    if (const auto params = CommandAccess::params(command); !params.empty()) {
        std::uint64_t address = 0;
        std::copy(params.begin(), params.end(), block_of(sequence, &address).begin());
        raw.tensor.params = address;
    }
    std::memcpy(&ring_[slot(sequence)], &raw, sizeof(raw));
    use_resources(command, sequence);
    staged_.store(sequence, std::memory_order_relaxed);
    return sequence;
}

std::uint64_t QueueImpl::stage(Epoch& epoch, const std::shared_ptr<ListImpl>& list,
                               std::span<const Operand> arguments, bool block) {
    check_open(epoch);
    if (!list->closed()) {
        throw_invalid("the list is not closed: call CommandList::close() when it is recorded");
    }
    if (list->device() != device_) {
        throw_invalid("the list belongs to another device than the queue");
    }
    if (arguments.size() != list->arguments()) {
        throw_invalid("the list takes " + std::to_string(list->arguments()) + " arguments, not " +
                      std::to_string(arguments.size()));
    }
    for (std::uint32_t i = 0; i < arguments.size(); ++i) {
        const Operand& argument = arguments[i];
        if (CommandAccess::kind(argument) == CommandAccess::Kind::argument) {
            throw_invalid("an argument of a call is a buffer or an address, not argument()");
        }
        check_space(argument, device_.get());
        if (list->need(i).access != Access{}) {  // else the list does not use it
            check_operand(argument, list->need(i), Name(i));
        }
    }
    const std::uint64_t sequence = staged_.load(std::memory_order_relaxed) + 1;
    if (!has_room(sequence) && !make_room(epoch, sequence, block)) {
        return 0;
    }
    accel_command raw = {};
    raw.opcode = ACCEL_OP_CALL;
    raw.call.list = list->address();
    raw.call.count = list->size();
    raw.call.arguments = static_cast<std::uint32_t>(arguments.size());
    __le64* args = raw.call.args;
    if (arguments.size() > ACCEL_CALL_ARGS_INLINE) {
        raw.variant = ACCEL_CALL_INDIRECT;
        std::uint64_t address = 0;
        args = reinterpret_cast<__le64*>(block_of(sequence, &address).data());
        raw.call.args[0] = address;
    }
    const Position position = base_.load(std::memory_order_relaxed) + sequence;
    list->use(lane_, position);
    for (const Operand& argument : arguments) {
        *args++ = CommandAccess::address(argument);
        if (const Resource* const resource = CommandAccess::resource(argument)) {
            resource->use(lane_, position);
        }
    }
    std::memcpy(&ring_[slot(sequence)], &raw, sizeof(raw));
    staged_.store(sequence, std::memory_order_relaxed);
    return sequence;
}

void QueueImpl::ring() noexcept {
    ++doorbells_;
    device_->kernel().ring(doorbell_mapping_.data(), static_cast<std::uint32_t>(published()));
}

void QueueImpl::withdraw() noexcept {
    staged_.store(published(), std::memory_order_relaxed);
    reap();
}

void QueueImpl::end(Epoch& epoch) noexcept {
    std::optional<CardFailure> stopped_at;
    if (stopped()) {
        try {
            stopped_at = failure();
        } catch (...) {
            stopped_at = failure_in_page();
        }
    }
    epoch.end(completed(), stopped_at);
}

// Starts the queue afresh, and again until nobody is left who may have entered the kernel with a
// sequence of the epoch that ended: such a thread would wait for a job of the next one.
int QueueImpl::restart() noexcept {
    for (;;) {
        accel_queue_reset argument = {.size = 0, .handle = handle_.value()};
        if (const int error = device_->try_call(ACCEL_IOCTL_QUEUE_RESET, argument); error != 0) {
            return error;
        }
        for (int i = 0; in_kernel.load(std::memory_order_seq_cst) != 0; ++i) {
            constexpr int patience = 100;
            if (i == patience) {
                break;
            }
            std::this_thread::sleep_for(std::chrono::microseconds(100));
        }
        if (in_kernel.load(std::memory_order_seq_cst) == 0) {
            return 0;
        }
    }
}

void QueueImpl::reset(Epoch& epoch) {
    end(epoch);
    if (const int error = restart(); error != 0) {
        throw_errno(error, "cannot reset a queue on " + device_->path());
    }
    start_afresh();
}

void QueueImpl::close(Epoch& epoch) noexcept {
    end(epoch);
    if (in_kernel.load(std::memory_order_seq_cst) != 0) {
        static_cast<void>(restart());
    }
    handle_.destroy();
    start_afresh();
    leave();
}

// ---- Any thread ----

bool QueueImpl::stopped() const noexcept {
    return load_acquire(status_->state) == ACCEL_QUEUE_ERROR;
}

// No further than what was published, whatever the page says.
std::uint64_t QueueImpl::finished() const noexcept {
    return std::min(completed(), published());
}

bool QueueImpl::keep(Resource* resource, Position position) noexcept {
    // A reset moves base_ first: what is seen half of it is no reason to keep anything.
    const Position base = base_.load(std::memory_order_acquire);
    if (position <= base + finished() ||
        position > base + staged_.load(std::memory_order_acquire)) {
        return false;
    }
    limbo_.hold(resource, position);
    return true;
}

void QueueImpl::release_finished() noexcept {
    const Position base = base_.load(std::memory_order_acquire);
    limbo_.release(base + finished(), base + staged_.load(std::memory_order_acquire));
}

// After a reset of the queue: the card touches nothing of the old epoch any more.
void QueueImpl::start_afresh() noexcept {
    base_.store(base_ + staged_, std::memory_order_release);
    staged_.store(0, std::memory_order_release);
    published_.store(0, std::memory_order_release);
    finished_ = 0;
    limbo_.release(0, 0);
}

accel_queue_query QueueImpl::query() const {
    accel_queue_query argument = {};
    argument.handle = handle_.value();
    device_->call(ACCEL_IOCTL_QUEUE_QUERY, argument, "cannot ask for the state of a queue");
    return argument;
}

QueueStats QueueImpl::stats() const {
    const accel_queue_query raw = query();
    return {.completed = raw.completed,
            .commands = raw.commands,
            .doorbells = raw.doorbells,
            .interrupts = raw.interrupts,
            .dma_busy = raw.dma_busy,
            .compute_busy = raw.compute_busy,
            .host_read = raw.host_read,
            .host_written = raw.host_written,
            .memory_read = raw.memory_read,
            .memory_written = raw.memory_written};
}

namespace {

// The query and the status page call the fields of the error block the same.
template <typename Block>
CardFailure to_failure(const Block& block) {
    CardFailure failure;
    failure.status = static_cast<CardStatus>(block.error);
    failure.sequence = block.error_sequence;
    failure.address = block.error_address;
    if (block.error_list_index != ACCEL_NO_LIST_INDEX) {
        failure.list_index = block.error_list_index;
    }
    failure.opcode = block.error_opcode;
    return failure;
}

}  // namespace

std::optional<CardFailure> QueueImpl::failure() const {
    const accel_queue_query raw = query();
    if (raw.state != ACCEL_QUEUE_ERROR) {
        return std::nullopt;
    }
    return to_failure(raw);
}

CardFailure QueueImpl::failure_in_page() const noexcept {
    return to_failure(*status_);
}

}  // namespace accel::detail
