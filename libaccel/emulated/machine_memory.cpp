// SPDX-License-Identifier: Apache-2.0
//
// Buffers of a machine and their mappings.
#include <sys/mman.h>

#include <cerrno>
#include <utility>

#include "admin_commands.hpp"
#include "machine.hpp"
#include "machine_state.hpp"

namespace accel::emulated {

namespace {

std::uint64_t permissions(std::uint32_t flags) {
    return ((flags & ACCEL_BUFFER_CARD_READ) != 0 ? ACCEL_PTE_READ : 0) |
           ((flags & ACCEL_BUFFER_CARD_WRITE) != 0 ? ACCEL_PTE_WRITE : 0);
}

// Allocates the pages of the caller, as a driver does that pins them. Returns an errno. A kernel
// before 5.14 does not know the advice, not even for no memory; then nothing is checked.
int populate(std::uint64_t address, std::uint64_t bytes, bool writable) {
    // NOLINTNEXTLINE(performance-no-int-to-ptr): an ioctl passes addresses
    void* const start = reinterpret_cast<void*>(address);
    const int advice = writable ? MADV_POPULATE_WRITE : MADV_POPULATE_READ;
    if (::madvise(start, 0, advice) != 0 || ::madvise(start, bytes, advice) == 0) {
        return 0;
    }
    return errno == EINVAL || errno == ENOMEM ? EFAULT : errno;
}

}  // namespace

void Machine::add_buffer(File& file, Buffer buffer, std::uint64_t target, std::uint64_t bits,
                         std::uint32_t& handle) {
    file.pages.map(buffer.address, target, buffer.bytes, bits);
    handle = file.next_handle++;
    file.buffers.emplace(handle, std::move(buffer));
}

void Machine::unmap(File& file, std::uint64_t address, std::uint64_t bytes) {
    file.pages.unmap(address, bytes);
    if (file.dead == 0) {
        static_cast<void>(file.card.admin(invalidate(file.context, address, bytes)));
    }
}

int Machine::buffer_create(File& file, accel_buffer_create& argument) {
    if (argument.size != sizeof(argument) || argument.bytes == 0 ||
        permissions(argument.flags) == 0 || argument.reserved != 0) {
        return EINVAL;
    }
    const bool device = (argument.flags & ACCEL_BUFFER_DEVICE) != 0;
    if (!device && (capabilities_ & ACCEL_CAP_HOST_MEMORY) == 0) {
        return EOPNOTSUPP;
    }
    if (argument.bytes > std::uint64_t{1} << 46) {
        return device ? ENOSPC : ENOMEM;
    }
    Buffer buffer;
    buffer.bytes = round_to_pages(argument.bytes);
    const Limits use = used();
    if (device ? use.memory + buffer.bytes > limits_.memory
               : use.host_memory + buffer.bytes > limits_.host_memory) {
        return EDQUOT;
    }
    std::uint64_t target = 0;
    std::uint64_t bits = permissions(argument.flags);
    if (device) {
        buffer.memory = file.card.memory().allocate(buffer.bytes);
        if (!buffer.memory) {
            return ENOSPC;
        }
        target = static_cast<std::uint64_t>(buffer.memory->data() - file.card.memory().data());
        bits |= ACCEL_PTE_MEMORY;
    } else {
        buffer.memory = Memory::host(buffer.bytes);
        buffer.exposure = Exposure(bus_, buffer.memory->data(), buffer.bytes);
        target = buffer.memory->address();
    }
    buffer.address = file.reserve(buffer.bytes);
    argument.address = buffer.address;
    add_buffer(file, std::move(buffer), target, bits, argument.handle);
    return 0;
}

int Machine::buffer_register(File& file, accel_buffer_register& argument) {
    if (argument.size != sizeof(argument) || argument.bytes == 0 ||
        permissions(argument.flags) == 0 || argument.reserved != 0) {
        return EINVAL;
    }
    if ((capabilities_ & ACCEL_CAP_REGISTER) == 0) {
        return EOPNOTSUPP;
    }
    const std::uint64_t offset = argument.pointer % page_bytes;
    std::uint64_t end = 0;
    if (__builtin_add_overflow(argument.pointer, argument.bytes, &end) || end > UINT64_MAX / 2) {
        return EFAULT;
    }
    const std::uint64_t bytes = round_to_pages(offset + argument.bytes);
    if (locked_ + bytes > limits_.locked || used().host_memory + bytes > limits_.host_memory) {
        return EDQUOT;
    }
    const bool writable = (argument.flags & ACCEL_BUFFER_CARD_WRITE) != 0;
    if (const int error = populate(argument.pointer - offset, bytes, writable)) {
        return error;
    }
    Buffer buffer;
    buffer.bytes = bytes;
    buffer.registered = true;
    buffer.address = file.reserve(bytes);
    // NOLINTNEXTLINE(performance-no-int-to-ptr): an ioctl passes addresses
    buffer.exposure = Exposure(bus_, reinterpret_cast<void*>(argument.pointer), argument.bytes);
    locked_ += bytes;
    argument.address = buffer.address + offset;
    add_buffer(file, std::move(buffer), argument.pointer - offset, permissions(argument.flags),
               argument.handle);
    return 0;
}

void Machine::free_buffer(File& file, Buffer& buffer) {
    unmap(file, buffer.address, buffer.bytes);
    if (buffer.registered) {
        locked_ -= buffer.bytes;
    }
}

int Machine::buffer_destroy(File& file, std::uint32_t handle) {
    const auto found = file.buffers.find(handle);
    if (found == file.buffers.end()) {
        return ENOENT;
    }
    free_buffer(file, found->second);
    file.buffers.erase(found);
    return 0;
}

int Machine::buffer_export(File& file, accel_buffer_export& argument) {
    if (argument.size != sizeof(argument)) {
        return EINVAL;
    }
    if (argument.flags != 0) {
        return EOPNOTSUPP;  // a memfd cannot be revoked
    }
    const auto found = file.buffers.find(argument.handle);
    if (found == file.buffers.end()) {
        return ENOENT;
    }
    const Buffer& buffer = found->second;
    if (buffer.imported || buffer.registered) {
        return EINVAL;
    }
    const int fd = buffer.memory->export_fd();
    if (fd < 0) {
        return -fd;
    }
    argument.fd = fd;
    return 0;
}

int Machine::buffer_import(File& file, accel_buffer_import& argument) {
    if (argument.size != sizeof(argument) || permissions(argument.flags) == 0 ||
        argument.reserved != 0 || argument.reserved2 != 0) {
        return EINVAL;
    }
    Buffer buffer;
    buffer.imported = true;
    buffer.memory = Memory::imported(argument.fd, (argument.flags & ACCEL_BUFFER_CARD_WRITE) != 0);
    buffer.bytes = buffer.memory->bytes();
    std::uint64_t target = buffer.memory->address();
    std::uint64_t bits = permissions(argument.flags);
    if (buffer.memory->device() == &file.card.memory()) {
        target = static_cast<std::uint64_t>(buffer.memory->data() - file.card.memory().data());
        bits |= ACCEL_PTE_MEMORY;
    } else {
        buffer.exposure = Exposure(bus_, buffer.memory->data(), buffer.bytes);
    }
    buffer.address = file.reserve(buffer.bytes);
    argument.bytes = buffer.bytes;
    argument.address = buffer.address;
    add_buffer(file, std::move(buffer), target, bits, argument.handle);
    return 0;
}

// ---- Mappings

int Machine::mmap(int fd, std::uint64_t offset, std::size_t bytes, void** memory) noexcept {
    const FilePtr file = file_of(fd);
    return file ? -guarded([&] { return try_mmap(*file, offset, bytes, memory); }) : -EBADF;
}

int Machine::try_mmap(File& file, std::uint64_t offset, std::size_t bytes, void** memory) {
    const std::lock_guard lock(mutex_);
    std::shared_ptr<Memory> found;
    for (const auto& [handle, buffer] : file.buffers) {
        if (buffer.address == offset && buffer.memory && bytes <= buffer.bytes) {
            found = buffer.memory;
        }
    }
    for (const auto& [handle, queue] : file.queues) {
        if (queue.address == offset && bytes <= queue.bytes) {
            found = queue.state->memory;
        }
        if (queue.doorbell_address == offset && bytes == ACCEL_DOORBELL_STRIDE) {
            found = queue.doorbell;
        }
    }
    if (!found) {
        return EINVAL;
    }
    Mapped& mapped = mappings_[found->data()];
    ++mapped.count;
    *memory = found->data();
    mapped.memory = std::move(found);
    return 0;
}

void Machine::munmap(void* memory, std::size_t /*bytes*/) noexcept {
    const std::lock_guard lock(mutex_);
    const auto found = mappings_.find(memory);
    if (found != mappings_.end() && --found->second.count == 0) {
        mappings_.erase(found);
    }
}

}  // namespace accel::emulated
