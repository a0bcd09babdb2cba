// SPDX-License-Identifier: Apache-2.0
//
// An open file of the driver: buffers, lists and queues share it and keep it open.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "accel/device.hpp"
#include "fork.hpp"
#include "kernel.hpp"
#include "throw_error.hpp"
#include "tracked_object.hpp"

namespace accel::detail {

/// Thread-safety: const members from any thread.
class DeviceImpl {
  public:
    /// Throws if the node cannot be opened. Waits while the card is resetting.
    DeviceImpl(std::shared_ptr<Kernel> kernel, std::string path);
    DeviceImpl(const DeviceImpl&) = delete;
    DeviceImpl& operator=(const DeviceImpl&) = delete;
    DeviceImpl(DeviceImpl&&) = delete;
    DeviceImpl& operator=(DeviceImpl&&) = delete;
    ~DeviceImpl();

    [[nodiscard]] Kernel& kernel() const noexcept { return *kernel_; }
    [[nodiscard]] int fd() const noexcept { return fd_; }
    [[nodiscard]] const std::string& path() const noexcept { return path_; }

    /// The properties at the time when the device was opened.
    [[nodiscard]] const DeviceInfo& limits() const noexcept { return limits_; }

    /// The current properties. Throws Error if the driver cannot answer.
    [[nodiscard]] DeviceInfo query() const;

    /// How the device ended, if it did. Throws Error if the driver cannot answer.
    [[nodiscard]] std::optional<DeviceEnd> ended() const;

    /// Whether this is a child of the process that opened the device.
    [[nodiscard]] bool in_child() const noexcept { return origin_.in_child(); }
    /// Throws Error(operation_not_permitted) if so.
    void check_process() const {
        if (in_child()) [[unlikely]] {
            throw_in_child();
        }
    }

    [[nodiscard]] QueueSlots& queue_slots() noexcept { return queue_slots_; }

    /// Makes an ioctl; returns zero or an errno. `argument` is a structure of the UAPI; this sets
    /// its size field. A call that a signal interrupts is repeated, which is safe: an interrupted
    /// call has no effect, and deadlines are absolute. In a child the file is closed: EBADF.
    template <typename T>
    [[nodiscard]] int try_call(unsigned long request, T& argument) const noexcept {
        argument.size = sizeof(T);
        int error = 0;
        do {
            error = -kernel_->ioctl(fd_, request, &argument);
        } while (error == EINTR);
        return error;
    }

    /// The same, but throws Error with the text "what on path: why".
    template <typename T>
    void call(unsigned long request, T& argument, const char* what) const {
        if (const int error = try_call(request, argument); error != 0) {
            throw_call_error(error, std::string(what) + " on " + path_);
        }
    }

    /// Throws Error with the text "what: why" for an errno of try_call(). If the device has ended,
    /// the driver tells the reason.
    [[noreturn]] void throw_call_error(int error, const std::string& what) const;

  private:
    static void after_fork(void* device) noexcept;

    Origin origin_;
    std::shared_ptr<Kernel> kernel_;
    std::string path_;
    int fd_;
    DeviceInfo limits_;
    QueueSlots queue_slots_;
    ForkHook fork_hook_{after_fork, this};
};

/// The queue slots of a device, with ownership of the device.
[[nodiscard]] inline std::shared_ptr<QueueSlots> queue_slots_of(
    const std::shared_ptr<DeviceImpl>& device) {
    return {device, &device->queue_slots()};
}

/// A mapping of the device's file; the destructor unmaps it, except in a child, which has none. Its
/// owner keeps the device open.
class Mapping {
  public:
    Mapping() = default;
    Mapping(const DeviceImpl& device, std::uint64_t offset, std::uint64_t bytes, const char* what);
    Mapping(Mapping&& other) noexcept;
    Mapping& operator=(Mapping&& other) noexcept;
    Mapping(const Mapping&) = delete;
    Mapping& operator=(const Mapping&) = delete;
    ~Mapping();

    [[nodiscard]] void* data() const noexcept { return data_; }

  private:
    Origin origin_;
    Kernel* kernel_ = nullptr;  // owned by the device
    void* data_ = nullptr;
    std::size_t bytes_ = 0;
};

struct DeviceAccess {
    static Device make(std::shared_ptr<DeviceImpl> impl) { return Device(std::move(impl)); }
    static const std::shared_ptr<DeviceImpl>& impl(const Device& device) {
        if (!device.impl_) {
            throw_moved_from("Device");
        }
        return device.impl_;
    }
};

}  // namespace accel::detail
