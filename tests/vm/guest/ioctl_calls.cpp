// SPDX-License-Identifier: Apache-2.0
//
// The table of calls, and valid arguments for them.
#include "ioctl_calls.hpp"

#include <unistd.h>

#include <cerrno>

namespace uapi {

namespace {

#define ACCEL_FIELD(type, field)                   \
    Field {                                        \
        offsetof(type, field), sizeof(type::field) \
    }

std::vector<Call> make_table() {
    return {
        {"INFO",
         ACCEL_IOCTL_INFO,
         sizeof(accel_info),
         {ACCEL_FIELD(accel_info, hw_version),       ACCEL_FIELD(accel_info, firmware),
          ACCEL_FIELD(accel_info, features),         ACCEL_FIELD(accel_info, capabilities),
          ACCEL_FIELD(accel_info, serial),           ACCEL_FIELD(accel_info, memory_size),
          ACCEL_FIELD(accel_info, memory_free),      ACCEL_FIELD(accel_info, queues),
          ACCEL_FIELD(accel_info, contexts),         ACCEL_FIELD(accel_info, ring_entries),
          ACCEL_FIELD(accel_info, list_commands),    ACCEL_FIELD(accel_info, va_bits),
          ACCEL_FIELD(accel_info, engines),          ACCEL_FIELD(accel_info, clock_hz),
          ACCEL_FIELD(accel_info, vectors),          ACCEL_FIELD(accel_info, pci_domain),
          ACCEL_FIELD(accel_info, pci_bus),          ACCEL_FIELD(accel_info, pci_device),
          ACCEL_FIELD(accel_info, pci_function),     ACCEL_FIELD(accel_info, numa_node),
          ACCEL_FIELD(accel_info, reserved),         ACCEL_FIELD(accel_info, generation),
          ACCEL_FIELD(accel_info, locked),           ACCEL_FIELD(accel_info, locked_limit),
          ACCEL_FIELD(accel_info, memory_used),      ACCEL_FIELD(accel_info, memory_quota),
          ACCEL_FIELD(accel_info, contexts_used),    ACCEL_FIELD(accel_info, contexts_quota),
          ACCEL_FIELD(accel_info, queues_used),      ACCEL_FIELD(accel_info, queues_quota),
          ACCEL_FIELD(accel_info, host_memory_used), ACCEL_FIELD(accel_info, host_memory_quota),
          ACCEL_FIELD(accel_info, time_limit_ms),    ACCEL_FIELD(accel_info, priority_max),
          ACCEL_FIELD(accel_info, list_steps),       ACCEL_FIELD(accel_info, call_arguments)},
         sizeof(accel_info) - offsetof(accel_info, memory_used)},
        {"CONTEXT_QUERY",
         ACCEL_IOCTL_CONTEXT_QUERY,
         sizeof(accel_context_query),
         {ACCEL_FIELD(accel_context_query, reason), ACCEL_FIELD(accel_context_query, error),
          ACCEL_FIELD(accel_context_query, generation),
          ACCEL_FIELD(accel_context_query, card_generation), ACCEL_FIELD(accel_context_query, time),
          ACCEL_FIELD(accel_context_query, pid), ACCEL_FIELD(accel_context_query, reserved)}},
        {"BUFFER_CREATE",
         ACCEL_IOCTL_BUFFER_CREATE,
         sizeof(accel_buffer_create),
         {ACCEL_FIELD(accel_buffer_create, address), ACCEL_FIELD(accel_buffer_create, handle)}},
        {"BUFFER_REGISTER",
         ACCEL_IOCTL_BUFFER_REGISTER,
         sizeof(accel_buffer_register),
         {ACCEL_FIELD(accel_buffer_register, address), ACCEL_FIELD(accel_buffer_register, handle)}},
        {"BUFFER_DESTROY", ACCEL_IOCTL_BUFFER_DESTROY, sizeof(accel_buffer_destroy), {}},
        {"BUFFER_EXPORT",
         ACCEL_IOCTL_BUFFER_EXPORT,
         sizeof(accel_buffer_export),
         {ACCEL_FIELD(accel_buffer_export, fd)}},
        {"BUFFER_IMPORT",
         ACCEL_IOCTL_BUFFER_IMPORT,
         sizeof(accel_buffer_import),
         {ACCEL_FIELD(accel_buffer_import, bytes), ACCEL_FIELD(accel_buffer_import, address),
          ACCEL_FIELD(accel_buffer_import, handle)}},
        {"QUEUE_CREATE",
         ACCEL_IOCTL_QUEUE_CREATE,
         sizeof(accel_queue_create),
         {ACCEL_FIELD(accel_queue_create, handle), ACCEL_FIELD(accel_queue_create, address),
          ACCEL_FIELD(accel_queue_create, bytes), ACCEL_FIELD(accel_queue_create, doorbell)},
         sizeof(accel_queue_create) - offsetof(accel_queue_create, time_limit_ms)},
        {"QUEUE_DESTROY", ACCEL_IOCTL_QUEUE_DESTROY, sizeof(accel_queue_destroy), {}},
        {"QUEUE_RESET", ACCEL_IOCTL_QUEUE_RESET, sizeof(accel_queue_reset), {}},
        {"QUEUE_WAIT",
         ACCEL_IOCTL_QUEUE_WAIT,
         sizeof(accel_queue_wait),
         {ACCEL_FIELD(accel_queue_wait, completed)}},
        {"QUEUE_NOTIFY", ACCEL_IOCTL_QUEUE_NOTIFY, sizeof(accel_queue_notify), {}},
        {"QUEUE_QUERY",
         ACCEL_IOCTL_QUEUE_QUERY,
         sizeof(accel_queue_query),
         {ACCEL_FIELD(accel_queue_query, state), ACCEL_FIELD(accel_queue_query, error),
          ACCEL_FIELD(accel_queue_query, error_sequence),
          ACCEL_FIELD(accel_queue_query, error_address),
          ACCEL_FIELD(accel_queue_query, error_list_index),
          ACCEL_FIELD(accel_queue_query, error_opcode), ACCEL_FIELD(accel_queue_query, completed),
          ACCEL_FIELD(accel_queue_query, commands), ACCEL_FIELD(accel_queue_query, doorbells),
          ACCEL_FIELD(accel_queue_query, interrupts), ACCEL_FIELD(accel_queue_query, dma_busy),
          ACCEL_FIELD(accel_queue_query, compute_busy), ACCEL_FIELD(accel_queue_query, host_read),
          ACCEL_FIELD(accel_queue_query, host_written), ACCEL_FIELD(accel_queue_query, memory_read),
          ACCEL_FIELD(accel_queue_query, memory_written), ACCEL_FIELD(accel_queue_query, reason),
          ACCEL_FIELD(accel_queue_query, activity), ACCEL_FIELD(accel_queue_query, pieces)},
         sizeof(accel_queue_query) - offsetof(accel_queue_query, reason)},
        {"QUEUE_EVENTFD", ACCEL_IOCTL_QUEUE_EVENTFD, sizeof(accel_queue_eventfd), {}},
    };
}

#undef ACCEL_FIELD

}  // namespace

std::ostream& operator<<(std::ostream& out, const Call& call) {
    return out << call.name;
}

const std::vector<Call>& every_call() {
    static const std::vector<Call> table = make_table();
    return table;
}

Argument CallFixture::valid_argument(const Call& call) {
    switch (call.request) {
        case ACCEL_IOCTL_BUFFER_CREATE: {
            accel_buffer_create create{};
            create.size = sizeof(create);
            create.flags = device;
            create.bytes = 100;
            return bytes_of(create);
        }
        case ACCEL_IOCTL_BUFFER_REGISTER: {
            accel_buffer_register registration{};
            registration.size = sizeof(registration);
            registration.flags = host;
            registration.pointer = reinterpret_cast<std::uintptr_t>(own_.data());
            registration.bytes = 100;
            return bytes_of(registration);
        }
        case ACCEL_IOCTL_BUFFER_DESTROY: {
            accel_buffer_create create{};
            create.flags = host;
            create.bytes = page;
            require(file_.call(ACCEL_IOCTL_BUFFER_CREATE, create), "BUFFER_CREATE");
            return bytes_of(accel_buffer_destroy{.size = sizeof(accel_buffer_destroy),
                                                 .handle = create.handle});
        }
        case ACCEL_IOCTL_BUFFER_EXPORT: {
            accel_buffer_export share{};
            share.size = sizeof(share);
            share.handle = shared_.handle();
            return bytes_of(share);
        }
        case ACCEL_IOCTL_BUFFER_IMPORT: {
            accel_buffer_import import{};
            import.size = sizeof(import);
            import.flags = host;
            import.fd = dmabuf_.get();
            return bytes_of(import);
        }
        case ACCEL_IOCTL_QUEUE_CREATE: {
            accel_queue_create create{};
            create.size = sizeof(create);
            create.entries = ACCEL_RING_ENTRIES_MIN;
            return bytes_of(create);
        }
        case ACCEL_IOCTL_QUEUE_DESTROY: {
            accel_queue_create create{};
            create.entries = ACCEL_RING_ENTRIES_MIN;
            require(file_.call(ACCEL_IOCTL_QUEUE_CREATE, create), "QUEUE_CREATE");
            return bytes_of(
                accel_queue_destroy{.size = sizeof(accel_queue_destroy), .handle = create.handle});
        }
        case ACCEL_IOCTL_QUEUE_EVENTFD: {
            accel_queue_eventfd none{};
            none.size = sizeof(none);
            none.handle = queue_.handle();
            none.fd = -1;
            return bytes_of(none);
        }
        default: {
            // The other calls need zeros and at most a queue's handle, in the same field.
            Argument argument(call.size);
            accel_queue_reset common{.size = static_cast<std::uint32_t>(call.size),
                                     .handle = queue_.handle()};
            if (call.request == ACCEL_IOCTL_INFO || call.request == ACCEL_IOCTL_CONTEXT_QUERY) {
                common.handle = 0;
            }
            std::memcpy(argument.data(), &common, sizeof(common));
            return argument;
        }
    }
}

void CallFixture::undo(const Call& call, std::span<const std::byte> argument) const {
    accel_buffer_destroy buffer{};
    accel_queue_destroy queue{};
    switch (call.request) {
        case ACCEL_IOCTL_BUFFER_CREATE:
            buffer.handle = structure_of<accel_buffer_create>(argument).handle;
            break;
        case ACCEL_IOCTL_BUFFER_REGISTER:
            buffer.handle = structure_of<accel_buffer_register>(argument).handle;
            break;
        case ACCEL_IOCTL_BUFFER_EXPORT:
            ::close(structure_of<accel_buffer_export>(argument).fd);
            break;
        case ACCEL_IOCTL_BUFFER_IMPORT:
            buffer.handle = structure_of<accel_buffer_import>(argument).handle;
            break;
        case ACCEL_IOCTL_QUEUE_CREATE:
            queue.handle = structure_of<accel_queue_create>(argument).handle;
            break;
        default:
            break;
    }
    if (buffer.handle != 0) {
        require(file_.call(ACCEL_IOCTL_BUFFER_DESTROY, buffer), "BUFFER_DESTROY");
    }
    if (queue.handle != 0) {
        require(file_.call(ACCEL_IOCTL_QUEUE_DESTROY, queue), "QUEUE_DESTROY");
    }
}

int CallFixture::run(const Call& call, Argument& argument) const {
    const int error = file_.raw(call.request, argument.data());
    if (error == 0) {
        undo(call, argument);
    }
    return error;
}

}  // namespace uapi
