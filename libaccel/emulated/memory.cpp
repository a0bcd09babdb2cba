// SPDX-License-Identifier: Apache-2.0
//
// Mappings of memory files, device memory, and the table of what this process may import.
#include "memory.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <tuple>

namespace accel::emulated {

namespace {

[[noreturn]] void fail(int error) {
    throw std::system_error(error, std::generic_category());
}

// Maps memory for reading and writing: of a file, or zeroed memory of the process if there is none;
// at an address, or at any if that is null.
std::byte* map(int fd, std::uint64_t bytes, std::byte* at, int protection) {
    const int flags = (fd < 0 ? MAP_ANONYMOUS | MAP_NORESERVE | MAP_PRIVATE : MAP_SHARED) |
                      (at != nullptr ? MAP_FIXED : 0);
    void* const data = ::mmap(at, bytes, protection, flags, fd, 0);
    if (data == MAP_FAILED) {
        fail(errno);
    }
    ::madvise(data, bytes, MADV_DONTFORK);
    return static_cast<std::byte*>(data);
}

constexpr int read_write = PROT_READ | PROT_WRITE;

// A file of memory; none if the process should keep its file descriptors for other purposes.
OwnedFd memory_file(std::uint64_t bytes) {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    if (owned_fds() >= limit.rlim_cur / 4) {
        return {};
    }
    OwnedFd fd(::memfd_create("accel-buffer", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!fd) {
        if (errno == EMFILE || errno == ENFILE) {
            return {};
        }
        fail(errno);
    }
    if (::ftruncate(fd.get(), static_cast<off_t>(bytes)) != 0) {
        fail(errno == EINVAL || errno == EFBIG ? ENOMEM : errno);
    }
    // No holder of an exported descriptor can take the memory from under the card.
    ::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
    return fd;
}

using FileId = std::tuple<dev_t, ino_t>;

FileId id_of(int fd) {
    struct stat status {};
    if (::fstat(fd, &status) != 0) {
        fail(errno);
    }
    return {status.st_dev, status.st_ino};
}

// The memory that this process can import by the identity of its file.
class ExportTable {
  public:
    static ExportTable& instance() {
        // Never destroyed: objects of static duration may own memory.
        static auto* const table = new ExportTable;  // NOLINT(cppcoreguidelines-owning-memory)
        return *table;
    }

    void add(const FileId& id, const std::shared_ptr<Memory>& memory) {
        const std::lock_guard lock(mutex_);
        memories_[id] = memory;
    }
    void remove(const FileId& id) noexcept {
        const std::lock_guard lock(mutex_);
        memories_.erase(id);
    }
    [[nodiscard]] std::shared_ptr<Memory> find(const FileId& id) {
        const std::lock_guard lock(mutex_);
        const auto found = memories_.find(id);
        return found == memories_.end() ? nullptr : found->second.lock();
    }

  private:
    std::mutex mutex_;
    std::map<FileId, std::weak_ptr<Memory>> memories_;
};

}  // namespace

// ---- Memory

std::shared_ptr<Memory> Memory::make() {
    return std::shared_ptr<Memory>(new Memory);  // NOLINT(cppcoreguidelines-owning-memory)
}

void Memory::publish(const std::shared_ptr<Memory>& self) {
    if (fd_) {
        ExportTable::instance().add(id_of(fd_.get()), self);
    }
}

std::shared_ptr<Memory> Memory::internal(std::uint64_t bytes) {
    auto memory = make();
    memory->bytes_ = round_to_pages(bytes);
    memory->data_ = map(-1, memory->bytes_, nullptr, read_write);
    return memory;
}

std::shared_ptr<Memory> Memory::host(std::uint64_t bytes) {
    auto memory = make();
    memory->bytes_ = round_to_pages(bytes);
    memory->fd_ = memory_file(memory->bytes_);
    memory->data_ = map(memory->fd_.get(), memory->bytes_, nullptr, read_write);
    memory->publish(memory);
    return memory;
}

std::shared_ptr<Memory> Memory::imported(int fd, bool writable) {
    if (auto known = ExportTable::instance().find(id_of(fd))) {
        return known;
    }
    struct stat status {};
    const int rules = ::fcntl(fd, F_GET_SEALS);
    if (rules < 0 || ::fstat(fd, &status) != 0) {
        fail(errno == EBADF ? EBADF : EINVAL);  // closed, or no memfd
    }
    if (status.st_size <= 0) {
        fail(EINVAL);
    }
    if (writable && (rules & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) != 0) {
        fail(EACCES);
    }
    // A file that shrinks would end this process by SIGBUS.
    if ((rules & F_SEAL_SHRINK) == 0 && ::fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) != 0) {
        fail(EPERM);
    }
    auto memory = make();
    memory->bytes_ = round_to_pages(static_cast<std::uint64_t>(status.st_size));
    memory->data_ = map(fd, memory->bytes_, nullptr, writable ? read_write : PROT_READ);
    return memory;
}

Memory::~Memory() {
    if (fd_) {
        try {
            ExportTable::instance().remove(id_of(fd_.get()));
        } catch (const std::system_error&) {  // the user closed a descriptor of ours
        }
    }
    if (device_) {
        device_->release(data_, bytes_);
    } else if (data_ != nullptr) {
        ::munmap(data_, bytes_);
    }
}

int Memory::export_fd() const noexcept {
    if (!fd_) {
        return -EMFILE;
    }
    const int copy = ::fcntl(fd_.get(), F_DUPFD_CLOEXEC, 0);
    return copy < 0 ? -errno : copy;
}

// ---- DeviceMemory

DeviceMemory::DeviceMemory(std::uint64_t bytes)
    : data_(map(-1, bytes, nullptr, read_write)), bytes_(bytes) {}

DeviceMemory::~DeviceMemory() {
    ::munmap(data_, bytes_);
}

std::uint64_t DeviceMemory::free_bytes() {
    const std::lock_guard lock(mutex_);
    std::uint64_t free = bytes_;
    for (const auto& [offset, bytes] : used_) {
        free -= bytes;
    }
    return free;
}

std::optional<std::uint64_t> DeviceMemory::reserve(std::uint64_t bytes) {
    const std::lock_guard lock(mutex_);
    std::uint64_t at = 0;
    for (const auto& [offset, length] : used_) {
        if (offset - at >= bytes) {
            break;
        }
        at = offset + length;
    }
    if (bytes > bytes_ - at) {
        return std::nullopt;
    }
    used_[at] = bytes;
    return at;
}

void DeviceMemory::release(std::byte* data, std::uint64_t bytes) noexcept {
    try {
        static_cast<void>(map(-1, bytes, data, read_write));
    } catch (const std::system_error&) {  // the old pages stay; allocate() replaces them
    }
    const std::lock_guard lock(mutex_);
    used_.erase(static_cast<std::uint64_t>(data - data_));
}

std::shared_ptr<Memory> DeviceMemory::allocate(std::uint64_t bytes) {
    bytes = round_to_pages(bytes);
    auto memory = Memory::make();
    auto fd = memory_file(bytes);
    const auto offset = reserve(bytes);
    if (!offset) {
        return nullptr;
    }
    // From here on the destructor of `memory` gives the piece back.
    memory->data_ = data_ + *offset;
    memory->bytes_ = bytes;
    memory->device_ = shared_from_this();
    memory->fd_ = std::move(fd);
    static_cast<void>(map(memory->fd_.get(), bytes, memory->data_, read_write));
    memory->publish(memory);
    return memory;
}

}  // namespace accel::emulated
