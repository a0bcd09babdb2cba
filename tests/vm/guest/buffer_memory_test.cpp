// SPDX-License-Identifier: Apache-2.0
//
// The contents of buffers of all sizes: zeros at first, then the data that card and process write.
// The next owner of the memory sees none of it.
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
#include "process.hpp"
#include "sanity.hpp"

namespace {

constexpr std::size_t large = ACCEL_LARGE_SIZE;

/// True if the first, the middle and the last word of every page are zero.
bool is_zero(const uapi::Buffer& buffer) {
    const auto words = buffer.as<const std::uint64_t>();
    constexpr std::size_t step = uapi::page / sizeof(std::uint64_t);
    for (std::size_t i = 0; i < words.size(); i += step) {
        if (words[i] != 0 || words[i + step / 2] != 0 || words[i + step - 1] != 0) {
            return false;
        }
    }
    return true;
}

class EachMemory : public testing::TestWithParam<std::uint32_t> {};

TEST_P(EachMemory, IsZeroAtFirst) {
    const uapi::File file;
    for (int round = 0; round < 3; ++round) {
        const uapi::Buffer buffer(file, 100 * uapi::page, GetParam());
        EXPECT_TRUE(is_zero(buffer));
        std::ranges::fill(buffer.as<std::uint64_t>(), 0xdeadbeefdeadbeef);
    }
}

TEST_P(EachMemory, HasTheSameContentsForProcessAndCard) {
    const uapi::File file;
    uapi::Queue queue(file);
    const uapi::Buffer buffer(file, 3 * uapi::page, GetParam());
    const uapi::Buffer check(file, 3 * uapi::page);
    const std::size_t words = buffer.bytes() / sizeof(std::uint32_t);
    for (std::uint32_t round = 0; round < 10; ++round) {
        uapi::fill_pattern(buffer.as<std::uint32_t>(), round);
        queue.run(uapi::copy(check.address(), buffer.address(), buffer.bytes()));
        ASSERT_EQ(uapi::first_difference(check.as<std::uint32_t>(), round), words);
        queue.run(uapi::fill(buffer.address(), round + 1, buffer.bytes()));
        ASSERT_EQ(std::ranges::count(buffer.as<std::uint32_t>(), round + 1),
                  static_cast<long>(words));
    }
}

// Lengths around a large page, so that page tables mix both sizes; every page has its own data.
TEST_P(EachMemory, IsCompleteAtLengthsAroundALargePage) {
    const uapi::File file;
    uapi::Queue queue(file);
    for (const std::size_t bytes :
         {large - uapi::page, large, large + uapi::page, 4 * large + 3 * uapi::page}) {
        const uapi::Buffer buffer(file, bytes, GetParam());
        const uapi::Buffer check(file, bytes);
        const auto words = buffer.as<std::uint32_t>();
        constexpr std::size_t step = uapi::page / sizeof(std::uint32_t);
        for (std::size_t i = 0; i < words.size(); i += step) {
            words[i] = static_cast<std::uint32_t>(i + 1);
            words[i + step - 1] = ~static_cast<std::uint32_t>(i + 1);
        }
        queue.run(uapi::copy(check.address(), buffer.address(), bytes));
        const auto copied = check.as<std::uint32_t>();
        for (std::size_t i = 0; i < copied.size(); i += step) {
            ASSERT_EQ(copied[i], i + 1);
            ASSERT_EQ(copied[i + step - 1], ~static_cast<std::uint32_t>(i + 1));
        }
        // The next byte is not part of the buffer.
        EXPECT_EQ(queue.run_to_error(uapi::fill(buffer.address() + bytes - 4, 0, 8)).error_address,
                  buffer.address() + bytes);
        ASSERT_EQ(queue.reset(), 0);
    }
}

TEST_P(EachMemory, OfOneByteIsAPage) {
    const uapi::File file;
    uapi::Queue queue(file);
    const uapi::Buffer buffer(file, 1, GetParam());
    EXPECT_EQ(buffer.address() % uapi::page, 0U);
    queue.run(uapi::fill(buffer.address(), 7, uapi::page));
    EXPECT_EQ(buffer.as<std::uint32_t>().back(), 7U);
}

TEST_P(EachMemory, DoesNotReuseAddressesSoon) {
    const uapi::File file;
    std::uint64_t last = 0;
    for (int i = 0; i < 50; ++i) {
        const uapi::Buffer buffer(file, uapi::page, GetParam());
        EXPECT_GT(buffer.address(), last + uapi::page);
        last = buffer.address();
    }
}

INSTANTIATE_TEST_SUITE_P(Buffer, EachMemory, testing::Values(uapi::host, uapi::device),
                         [](const auto& info) {
                             return info.param == uapi::host ? "Host" : "Device";
                         });

TEST(DeviceMemory, IsClearedForTheNextOwner) {
    const std::uint64_t all = uapi::File().info().memory_size;
    {
        const uapi::File first;
        uapi::Queue queue(first);
        const uapi::Buffer buffer(first, all, uapi::device);
        queue.run(uapi::fill(buffer.address(), 0x5ec7e7, all));
        EXPECT_FALSE(is_zero(buffer));
    }
    const uapi::File second;
    const uapi::Buffer buffer(second, all, uapi::device);
    EXPECT_TRUE(is_zero(buffer));
}

// The card's memory may survive a function reset.
TEST(DeviceMemory, IsClearedAfterAReset) {
    const uapi::File first;
    const std::uint64_t all = first.info().memory_size;
    const uapi::Buffer old(first, all, uapi::device);
    std::ranges::fill(old.as<std::uint64_t>().first(1000), 0x5ec7e7);
    uapi::Card().reset();
    const uapi::File second;
    const uapi::Buffer buffer(second, all, uapi::device);
    EXPECT_TRUE(is_zero(buffer));
}

// The card counts the page walks of its MMU. Each 4 KiB page would need one.
TEST(DeviceMemory, OfALargeBufferHasLargePages) {
    constexpr std::size_t bytes = 32 * large;
    const uapi::Card card;
    card.unbind();
    const std::uint64_t before = card.read_register(ACCEL_REG_TLB_MISSES);
    card.bind();
    {
        const uapi::File file;
        uapi::Queue queue(file);
        const uapi::Buffer buffer(file, bytes, uapi::device);
        queue.run(uapi::fill(buffer.address(), 1, bytes));
    }
    card.unbind();
    const std::uint64_t walks = card.read_register(ACCEL_REG_TLB_MISSES) - before;
    card.bind();
    EXPECT_GT(walks, 0U);
    EXPECT_LT(walks, bytes / uapi::page / 8);
}

/// A memory cgroup with a limit, as containers have.
class MemoryGroup {
  public:
    explicit MemoryGroup(std::uint64_t limit) {
        std::filesystem::create_directory(mount_);
        uapi::require(::mount("none", mount_.c_str(), "cgroup2", 0, nullptr) == 0 ? 0 : errno,
                      "mount cgroup2");
        uapi::require(uapi::write_file(mount_ / "cgroup.subtree_control", "+memory"), "+memory");
        std::filesystem::create_directory(group_);
        uapi::require(uapi::write_file(group_ / "memory.max", std::to_string(limit)), "limit");
    }
    MemoryGroup(const MemoryGroup&) = delete;
    MemoryGroup& operator=(const MemoryGroup&) = delete;
    MemoryGroup(MemoryGroup&&) = delete;
    MemoryGroup& operator=(MemoryGroup&&) = delete;
    ~MemoryGroup() {
        ::rmdir(group_.c_str());
        ::umount(mount_.c_str());
    }

