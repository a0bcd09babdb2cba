// SPDX-License-Identifier: Apache-2.0
//
// A thin user of the driver's UAPI: an open file, a buffer, a queue, a mapping. Each class owns its
// object and releases it, and leaves all checks to the tests. No code is shared with libaccel, so
// that a bug there cannot hide one here.
//
// A call returns 0 or its errno. An operation that must not fail throws std::system_error, which
// GoogleTest and uapi::Process report.
#pragma once

#include <sys/mman.h>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <system_error>
#include <utility>

#include "accel_hw.h"
#include "accel_uapi.h"
#include "polling.hpp"

namespace uapi {

/// The time limit for every event that must happen. No test measures time against it.
inline constexpr std::chrono::seconds time_limit = accel::test::hang_limit;

inline constexpr std::size_t page = 4096;
inline constexpr std::uint32_t readable = ACCEL_BUFFER_CARD_READ;
inline constexpr std::uint32_t writable = ACCEL_BUFFER_CARD_WRITE;
inline constexpr std::uint32_t host = readable | writable;
inline constexpr std::uint32_t device = host | ACCEL_BUFFER_DEVICE;

/// Throws std::system_error if `error` is an errno.
void require(int error, const std::string& what);

/// CLOCK_MONOTONIC in nanoseconds, `time` from now.
[[nodiscard]] std::int64_t deadline_in(std::chrono::nanoseconds time);

/// Polls until the condition holds; throws after `time_limit`.
template <typename Condition>
void await(const char* what, Condition condition) {
    require(accel::test::eventually(condition) ? 0 : ETIMEDOUT, what);
}

/// Owns a file descriptor.
class Descriptor {
  public:
    Descriptor() = default;
    explicit Descriptor(int fd) : fd_(fd) {}
    Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Descriptor& operator=(Descriptor&& other) noexcept;
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor() { close(); }

    [[nodiscard]] int get() const { return fd_; }
    void close();

