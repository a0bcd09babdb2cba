// SPDX-License-Identifier: Apache-2.0
//
// What is in a buffer: zeros at first, then what card and process write, at whatever size; and
// nothing of it for the next owner.
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "card.hpp"
#include "commands.hpp"
#include "health.hpp"
#include "process.hpp"

namespace {

constexpr std::size_t large = ACCEL_LARGE_SIZE;

/// True if the first, middle and last words of every page are zero.
bool is_zero(const bench::Buffer& buffer) {
    const auto words = buffer.as<const std::uint64_t>();
    constexpr std::size_t step = bench::page / sizeof(std::uint64_t);
    for (std::size_t i = 0; i < words.size(); i += step) {
        if (words[i] != 0 || words[i + step / 2] != 0 || words[i + step - 1] != 0) {
            return false;
        }
    }
    return true;
}

class EachMemory : public testing::TestWithParam<std::uint32_t> {};

TEST_P(EachMemory, IsZeroAtFirst) {
    const bench::File file;
    for (int round = 0; round < 3; ++round) {
        const bench::Buffer buffer(file, 100 * bench::page, GetParam());
        EXPECT_TRUE(is_zero(buffer));
        std::ranges::fill(buffer.as<std::uint64_t>(), 0xdeadbeefdeadbeef);
    }
}

TEST_P(EachMemory, IsTheSameForProcessAndCard) {
    const bench::File file;
    bench::Queue queue(file);
    const bench::Buffer buffer(file, 3 * bench::page, GetParam());
    const bench::Buffer check(file, 3 * bench::page);
    const std::size_t words = buffer.bytes() / sizeof(std::uint32_t);
    for (std::uint32_t round = 0; round < 10; ++round) {
        bench::fill_pattern(buffer.as<std::uint32_t>(), round);
        queue.run(bench::copy(check.address(), buffer.address(), buffer.bytes()));
        ASSERT_EQ(bench::first_difference(check.as<std::uint32_t>(), round), words);
        queue.run(bench::fill(buffer.address(), round + 1, buffer.bytes()));
        ASSERT_EQ(std::ranges::count(buffer.as<std::uint32_t>(), round + 1),
                  static_cast<long>(words));
    }
}

// Lengths around a large page, so that page tables mix both sizes; every page has its own data.
TEST_P(EachMemory, IsWholeAtLengthsAroundALargePage) {
    const bench::File file;
    bench::Queue queue(file);
    for (const std::size_t bytes :
         {large - bench::page, large, large + bench::page, 4 * large + 3 * bench::page}) {
        const bench::Buffer buffer(file, bytes, GetParam());
        const bench::Buffer check(file, bytes);
        const auto words = buffer.as<std::uint32_t>();
        constexpr std::size_t step = bench::page / sizeof(std::uint32_t);
        for (std::size_t i = 0; i < words.size(); i += step) {
            words[i] = static_cast<std::uint32_t>(i + 1);
            words[i + step - 1] = ~static_cast<std::uint32_t>(i + 1);
        }
        queue.run(bench::copy(check.address(), buffer.address(), bytes));
        const auto copied = check.as<std::uint32_t>();
        for (std::size_t i = 0; i < copied.size(); i += step) {
            ASSERT_EQ(copied[i], i + 1);
            ASSERT_EQ(copied[i + step - 1], ~static_cast<std::uint32_t>(i + 1));
        }
        // Not a byte more.
        EXPECT_EQ(queue.run_to_error(bench::fill(buffer.address() + bytes - 4, 0, 8)).error_address,
                  buffer.address() + bytes);
        ASSERT_EQ(queue.reset(), 0);
    }
}

TEST_P(EachMemory, OfOneByteIsAPage) {
    const bench::File file;
    bench::Queue queue(file);
    const bench::Buffer buffer(file, 1, GetParam());
    EXPECT_EQ(buffer.address() % bench::page, 0U);
    queue.run(bench::fill(buffer.address(), 7, bench::page));
    EXPECT_EQ(buffer.as<std::uint32_t>().back(), 7U);
}

TEST_P(EachMemory, HasAddressesThatAreNotUsedAgainSoon) {
    const bench::File file;
    std::uint64_t last = 0;
    for (int i = 0; i < 50; ++i) {
        const bench::Buffer buffer(file, bench::page, GetParam());
        EXPECT_GT(buffer.address(), last + bench::page);
        last = buffer.address();
    }
}

INSTANTIATE_TEST_SUITE_P(Buffer, EachMemory, testing::Values(bench::host, bench::device),
                         [](const auto& info) {
                             return info.param == bench::host ? "Host" : "Device";
                         });

TEST(DeviceMemory, ShowsTheNextOwnerNothing) {
    const std::uint64_t all = bench::File().info().memory_size;
    {
        const bench::File first;
        bench::Queue queue(first);
        const bench::Buffer buffer(first, all, bench::device);
        queue.run(bench::fill(buffer.address(), 0x5ec7e7, all));
        EXPECT_FALSE(is_zero(buffer));
    }
    const bench::File second;
    const bench::Buffer buffer(second, all, bench::device);
    EXPECT_TRUE(is_zero(buffer));
}

// Nor the process that has it after a function reset, which the card's memory may survive.
TEST(DeviceMemory, ShowsNothingOfBeforeAReset) {
    const bench::File first;
    const std::uint64_t all = first.info().memory_size;
    const bench::Buffer old(first, all, bench::device);
    std::ranges::fill(old.as<std::uint64_t>().first(1000), 0x5ec7e7);
    bench::Card().reset();
    const bench::File second;
    const bench::Buffer buffer(second, all, bench::device);
    EXPECT_TRUE(is_zero(buffer));
}

// The card counts the walks of its MMU: with 4 KiB pages it would take one each.
TEST(DeviceMemory, OfALargeBufferIsMappedInLargePages) {
    constexpr std::size_t bytes = 32 * large;
    const bench::Card card;
    card.unbind();
    const std::uint64_t before = card.read_register(ACCEL_REG_TLB_MISSES);
    card.bind();
    {
        const bench::File file;
        bench::Queue queue(file);
        const bench::Buffer buffer(file, bytes, bench::device);
        queue.run(bench::fill(buffer.address(), 1, bytes));
    }
    card.unbind();
    const std::uint64_t walks = card.read_register(ACCEL_REG_TLB_MISSES) - before;
    card.bind();
    EXPECT_GT(walks, 0U);
    EXPECT_LT(walks, bytes / bench::page / 8);
}

/// A memory cgroup with a limit, as a container has one.
class MemoryGroup {
  public:
    explicit MemoryGroup(std::uint64_t limit) {
        std::filesystem::create_directory(mount_);
        bench::require(::mount("none", mount_.c_str(), "cgroup2", 0, nullptr) == 0 ? 0 : errno,
                       "mount cgroup2");
        bench::require(bench::write_file(mount_ / "cgroup.subtree_control", "+memory"), "+memory");
        std::filesystem::create_directory(group_);
        bench::require(bench::write_file(group_ / "memory.max", std::to_string(limit)), "limit");
    }
    MemoryGroup(const MemoryGroup&) = delete;
    MemoryGroup& operator=(const MemoryGroup&) = delete;
    ~MemoryGroup() {
        ::rmdir(group_.c_str());
        ::umount(mount_.c_str());
    }

