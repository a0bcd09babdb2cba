// SPDX-License-Identifier: Apache-2.0
//
// Handles of the driver for memory, and their owners.
#include "memory.hpp"

#include <accel_uapi.h>

#include <cerrno>
#include <string>
#include <utility>

#include "command_text.hpp"
#include "logger.hpp"
#include "quota.hpp"
#include "throw_error.hpp"
#include "tracked_object.hpp"

namespace accel::detail {

namespace {

// A buffer of the driver. The destructor unmaps it before it destroys the handle: afterwards the
// card has no access, and the driver may reuse the address range.
class Memory final : public TrackedObject {
  public:
    Memory(std::shared_ptr<DeviceImpl> device, std::uint32_t handle)
        : TrackedObject(queue_slots_of(device)), device_(std::move(device)), handle_(handle) {}
    Memory(const Memory&) = delete;
    Memory& operator=(const Memory&) = delete;
    Memory(Memory&&) = delete;
    Memory& operator=(Memory&&) = delete;
    ~Memory() override {
        mapping_ = Mapping();
        // It fails only if the card is gone or was reset, and then there is nothing to undo.
        accel_buffer_destroy destroy = {.size = 0, .handle = handle_};
        static_cast<void>(device_->try_call(ACCEL_IOCTL_BUFFER_DESTROY, destroy));
    }

    [[nodiscard]] const DeviceImpl& device() const { return *device_; }
    [[nodiscard]] std::uint32_t handle() const { return handle_; }

    void* map(std::uint64_t address, std::uint64_t bytes) {
        mapping_ = Mapping(*device_, address, bytes, "cannot map a buffer");
        return mapping_.data();
    }

