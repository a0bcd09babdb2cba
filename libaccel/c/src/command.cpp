// SPDX-License-Identifier: Apache-2.0
//
// Commands and command lists of the C interface.
#include <algorithm>
#include <array>
#include <cstring>

#include "handles.hpp"
#include "structure.hpp"

using accel::c::check_reserved;
using accel::c::free_handle;
using accel::c::guarded;
using accel::c::make_handle;
using accel::c::number_or_zero;
using accel::c::one_if_zero;
using accel::c::read_structure;
using accel::c::required;
using accel::c::to_bool;
using accel::c::to_operand;

int accel_command_copy(const accel_copy_t* copy, accel_command_t** out, accel_error_t* error) {
    return make_handle(out, error, [&] {
        const auto from = read_structure(copy, "copy");
        return accel_command_t{accel::Copy{.dst = to_operand(from.dst),
                                           .src = to_operand(from.src),
                                           .bytes = from.bytes,
                                           .rows = one_if_zero(from.rows),
                                           .dst_stride = from.dst_stride,
                                           .src_stride = from.src_stride}};
    });
}

int accel_command_fill(const accel_fill_t* fill, accel_command_t** out, accel_error_t* error) {
    return make_handle(out, error, [&] {
        const auto from = read_structure(fill, "fill");
        return accel_command_t{
            accel::Fill{.dst = to_operand(from.dst),
                        .pattern = from.pattern,
                        .pattern_bytes = from.pattern_bytes == 0 ? 4 : from.pattern_bytes,
                        .bytes = from.bytes,
                        .rows = one_if_zero(from.rows),
                        .dst_stride = from.dst_stride}};
    });
}

int accel_command_nop(accel_command_t** out, accel_error_t* error) {
    return make_handle(out, error, [] { return accel_command_t{accel::Nop{}}; });
}

int accel_command_wait(const accel_semaphore_t* semaphore, std::uint64_t value,
                       accel_command_t** out, accel_error_t* error) {
    return make_handle(out, error, [&] {
        return accel_command_t{required(semaphore, "semaphore").semaphore.wait(value)};
    });
}

int accel_command_signal(const accel_semaphore_t* semaphore, std::uint64_t value,
                         accel_command_t** out, accel_error_t* error) {
    return make_handle(out, error, [&] {
        return accel_command_t{required(semaphore, "semaphore").semaphore.signal(value)};
    });
}

int accel_command_loop(const accel_loop_t* loop, accel_command_t** out, accel_error_t* error) {
    return make_handle(out, error, [&] {
        const auto from = read_structure(loop, "loop");
        return accel_command_t{accel::Loop{.commands = from.commands,
                                           .limit = from.limit == 0 ? UINT64_MAX : from.limit,
                                           .count = to_operand(from.count),
                                           .condition = to_operand(from.condition),
                                           .index = to_operand(from.index)}};
    });
}

int accel_command_skip(const accel_skip_t* skip, accel_command_t** out, accel_error_t* error) {
    return make_handle(out, error, [&] {
        const auto from = read_structure(skip, "skip");
        check_reserved(from.reserved, "skip->reserved");
        return accel_command_t{
            accel::Skip{.commands = from.commands,
                        .condition = to_operand(from.condition),
                        .if_nonzero = to_bool(from.if_nonzero, "skip->if_nonzero")}};
    });
}

int accel_command_set_argument(const accel_set_argument_t* set, accel_command_t** out,
                               accel_error_t* error) {
    return make_handle(out, error, [&] {
        const auto from = read_structure(set, "set");
        check_reserved(from.reserved, "set->reserved");
        return accel_command_t{accel::SetArgument{
            .argument = from.argument,
            .base = to_operand(from.base),
            .bytes = from.bytes,
            .count = std::max<std::uint64_t>(from.count, 1),
            .stride = from.stride,
            .reversed = to_bool(from.reversed, "set->reversed"),
            .access = accel::c::to_access(from.access, accel::Access::read_write),
            .by_pass = to_bool(from.by_pass, "set->by_pass"),
            .number = to_operand(from.number)}};
    });
}

int accel_command_raw(const void* bytes, accel_command_t** out, accel_error_t* error) {
    return make_handle(out, error, [&] {
        std::array<std::byte, 64> raw{};
        std::memcpy(raw.data(), &required(static_cast<const std::byte*>(bytes), "bytes"),
                    raw.size());
        return accel_command_t{accel::Command::raw(raw)};
    });
}

int accel_command_with_record(const accel_command_t* command, const accel_operand_t* record,
                              accel_command_t** out, accel_error_t* error) {
    return make_handle(out, error, [&] {
        return accel_command_t{required(command, "command")
                                   .command.with_record(to_operand(required(record, "record")))};
    });
}

void accel_command_free(accel_command_t* command) {
    free_handle(command);
}

int accel_command_list_create(const accel_device_t* device, std::uint32_t placement,
                              accel_command_list_t** out, accel_error_t* error) {
    return make_handle(out, error, [&] {
        return accel_command_list_t{
            required(device, "device")
                .device.create_command_list(accel::c::to_placement(placement))};
    });
}

int accel_command_list_add(accel_command_list_t* list, const accel_command_t* command,
                           accel_error_t* error) {
    return guarded(error, [&] {
        required(list, "list").list.add(required(command, "command").command);
        return 0;
    });
}

int accel_command_list_close(accel_command_list_t* list, accel_error_t* error) {
    return guarded(error, [&] {
        required(list, "list").list.close();
        return 0;
    });
}

std::size_t accel_command_list_size(const accel_command_list_t* list) {
    return number_or_zero([&] { return list != nullptr ? list->list.size() : 0; });
}

std::uint32_t accel_command_list_arguments(const accel_command_list_t* list) {
    return number_or_zero([&] { return list != nullptr ? list->list.arguments() : 0; });
}

void accel_command_list_free(accel_command_list_t* list) {
    free_handle(list);
}
