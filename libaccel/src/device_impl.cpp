// SPDX-License-Identifier: Apache-2.0
//
// Opening a device node, its properties, and mappings of it.
#include "device_impl.hpp"

#include <accel_hw.h>
#include <accel_uapi.h>

#include <limits>
#include <utility>

namespace accel::detail {

namespace {

std::string open_problem(int error, const std::string& path) {
    switch (error) {
        case ENOENT:
        case ENXIO:
            return "cannot open " + path +
                   ": there is no such card; check that the module accel is loaded (lsmod) and "
                   "that "
                   "the card is on the bus (lspci -d 1234:acc1)";
        case ENOSPC:
            return "cannot open " + path +
                   ": all contexts of the card are in use; close another program that has it open "
                   "(fuser -v on the node)";
        default:
            return "cannot open " + path + ": " +
                   std::string(explain(static_cast<std::errc>(error)));
    }
}

DeviceInfo to_info(const accel_info& raw, const std::string& path) {
    DeviceInfo info;
    info.path = path;
    info.pci = {raw.pci_domain, raw.pci_bus, raw.pci_device, raw.pci_function};
    info.serial = raw.serial;
    info.hardware_version = raw.hw_version;
    info.firmware_version = raw.firmware;
    info.features = raw.features;
    info.capabilities = raw.capabilities;
    info.memory_size = raw.memory_size;
    info.memory_free = raw.memory_free;
    info.max_queues = raw.queues;
    info.max_contexts = raw.contexts;
    info.max_ring_entries = raw.ring_entries;
    info.max_list_commands = raw.list_commands;
    info.address_bits = raw.va_bits;
    info.compute_engines = raw.engines >> 8 & 0xff;
    info.dma_engines = raw.engines & 0xff;
    info.clock_hz = raw.clock_hz;
    info.interrupt_vectors = raw.vectors;
    if (raw.numa_node >= 0) {
        info.numa_node = raw.numa_node;
    }
    info.generation = raw.generation;
    info.locked_bytes = raw.locked;
    if (raw.locked_limit != std::numeric_limits<std::uint64_t>::max()) {
        info.locked_limit = raw.locked_limit;
    }
    return info;
}

}  // namespace

DeviceImpl::DeviceImpl(std::shared_ptr<Kernel> kernel, std::string path)
    : kernel_(std::move(kernel)), path_(std::move(path)), fd_(kernel_->open(path_)) {
    if (fd_ < 0) {
        throw Error(static_cast<std::errc>(-fd_), open_problem(-fd_, path_));
    }
    try {
        limits_ = query();
        if (limits_.hardware_version >> 16 != ACCEL_VERSION_MAJOR) {
            throw Error(std::errc::operation_not_supported,
                        "cannot use the card at " + path_ + ": it has version " +
                            std::to_string(limits_.hardware_version >> 16) +
                            " of the hardware interface and this library supports version " +
                            std::to_string(ACCEL_VERSION_MAJOR) + "; update libaccel");
        }
        queue_slots_.set_count(limits_.max_queues);
    } catch (...) {
        kernel_->close(fd_);
        throw;
    }
}

DeviceImpl::~DeviceImpl() {
    kernel_->close(fd_);
}

DeviceInfo DeviceImpl::query() const {
    accel_info raw = {};
    call(ACCEL_IOCTL_INFO, raw, "cannot query the properties of the card");
    return to_info(raw, path_);
}

Mapping::Mapping(const DeviceImpl& device, std::uint64_t offset, std::uint64_t bytes,
                 const char* what)
    : kernel_(&device.kernel()), bytes_(bytes) {
    if (const int error = -kernel_->mmap(device.fd(), offset, bytes, &data_); error != 0) {
        data_ = nullptr;
        throw_errno(error, std::string(what) + " of " + device.path());
    }
}

Mapping::Mapping(Mapping&& other) noexcept
    : kernel_(other.kernel_), data_(std::exchange(other.data_, nullptr)), bytes_(other.bytes_) {}

Mapping& Mapping::operator=(Mapping&& other) noexcept {
    std::swap(kernel_, other.kernel_);
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
}

Mapping::~Mapping() {
    if (data_ != nullptr) {
        kernel_->munmap(data_, bytes_);
    }
}

}  // namespace accel::detail
