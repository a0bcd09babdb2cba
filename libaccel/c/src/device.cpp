// SPDX-License-Identifier: Apache-2.0
//
// Devices of the C interface.
#include <cstring>
#include <string_view>

#include "handles.hpp"
#include "structure.hpp"

using accel::c::free_handle;
using accel::c::guarded;
using accel::c::make_handle;
using accel::c::required;
using accel::c::write_structure;

namespace {

// `text` as much as fits, and zeros.
template <std::size_t size>
void copy_text(char (&to)[size], std::string_view text) {
    std::memset(to, 0, size);
    std::memcpy(to, text.data(), std::min(text.size(), size - 1));
}

accel_device_info_t to_info(const accel::DeviceInfo& from) {
    accel_device_info_t info{};
    info.emulated = from.emulated ? 1 : 0;
    info.serial = from.serial;
    info.features = from.features;
    info.capabilities = from.capabilities;
    info.memory_size = from.memory_size;
    info.memory_free = from.memory_free;
    info.generation = from.generation;
    if (from.time_limit) {
        info.time_limit_ns =
            static_cast<std::uint64_t>(std::chrono::nanoseconds(*from.time_limit).count());
    }
    info.hardware_version = from.hardware_version;
    info.firmware_version = from.firmware_version;
    info.max_queues = from.max_queues;
    info.max_contexts = from.max_contexts;
    info.max_ring_entries = from.max_ring_entries;
    info.max_list_commands = from.max_list_commands;
    info.max_list_steps = from.max_list_steps;
    info.max_call_arguments = from.max_call_arguments;
    info.address_bits = from.address_bits;
    info.compute_engines = from.compute_engines;
    info.dma_engines = from.dma_engines;
    info.clock_hz = from.clock_hz;
    info.numa_node = from.numa_node.value_or(-1);
    // ACCEL_QUEUE_PRIORITY_NORMAL is 0, so that 0 is the default.
    info.max_priority = static_cast<std::int32_t>(from.max_priority) -
                        static_cast<std::int32_t>(accel::Priority::normal);
    copy_text(info.path, from.path);
    copy_text(info.pci, from.pci.to_string());
    return info;
}

}  // namespace

int accel_device_open(const char* name, accel_device_t** out, accel_error_t* error) {
    return make_handle(out, error, [&] {
        return accel_device_t{name != nullptr ? accel::Device::open(std::string_view(name))
                                              : accel::Device::open()};
    });
}

void accel_device_close(accel_device_t* device) {
    free_handle(device);
}

int accel_device_info(const accel_device_t* device, accel_device_info_t* out,
                      accel_error_t* error) {
    return guarded(error, [&] {
        write_structure(out, to_info(required(device, "device").device.info()), "out");
        return 0;
    });
}

int accel_device_ended(const accel_device_t* device, accel_device_end_t* out,
                       accel_error_t* error) {
    return guarded(error, [&] {
        accel_device_end_t end{};
        if (const auto ended = required(device, "device").device.ended()) {
            end.ended = 1;
            end.code = static_cast<std::int32_t>(ended->error);
            end.reason = static_cast<std::uint32_t>(ended->reason);
            end.generation = ended->generation;
            end.card_generation = ended->card_generation;
        }
        write_structure(out, end, "out");
        return 0;
    });
}

int accel_device_fd(const accel_device_t* device, int* out, accel_error_t* error) {
    return guarded(error, [&] {
        required(out, "out") = required(device, "device").device.fd();
        return 0;
    });
}

int accel_devices_list(accel_devices_t** out, accel_error_t* error) {
    return make_handle(out, error, [&] { return accel_devices_t{accel::Device::list()}; });
}

std::size_t accel_devices_count(const accel_devices_t* devices) {
    return devices != nullptr ? devices->entries.size() : 0;
}

const char* accel_devices_path(const accel_devices_t* devices, std::size_t index) {
    return index < accel_devices_count(devices) ? devices->entries[index].path.c_str() : nullptr;
}

const char* accel_devices_reason(const accel_devices_t* devices, std::size_t index) {
    return index < accel_devices_count(devices) && !devices->entries[index].info
               ? devices->entries[index].reason.c_str()
               : nullptr;
}

void accel_devices_free(accel_devices_t* devices) {
    free_handle(devices);
}
