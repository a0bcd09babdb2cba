// SPDX-License-Identifier: Apache-2.0
//
// Processes that use a card in every way at once, and open it again whenever it goes away, while it
// is reset, unbound, or while they are killed.
#include <gtest/gtest.h>
#include <liburing.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <random>
#include <thread>
#include <vector>

#include "card.hpp"
#include "commands.hpp"
#include "io_uring.hpp"
#include "process.hpp"
#include "sanity.hpp"
#include "transfer.hpp"

namespace {

constexpr std::size_t bytes = 16 * uapi::page;

/// Device memory that shows a dummy page belongs to a file that has ended.
void check_unless_ended(const uapi::File& file, bool condition, const char* text) {
    accel_context_query query{};
    uapi::require(file.call(ACCEL_IOCTL_CONTEXT_QUERY, query), "CONTEXT_QUERY");
    uapi::require(static_cast<int>(query.error), text);
    uapi::check(condition, text);
}

/// A transfer's result as an errno.
void expect_all_of(ssize_t result, const char* what) {
    uapi::require(result < 0 ? errno : 0, what);
    uapi::check(result == static_cast<ssize_t>(bytes), what);
}

/// Uses host, device, registered, exported and imported memory, a queue, transfers of the process
/// and of an io_uring, and waits in both.
void use_everything() {
    const uapi::File file;
    const uapi::File other;
    const uapi::Buffer memory(file, bytes, uapi::device);
    const uapi::Mapping own = uapi::Mapping::anonymous(bytes);
    const uapi::Registration registered(file, own.data(), bytes);
    const uapi::Descriptor shared = memory.export_dmabuf();
    const uapi::Import imported(other, shared);
    uapi::Queue queue(file, 16);
    uapi::Queue theirs(other, 16);
    uapi::IoUring ring(8);

    uapi::fill_pattern(own.as<std::uint32_t>(), 1);
    queue.run(uapi::copy(memory.address(), registered.address(), bytes));
    check_unless_ended(file, memory.as<std::uint32_t>()[1] == own.as<std::uint32_t>()[1],
                       "a mapping of device memory shows other data");
    const uapi::Buffer result(other, bytes);
    theirs.run(uapi::copy(result.address(), imported.address(), bytes));
    uapi::check(
        uapi::first_difference(result.as<std::uint32_t>(), 1) == bytes / sizeof(std::uint32_t),
        "an import has other data");

    const auto at = static_cast<off_t>(memory.address());
    auto data = uapi::pattern(bytes, 2);
    expect_all_of(::pwrite(file.fd(), data.data(), bytes, at), "pwrite");
    std::vector<std::byte> back(bytes);
    io_uring_sqe* const read = ring.entry(1000);
    io_uring_prep_read(read, file.fd(), back.data(), bytes, memory.address());
    read->user_data = 1000;
    const std::uint64_t sequence = queue.submit(uapi::fill(registered.address(), 0x5eed, bytes));
    ring.wait_for(file, queue.handle(), sequence);
    for (const auto& [tag, value] : ring.results(2)) {
        uapi::require(value < 0 ? -value : 0, tag == 1000 ? "read in io_uring" : "URING_WAIT");
    }
    uapi::check(back == data, "a transfer has other data");
    uapi::check(own.as<std::uint32_t>()[3] == 0x5eed, "registered memory has other data");
    expect_all_of(::pread(file.fd(), data.data(), bytes, at), "pread");
}

TEST(Churn, WithoutDisturbanceWorks) {
    use_everything();
}

TEST(Churn, DuringResetsYieldsRightResultsOrEstale) {
    const uapi::OneProcessor one_processor;
    const uapi::Card card;
    uapi::expect_work_or(use_everything, {ESTALE}, [&] { card.reset(); });
    uapi::expect_working_card();
}

TEST(Churn, DuringUnbindsYieldsRightResultsOrEnodev) {
    const uapi::OneProcessor one_processor;
    const uapi::Card card;
    uapi::expect_work_or(use_everything, {ENOENT, ENODEV, ENXIO}, [&] {
        card.unbind();
        card.bind();
    });
    uapi::expect_working_card();
    // A card that is bound again while an old file is open gets another number.
    card.unbind();
    card.bind();
}

TEST(Churn, OfProcessesThatAreKilledLeavesNothingBehind) {
    constexpr std::size_t count = 6;
    const uapi::Capacity before = uapi::Capacity::measure();
    std::minstd_rand random(29);
    for (int wave = 0; wave < 4; ++wave) {
        const uapi::Counter rounds;
        std::vector<uapi::Process> processes;
        processes.reserve(count);
        for (std::size_t i = 0; i < count; ++i) {
            processes.emplace_back([&] {
                for (;;) {
                    use_everything();
                    rounds.add();
                }
            });
        }
        rounds.await(3);
        for (uapi::Process& process : processes) {
            std::this_thread::sleep_for(std::chrono::microseconds(random() % 5000));
            process.kill();
        }
    }
    // A kernel thread ends the io_uring of a dead process.
    const std::int64_t end = uapi::deadline_in(uapi::time_limit);
    while (uapi::Capacity::measure() != before && uapi::deadline_in({}) < end) {
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    EXPECT_EQ(uapi::Capacity::measure(), before);
    uapi::expect_working_card();
}

}  // namespace
