// SPDX-License-Identifier: Apache-2.0
//
// Emulated cards and their driver within this process. A machine implements the library's interface
// to the kernel (kernel.hpp) with the semantics of accel_uapi.h, over real cores of the card.
#pragma once

#include <accel_uapi.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "bus.hpp"
#include "card.hpp"
#include "kernel.hpp"

namespace accel::emulated {

/// The limits of the user of a machine. They hold for all files together.
struct Limits {
    std::uint64_t contexts = UINT64_MAX;
    std::uint64_t queues = UINT64_MAX;
    std::uint64_t memory = UINT64_MAX;
    std::uint64_t host_memory = UINT64_MAX;
    std::uint64_t locked = UINT64_MAX;
    std::uint32_t priority_max = ACCEL_PRIORITIES - 1;
    std::uint32_t time_limit_ms = 30000;
};

/// An open file is a context of a card. Its file descriptor is a real one, for poll() and epoll.
///
/// Thread-safety: any thread. In a child of the process that made it, no member may be used, not
/// even the destructor, except those that say so.
class Machine : public detail::Kernel {
  public:
    /// `name` is the name without a card of its own, such as "emulated:cards=2". Throws
    /// std::exception if a card cannot be made.
    Machine(std::string name, const std::vector<CardOptions>& cards);
    Machine(const Machine&) = delete;
    Machine& operator=(const Machine&) = delete;
    Machine(Machine&&) = delete;
    Machine& operator=(Machine&&) = delete;
    ~Machine() override;

    [[nodiscard]] bool emulated() const noexcept override { return true; }
    std::vector<std::string> nodes() override;
    std::optional<std::string> attribute(const std::string& path, const std::string& name) override;
    int open(const std::string& path) noexcept override;
    void close(int fd) noexcept override;
    int ioctl(int fd, unsigned long request, void* argument) noexcept override;
    int mmap(int fd, std::uint64_t offset, std::size_t bytes, void** memory) noexcept override;
    void munmap(void* memory, std::size_t bytes) noexcept override;
    void close_in_child(int fd) noexcept override;
    void replace_in_child(void* memory, std::size_t bytes) noexcept override;
    int poll(std::span<pollfd> fds, int timeout_ms) noexcept override;
    void ring_doorbell(void* doorbell, std::uint32_t value) noexcept override;

  protected:
    struct Buffer;
    struct Queue;
    struct File;
    struct Mapped;

    using FilePtr = std::shared_ptr<File>;

    /// The card that a path names.
    [[nodiscard]] virtual std::optional<std::size_t> card_of(const std::string& path);
    [[nodiscard]] FilePtr file_of(int fd);
    /// Ends all open files of the card with an errno and a reason, and resets the card.
    void end_files(std::size_t index, int error, accel_reason reason, std::uint32_t pid);

    Bus bus_;
    std::vector<std::unique_ptr<Card>> cards_;

    /// Protects the state below. It is taken before the cards' locks, and not held over a sleep
    /// that a user's job can prolong.
    std::mutex mutex_;
    std::map<int, FilePtr> files_;
    std::map<void*, Mapped> mappings_;
    std::uint64_t locked_ = 0;
    Limits limits_;

    std::atomic<std::uint64_t> capabilities_{ACCEL_CAP_REGISTER | ACCEL_CAP_POLL |
                                             ACCEL_CAP_EVENTFD | ACCEL_CAP_DMABUF |
                                             ACCEL_CAP_HOST_MEMORY};

  private:
    [[nodiscard]] int try_open(const std::string& path);
    [[nodiscard]] int serve(File& file, unsigned long request, void* argument);
    [[nodiscard]] int serve_queue(File& file, unsigned long request, void* argument);
    [[nodiscard]] int try_mmap(File& file, std::uint64_t offset, std::size_t bytes, void** memory);
    int queue_wait(File& file, accel_queue_wait& argument);

    // Under mutex_.
    int info(File& file, accel_info& argument);
    static int context_query(const File& file, accel_context_query& argument);
    [[nodiscard]] Limits used() const;
    int buffer_create(File& file, accel_buffer_create& argument);
    int buffer_register(File& file, accel_buffer_register& argument);
    int buffer_destroy(File& file, std::uint32_t handle);
    static int buffer_export(File& file, accel_buffer_export& argument);
    int buffer_import(File& file, accel_buffer_import& argument);
    int queue_create(File& file, accel_queue_create& argument);
    static int queue_destroy(File& file, std::uint32_t handle);
    static int queue_reset(File& file, std::uint32_t handle);
    static int queue_notify(File& file, const accel_queue_notify& argument);
    static int queue_eventfd(File& file, const accel_queue_eventfd& argument);
    int queue_query(File& file, accel_queue_query& argument);

    void add_buffer(File& file, Buffer buffer, std::uint64_t target, std::uint64_t bits,
                    std::uint32_t& handle);
    static void unmap(File& file, std::uint64_t address, std::uint64_t bytes);
    void free_buffer(File& file, Buffer& buffer);
    static void stop_queue(File& file, Queue& queue);
    [[nodiscard]] std::optional<std::uint32_t> free_context(const Card& card) const;

    const std::string name_;
};

}  // namespace accel::emulated
