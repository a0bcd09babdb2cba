// SPDX-License-Identifier: Apache-2.0
//
// Files, mappings and buffers of the UAPI; queue.cpp implements queues.
#include "uapi.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

#include "card.hpp"

namespace uapi {

void require(int error, const std::string& what) {
    if (error != 0) {
        throw std::system_error(error, std::generic_category(), what);
    }
}

std::int64_t deadline_in(std::chrono::nanoseconds time) {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * std::int64_t{1'000'000'000} + now.tv_nsec + time.count();
}

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
    if (this != &other) {
        close();
        fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
}

void Descriptor::close() {
    if (fd_ >= 0) {
        ::close(std::exchange(fd_, -1));
    }
}

Mapping::Mapping(int fd, std::uint64_t offset, std::size_t bytes, int prot, int flags)
    : start_(::mmap(nullptr, bytes, prot, flags, fd, static_cast<off_t>(offset))), bytes_(bytes) {
    if (start_ == MAP_FAILED) {
        start_ = nullptr;
        require(errno, "mmap");
    }
}

Mapping& Mapping::operator=(Mapping&& other) noexcept {
    if (this != &other) {
        unmap();
        start_ = std::exchange(other.start_, nullptr);
        bytes_ = std::exchange(other.bytes_, 0);
    }
    return *this;
}

Mapping Mapping::anonymous(std::size_t bytes, int flags) {
    return {-1, 0, bytes, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS};
}

int Mapping::attempt(int fd, std::uint64_t offset, std::size_t bytes, int prot, int flags) {
    void* start = ::mmap(nullptr, bytes, prot, flags, fd, static_cast<off_t>(offset));
    if (start == MAP_FAILED) {
        return errno;
    }
    ::munmap(start, bytes);
    return 0;
}

void Mapping::protect(int prot) const {
    require(::mprotect(start_, bytes_, prot) == 0 ? 0 : errno, "mprotect");
}

void Mapping::unmap() {
    if (start_ != nullptr) {
        ::munmap(std::exchange(start_, nullptr), std::exchange(bytes_, 0));
    }
}

File::File() : File(Card().node()) {}

File::File(const std::string& node) : fd_(::open(node.c_str(), O_RDWR | O_CLOEXEC)) {
    require(fd_.get() >= 0 ? 0 : errno, "open " + node);
}

int File::raw(unsigned long request, void* argument) const {
    return ::ioctl(fd_.get(), request, argument) == 0 ? 0 : errno;
}

accel_info File::info() const {
    accel_info info{};
    require(call(ACCEL_IOCTL_INFO, info), "INFO");
    return info;
}

int File::poll(std::chrono::milliseconds time) const {
    const std::int64_t deadline = deadline_in(time);
    pollfd item{.fd = fd_.get(), .events = POLLIN, .revents = 0};
    const int count = ::poll(&item, 1, static_cast<int>(time.count()));
    const bool late = time.count() > 0 && deadline_in({}) >= deadline;
    return count == 1 && !late ? item.revents : 0;
}

Buffer::Buffer(const File& file, std::size_t bytes, std::uint32_t flags)
    : fd_(file.fd()), bytes_((bytes + page - 1) / page * page) {
    accel_buffer_create create{};
    create.flags = flags;
    create.bytes = bytes;
    require(file.call(ACCEL_IOCTL_BUFFER_CREATE, create), "BUFFER_CREATE");
    handle_ = create.handle;
    address_ = create.address;
    mapping_ = Mapping(fd_, address_, bytes_);
}

Buffer::Buffer(Buffer&& other) noexcept
    : fd_(other.fd_),
      handle_(std::exchange(other.handle_, 0)),
      address_(other.address_),
      bytes_(other.bytes_),
      mapping_(std::move(other.mapping_)) {}

namespace {

int destroy_buffer(int fd, std::uint32_t handle) {
    accel_buffer_destroy destroy{.size = sizeof(destroy), .handle = handle};
    return ::ioctl(fd, ACCEL_IOCTL_BUFFER_DESTROY, &destroy) == 0 ? 0 : errno;
}

}  // namespace

int Buffer::destroy() {
    const std::uint32_t handle = std::exchange(handle_, 0);
    return handle != 0 ? destroy_buffer(fd_, handle) : 0;
}

Descriptor Buffer::export_dmabuf(std::uint32_t flags) const {
    accel_buffer_export share{.size = sizeof(share), .flags = flags, .handle = handle_, .fd = -1};
    require(::ioctl(fd_, ACCEL_IOCTL_BUFFER_EXPORT, &share) == 0 ? 0 : errno, "BUFFER_EXPORT");
    return Descriptor(share.fd);
}

Import::Import(const File& file, const Descriptor& dmabuf, std::uint32_t flags) : fd_(file.fd()) {
    created_.flags = flags;
    created_.fd = dmabuf.get();
    require(file.call(ACCEL_IOCTL_BUFFER_IMPORT, created_), "BUFFER_IMPORT");
}

Import::Import(Import&& other) noexcept
    : fd_(other.fd_), created_(std::exchange(other.created_, accel_buffer_import{})) {}

int Import::attempt(const File& file, int dmabuf, std::uint32_t flags) {
    accel_buffer_import import{};
    import.flags = flags;
    import.fd = dmabuf;
    if (const int error = file.call(ACCEL_IOCTL_BUFFER_IMPORT, import); error != 0) {
        return error;
    }
    accel_buffer_destroy destroy{.size = 0, .handle = import.handle};
    return file.call(ACCEL_IOCTL_BUFFER_DESTROY, destroy);
}

int Import::destroy() {
    if (created_.handle == 0) {
        return 0;
    }
    accel_buffer_destroy destroy{.size = sizeof(destroy),
                                 .handle = std::exchange(created_.handle, 0U)};
    return ::ioctl(fd_, ACCEL_IOCTL_BUFFER_DESTROY, &destroy) == 0 ? 0 : errno;
}

Registration::Registration(const File& file, const void* pointer, std::size_t bytes,
                           std::uint32_t flags)
    : fd_(file.fd()) {
    accel_buffer_register registration{};
    registration.flags = flags;
    registration.pointer = reinterpret_cast<std::uintptr_t>(pointer);
    registration.bytes = bytes;
    require(file.call(ACCEL_IOCTL_BUFFER_REGISTER, registration), "BUFFER_REGISTER");
    handle_ = registration.handle;
    address_ = registration.address;
}

Registration::Registration(Registration&& other) noexcept
    : fd_(other.fd_), handle_(std::exchange(other.handle_, 0)), address_(other.address_) {}

int Registration::attempt(const File& file, const void* pointer, std::uint64_t bytes,
                          std::uint32_t flags) {
    accel_buffer_register registration{};
    registration.flags = flags;
    registration.pointer = reinterpret_cast<std::uintptr_t>(pointer);
    registration.bytes = bytes;
    const int error = file.call(ACCEL_IOCTL_BUFFER_REGISTER, registration);
    if (error == 0) {
        require(destroy_buffer(file.fd(), registration.handle), "BUFFER_DESTROY");
    }
    return error;
}

int Registration::destroy() {
    const std::uint32_t handle = std::exchange(handle_, 0);
    return handle != 0 ? destroy_buffer(fd_, handle) : 0;
}

}  // namespace uapi
