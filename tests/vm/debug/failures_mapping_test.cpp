// SPDX-License-Identifier: Apache-2.0
//
// Failures in mmap() and at the first access, in fork(), and when a mapping is split.
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csetjmp>
#include <csignal>

#include "card.hpp"
#include "failures.hpp"

namespace {

using uapi::Mapping;
using uapi::Operation;
using uapi::page;

constexpr std::size_t mib = 1 << 20;
constexpr std::size_t touched_bytes = mib;

sigjmp_buf after_signal;

void leave_access(int) {
    siglongjmp(after_signal, 1);
}

/// Accesses every page of the first MiB: 0, or EFAULT if an access raised SIGBUS.
int touch(std::byte* start, std::size_t bytes, bool write) {
    struct sigaction action {};
    struct sigaction before {};
    action.sa_handler = leave_access;
    ::sigaction(SIGBUS, &action, &before);
    volatile int result = EFAULT;
    if (sigsetjmp(after_signal, 1) == 0) {
        for (std::size_t i = 0; i < std::min(bytes, touched_bytes); i += page) {
            volatile std::byte* const byte = start + i;
            if (write) {
                *byte = std::byte{5};
            } else {
                static_cast<void>(*byte);
            }
        }
        result = 0;
    }
    ::sigaction(SIGBUS, &before, nullptr);
    return result;
}

/// mmap() and an access to each page.
class Map : public Operation {
  public:
    int attempt() override {
        void* const start =
            ::mmap(nullptr, bytes_, prot_, MAP_SHARED, fd_, static_cast<off_t>(at_));
        if (start == MAP_FAILED) {
            return errno;
        }
        start_ = start;
        const int error = touch(static_cast<std::byte*>(start), bytes_, (prot_ & PROT_WRITE) != 0);
        if (error != 0) {
            undo();
        }
        return error;
    }
    void undo() override { ::munmap(start_, bytes_); }

  protected:
    void map(int fd, std::uint64_t at, std::size_t bytes, int prot = PROT_READ | PROT_WRITE) {
        fd_ = fd;
        at_ = at;
        bytes_ = bytes;
        prot_ = prot;
    }
    [[nodiscard]] const uapi::File& file() const { return file_; }

  private:
    uapi::File file_;
    int fd_ = -1;
    std::uint64_t at_ = 0;
    std::size_t bytes_ = 0;
    int prot_ = 0;
    void* start_ = nullptr;
};

class MapBuffer : public Map {
  public:
    MapBuffer(std::uint32_t flags, std::size_t bytes) : buffer_(file(), bytes, flags) {
        map(file().fd(), buffer_.address(), bytes);
    }

  private:
    uapi::Buffer buffer_;
};

class MapImport : public Map {
  public:
    explicit MapImport(std::uint32_t flags) : buffer_(exporter_, mib, flags) {
        map(file().fd(), import_.address(), mib);
    }

  private:
    uapi::File exporter_;
    uapi::Buffer buffer_;
    uapi::Descriptor dmabuf_{buffer_.export_dmabuf()};
    uapi::Import import_{file(), dmabuf_};
};

class MapDmabuf : public Map {
  public:
    explicit MapDmabuf(std::uint32_t flags) : buffer_(file(), mib, flags) {
        map(dmabuf_.get(), 0, mib);
    }

  private:
    uapi::Buffer buffer_;
    uapi::Descriptor dmabuf_{buffer_.export_dmabuf()};
};

class MapQueue : public Map {
  public:
    explicit MapQueue(bool doorbell) {
        create_.entries = 64;
        uapi::require(file().call(ACCEL_IOCTL_QUEUE_CREATE, create_), "QUEUE_CREATE");
        if (doorbell) {
            map(file().fd(), create_.doorbell, page);
        } else {
            map(file().fd(), create_.address, create_.bytes);
        }
    }

  private:
    accel_queue_create create_{};
};

class MapRegisters : public Map {
  public:
    MapRegisters() { map(file().fd(), ACCEL_MMAP_REGISTERS, page, PROT_READ); }
};

/// The operations below have a mapping of device memory, in a range that nothing else uses.
class OnMapping : public Operation {
  public:
    void prepare() override {
        map(start(), MAP_SHARED, file_.fd(), buffer_.address());
        map(target(), MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        uapi::require(touch(start(), bytes, true), "access");
    }

  protected:
    static constexpr std::size_t bytes = 4 * mib;
    [[nodiscard]] std::byte* start() const { return range_.data(); }
    [[nodiscard]] std::byte* target() const { return range_.data() + bytes; }

  private:
    static void map(std::byte* at, int flags, int fd, std::uint64_t offset) {
        void* const mapped = ::mmap(at, bytes, PROT_READ | PROT_WRITE, flags | MAP_FIXED, fd,
                                    static_cast<off_t>(offset));
        uapi::require(mapped == at ? 0 : errno, "mmap");
    }
    uapi::File file_;
    uapi::Buffer buffer_{file_, bytes, uapi::device};
    Mapping range_ = Mapping::anonymous(2 * bytes);
};

/// The child accesses the mapping; only the parent has failures.
class Fork : public OnMapping {
  public:
    int attempt() override {
        child_ = ::fork();
        if (child_ == 0) {
            ::_exit(touch(start(), bytes, true));
        }
        return child_ < 0 ? errno : 0;
    }
    void undo() override {
        int status = 0;
        ::waitpid(child_, &status, 0);
        uapi::require(status == 0 ? 0 : EIO, "the access of the child");
    }

  private:
    pid_t child_ = -1;
};

class Split : public OnMapping {
  public:
    int attempt() override { return ::munmap(start() + mib, page) == 0 ? 0 : errno; }
};

class Move : public OnMapping {
  public:
    int attempt() override {
        const void* const moved =
            ::mremap(start() + mib, mib, mib, MREMAP_MAYMOVE | MREMAP_FIXED, target());
        return moved == MAP_FAILED ? errno : touch(target(), mib, true);
    }
};

}  // namespace

namespace uapi {

INSTANTIATE_TEST_SUITE_P(
    Map, Failure,
    testing::Values(failure_case<MapBuffer>("map and access host buffer", host, 256UL << 10),
                    failure_case<MapBuffer>("map and access device buffer", device, 4 * mib),
                    failure_case<MapImport>("map and access imported host buffer", host),
                    failure_case<MapImport>("map and access imported device buffer", device),
                    failure_case<MapDmabuf>("map and access dma-buf of host buffer", host),
                    failure_case<MapDmabuf>("map and access dma-buf of device buffer", device),
                    failure_case<MapQueue>("map and access a queue", false),
                    failure_case<MapQueue>("map and write a doorbell", true),
                    failure_case<MapRegisters>("map and read registers"),
                    // fork() itself returns EAGAIN, too.
                    with_errnos(failure_case<Fork>("fork with a mapping"), {EAGAIN}),
                    failure_case<Split>("munmap of a part"),
                    failure_case<Move>("mremap of a part")),
    test_name);

}  // namespace uapi
