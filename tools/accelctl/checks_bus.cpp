// SPDX-License-Identifier: Apache-2.0
//
// The connection to the host: link, BARs, interrupts.
#include <accel_hw.h>
#include <accel_uapi.h>
#include <fmt/core.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <sstream>
#include <thread>

#include "accel/accel.hpp"
#include "checks_values.hpp"
#include "text.hpp"

namespace accel::tools {

namespace {

// The kernel's count of interrupts from the card, over all vectors and processors.
std::uint64_t interrupts_seen(const CheckContext& context) {
    std::uint64_t total = 0;
    std::istringstream lines(context.root.text("/proc/interrupts").value_or(""));
    const auto vectors = context.root.list(context.card.pci() + "/msi_irqs");
    std::string line;
    while (std::getline(lines, line)) {
        std::istringstream words(line);
        std::string number;
        words >> number;
        if (number.empty() || number.back() != ':') {
            continue;
        }
        number.pop_back();
        if (std::find(vectors.begin(), vectors.end(), number) == vectors.end()) {
            continue;
        }
        std::uint64_t count = 0;
        while (words >> count) {
            total += count;
        }
    }
    return total;
}

}  // namespace

std::string check_link(const CheckContext& context) {
    if (!context.card.emulated.empty()) {
        throw CheckSkipped("an emulated card has no link");
    }
    const Status status = read_status(context.root, context.card);
    if (!status.link.speed || !status.link.width) {
        throw CheckSkipped("the kernel does not report the link");
    }
    if (status.link.degraded()) {
        throw CheckFailed(status.link.warning());
    }
    if (const auto errors = status.aer_total("nonfatal") + status.aer_total("fatal"); errors > 0) {
        throw CheckFailed(fmt::format("{} uncorrectable errors since boot", errors));
    }
    return fmt::format("{}{}, {} corrected errors", status.link.now(),
                       status.link.downgraded() ? " (the slot supports no more)" : "",
                       status.aer_total("correctable"));
}

std::string check_bars(const CheckContext& context) {
    const Device device = Device::open(context.card.path());
    // The CPU writes device memory through BAR4, and the card reads it back.
    constexpr std::size_t words = 64 << 10;
    auto window = device.allocate<std::uint32_t>({words}, {.placement = Placement::device_mapped});
    auto host = device.allocate<std::uint32_t>({words});
    RandomNumbers numbers(11);
    std::vector<std::uint32_t> written(words);
    for (std::size_t i = 0; i < words; ++i) {
        written[i] = static_cast<std::uint32_t>(numbers.next());
        window[i] = written[i];
    }
    Queue queue = device.create_queue();
    context.finish(queue.submit(copy(host, window)), "reading device memory");
    for (std::size_t i = 0; i < words; ++i) {
        if (host[i] != written[i]) {
            throw CheckFailed(
                fmt::format("word {} of device memory was written through BAR4 as {:08x}, "
                            "but the card reads {:08x}",
                            i, written[i], host[i]));
        }
    }
    std::string registers = context.card.emulated.empty() ? "registers not checked (only root may)"
                                                          : "registers not checked (emulated)";
    void* const page = ::mmap(nullptr, ACCEL_REGISTER_BLOCK, PROT_READ, MAP_SHARED, device.fd(),
                              ACCEL_MMAP_REGISTERS);
    if (page != MAP_FAILED) {
        const std::uint32_t magic = *static_cast<volatile std::uint32_t*>(page);
        ::munmap(page, ACCEL_REGISTER_BLOCK);
        if (magic != ACCEL_MAGIC) {
            throw CheckFailed(
                fmt::format("BAR0 reads {:08x}, expected {:08x}", magic, ACCEL_MAGIC));
        }
        registers = "registers answer";
    }
    return fmt::format("{} of device memory agree, {}", human_bytes(words * sizeof(std::uint32_t)),
                       registers);
}

std::string check_interrupts(const CheckContext& context) {
    const Device device = Device::open(context.card.path());
    // Without spinning, each wait sleeps at once and needs an interrupt.
    Queue queue = device.create_queue({.spin = std::chrono::nanoseconds(0)});
    Semaphore gate = device.create_semaphore();
    constexpr int rounds = 8;
    const std::uint64_t seen_before = interrupts_seen(context);
    const std::uint64_t raised_before = queue.stats().interrupts;
    for (int round = 1; round <= rounds; ++round) {
        const Job job = queue.submit(gate.wait(static_cast<std::uint64_t>(round)));
        std::thread opener([&] {
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
            gate.set(static_cast<std::uint64_t>(round));
        });
        try {
            context.finish(job, "waiting for an interrupt");
        } catch (...) {
            opener.join();
            throw;
        }
        opener.join();
    }
    const std::uint64_t raised = queue.stats().interrupts - raised_before;
    const std::uint64_t seen = interrupts_seen(context) - seen_before;
    if (raised < rounds) {
        throw CheckFailed(
            fmt::format("{} waits slept, but the card raised only {} interrupts", rounds, raised));
    }
    if (!context.card.emulated.empty()) {
        return fmt::format("{} raised, without a kernel that counts them", raised);
    }
    if (seen < raised) {
        throw CheckFailed(
            fmt::format("the card raised {} interrupts, but only {} arrived", raised, seen));
    }
    return fmt::format("{} raised, {} arrived", raised, seen);
}

}  // namespace accel::tools
