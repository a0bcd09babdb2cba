// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Memory as a command sees it: context addresses, translated by the MMU, in host or device memory.
//
// Every access on behalf of a context is made here, in pieces of at most piece_bytes. Between two
// pieces the card checks whether the queue must stop, and may preempt its command. The context
// address that failed is kept for the error block.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>

#include "context.hpp"
#include "counters.hpp"
#include "timing/timing_model.hpp"

namespace accel::card {

using DeviceMemory = std::span<std::uint8_t>;

// The place between two pieces of a command that an engine runs.
class Checkpoint {
  public:
    Checkpoint() = default;
    Checkpoint(const Checkpoint&) = delete;
    Checkpoint& operator=(const Checkpoint&) = delete;
    Checkpoint(Checkpoint&&) = delete;
    Checkpoint& operator=(Checkpoint&&) = delete;

    // `pieces`: how many the command finished since the last call. ACCEL_OK: the command continues;
    // other commands may have run meanwhile. The caller holds no mutex and no AccessGuard.
    [[nodiscard]] virtual Status pass(std::uint64_t pieces) = 0;

  protected:
    ~Checkpoint() = default;
};

class Memory {
  public:
    Memory(Context& context, Bus& bus, DeviceMemory device, Counters& counters, Traffic& traffic,
           const std::atomic<bool>& stop)
        : context_(context),
          bus_(bus),
          timing_(bus.timing()),
          device_(device),
          counters_(counters),
          traffic_(traffic),
          stop_(stop) {}

    [[nodiscard]] Status read(std::uint64_t address, void* to, std::uint64_t bytes);
    // The same for control data (commands, parameters, lists): nothing later overlaps the read.
    [[nodiscard]] Status read_block(std::uint64_t address, void* to, std::uint64_t bytes) {
        const Blocking blocking(timing_);
        return read(address, to, bytes);
    }
    [[nodiscard]] Status write(std::uint64_t address, const void* from, std::uint64_t bytes);

    // Aligned 64-bit words, with one access each.
    [[nodiscard]] Status read_word(std::uint64_t address, std::uint64_t& value);
    [[nodiscard]] Status write_word(std::uint64_t address, std::uint64_t value);

    // `rows` rows of `bytes` bytes, `stride` bytes apart in memory, dense in the buffer.
    [[nodiscard]] Status read_rows(std::uint64_t address, std::uint64_t stride, std::uint64_t rows,
                                   std::uint64_t bytes, void* to);
    [[nodiscard]] Status write_rows(std::uint64_t address, std::uint64_t stride, std::uint64_t rows,
                                    std::uint64_t bytes, const void* from);

    // `count` aligned elements of 1, 2, 4 or 8 bytes, `stride` elements apart in memory. A gather
    // may read the bytes between two elements of a page; a scatter writes the elements alone.
    [[nodiscard]] Status gather(std::uint64_t address, std::uint64_t stride, std::uint64_t count,
                                unsigned size, void* to);
    [[nodiscard]] Status scatter(std::uint64_t address, std::uint64_t stride, std::uint64_t count,
                                 unsigned size, const void* from);

    // `bounce` has piece_bytes. It buffers the data of copies from host memory to host memory.
    [[nodiscard]] Status copy(std::uint64_t to, std::uint64_t from, std::uint64_t bytes,
                              std::span<std::uint8_t> bounce);

    // Charges arithmetic to the timing model.
    void work(Work kind, std::uint64_t count) {
        if (timing_ != nullptr) {
            timing_->work(kind, count);
        }
    }

    // Lets virtual time catch up, and passes the checkpoint, if there is one. Returns ACCEL_ABORTED
    // if the queue must stop. Called between two pieces, and regularly in computations that access
    // no memory for a while.
    [[nodiscard]] Status check() {
        if (timing_ != nullptr) {
            timing_->settle();
        }
        if (stop_.load(std::memory_order_relaxed)) {
            return ACCEL_ABORTED;
        }
        return checkpoint_ != nullptr ? checkpoint_->pass(1) : ACCEL_OK;
    }
    // Null: none, as while a command is fetched or completed.
    void set_checkpoint(Checkpoint* checkpoint) {
        checkpoint_ = checkpoint;
        count_now();
    }
    // The state that the accesses of one thread use, so that they hardly disturb those of others.
    // `lane` is below Gate::lane_count.
    void set_thread(RecentTranslations& recent, unsigned lane) {
        // The timing model counts every access to the TLB.
        recent_ = timing_ == nullptr ? &recent : nullptr;
        lane_ = lane;
    }
    [[nodiscard]] Checkpoint* checkpoint() const { return checkpoint_; }

    [[nodiscard]] std::uint64_t fault_address() const { return fault_address_; }
    void set_fault_address(std::uint64_t address) { fault_address_ = address; }

  private:
    // Calls visit(target) for run after run of [address, address + bytes).
    template <typename Visit>
    [[nodiscard]] Status for_each_run(std::uint64_t address, std::uint64_t bytes, Access access,
                                      Visit&& visit);
    // The same within a piece.
    template <typename Visit>
    [[nodiscard]] Status visit_piece(const Context::AccessGuard& guard, std::uint64_t address,
                                     std::uint64_t bytes, Access access, Visit& visit);
    // The same for rows. Several short rows are one piece.
    template <typename Visit>
    [[nodiscard]] Status for_each_row(std::uint64_t address, std::uint64_t stride,
                                      std::uint64_t rows, std::uint64_t bytes, Access access,
                                      Visit&& visit);

    [[nodiscard]] bool fetch(const Target& target, void* to);
    [[nodiscard]] bool store(const Target& target, const void* from);
    [[nodiscard]] bool move(const Target& to, const Target& from, std::span<std::uint8_t> bounce);
    [[nodiscard]] Status failed(Status status, std::uint64_t address) {
        fault_address_ = address;
        return status;
    }

    // While a command has a checkpoint, several accesses are counted together: threads that compute
    // it would otherwise wait for each other's counts.
    static constexpr unsigned accesses_for_each_count = 64;
    void count_device(std::uint64_t read, std::uint64_t written);
    void count_now();

    Context& context_;
    Bus& bus_;
    TimingModel* timing_;  // null: the card has no timing model
    DeviceMemory device_;
    Counters& counters_;
    Traffic& traffic_;
    const std::atomic<bool>& stop_;
    Checkpoint* checkpoint_ = nullptr;
    RecentTranslations* recent_ = nullptr;
    unsigned lane_ = 0;
    unsigned accesses_ = 0;  // not counted yet
    std::uint64_t bytes_read_ = 0;
    std::uint64_t bytes_written_ = 0;
    std::uint64_t fault_address_ = 0;
};

}  // namespace accel::card
