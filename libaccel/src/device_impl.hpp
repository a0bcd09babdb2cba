// SPDX-License-Identifier: Apache-2.0
//
// An open file of the driver: what buffers, lists and queues share, and keep open.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "accel/device.hpp"
#include "errors.hpp"
#include "kernel.hpp"
#include "tracked_object.hpp"

namespace accel::detail {

class DeviceImpl {
  public:
    /// Throws if the node cannot be opened.
    DeviceImpl(std::shared_ptr<Kernel> kernel, std::string path);
    DeviceImpl(const DeviceImpl&) = delete;
    DeviceImpl& operator=(const DeviceImpl&) = delete;
    DeviceImpl(DeviceImpl&&) = delete;
    DeviceImpl& operator=(DeviceImpl&&) = delete;
    ~DeviceImpl();

    [[nodiscard]] Kernel& kernel() const noexcept { return *kernel_; }
    [[nodiscard]] int fd() const noexcept { return fd_; }
    [[nodiscard]] const std::string& path() const noexcept { return path_; }

    /// As it was when the device was opened.
    [[nodiscard]] const DeviceInfo& limits() const noexcept { return limits_; }

    [[nodiscard]] DeviceInfo query() const;

    /// Queues as the resources of this device see them.
    [[nodiscard]] Lanes& lanes() noexcept { return lanes_; }

    /// Zero or an errno. `argument` is a structure of the UAPI whose size field this fills in. A
    /// signal changes nothing, and a deadline is absolute: such a call is made again.
    template <typename T>
    [[nodiscard]] int try_call(unsigned long request, T& argument) const noexcept {
        argument.size = sizeof(T);
        int error = 0;
        do {
            error = -kernel_->ioctl(fd_, request, &argument);
        } while (error == EINTR);
        return error;
    }

    /// The same, and throws "what: why".
    template <typename T>
    void call(unsigned long request, T& argument, const char* what) const {
        if (const int error = try_call(request, argument); error != 0) {
            throw_errno(error, std::string(what) + " on " + path_);
        }
    }

  private:
    std::shared_ptr<Kernel> kernel_;
    std::string path_;
    int fd_;
    DeviceInfo limits_;
    Lanes lanes_;
};

/// A mapping of the file, undone by its destructor.
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
    Kernel* kernel_ = nullptr;  // the device, which the owner of the mapping holds, holds it
    void* data_ = nullptr;
    std::size_t bytes_ = 0;
};

/// Opening and listing with the kernel of the caller's choice; Device uses the real one.
[[nodiscard]] std::shared_ptr<DeviceImpl> open_device(const std::shared_ptr<Kernel>& kernel,
                                                      std::string_view name);
[[nodiscard]] std::vector<DeviceEntry> list_devices(const std::shared_ptr<Kernel>& kernel);

struct DeviceAccess {
    static Device wrap(std::shared_ptr<DeviceImpl> impl) { return Device(std::move(impl)); }
    static const std::shared_ptr<DeviceImpl>& impl(const Device& device) {
        if (!device.impl_) {
            throw_moved_from("Device");
        }
        return device.impl_;
    }
};

}  // namespace accel::detail
