// SPDX-License-Identifier: Apache-2.0
//
// Staging of commands and calls, and the end and the reset of a queue.
#include "queue_impl.hpp"

#include <algorithm>
#include <cstring>
#include <string>

#include "logger.hpp"
#include "memory.hpp"

namespace accel::detail {

namespace {

// Large enough for the arguments of most calls, and for any parameters of a command.
constexpr std::size_t block_bytes = 512;
constexpr std::size_t block_arguments = block_bytes / sizeof(std::uint64_t);
constexpr std::size_t table_bytes = ACCEL_CALL_ARGS_MAX * sizeof(std::uint64_t);
static_assert(block_bytes >= CommandAccess::max_params);

// Two helpers of a call are out of line: their messages and their loop would cost the hot path
// registers.

[[noreturn]] [[gnu::noinline]] void throw_rejected_call(const DeviceImpl& device,
                                                        const ListImpl& list,
                                                        std::size_t arguments) {
    if (!list.closed()) {
        throw_invalid(
            "cannot submit a list that is not closed: call CommandList::close() when it is "
            "recorded");
    }
    if (list.device().get() != &device) {
        throw_invalid(
            "the list belongs to another device than the queue: record it on the device of the "
            "queue");
    }
    throw_invalid("cannot call the list: it takes " + std::to_string(list.arguments()) +
                  " arguments, not " + std::to_string(arguments));
}

// Throws unless `arguments` have the sizes and the access that `list` requires.
[[gnu::noinline]] void check_arguments(const DeviceImpl& device, const ListImpl& list,
                                       std::span<const Operand> arguments) {
    for (std::uint32_t i = 0; i < arguments.size(); ++i) {
        const Operand& argument = arguments[i];
        if (CommandAccess::kind(argument) == CommandAccess::Kind::argument) {
            throw_invalid("argument " + std::to_string(i) +
                          " of the call is an argument() itself: pass a buffer or an address");
        }
        check_space(argument, &device);
        if (list.requirement(i).access != Access{}) {  // else the list does not use it
            check_operand(argument, list.requirement(i), list.argument_name(i));
        }
    }
}

}  // namespace

QueueImpl::QueueImpl(const std::shared_ptr<DeviceImpl>& device, const QueueOptions& options)
    : ring_(std::make_shared<QueueRing>(device, options)),
      completion_(std::make_shared<CompletionState>(ring_)) {
    log_event("created queue ", &options);
}

void QueueImpl::log_event(const char* what, const QueueOptions* options) const noexcept {
    log_lazily(LogLevel::info, [&] {
        std::string text =
            what + std::to_string(ring_->driver_queue().handle()) + " on " + device().path();
        if (options != nullptr) {
            text += ": " + std::to_string(options->entries) + " entries, priority " +
                    std::to_string(static_cast<unsigned>(options->priority));
        }
        return text;
    });
}

void QueueImpl::after_fork(void* queue) noexcept {
    static_cast<QueueImpl*>(queue)->blocked_ |= blocked_by_fork;
}

void QueueImpl::throw_ended() const {
    check_process();
    throw Error(std::errc::operation_canceled,
                "cannot submit to a queue that has ended: it was destroyed, or its reset failed; "
                "reset it again, or create another queue");
}

bool QueueImpl::make_room(std::uint64_t sequence, bool block) {
    ring_->update_room();
    ring_->reap();
    if (ring_->has_room(sequence)) {
        return true;
    }
    const std::uint32_t entries = ring_->entries();
    if (sequence - ring_->published() > entries) {
        throw_invalid("the batch is longer than its ring of " + std::to_string(entries) +
                      " commands: submit it in parts, or create the queue with more entries");
    }
    if (!block) {
        return false;
    }
    static_cast<void>(completion_->wait(sequence - entries, no_deadline));
    ring_->update_room();
    return true;
}

std::span<std::byte> QueueImpl::block_of(Allocation& blocks, std::size_t bytes,
                                         std::uint64_t sequence, std::uint64_t* address) {
    if (!blocks.owner) {
        blocks =
            allocate(ring_->driver_queue().shared_device(), std::uint64_t{ring_->entries()} * bytes,
                     {.placement = Placement::host, .access = Access::read});
    }
    const std::size_t offset = ring_->entry(sequence) * bytes;
    *address = blocks.address + offset;
    return {static_cast<std::byte*>(blocks.data) + offset, bytes};
}

std::span<std::byte> QueueImpl::parameter_block(std::uint64_t sequence, std::uint64_t* address) {
    return block_of(parameter_blocks_, block_bytes, sequence, address);
}

std::span<std::byte> QueueImpl::argument_table(std::uint64_t sequence, std::size_t arguments,
                                               std::uint64_t* address) {
    return arguments <= block_arguments
               ? parameter_block(sequence, address)
               : block_of(argument_tables_, table_bytes, sequence, address);
}

void QueueImpl::throw_rejected(const Command& command) const {
    check_not_ended();
    for (const auto& use : CommandAccess::uses(command)) {
        check_space(use.operand, &device());
    }
    throw_invalid(
        "cannot submit a command with an argument(), or one that repeats or skips commands: record "
        "it in a CommandList and submit the list");
}

std::uint64_t QueueImpl::stage(const Command& command, bool block) {
    if (ended() || !CommandAccess::fits(command, &device())) [[unlikely]] {
        throw_rejected(command);
    }
    QueueRing& ring = *ring_;
    const std::uint64_t sequence = ring.next();
    if (!ring.has_room(sequence) && !make_room(sequence, block)) [[unlikely]] {
        return 0;
    }
    accel_command raw;
    std::memcpy(&raw, CommandAccess::words(command).data(), sizeof(raw));
    if (const auto params = CommandAccess::params(command); !params.empty()) {
        std::uint64_t address = 0;
        std::copy(params.begin(), params.end(), parameter_block(sequence, &address).begin());
        raw.tensor.params = address;
    }
    ring.write(sequence, &raw);
    mark_used(command, ring.use_of(sequence));
    return sequence;
}

std::uint64_t QueueImpl::stage(const std::shared_ptr<ListImpl>& list,
                               std::span<const Operand> arguments, bool block) {
    check_not_ended();
    QueueRing& ring = *ring_;
    if (!list->closed() || list->device().get() != &ring.device() ||
        arguments.size() != list->arguments()) [[unlikely]] {
        throw_rejected_call(ring.device(), *list, arguments.size());
    }
    if (!arguments.empty()) {
        check_arguments(ring.device(), *list, arguments);
    }
    const std::uint64_t sequence = ring.next();
    if (!ring.has_room(sequence) && !make_room(sequence, block)) {
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
        args =
            reinterpret_cast<__le64*>(argument_table(sequence, arguments.size(), &address).data());
        raw.call.args[0] = address;
    }
    const TrackedUse use = ring.use_of(sequence);
    list->mark_used(use);
    for (const Operand& argument : arguments) {
        *args++ = CommandAccess::address(argument);
        if (const TrackedObject* const object = CommandAccess::tracked_object(argument)) {
            object->mark_used(use);
        }
    }
    ring.write(sequence, &raw);
    return sequence;
}

void QueueImpl::end() noexcept {
    completion_->end();
    blocked_ |= blocked_by_end;
}

void QueueImpl::reset() {
    check_process();
    // Allocated first: once the old state has ended, only the driver's reset can fail.
    auto next = std::make_shared<CompletionState>(ring_);
    end();
    if (const int error = ring_->driver_queue().reset(); error != 0) {
        device().throw_call_error(error, "cannot reset a queue on " + device().path());
    }
    ring_->restart();
    log_event("reset queue ", nullptr);
    completion_ = std::move(next);
    blocked_ &= ~blocked_by_end;
}

void QueueImpl::close() noexcept {
    if (in_child()) {
        return;
    }
    end();
    ring_->close();
}

}  // namespace accel::detail
