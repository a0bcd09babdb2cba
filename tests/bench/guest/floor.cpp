// SPDX-License-Identifier: Apache-2.0
//
// The floor: the same copies on the same kind of card, in a loop that does only the steps of the
// data sheet. It has no driver, no library and no checks.
#include <array>
#include <cstring>
#include <ctime>
#include <fstream>
#include <iostream>

#include "raw_card.hpp"
#include "report.hpp"

namespace accel::bench {
namespace {

constexpr std::uint64_t job_count = 16384;
constexpr std::uint64_t slots = 32;
constexpr std::size_t transfer_size = 4096;

class Loop {
  public:
    explicit Loop(RawCard& card)
        : ring_(card.ring()), status_(card.status()), doorbell_(card.doorbell()) {
        for (std::uint64_t i = 0; i < slots; ++i) {
            accel_command& command = commands_.at(i);
            command.opcode = ACCEL_OP_COPY;
            command.copy.src = card.memory().bus(RawCard::payload_offset + i * transfer_size);
            command.copy.dst = ACCEL_BYPASS_MEMORY | i * transfer_size;
            command.copy.bytes = transfer_size;
            command.copy.rows = 1;
        }
    }

    // Runs `jobs` copies, `batch` of them per doorbell.
    template <std::uint64_t batch>
    void run(Region& region, std::uint64_t jobs) {
        for (std::uint64_t done = 0; done < jobs; done += batch) {
            for (std::uint64_t i = 0; i < batch; ++i) {
                std::memcpy(&ring_[(tail_ + i) % RawCard::ring_length],
                            &commands_[(tail_ + i) % slots], sizeof(accel_command));
            }
            const std::uint64_t before = tail_;
            tail_ += batch;
            __atomic_store_n(&status_->tail, tail_, __ATOMIC_RELEASE);
            __atomic_thread_fence(__ATOMIC_SEQ_CST);
            const std::uint64_t asked = __atomic_load_n(&status_->event_index, __ATOMIC_ACQUIRE);
            if (tail_ - asked - 1 < tail_ - before) {
                *doorbell_ = static_cast<std::uint32_t>(tail_);
            }
            region.pause();
            while (__atomic_load_n(&status_->completed, __ATOMIC_ACQUIRE) != tail_) {
            }
            region.resume();
            if (__atomic_load_n(&status_->completed, __ATOMIC_ACQUIRE) != tail_) {
                std::terminate();
            }
        }
    }

  private:
    accel_command* ring_;
    accel_queue_status* status_;
    volatile std::uint32_t* doorbell_;
    std::array<accel_command, slots> commands_{};
    std::uint64_t tail_ = 0;
};

void fill(const RawCard& card, std::uint32_t seed) {
    for (std::uint32_t i = 0; i < slots * transfer_size / 4; ++i) {
        const std::uint32_t word = (i + seed) * 2654435761U;
        std::memcpy(card.memory().at(RawCard::payload_offset + i * 4UL), &word, sizeof word);
    }
}

bool arrived(const RawCard& card) {
    return std::memcmp(card.device(0), card.memory().at(RawCard::payload_offset),
                       slots * transfer_size) == 0;
}

template <std::uint64_t batch>
void measure(Report& report, const RawCard& card, Loop& loop) {
    fill(card, batch);
    Region region(report, "floor." + std::to_string(batch),
                  {.jobs = job_count, .bytes = transfer_size});
    loop.run<batch>(region, slots);
    region.begin();
    loop.run<batch>(region, job_count);
    region.end();
    region.verify(arrived(card), "a copy did not arrive");
}

// The cost of sleeping, with only the clock to wait for: a system call, a timer, two context
// switches and an interrupt.
void sleeping(Report& report) {
    constexpr std::uint64_t sleeps = 512;
    const timespec time{.tv_sec = 0, .tv_nsec = 100'000};
    bool right = true;
    Region region(report, "floor.sleep", {.jobs = sleeps});
    region.begin();
    for (std::uint64_t i = 0; i < sleeps; ++i) {
        right &= nanosleep(&time, nullptr) == 0;
    }
    region.end();
    region.verify(right, "a sleep ended early");
}

bool behind_iommu() {
    return std::ifstream("/sys/class/iommu/dmar0/intel-iommu/version").good();
}

}  // namespace
}  // namespace accel::bench

int main(int argc, char** argv) {
    using namespace accel::bench;
    return program(argc, argv, [](Report& report) {
        sleeping(report);
        if (behind_iommu()) {
            std::cerr << "no floor: behind an IOMMU, a card without a driver reaches no memory\n";
            return;
        }
        RawCard card;
        Loop loop(card);
        measure<1>(report, card, loop);
        measure<32>(report, card, loop);
    });
}
