// SPDX-License-Identifier: Apache-2.0
//
// A program with faults on demand: docs/guides/debugging.md finds them with the tools.
#include <accel/accel.hpp>
#include <chrono>
#include <exception>
#include <iostream>
#include <string>

namespace {

// Two jobs that succeed: y = 2, then x = y.
void work(const accel::Device& card, accel::Queue& queue) {
    const auto x = card.allocate<float>({1024});
    const auto y = card.allocate_device<float>({1024});
    queue.submit(accel::fill(y, 2.0F)).wait();
    queue.submit(accel::copy(x, y)).wait();
    std::cout << "two jobs are done, and x[0] is " << x[0] << '\n';
}

// The queue waits for a semaphore that nobody signals.
void hang(const accel::Device& card, accel::Queue& queue) {
    const accel::Semaphore never = card.create_semaphore();
    const accel::Job job = queue.submit(never.wait(1));
    std::cout << "job " << job.sequence() << " waits for a signal that nobody sends" << std::endl;
    job.wait();
}

// The third job reads where the program has no memory.
void fault(const accel::Device& card, accel::Queue& queue) {
    work(card, queue);
    const auto x = card.allocate<float>({16});
    queue.submit(accel::Copy{.dst = x, .src = accel::Address{0x7000'0000'0000}, .bytes = x.bytes()})
        .wait();
}

// The card is busy for a quarter of a minute, a job at a time.
void slow(const accel::Device& card, accel::Queue& queue) {
    constexpr std::uint32_t n = 1024;
    const auto a = card.allocate<float>({n, n});
    const auto b = card.allocate<float>({n, n});
    const auto d = card.allocate<float>({n, n});
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(15);
    int jobs = 0;
    for (; std::chrono::steady_clock::now() < end; ++jobs) {
        queue.submit(accel::Gemm{.d = d, .a = a, .b = b, .m = n, .n = n, .k = n}).wait();
    }
    std::cout << jobs << " jobs are done\n";
}

}  // namespace

int main(int argc, char** argv) {
    const std::string what = argc == 2 ? argv[1] : argc == 1 ? "work" : "";
    if (what != "work" && what != "hang" && what != "fault" && what != "slow") {
        std::cerr << "usage: demo [work | hang | fault | slow]\n"
                     "ACCEL_DEVICE=emulated in the environment runs it without a card\n";
        return 2;
    }
    try {
        const accel::Device card = accel::Device::open(0);
        accel::Queue queue = card.create_queue();
        if (what == "work") {
            work(card, queue);
        } else if (what == "hang") {
            hang(card, queue);
        } else if (what == "fault") {
            fault(card, queue);
        } else {
            slow(card, queue);
        }
    } catch (const std::exception& error) {
        std::cerr << error.what() << '\n';
        return 1;
    }
}
