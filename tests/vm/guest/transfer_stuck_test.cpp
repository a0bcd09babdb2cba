// SPDX-License-Identifier: Apache-2.0
//
// Transfers on a card whose engines hang, or that others keep busy: they hurt nobody but their own
// process, and they end.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "card.hpp"
#include "commands.hpp"
#include "io_uring.hpp"
#include "process.hpp"
#include "sanity.hpp"
#include "tools.hpp"
#include "transfer.hpp"

namespace {

/// More than the copy queue has slots.
constexpr unsigned many = 300;

/// A file of the first card with reads in flight that the card does not end.
class StuckReads {
  public:
    explicit StuckReads(const char* defect = "engines") {
        monitor_.set(0, "defect", defect);
        for (unsigned i = 0; i < many; ++i) {
            io_uring_sqe* const entry = ring_.entry(i);
            io_uring_prep_read(entry, file_.fd(), memory_.data() + i * uapi::page, uapi::page,
                               buffer_.address());
            entry->user_data = i;
        }
        uapi::require(io_uring_submit(ring_.get()) == static_cast<int>(many) ? 0 : EIO,
                      "the submission");
    }
    /// The results by their number.
    [[nodiscard]] std::map<int, unsigned> results() {
        std::map<int, unsigned> counts;
        for (const auto& [tag, result] : ring_.results(many)) {
            ++counts[result];
        }
        return counts;
    }
    [[nodiscard]] bool all_pending() {
        io_uring_get_events(ring_.get());
        return io_uring_cq_ready(ring_.get()) == 0;
    }

  private:
    uapi::Monitor monitor_;
    uapi::File file_{uapi::Card(0).node()};
    uapi::Buffer buffer_{file_, uapi::page};
    std::vector<std::byte> memory_ = std::vector<std::byte>(many * uapi::page);
    uapi::IoUring ring_{512};
};

class StuckTransfer : public testing::Test {
  protected:
    void SetUp() override {
        if (!uapi::Monitor::present()) {
            GTEST_SKIP() << "this machine has no monitor";
        }
    }
    void TearDown() override {
        if (IsSkipped()) {
            return;
        }
        if (uapi::Monitor().get(0, "defect") != "none") {
            uapi::Card(0).reset();
        }
        uapi::expect_working_card();
    }
    /// QEMU with two processors may crash in a reset; see OneProcessor.
    uapi::OneProcessor one_;
};

TEST_F(StuckTransfer, DelaysNoOtherFileAndNoReset) {
    const uapi::File other;
    const uapi::Buffer memory(other, 1U << 20, uapi::device);
    memory.data()[0] = std::byte{1};
    StuckReads reads;
    const uapi::File opened;
    EXPECT_EQ(opened.info().size, sizeof(accel_info));
    memory.data()[1U << 19] = std::byte{1};  // a page fault
    const uapi::Buffer created(other, uapi::page, uapi::device);
    EXPECT_TRUE(reads.all_pending());
    uapi::Card(0).reset();
    EXPECT_EQ(reads.results(), (std::map<int, unsigned>{{-ESTALE, many}}));
}

TEST_F(StuckTransfer, EndsWhenItsProcessIsKilledBeforeTheCardBegins) {
    StuckReads reads;
    const uapi::Counter begun;
    uapi::Process reader([&] {
        const uapi::File file;
        const uapi::Buffer buffer(file, uapi::page);
        std::vector<std::byte> back(uapi::page);
        begun.add();
        static_cast<void>(
            pread(file.fd(), back.data(), back.size(), static_cast<off_t>(buffer.address())));
    });
    begun.await(1);
    const std::string stack = "/proc/" + std::to_string(reader.pid()) + "/wchan";
    uapi::await("the reader to sleep",
                [&] { return uapi::read_file(stack).find("accel") != std::string::npos; });
    reader.kill();
    EXPECT_TRUE(reads.all_pending());
}

TEST_F(StuckTransfer, DoesNotAffectAnotherCard) {
    if (uapi::Card::count() < 2) {
        GTEST_SKIP() << "this machine has one card";
    }
    const uapi::File other(uapi::Card(1).node());
    const uapi::Buffer buffer(other, uapi::page);
    StuckReads reads;
    std::vector<std::byte> back(uapi::page);
    uapi::IoUring ring;
    io_uring_prep_read(ring.entry(1), other.fd(), back.data(), uapi::page, buffer.address());
    EXPECT_EQ(ring.results(1).begin()->second, static_cast<int>(uapi::page));
    EXPECT_EQ(pread(other.fd(), back.data(), back.size(), static_cast<off_t>(buffer.address())),
              static_cast<ssize_t>(back.size()));
    EXPECT_TRUE(reads.all_pending());
}

TEST_F(StuckTransfer, FailsAloneIfTheOthersCanGoOn) {
    StuckReads reads("progress");
    EXPECT_EQ(reads.results(),
              (std::map<int, unsigned>{{-EIO, 1}, {static_cast<int>(uapi::page), many - 1}}));
}

// The driver gives up one transfer, tries the others again, and then gives up the card.
TEST_F(StuckTransfer, EndsByItselfIfNobodyResetsTheCard) {
    std::map<int, unsigned> results;
    {
        StuckReads reads;
        results = reads.results();
    }
    for (const auto& [result, count] : results) {
        EXPECT_TRUE(result == -EIO || result == -ESTALE) << result << ": " << count;
    }
    EXPECT_NE(results.find(-EIO), results.end());
    uapi::await("the reset by the driver",
                [] { return uapi::Monitor().get(0, "defect") == "none"; });
}

// The copy queue has a priority above all users, and preempts their commands.
TEST(HoggedCard, CompletesTransfers) {
    const uapi::File victim;
    if ((victim.info().features & ACCEL_FEATURE_SHARING) == 0) {
        GTEST_SKIP() << "this card does not preempt commands";
    }
    constexpr std::size_t bytes = 1U << 20;
    const auto sent = uapi::pattern(bytes, 1);
    std::vector<std::byte> back(bytes);
    const uapi::Buffer buffer(victim, bytes, uapi::device);
    {
        std::vector<std::unique_ptr<uapi::File>> files;
        std::vector<uapi::Buffer> memory;
        std::vector<uapi::Queue> hogs;
        for (int i = 0; i < 8; ++i) {
            files.push_back(std::make_unique<uapi::File>());
            memory.emplace_back(*files.back(), bytes, uapi::device);
            hogs.emplace_back(*files.back(), 4, ACCEL_PRIORITIES - 1);
            accel_command endless = uapi::fill(memory.back().address(), 1, bytes);
            endless.fill.rows = ~std::uint32_t{0};
            hogs.back().submit(endless);
        }
        const auto at = static_cast<off_t>(buffer.address());
        EXPECT_EQ(pwrite(victim.fd(), sent.data(), bytes, at), static_cast<ssize_t>(bytes));
        uapi::IoUring ring;
        io_uring_prep_read(ring.entry(1), victim.fd(), back.data(), bytes, buffer.address());
        EXPECT_EQ(ring.results(1).begin()->second, static_cast<int>(bytes));
        EXPECT_EQ(back, sent);
        for (uapi::Queue& hog : hogs) {
            EXPECT_EQ(hog.status().completed, 0U);
        }
    }
    uapi::expect_working_card();
}

}  // namespace
