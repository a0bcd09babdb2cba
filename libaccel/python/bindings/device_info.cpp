// SPDX-License-Identifier: Apache-2.0
//
// Properties of a card, and the end of an open device.
#include <nanobind/nanobind.h>
#include <nanobind/stl/chrono.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include <accel/accel.hpp>
#include <string>

#include "bindings.hpp"

namespace nb = nanobind;

namespace accel::python {

void bind_device_info(nb::module_& module) {
    nb::class_<Usage>(module, "Usage", "The use of a resource by a user, and the quota.")
        .def_ro("used", &Usage::used)
        .def_ro("limit", &Usage::limit, "None: no limit.")
        .def("__repr__", [](const Usage& self) {
            return "<accel.Usage " + std::to_string(self.used) +
                   (self.limit ? " of " + std::to_string(*self.limit) : ", no limit") + ">";
        });
    nb::class_<DeviceInfo>(module, "DeviceInfo", "Properties and limits of a card and its driver.")
        .def_ro("path", &DeviceInfo::path,
                "The path of the device node, or the name of an emulated card.")
        .def_ro("emulated", &DeviceInfo::emulated,
                "Whether the card is emulated within this process.")
        .def_prop_ro(
            "pci", [](const DeviceInfo& self) { return self.pci.to_string(); },
            "The PCI address, as lspci -D prints it.")
        .def_ro("serial", &DeviceInfo::serial)
        .def_ro("hardware_version", &DeviceInfo::hardware_version, "major << 16 | minor")
        .def_ro("firmware_version", &DeviceInfo::firmware_version,
                "major << 24 | minor << 16 | patch")
        .def_ro("features", &DeviceInfo::features, "The features of the card, as bits.")
        .def_ro("capabilities", &DeviceInfo::capabilities,
                "The capabilities of the driver, as bits.")
        .def_ro("memory_size", &DeviceInfo::memory_size, "Bytes of device memory.")
        .def_ro("memory_free", &DeviceInfo::memory_free,
                "Bytes of device memory that are not allocated.")
        .def_ro("max_queues", &DeviceInfo::max_queues, "The most queues of all processes together.")
        .def_ro("max_contexts", &DeviceInfo::max_contexts, "How often the card can be open.")
        .def_ro("max_ring_entries", &DeviceInfo::max_ring_entries)
        .def_ro("max_list_commands", &DeviceInfo::max_list_commands)
        .def_ro("max_list_steps", &DeviceInfo::max_list_steps,
                "The most commands that a call may execute; 0: the card has no loops.")
        .def_ro("max_call_arguments", &DeviceInfo::max_call_arguments)
        .def_ro("address_bits", &DeviceInfo::address_bits)
        .def_ro("compute_engines", &DeviceInfo::compute_engines)
        .def_ro("dma_engines", &DeviceInfo::dma_engines)
        .def_ro("clock_hz", &DeviceInfo::clock_hz, "Device ticks per second.")
        .def_ro("interrupt_vectors", &DeviceInfo::interrupt_vectors)
        .def_ro("numa_node", &DeviceInfo::numa_node)
        .def_ro("generation", &DeviceInfo::generation, "Number of resets of the card.")
        .def_ro("locked_bytes", &DeviceInfo::locked_bytes,
                "Bytes of memory that this process has locked.")
        .def_ro("locked_limit", &DeviceInfo::locked_limit, "RLIMIT_MEMLOCK in bytes.")
        .def_ro("user_contexts", &DeviceInfo::user_contexts)
        .def_ro("user_queues", &DeviceInfo::user_queues)
        .def_ro("user_device_memory", &DeviceInfo::user_device_memory, "Device memory in bytes.")
        .def_ro("user_host_memory", &DeviceInfo::user_host_memory, "Host memory in bytes.")
        .def_ro("max_priority", &DeviceInfo::max_priority)
        .def_ro("time_limit", &DeviceInfo::time_limit,
                "The longest device time of a command, or None.")
        .def("__repr__", [](const DeviceInfo& self) {
            return "<accel.DeviceInfo " + self.path + ", " + std::to_string(self.memory_free) +
                   " of " + std::to_string(self.memory_size) + " bytes free>";
        });
    nb::class_<DeviceEnd>(module, "DeviceEnd", "How an open device ended.")
        .def_ro("reason", &DeviceEnd::reason)
        .def_prop_ro(
            "errno", [](const DeviceEnd& self) { return static_cast<int>(self.error); },
            "The errno of every call that uses the device.")
        .def_ro("generation", &DeviceEnd::generation,
                "The generation of the card when the device was opened.")
        .def_ro("card_generation", &DeviceEnd::card_generation, "The generation of the card now.")
        .def_prop_ro(
            "time",
            [](const DeviceEnd& self) { return static_cast<double>(self.time.count()) / 1e9; },
            "The time of the end, in seconds on CLOCK_BOOTTIME.")
        .def_ro("pid", &DeviceEnd::pid, "The process that caused a recovery, if known.");
    nb::class_<DeviceEntry>(module, "DeviceEntry",
                            "A card of this machine, or the reason why it cannot be opened.")
        .def_ro("path", &DeviceEntry::path)
        .def_ro("info", &DeviceEntry::info, "None: the card cannot be opened.")
        .def_ro("reason", &DeviceEntry::reason, "Empty if there is info.")
        .def("__repr__", [](const DeviceEntry& self) {
            return "<accel.DeviceEntry " + self.path + (self.info ? ">" : ": " + self.reason + ">");
        });
}

}  // namespace accel::python
