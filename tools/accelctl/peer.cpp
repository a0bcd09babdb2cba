// SPDX-License-Identifier: Apache-2.0
#include "peer.hpp"

#include <accel_uapi.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>

#include "accel/error.hpp"

namespace accel::tools {

namespace {

constexpr std::uint32_t read_write = ACCEL_BUFFER_CARD_READ | ACCEL_BUFFER_CARD_WRITE;

template <typename T>
void call(int fd, unsigned long request, T& argument, const char* what) {
    argument.size = sizeof argument;
    if (::ioctl(fd, request, &argument) != 0) {
        const auto error = static_cast<std::errc>(errno);
        throw Error(error, std::string(what) + ": " + std::string(explain(error)));
    }
}

void destroy(int fd, std::uint32_t handle) {
    accel_buffer_destroy argument{.size = sizeof argument, .handle = handle};
    static_cast<void>(::ioctl(fd, ACCEL_IOCTL_BUFFER_DESTROY, &argument));
}

}  // namespace

ExportedMemory::ExportedMemory(const Device& device, std::uint64_t bytes) : node_(device.fd()) {
    accel_buffer_create create{};
    create.flags = read_write | ACCEL_BUFFER_DEVICE;
    create.bytes = bytes;
    call(node_, ACCEL_IOCTL_BUFFER_CREATE, create, "cannot allocate device memory to export");
    handle_ = create.handle;
    address_ = create.address;
    accel_buffer_export request{};
    request.handle = handle_;
    try {
        call(node_, ACCEL_IOCTL_BUFFER_EXPORT, request, "cannot export device memory");
    } catch (...) {
        destroy(node_, handle_);
        throw;
    }
    dmabuf_ = request.fd;
}

ExportedMemory::~ExportedMemory() {
    ::close(dmabuf_);
    destroy(node_, handle_);
}

ImportedMemory::ImportedMemory(const Device& device, int dmabuf) : node_(device.fd()) {
    accel_buffer_import import{};
    import.flags = read_write;
    import.fd = dmabuf;
    call(node_, ACCEL_IOCTL_BUFFER_IMPORT, import, "cannot import the memory of the other card");
    handle_ = import.handle;
    address_ = import.address;
}

ImportedMemory::~ImportedMemory() {
    destroy(node_, handle_);
}

}  // namespace accel::tools