  private:
    std::shared_ptr<DeviceImpl> device_;
    std::uint32_t handle_;
    Mapping mapping_;
};

// Gives a new handle its owner. If that fails, the handle is destroyed, so it cannot leak.
std::shared_ptr<Memory> own(const std::shared_ptr<DeviceImpl>& device, std::uint32_t handle) {
    std::unique_ptr<Memory> memory;
    try {
        memory = std::make_unique<Memory>(device, handle);
    } catch (...) {
        accel_buffer_destroy destroy = {.size = 0, .handle = handle};
        static_cast<void>(device->try_call(ACCEL_IOCTL_BUFFER_DESTROY, destroy));
        throw;
    }
    // If this constructor fails, it retires the memory.
    return {memory.release(), TrackedObject::Retire{}};
}

// An owner without a type points to the TrackedObject, not to the derived class.
std::shared_ptr<const void> to_owner(const std::shared_ptr<TrackedObject>& object) {
    return object;
}

std::uint32_t access_flags(Access access) {
    switch (access) {
        case Access::read:
            return ACCEL_BUFFER_CARD_READ;
        case Access::write:
            return ACCEL_BUFFER_CARD_WRITE;
        case Access::read_write:
            break;
    }
    return ACCEL_BUFFER_CARD_READ | ACCEL_BUFFER_CARD_WRITE;
}

void log_memory(const char* what, const DeviceImpl& device, std::uint64_t bytes,
                std::uint64_t address) {
    log_lazily(LogLevel::debug, [&] {
        return std::string(what) + " on " + device.path() + ": " + std::to_string(bytes) +
               " bytes at " + hex(address);
    });
}

// Throws the Error for a descriptor that cannot be imported.
[[noreturn]] void throw_not_imported(const DeviceImpl& device, int fd, int error) {
    const std::string failed = "cannot import file descriptor " + std::to_string(fd);
    if (error == EBADF) {
        throw Error(std::errc::bad_file_descriptor,
                    failed + ": it is not open; keep it open until the import, and pass it to " +
                        "another process by SCM_RIGHTS, as its number means nothing there");
    }
    if (error == EINVAL) {
        throw_invalid(failed +
                      ": it is not memory that a card or a driver exported (a dma-buf): pass a "
                      "descriptor of Device::export_memory()");
    }
    if (error == EACCES) {
        throw Error(std::errc::permission_denied,
                    failed + ": its memory may only be read; import it with Access::read");
    }
    device.throw_call_error(error, failed);
}

}  // namespace

Allocation allocate(const std::shared_ptr<DeviceImpl>& device, std::uint64_t bytes,
                    const BufferOptions& options) {
    if (bytes == 0) {
        throw_invalid(
            "cannot allocate a buffer of 0 bytes: give it a shape without a zero dimension");
    }
    accel_buffer_create create = {};
    create.flags = access_flags(options.access);
    if (options.placement != Placement::host) {
        create.flags |= ACCEL_BUFFER_DEVICE;
    }
    create.bytes = bytes;
    if (const int error = device->try_call(ACCEL_IOCTL_BUFFER_CREATE, create); error != 0) {
        const bool host = options.placement == Placement::host;
        throw_refused(*device, host ? Resource::host_memory : Resource::device_memory, bytes, error,
                      "cannot allocate " + std::to_string(bytes) + " bytes of " +
                          (host ? "host" : "device") + " memory on " + device->path());
    }
    auto owner = own(device, create.handle);
    void* data =
        options.placement == Placement::device ? nullptr : owner->map(create.address, bytes);
    log_memory(data != nullptr ? "allocated and mapped memory" : "allocated memory", *device, bytes,
               create.address);
    return {.owner = to_owner(owner),
            .space = device.get(),
            .data = data,
            .address = create.address,
            .bytes = bytes,
            .access = options.access,
            .placement = options.placement};
}

Allocation register_memory(const std::shared_ptr<DeviceImpl>& device, void* memory,
                           std::uint64_t bytes, Access access) {
    if (bytes == 0) {
        throw_invalid("cannot register 0 bytes of memory: pass a span that is not empty");
    }
    accel_buffer_register registration = {};
    registration.flags = access_flags(access);
    registration.pointer = reinterpret_cast<std::uintptr_t>(memory);
    registration.bytes = bytes;
    if (const int error = device->try_call(ACCEL_IOCTL_BUFFER_REGISTER, registration); error != 0) {
        throw_refused(
            *device, Resource::registered_memory, bytes, error,
            "cannot register " + std::to_string(bytes) + " bytes of memory on " + device->path());
    }
    auto owner = own(device, registration.handle);
    log_memory("registered memory", *device, bytes, registration.address);
    return {.owner = to_owner(owner),
            .space = device.get(),
            .data = memory,
            .address = registration.address,
            .bytes = bytes,
            .access = access,
            .placement = Placement::host};
}

FileDescriptor export_memory(const Allocation& memory) {
    const auto* const object = static_cast<const TrackedObject*>(memory.owner.get());
    const auto* const owner = dynamic_cast<const Memory*>(object);
    if (owner == nullptr) {
        throw_invalid("cannot export an empty buffer: allocate it first");
    }
    accel_buffer_export request = {};
    request.handle = owner->handle();
    owner->device().call(ACCEL_IOCTL_BUFFER_EXPORT, request, "cannot export a buffer");
    FileDescriptor exported(request.fd);
    log_memory("exported memory", owner->device(), memory.bytes, memory.address);
    return exported;
}

Allocation import_memory(const std::shared_ptr<DeviceImpl>& device, int fd, Access access) {
    accel_buffer_import request = {};
    request.flags = access_flags(access);
    request.fd = fd;
    if (const int error = device->try_call(ACCEL_IOCTL_BUFFER_IMPORT, request); error != 0) {
        throw_not_imported(*device, fd, error);
    }
    auto owner = own(device, request.handle);
    log_memory("imported memory", *device, request.bytes, request.address);
    return {.owner = to_owner(owner),
            .space = device.get(),
            .data = nullptr,
            .address = request.address,
            .bytes = request.bytes,
            .access = access,
            .placement = Placement::device};
}

}  // namespace accel::detail
