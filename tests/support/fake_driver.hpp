// SPDX-License-Identifier: Apache-2.0
//
// The machine of the emulated device, with what tests need besides: it counts calls, fails on
// demand, detects leaks, and ends cards.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "emulated/machine.hpp"

namespace accel::fake {

using emulated::Card;
using emulated::Limits;

/// A small card: tests reach its limits.
struct CardOptions {
    std::uint64_t memory = 16 << 20;
    std::uint64_t serial = 0x1122334455667788;
    std::uint32_t queues = 8;
    std::uint32_t contexts = 4;
    std::uint32_t vectors = 4;
    std::uint32_t ring_entries = 256;
};

class Driver final : public emulated::Machine {
  public:
    /// One node for each card: /dev/accel0, /dev/accel1, ... at bus 1, 2, ...
    explicit Driver(const std::vector<CardOptions>& cards = {CardOptions{}});

    // ---- The interface to the kernel ----

    std::vector<std::string> nodes() override;
    int open(const std::string& path) noexcept override;
    void close(int fd) noexcept override;
    int ioctl(int fd, unsigned long request, void* argument) noexcept override;
    int mmap(int fd, std::uint64_t offset, std::size_t bytes, void** memory) noexcept override;
    void munmap(void* memory, std::size_t bytes) noexcept override;
    void close_in_child(int fd) noexcept override { closed_in_child_.push_back(fd); }
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
    void end_files(std::size_t index, int error, accel_reason reason, std::uint32_t pid = 0) {
        Machine::end_files(index, error, reason, pid);
    }

    /// Stops the newest queue of a file, as a driver does that found it hung.
    void stop_newest_queue(int fd, accel_status status, accel_reason reason);

    /// In a child: the file descriptors that fork() closed.
    [[nodiscard]] const std::vector<int>& closed_in_child() const { return closed_in_child_; }

    void set_limits(const Limits& limits);
    void set_locked_limit(std::uint64_t bytes);
    void set_capabilities(std::uint64_t capabilities) { capabilities_ = capabilities; }

    /// Whether the driver knows ACCEL_IOCTL_CONTEXT_QUERY and reasons; an older one does not.
    std::atomic<bool> knows_reasons{true};
    /// The node that is missing, as after a removal; -1: none.
    std::atomic<int> missing_node{-1};
    /// The version that INFO reports; zero: that of the card.
    std::atomic<std::uint32_t> hw_version{0};

  private:
    static constexpr unsigned long open_request = ~0UL;
    static constexpr unsigned long mmap_request = ~1UL;

    [[nodiscard]] std::optional<std::size_t> card_of(const std::string& path) override;
    [[nodiscard]] std::optional<int> injected(unsigned long request);

    std::vector<int> closed_in_child_;

    std::mutex script_mutex_;
    std::map<unsigned long, std::deque<int>> failures_;
    std::map<unsigned long, std::function<void()>> actions_;
    std::map<unsigned long, std::uint64_t> counts_;
    std::atomic<std::uint64_t> calls_{0};
    std::atomic<std::uint64_t> rings_{0};
};

}  // namespace accel::fake
