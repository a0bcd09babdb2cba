// SPDX-License-Identifier: Apache-2.0
//
// Opening a device node, its properties, and mappings of it.
#include "device_impl.hpp"

#include <accel_hw.h>
#include <accel_uapi.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <thread>
#include <utility>

#include "logger.hpp"
#include "shown_name.hpp"

namespace accel::detail {

namespace {

// The driver lets open() wait ten seconds for the end of a reset before it returns EAGAIN.
constexpr int open_attempts = 3;

int open_node(Kernel& kernel, const std::string& path) noexcept {
    int fd = 0;
    for (int attempt = 1;; ++attempt) {
        do {
            fd = kernel.open(path);
        } while (fd == -EINTR);
        if (fd != -EAGAIN || attempt == open_attempts) {
            return fd;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
}

std::string missing_node(Kernel& kernel) {
    std::string nodes;
    for (const std::string& node : kernel.nodes()) {
        nodes += (nodes.empty() ? "" : ", ") + node;
    }
    if (nodes.empty()) {
        return "this machine has no card with a driver; 'accelctl doctor' looks for the reason. "
               "To try the program without a card, set ACCEL_DEVICE=emulated in its environment, "
               "or open \"emulated\"";
    }
    return "there is no such card; the nodes of this machine are " + nodes +
           " (a card that is removed and rescanned may get another number)";
}

std::string open_problem(Kernel& kernel, int error, const std::string& path) {
    const std::string failed = "cannot open " + shown_name(path) + ": ";
    switch (error) {
        case ENOENT:
        case ENXIO:
            return failed + missing_node(kernel);
        case ENOSPC:
            return failed +
                   "all contexts of the card are in use; close another program that has it open "
                   "(accelctl top lists them)";
        case EDQUOT: {
            const auto limit = kernel.attribute(path, "quota/contexts");
            return failed + "this user holds as many contexts of the card as the quota allows" +
                   (limit ? " (" + *limit + ")" : "") +
                   ": close another program of this user that has it open, or raise "
                   "quota/contexts of the card in sysfs";
        }
        default:
            return failed + std::string(explain(static_cast<std::errc>(error)));
    }
}

Usage to_usage(std::uint64_t used, std::uint64_t quota) {
    // A driver that does not know a quota leaves its fields zero.
    const bool limited = quota != 0 && quota != std::numeric_limits<std::uint64_t>::max();
    return {.used = used, .limit = limited ? std::optional(quota) : std::nullopt};
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
    info.max_list_steps = raw.list_steps;
    info.max_call_arguments = raw.call_arguments != 0
                                  ? std::min<std::uint32_t>(raw.call_arguments, ACCEL_CALL_ARGS_MAX)
                                  : ACCEL_CALL_ARGS_OLD;
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
    info.user_contexts = to_usage(raw.contexts_used, raw.contexts_quota);
    info.user_queues = to_usage(raw.queues_used, raw.queues_quota);
    info.user_device_memory = to_usage(raw.memory_used, raw.memory_quota);
    info.user_host_memory = to_usage(raw.host_memory_used, raw.host_memory_quota);
    info.max_priority =
        static_cast<Priority>(std::min<std::uint32_t>(raw.priority_max, ACCEL_PRIORITIES - 1));
    if (raw.time_limit_ms != 0) {
        info.time_limit = std::chrono::milliseconds(raw.time_limit_ms);
    }
    return info;
}

}  // namespace

DeviceImpl::DeviceImpl(std::shared_ptr<Kernel> kernel, std::string path)
    : kernel_(std::move(kernel)), path_(std::move(path)), fd_(open_node(*kernel_, path_)) {
    if (fd_ < 0) {
        throw Error(static_cast<std::errc>(-fd_), open_problem(*kernel_, -fd_, path_),
                    fd_ == -ENOTRECOVERABLE ? Reason::wedged : Reason::none);
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
    log_lazily(LogLevel::info, [this] {
        return "opened " + path_ + (limits_.emulated ? ", an emulated card" : "") +
               ", generation " + std::to_string(limits_.generation);
    });
}

DeviceImpl::~DeviceImpl() {
    if (fd_ >= 0) {
        kernel_->close(fd_);
    }
}

// Otherwise the child would keep the address space and all memory alive after the parent's end.
void DeviceImpl::after_fork(void* device) noexcept {
    auto& self = *static_cast<DeviceImpl*>(device);
    if (self.fd_ >= 0) {
        self.kernel_->close_in_child(std::exchange(self.fd_, -1));
    }
}

DeviceInfo DeviceImpl::query() const {
    accel_info raw = {};
    call(ACCEL_IOCTL_INFO, raw, "cannot query the properties of the card");
    DeviceInfo info = to_info(raw, path_);
    info.emulated = kernel_->emulated();
    return info;
}

std::optional<DeviceEnd> DeviceImpl::ended() const {
    accel_context_query raw = {};
    call(ACCEL_IOCTL_CONTEXT_QUERY, raw, "cannot query the state of the device");
    if (raw.reason == ACCEL_REASON_NONE) {
        return std::nullopt;
    }
    DeviceEnd end{.reason = static_cast<Reason>(raw.reason),
                  .error = static_cast<std::errc>(raw.error),
                  .generation = raw.generation,
                  .card_generation = raw.card_generation,
                  .time = std::chrono::nanoseconds(raw.time),
                  .pid = std::nullopt};
    if (raw.pid != 0) {
        end.pid = raw.pid;
    }
    return end;
}

void DeviceImpl::throw_call_error(int error, const std::string& what) const {
    check_process();
    accel_context_query raw = {};
    const bool over = error == ESTALE || error == ENODEV || error == ENOTRECOVERABLE;
    if (!over || try_call(ACCEL_IOCTL_CONTEXT_QUERY, raw) != 0 || raw.reason == 0) {
        throw_errno(error, what);
    }
    const auto reason = static_cast<Reason>(raw.reason);
    std::string why(explain(reason));
    if (raw.pid != 0) {
        why += " (a queue of process " + std::to_string(raw.pid) + " caused it)";
    }
    throw Error(static_cast<std::errc>(error), what + ": " + why, reason);
}

Mapping::Mapping(const DeviceImpl& device, std::uint64_t offset, std::uint64_t bytes,
                 const char* what)
    : kernel_(&device.kernel()), bytes_(bytes) {
    if (const int error = -kernel_->mmap(device.fd(), offset, bytes, &data_); error != 0) {
        data_ = nullptr;
        device.throw_call_error(error, std::string(what) + " of " + device.path());
    }
}

Mapping::Mapping(Mapping&& other) noexcept
    : origin_(other.origin_),
      kernel_(other.kernel_),
      data_(std::exchange(other.data_, nullptr)),
      bytes_(other.bytes_) {}

Mapping& Mapping::operator=(Mapping&& other) noexcept {
    std::swap(origin_, other.origin_);
    std::swap(kernel_, other.kernel_);
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
}

Mapping::~Mapping() {
    if (data_ != nullptr && !origin_.in_child()) {
        kernel_->munmap(data_, bytes_);
    }
}

}  // namespace accel::detail
