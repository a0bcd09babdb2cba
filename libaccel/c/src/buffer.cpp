// SPDX-License-Identifier: Apache-2.0
//
// Buffers and semaphores of the C interface, and operands.
#include "handles.hpp"
#include "structure.hpp"

using accel::c::free_handle;
using accel::c::guarded;
using accel::c::make_handle;
using accel::c::read_options;
using accel::c::required;

namespace accel::c {

Operand to_operand(const accel_operand_t& operand) {
    switch (operand.kind) {
        case ACCEL_OPERAND_NONE:
            if (operand.buffer != nullptr) {
                throw_invalid(
                    "an operand has a buffer, but its kind is ACCEL_OPERAND_NONE: use accel_at()");
            }
            return {};
        case ACCEL_OPERAND_BUFFER: {
            const Buffer<std::byte>& buffer = required(operand.buffer, "operand.buffer").buffer;
            if (operand.offset == 0) {
                return buffer;
            }
            if (operand.offset > buffer.bytes()) {
                throw_invalid("operand.offset is " + std::to_string(operand.offset) +
                              ", behind the end of its buffer of " +
                              std::to_string(buffer.bytes()) + " bytes: use a smaller offset");
            }
            return buffer.slice(operand.offset, buffer.bytes() - operand.offset);
        }
        case ACCEL_OPERAND_ARGUMENT:
            return argument(operand.argument, operand.offset);
        case ACCEL_OPERAND_ADDRESS:
            return Address{operand.offset};
        default:
            throw_invalid("the kind of an operand is " + std::to_string(operand.kind) +
                          ": use one of ACCEL_OPERAND_*, or accel_at() and accel_argument()");
    }
}

std::vector<Operand> to_operands(const accel_operand_t* operands, std::size_t count) {
    std::vector<Operand> all;
    if (count > 0) {
        static_cast<void>(required(operands, "arguments"));
    }
    check_count<accel_operand_t>(count, "count");
    all.reserve(count);
    for (const accel_operand_t& operand : std::span(operands, count)) {
        all.push_back(to_operand(operand));
    }
    return all;
}

}  // namespace accel::c

int accel_buffer_allocate(const accel_device_t* device, std::uint64_t bytes,
                          const accel_buffer_options_t* options, accel_buffer_t** out,
                          accel_error_t* error) {
    return make_handle(out, error, [&] {
        const auto given = read_options(options, "options");
        const accel::BufferOptions wanted{.placement = accel::c::to_placement(given.placement),
                                          .access = accel::c::to_access(given.access)};
        return accel_buffer_t{
            required(device, "device").device.allocate<std::byte>({bytes}, wanted)};
    });
}

int accel_buffer_register(const accel_device_t* device, void* memory, std::uint64_t bytes,
                          std::uint32_t access, accel_buffer_t** out, accel_error_t* error) {
    return make_handle(out, error, [&] {
        accel::c::check_count<std::byte>(bytes, "bytes");
        auto* const start =
            static_cast<std::byte*>(&required(static_cast<std::byte*>(memory), "memory"));
        return accel_buffer_t{required(device, "device")
                                  .device.register_memory(std::span<std::byte>(start, bytes),
                                                          accel::c::to_access(access))};
    });
}

int accel_buffer_import(const accel_device_t* device, int fd, std::uint32_t access,
                        accel_buffer_t** out, accel_error_t* error) {
    return make_handle(out, error, [&] {
        return accel_buffer_t{required(device, "device")
                                  .device.import_memory<std::byte>(
                                      fd, accel::c::to_access(access, accel::Access::read))};
    });
}

int accel_buffer_export(const accel_device_t* device, const accel_buffer_t* buffer, int* out,
                        accel_error_t* error) {
    return guarded(error, [&] {
        required(out, "out") = -1;
        *out = required(device, "device")
                   .device.export_memory(required(buffer, "buffer").buffer)
                   .release();
        return 0;
    });
}

int accel_buffer_slice(const accel_buffer_t* buffer, std::uint64_t offset, std::uint64_t bytes,
                       accel_buffer_t** out, accel_error_t* error) {
    return make_handle(out, error, [&] {
        return accel_buffer_t{required(buffer, "buffer").buffer.slice(offset, bytes)};
    });
}

int accel_buffer_data(const accel_buffer_t* buffer, void** out, accel_error_t* error) {
    return guarded(error, [&] {
        required(out, "out") = nullptr;
        // A handle is const if the call does not change the handle; the memory is the caller's.
        *out = const_cast<std::byte*>(required(buffer, "buffer").buffer.data());
        return 0;
    });
}

std::uint64_t accel_buffer_bytes(const accel_buffer_t* buffer) {
    return buffer != nullptr ? buffer->buffer.bytes() : 0;
}

std::uint64_t accel_buffer_address(const accel_buffer_t* buffer) {
    return buffer != nullptr ? static_cast<std::uint64_t>(buffer->buffer.address()) : 0;
}

void accel_buffer_free(accel_buffer_t* buffer) {
    free_handle(buffer);
}

int accel_semaphore_create(const accel_device_t* device, std::uint64_t value,
                           accel_semaphore_t** out, accel_error_t* error) {
    return make_handle(out, error, [&] {
        return accel_semaphore_t{required(device, "device").device.create_semaphore(value)};
    });
}

int accel_semaphore_value(const accel_semaphore_t* semaphore, std::uint64_t* out,
                          accel_error_t* error) {
    return guarded(error, [&] {
        required(out, "out") = required(semaphore, "semaphore").semaphore.value();
        return 0;
    });
}

int accel_semaphore_set(accel_semaphore_t* semaphore, std::uint64_t value, accel_error_t* error) {
    return guarded(error, [&] {
        required(semaphore, "semaphore").semaphore.set(value);
        return 0;
    });
}

void accel_semaphore_free(accel_semaphore_t* semaphore) {
    free_handle(semaphore);
}
