// SPDX-License-Identifier: Apache-2.0
//
// A machine on which DMA uses bounce buffers (swiotlb=force, or an encrypted guest): the driver
// refuses memory that the CPU and the card would see differently, and everything else works.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <span>
#include <string>
#include <vector>

#include "commands.hpp"
#include "transfer.hpp"
#include "uapi.hpp"

namespace {

class Bounce : public testing::Test {
  protected:
    void SetUp() override {
        if ((file_.info().capabilities & ACCEL_CAP_HOST_MEMORY) != 0) {
            GTEST_SKIP() << "DMA uses no bounce buffers on this machine";
        }
    }
    uapi::File file_;
};

/// True if a line of the kernel log has this text.
bool kernel_logged(const std::string& text) {
    const uapi::Descriptor log(::open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    uapi::require(log.get() >= 0 ? 0 : errno, "/dev/kmsg");
    std::string line(8192, '\0');
    for (;;) {
        const ssize_t length = ::read(log.get(), line.data(), line.size());
        if (length < 0 && errno != EPIPE) {
            return false;
        }
        if (length > 0 &&
            std::string_view(line.data(), static_cast<std::size_t>(length)).find(text) !=
                std::string_view::npos) {
            return true;
        }
    }
}

TEST_F(Bounce, RefusesBuffersInHostMemory) {
    EXPECT_EQ(file_.info().capabilities & ACCEL_CAP_REGISTER, 0U);
    accel_buffer_create create{};
    create.bytes = uapi::page;
    create.flags = uapi::host;
    EXPECT_EQ(file_.call(ACCEL_IOCTL_BUFFER_CREATE, create), EOPNOTSUPP);
    const uapi::Mapping own = uapi::Mapping::anonymous(uapi::page);
    EXPECT_EQ(uapi::Registration::attempt(file_, own.data(), uapi::page), EOPNOTSUPP);
    EXPECT_TRUE(kernel_logged("no buffers in host memory: DMA uses bounce buffers"));
}

TEST_F(Bounce, LeavesQueuesAndDeviceMemoryIntact) {
    const uapi::Buffer memory(file_, 4 * uapi::page, uapi::device);
    for (const std::uint32_t entries : {2U, 64U, 4096U}) {
        uapi::Queue queue(file_, entries);
        for (std::uint32_t i = 1; i <= 100; ++i) {
            queue.run(uapi::fill(memory.address(), i + entries, memory.bytes()));
        }
        for (const std::uint32_t word : memory.as<std::uint32_t>()) {
            ASSERT_EQ(word, 100 + entries);
        }
    }
}

TEST_F(Bounce, LeavesTransfersIntact) {
    const uapi::Buffer memory(file_, 16 * uapi::page, uapi::device);
    const auto sent = uapi::pattern(memory.bytes(), 1);
    const auto offset = static_cast<off_t>(memory.address());
    ASSERT_EQ(::pwrite(file_.fd(), sent.data(), sent.size(), offset),
              static_cast<ssize_t>(sent.size()));
    std::vector<std::byte> back(sent.size());
    ASSERT_EQ(::pread(file_.fd(), back.data(), back.size(), offset),
              static_cast<ssize_t>(back.size()));
    EXPECT_EQ(back, sent);
}

// A bounce buffer is shorter than a huge page, whose pages are one segment.
TEST_F(Bounce, LeavesTransfersOfHugePagesIntact) {
    constexpr std::size_t huge = 2 << 20;
    const uapi::Buffer memory(file_, 2 * huge, uapi::device);
    const uapi::Mapping own = uapi::Mapping::anonymous(4 * huge);
    ASSERT_EQ(::madvise(own.data(), own.size(), MADV_HUGEPAGE), 0);
    std::byte* const first = own.data();
    const std::span<std::byte> sent(first + huge / 2, 2 * huge);
    const auto bytes = uapi::pattern(sent.size(), 1);
    std::ranges::copy(bytes, sent.begin());
    const auto offset = static_cast<off_t>(memory.address());
    ASSERT_EQ(::pwrite(file_.fd(), sent.data(), sent.size(), offset),
              static_cast<ssize_t>(sent.size()));
    std::ranges::fill(sent, std::byte{0});
    ASSERT_EQ(::pread(file_.fd(), sent.data(), sent.size(), offset),
              static_cast<ssize_t>(sent.size()));
    EXPECT_TRUE(std::ranges::equal(sent, bytes));
}

}  // namespace