  private:
    int fd_ = -1;
};

/// Owns memory that mmap() returned.
class Mapping {
  public:
    Mapping() = default;
    /// Throws if mmap() fails.
    Mapping(int fd, std::uint64_t offset, std::size_t bytes, int prot = PROT_READ | PROT_WRITE,
            int flags = MAP_SHARED);
    Mapping(Mapping&& other) noexcept
        : start_(std::exchange(other.start_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
    Mapping& operator=(Mapping&& other) noexcept;
    Mapping(const Mapping&) = delete;
    Mapping& operator=(const Mapping&) = delete;
    ~Mapping() { unmap(); }

    /// Anonymous memory of this process.
    [[nodiscard]] static Mapping anonymous(std::size_t bytes, int flags = MAP_PRIVATE);
    /// The result of mmap() with these arguments: 0 or an errno. A new mapping is unmapped again.
    [[nodiscard]] static int attempt(int fd, std::uint64_t offset, std::size_t bytes,
                                     int prot = PROT_READ | PROT_WRITE, int flags = MAP_SHARED);

    [[nodiscard]] std::byte* data() const { return static_cast<std::byte*>(start_); }
    [[nodiscard]] std::size_t size() const { return bytes_; }
    template <typename T>
    [[nodiscard]] std::span<T> as() const {
        return {static_cast<T*>(start_), bytes_ / sizeof(T)};
    }
    void protect(int prot) const;
    void unmap();

  private:
    void* start_ = nullptr;
    std::size_t bytes_ = 0;
};

/// An open node, which is a context. It must outlive its buffers and queues.
class File {
  public:
    /// Opens the node of the card, or `node`; throws if that fails.
    File();
    explicit File(const std::string& node);
    explicit File(Descriptor fd) : fd_(std::move(fd)) {}

    [[nodiscard]] int fd() const { return fd_.get(); }
    void close() { fd_.close(); }

    /// An ioctl with any argument.
    [[nodiscard]] int raw(unsigned long request, void* argument) const;
    /// An ioctl whose argument is one of the structures of accel_uapi.h.
    template <typename T>
    [[nodiscard]] int call(unsigned long request, T& argument) const {
        argument.size = sizeof(T);
        return raw(request, &argument);
    }
    [[nodiscard]] accel_info info() const;
    /// The events that poll() reports within this time. The result is 0 if poll() returned only
    /// when the time was up, because it then missed its event.
    [[nodiscard]] int poll(std::chrono::milliseconds time = time_limit) const;

  private:
    Descriptor fd_;
};

/// A mapped buffer of the driver.
class Buffer {
  public:
    Buffer(const File& file, std::size_t bytes, std::uint32_t flags = host);
    Buffer(Buffer&& other) noexcept;
    Buffer& operator=(Buffer&&) = delete;
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;
    ~Buffer() { static_cast<void>(destroy()); }

    [[nodiscard]] std::uint64_t address() const { return address_; }
    [[nodiscard]] std::uint32_t handle() const { return handle_; }
    [[nodiscard]] std::size_t bytes() const { return bytes_; }
    template <typename T>
    [[nodiscard]] std::span<T> as() const {
        return mapping_.as<T>();
    }
    [[nodiscard]] std::byte* data() const { return mapping_.data(); }
    [[nodiscard]] Mapping& mapping() { return mapping_; }
    /// Exports it as a dma-buf; throws if that fails.
    [[nodiscard]] Descriptor export_dmabuf(std::uint32_t flags = 0) const;
    /// Destroys the handle; the mapping stays.
    int destroy();

  private:
    int fd_;
    std::uint32_t handle_ = 0;
    std::uint64_t address_ = 0;
    std::size_t bytes_;
    Mapping mapping_;
};

/// Registered memory of this process.
class Registration {
  public:
    Registration(const File& file, const void* pointer, std::size_t bytes,
                 std::uint32_t flags = host);
    Registration(Registration&& other) noexcept;
    Registration& operator=(Registration&&) = delete;
    Registration(const Registration&) = delete;
    Registration& operator=(const Registration&) = delete;
    ~Registration() { static_cast<void>(destroy()); }

    /// The result of a registration: 0 or an errno. A new registration is destroyed again.
    [[nodiscard]] static int attempt(const File& file, const void* pointer, std::uint64_t bytes,
                                     std::uint32_t flags = host);
    [[nodiscard]] std::uint64_t address() const { return address_; }
    int destroy();

  private:
    int fd_;
    std::uint32_t handle_ = 0;
    std::uint64_t address_ = 0;
};

/// An imported dma-buf.
class Import {
  public:
    Import(const File& file, const Descriptor& dmabuf, std::uint32_t flags = host);
    Import(Import&& other) noexcept;
    Import& operator=(Import&&) = delete;
    Import(const Import&) = delete;
    Import& operator=(const Import&) = delete;
    ~Import() { static_cast<void>(destroy()); }

    /// The result of an import: 0 or an errno. A new import is destroyed again.
    [[nodiscard]] static int attempt(const File& file, int dmabuf, std::uint32_t flags = host);
    [[nodiscard]] std::uint64_t address() const { return created_.address; }
    [[nodiscard]] std::uint32_t handle() const { return created_.handle; }
    [[nodiscard]] std::uint64_t bytes() const { return created_.bytes; }
    int destroy();

  private:
    int fd_;
    accel_buffer_import created_{};
};

/// A queue with its ring, status page and doorbell mapped. One thread at a time may submit.
class Queue {
  public:
    explicit Queue(const File& file, std::uint32_t entries = 64, std::uint32_t priority = 0,
                   std::uint32_t time_limit_ms = 0);
    Queue(Queue&& other) noexcept;
    Queue& operator=(Queue&&) = delete;
    Queue(const Queue&) = delete;
    Queue& operator=(const Queue&) = delete;
    ~Queue() { static_cast<void>(destroy()); }

    [[nodiscard]] std::uint32_t handle() const { return created_.handle; }
    [[nodiscard]] const accel_queue_create& created() const { return created_; }
    [[nodiscard]] volatile accel_queue_status& status() const;
    [[nodiscard]] std::span<accel_command> ring() const;
    [[nodiscard]] std::uint64_t tail() const { return tail_; }

    /// Writes a command into the ring without publishing it. The ring must have room.
    void enqueue(const accel_command& command);
    /// Publishes the enqueued commands, and rings the doorbell if the card asks for it.
    void publish();
    /// Writes the doorbell, even if the card does not ask for it.
    void ring_doorbell(std::uint32_t value) const;
    /// Waits for room, enqueues and publishes; returns the sequence number.
    std::uint64_t submit(const accel_command& command);

    /// The wait ioctl; the deadline is CLOCK_MONOTONIC.
    [[nodiscard]] int wait_until(std::uint64_t sequence, std::int64_t deadline) const;
    /// Waits for at most `time_limit`. The result is ETIMEDOUT, too, if the call returned only when
    /// the time was up, because it then missed its event.
    [[nodiscard]] int wait(std::uint64_t sequence) const;
    /// Submits and waits; throws if the command fails.
    void run(const accel_command& command);
    /// Submits a command that must stop the queue; returns the driver's description of the error.
    [[nodiscard]] accel_queue_query run_to_error(const accel_command& command);

    [[nodiscard]] int notify(std::uint64_t sequence) const;
    [[nodiscard]] accel_queue_query query() const;
    [[nodiscard]] int reset();
    int destroy();

  private:
    int fd_;
    accel_queue_create created_{};
    std::uint64_t tail_ = 0;
    std::uint64_t published_ = 0;
    Mapping memory_;
    Mapping doorbell_;
};

}  // namespace uapi