    /// Puts the calling process into it.
    void join() const { bench::require(bench::write_file(group_ / "cgroup.procs", "0"), "join"); }
    [[nodiscard]] std::uint64_t used() const {
        return std::stoull(bench::read_file(group_ / "memory.current"));
    }

  private:
    std::filesystem::path mount_ = "/run/groups";
    std::filesystem::path group_ = mount_ / "test";
};

TEST(HostMemory, CountsAgainstTheMemoryGroupOfItsMaker) {
    constexpr std::size_t limit = std::size_t{32} << 20;
    const MemoryGroup group(limit);
    bench::Process member([&] {
        group.join();
        const bench::File file;
        const std::uint64_t before = group.used();
        const bench::Buffer buffer(file, limit / 4);
        bench::check(group.used() >= before + limit / 4, "the buffer does not count");
        // Over the limit is an error; nobody is killed.
        accel_buffer_create create{};
        create.flags = bench::host;
        create.bytes = 2 * limit;
        bench::check(file.call(ACCEL_IOCTL_BUFFER_CREATE, create) == ENOMEM, "over the limit");
        bench::Queue queue(file);
        queue.run(bench::fill(buffer.address(), 1, buffer.bytes()));
    });
    EXPECT_EQ(member.wait(), 0);
    bench::expect_healthy();
}

/// A buffer of some kind that holds a known pattern.
struct Known {
    Known(const bench::File& file, std::size_t bytes, std::uint32_t flags, std::uint32_t pattern)
        : buffer(file, bytes, flags), seed(pattern) {
        bench::fill_pattern(buffer.as<std::uint32_t>(), seed);
    }
    bench::Buffer buffer;
    std::uint32_t seed;
};

TEST(ManyBuffers, ComeAndGoAndKeepTheirData) {
    const bench::Capacity before = bench::Capacity::measure();
    {
        const bench::File file;
        bench::Queue queue(file);
        std::minstd_rand random(99);
        std::vector<std::unique_ptr<Known>> alive;
        for (std::uint32_t step = 1; step <= 300; ++step) {
            if (alive.size() < 4 || (alive.size() < 20 && random() % 2 == 0)) {
                alive.push_back(
                    std::make_unique<Known>(file, bench::page * (1 + random() % 20),
                                            random() % 2 == 0 ? bench::host : bench::device, step));
                continue;
            }
            // The card carries one into a new one, which takes its place.
            const std::size_t chosen = random() % alive.size();
            Known& from = *alive[chosen];
            auto to = std::make_unique<Known>(file, from.buffer.bytes(),
                                              random() % 2 == 0 ? bench::host : bench::device, 0);
            queue.run(bench::copy(to->buffer.address(), from.buffer.address(), to->buffer.bytes()));
            to->seed = from.seed;
            std::swap(alive[chosen], to);
            to.reset();
            const Known& moved = *alive[chosen];
            ASSERT_EQ(bench::first_difference(moved.buffer.as<std::uint32_t>(), moved.seed),
                      moved.buffer.bytes() / sizeof(std::uint32_t))
                << "step " << step;
            if (random() % 2 == 0) {
                alive.erase(alive.begin() + static_cast<std::ptrdiff_t>(chosen));
            }
        }
    }
    EXPECT_EQ(bench::Capacity::measure(), before);
}

}  // namespace
