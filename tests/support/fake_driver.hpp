// SPDX-License-Identifier: Apache-2.0
//
// A driver in this process. It implements the library's interface to the kernel (kernel.hpp) with
// the semantics of accel_uapi.h, over real cores of the card. It counts calls, fails on demand, and
// detects leaks.
#pragma once

#include <accel_uapi.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "fake_bus.hpp"
#include "fake_card.hpp"
#include "kernel.hpp"

namespace accel::fake {

class Driver final : public detail::Kernel {
  public:
    /// One node for each card: /dev/accel0, /dev/accel1, ... at bus 1, 2, ...
    explicit Driver(const std::vector<CardOptions>& cards = {CardOptions{}});
    Driver(const Driver&) = delete;
    Driver& operator=(const Driver&) = delete;
    Driver(Driver&&) = delete;
    Driver& operator=(Driver&&) = delete;
    ~Driver() override;

    // ---- The interface to the kernel ----

    std::vector<std::string> nodes() override;
    std::optional<std::string> attribute(const std::string& path, const std::string& name) override;
    int open(const std::string& path) noexcept override;
    void close(int fd) noexcept override;
    int ioctl(int fd, unsigned long request, void* argument) noexcept override;
    int mmap(int fd, std::uint64_t offset, std::size_t bytes, void** memory) noexcept override;
    void munmap(void* memory, std::size_t bytes) noexcept override;
    // The memory of a child is a private copy, and its copy of this driver has no threads.
    void close_in_child(int fd) noexcept override { closed_in_child_.push_back(fd); }
    void replace_in_child(void* memory, std::size_t bytes) noexcept override;
    int poll(std::span<pollfd> fds, int timeout_ms) noexcept override;
    void ring_doorbell(void* doorbell, std::uint32_t value) noexcept override;

    // ---- For tests ----

    /// The next call of this kind fails with this errno; zero lets one call pass. Errors queue up.
    void fail(unsigned long request, int error);
    void fail_open(int error) { fail(open_request, error); }
    void fail_mmap(int error) { fail(mmap_request, error); }

    /// Runs the action before each ioctl of this kind, outside all locks.
    void before(unsigned long request, std::function<void()> action);

    /// System calls so far. A doorbell is none.
    [[nodiscard]] std::uint64_t calls() const { return calls_; }
    [[nodiscard]] std::uint64_t calls(unsigned long request);
    [[nodiscard]] std::uint64_t rings() const { return rings_; }

    /// Files, buffers, queues and mappings that are not released.
    [[nodiscard]] std::size_t alive();
    [[nodiscard]] std::size_t buffers();

    [[nodiscard]] Card& card(std::size_t index = 0) { return *cards_.at(index); }

    /// The status page of the newest queue of a file, for tests that write it in place of the card.
    [[nodiscard]] accel_queue_status& status_page(int fd);

    /// Resets or removes the card. All calls on its open files then fail.
    void reset_card(std::size_t index = 0) { end_files(index, ESTALE, ACCEL_REASON_RESET); }
    void remove_card(std::size_t index = 0) { end_files(index, ENODEV, ACCEL_REASON_REMOVED); }
    /// Ends all open files of the card with an errno and a reason, and resets the card.
    void end_files(std::size_t index, int error, accel_reason reason, std::uint32_t pid = 0);

    /// Stops the newest queue of a file, as a driver does that found it hung.
    void stop_newest_queue(int fd, accel_status status, accel_reason reason);

    /// In a child: the file descriptors that fork() closed.
    [[nodiscard]] const std::vector<int>& closed_in_child() const { return closed_in_child_; }

    /// The limits of the user. They hold for all files together.
    struct Limits {
        std::uint64_t contexts = UINT64_MAX;
        std::uint64_t queues = UINT64_MAX;
        std::uint64_t memory = UINT64_MAX;
        std::uint64_t host_memory = UINT64_MAX;
        std::uint32_t priority_max = ACCEL_PRIORITIES - 1;
        std::uint32_t time_limit_ms = 30000;
    };
    void set_limits(const Limits& limits);
    /// Whether the driver knows ACCEL_IOCTL_CONTEXT_QUERY and reasons; an older one does not.
    std::atomic<bool> knows_reasons{true};
    /// The node that is missing, as after a removal; -1: none.
    std::atomic<int> missing_node{-1};

    std::atomic<std::uint64_t> locked_limit{1 << 20};
    std::atomic<std::uint64_t> capabilities{ACCEL_CAP_REGISTER | ACCEL_CAP_POLL};
    std::atomic<std::uint32_t> hw_version{
        0};  // the version that INFO reports; zero: that of the card

  private:
    static constexpr unsigned long open_request = ~0UL;
    static constexpr unsigned long mmap_request = ~1UL;

    struct Buffer;
    struct Queue;
    struct File;
    struct Mapped;

    using FilePtr = std::shared_ptr<File>;
    using QueuePtr = std::shared_ptr<Queue>;

    [[nodiscard]] std::optional<int> injected(unsigned long request);
    [[nodiscard]] FilePtr file_of(int fd);
    [[nodiscard]] int serve(File& file, unsigned long request, void* argument);
    int info(File& file, accel_info& argument);
    int context_query(const File& file, accel_context_query& argument) const;
    [[nodiscard]] Limits used() const;
    int buffer_create(File& file, accel_buffer_create& argument);
    int buffer_register(File& file, accel_buffer_register& argument);
    int buffer_destroy(File& file, std::uint32_t handle);
    int queue_create(File& file, accel_queue_create& argument);
    int queue_destroy(File& file, std::uint32_t handle);
    int queue_reset(File& file, std::uint32_t handle);
    int queue_wait(File& file, accel_queue_wait& argument);
    int queue_notify(File& file, const accel_queue_notify& argument);
    int queue_query(File& file, accel_queue_query& argument);

    // Under mutex_.
    void map_pages(File& file, std::uint64_t address, std::uint64_t target, std::uint64_t bytes,
                   std::uint64_t bits);
    void unmap_pages(File& file, std::uint64_t address, std::uint64_t bytes);
    [[nodiscard]] std::uint64_t reserve(File& file, std::uint64_t bytes);
    [[nodiscard]] std::optional<std::uint64_t> reserve_memory(Card& card, std::uint64_t bytes);
    void free_buffer(File& file, Buffer& buffer);
    void stop_queue(File& file, Queue& queue);
    void take_events(Card& card);
    /// 1 if the command is finished, 0 if it is not, or -errno.
    [[nodiscard]] int look(File& file, Queue& queue, std::uint64_t sequence, std::uint32_t epoch);
    void arm(Queue& queue);

    Bus bus_;
    std::vector<std::unique_ptr<Card>> cards_;

    std::mutex
        mutex_;  // protects the state below; taken before the card's locks, never held over a sleep
    std::map<int, FilePtr> files_;
    std::map<void*, Mapped> mappings_;
    std::map<Card*, std::map<std::uint64_t, std::uint64_t>> memory_used_;  // offset, bytes
    std::uint64_t generation_ = 0;
    std::uint64_t locked_ = 0;
    Limits limits_;
    std::vector<int> closed_in_child_;
    int next_fd_ = 1000;

    std::mutex script_mutex_;
    std::map<unsigned long, std::deque<int>> failures_;
    std::map<unsigned long, std::function<void()>> actions_;
    std::map<unsigned long, std::uint64_t> counts_;
    std::atomic<std::uint64_t> calls_{0};
    std::atomic<std::uint64_t> rings_{0};
};

}  // namespace accel::fake
