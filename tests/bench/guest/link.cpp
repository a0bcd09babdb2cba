// SPDX-License-Identifier: Apache-2.0
//
// The bandwidth of copies by size, in each direction and in both, in virtual time. Several full
// queues copy 32 MiB in each direction.
#include <array>
#include <memory>

#include "copies.hpp"
#include "report.hpp"

namespace accel::bench {
namespace {

constexpr std::size_t queue_count = 4;
constexpr std::uint64_t total = std::uint64_t{32} << 20;  // bytes a direction
constexpr std::size_t memory_span = std::size_t{2}
                                    << 20;  // that they go round in, for each direction

// A direction: host memory, device memory of the same size, and queues that copy between them.
class Stream {
  public:
    Stream(const Device& card, bool to_card, std::size_t bytes)
        : card_(card),
          to_card_(to_card),
          memory_(memory_span),
          host_(card.register_memory(memory_.span())),
          device_(card.allocate_device<std::uint32_t>({memory_.span().size()})) {
        const std::size_t words = bytes / sizeof(std::uint32_t);
        for (std::size_t i = 0; i < device_.size() / words; ++i) {
            const auto h = host_.slice(i * words, words);
            const auto d = device_.slice(i * words, words);
            commands_.emplace_back(to_card ? accel::copy(d, h) : accel::copy(h, d));
        }
        for (std::size_t i = 0; i < queue_count; ++i) {
            queues_.push_back(card.create_queue({.entries = 64, .spin = never_sleep}));
        }
        memory_.fill(to_card ? 1 : 2);
        expected_.assign(memory_.span().begin(), memory_.span().end());
        if (to_card) {
            queues_[0].submit(accel::fill(device_, 0U)).wait();
        } else {
            accel::upload(card, queues_[0], device_, std::span<const std::uint32_t>(expected_));
            memory_.fill(3);
        }
    }

    // Submits one command to the next queue in turn; false if all are submitted.
    bool step(std::uint64_t jobs) {
        if (next_ == jobs) {
            return false;
        }
        if (queues_[next_ % queue_count].try_submit(commands_[next_ % commands_.size()])) {
            ++next_;
        }
        return true;
    }
    void rewind() { next_ = 0; }
    void synchronize() {
        for (Queue& queue : queues_) {
            queue.synchronize();
        }
    }
    [[nodiscard]] bool right() {
        if (!to_card_) {
            return std::ranges::equal(expected_, memory_.span());
        }
        std::vector<std::uint32_t> got(device_.size());
        accel::download(card_, queues_[0], std::span(got), device_);
        return got == expected_;
    }

  private:
    const Device& card_;
    bool to_card_;
    Pages memory_;
    Buffer<std::uint32_t> host_;
    Buffer<std::uint32_t> device_;
    std::vector<Command> commands_;
    std::vector<Queue> queues_;
    std::vector<std::uint32_t> expected_;
    std::uint64_t next_ = 0;
};

// Returns gigabytes a second.
double run(std::vector<std::unique_ptr<Stream>>& streams, std::uint64_t jobs) {
    const std::uint64_t start = now_ns();
    for (bool again = true; again;) {
        again = false;
        for (auto& stream : streams) {
            again |= stream->step(jobs);
        }
    }
    for (auto& stream : streams) {
        stream->synchronize();
    }
    return static_cast<double>(total * streams.size()) / static_cast<double>(now_ns() - start);
}

void measure(Report& report, const Device& card, const std::string& name,
             const std::vector<bool>& directions, std::size_t bytes) {
    std::vector<std::unique_ptr<Stream>> streams;
    streams.reserve(directions.size());
    for (const bool to_card : directions) {
        streams.push_back(std::make_unique<Stream>(card, to_card, bytes));
    }
    run(streams, memory_span / bytes);  // a warm-up: the card then has all translations
    for (auto& stream : streams) {
        stream->rewind();
    }
    const double rate = run(streams, total / bytes);
    bool right = true;
    for (auto& stream : streams) {
        right &= stream->right();
    }
    report.value(name + "." + std::to_string(bytes / 1024) + "k", rate, "GB/s", right,
                 {{"bytes", bytes}, {"queues", queue_count * directions.size()}});
}

}  // namespace
}  // namespace accel::bench

int main(int argc, char** argv) {
    using namespace accel::bench;
    return program(argc, argv, [](Report& report) {
        const accel::Device card = accel::Device::open(0);
        for (const std::size_t bytes : {4096UL, 16384UL, 65536UL, 262144UL, 1048576UL}) {
            measure(report, card, "accel.link.h2d", {true}, bytes);
            measure(report, card, "accel.link.d2h", {false}, bytes);
            measure(report, card, "accel.link.both", {true, false}, bytes);
        }
    });
}