    /// Moves the calling process into it.
    void join() const { uapi::require(uapi::write_file(group_ / "cgroup.procs", "0"), "join"); }
    [[nodiscard]] std::uint64_t used() const {
        return std::stoull(uapi::read_file(group_ / "memory.current"));
    }

  private:
    std::filesystem::path mount_ = "/run/groups";
    std::filesystem::path group_ = mount_ / "test";
};

TEST(HostMemory, IsChargedToTheCgroupOfItsCreator) {
    constexpr std::size_t limit = std::size_t{32} << 20;
    const MemoryGroup group(limit);
    uapi::Process member([&] {
        group.join();
        const uapi::File file;
        const std::uint64_t before = group.used();
        const uapi::Buffer buffer(file, limit / 4);
        uapi::check(group.used() >= before + limit / 4, "the buffer is not charged to the cgroup");
        // An allocation over the limit fails, and no process is killed.
        accel_buffer_create create{};
        create.flags = uapi::host;
        create.bytes = 2 * limit;
        uapi::check(file.call(ACCEL_IOCTL_BUFFER_CREATE, create) == ENOMEM,
                    "an allocation over the limit did not fail");
        uapi::Queue queue(file);
        queue.run(uapi::fill(buffer.address(), 1, buffer.bytes()));
    });
    EXPECT_EQ(member.wait(), 0);
    uapi::expect_working_card();
}

/// A buffer of some kind with a known pattern.
struct Known {
    Known(const uapi::File& file, std::size_t bytes, std::uint32_t flags, std::uint32_t pattern)
        : buffer(file, bytes, flags), seed(pattern) {
        uapi::fill_pattern(buffer.as<std::uint32_t>(), seed);
    }
    uapi::Buffer buffer;
    std::uint32_t seed;
};

TEST(ManyBuffers, KeepTheirDataWhileOthersAreCreatedAndDestroyed) {
    const uapi::Capacity before = uapi::Capacity::measure();
    {
        const uapi::File file;
        uapi::Queue queue(file);
        std::minstd_rand random(99);
        std::vector<std::unique_ptr<Known>> alive;
        for (std::uint32_t step = 1; step <= 300; ++step) {
            if (alive.size() < 4 || (alive.size() < 20 && random() % 2 == 0)) {
                alive.push_back(
                    std::make_unique<Known>(file, uapi::page * (1 + random() % 20),
                                            random() % 2 == 0 ? uapi::host : uapi::device, step));
                continue;
            }
            // The card copies one buffer into a new one, which replaces it.
            const std::size_t chosen = random() % alive.size();
            Known& from = *alive[chosen];
            auto to = std::make_unique<Known>(file, from.buffer.bytes(),
                                              random() % 2 == 0 ? uapi::host : uapi::device, 0);
            queue.run(uapi::copy(to->buffer.address(), from.buffer.address(), to->buffer.bytes()));
            to->seed = from.seed;
            std::swap(alive[chosen], to);
            to.reset();
            const Known& moved = *alive[chosen];
            ASSERT_EQ(uapi::first_difference(moved.buffer.as<std::uint32_t>(), moved.seed),
                      moved.buffer.bytes() / sizeof(std::uint32_t))
                << "step " << step;
            if (random() % 2 == 0) {
                alive.erase(alive.begin() + static_cast<std::ptrdiff_t>(chosen));
            }
        }
    }
    EXPECT_EQ(uapi::Capacity::measure(), before);
}

}  // namespace
