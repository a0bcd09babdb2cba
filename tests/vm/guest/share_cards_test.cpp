// SPDX-License-Identifier: Apache-2.0
//
// Memory of one card that another card accesses through its BAR.
#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <thread>

#include "card.hpp"
#include "commands.hpp"
#include "process.hpp"
#include "sanity.hpp"
#include "transfer.hpp"

namespace {

constexpr std::size_t bytes = 3U << 20;
constexpr std::size_t words = bytes / sizeof(std::uint32_t);

std::uint64_t counter(std::size_t card, const std::string& name) {
    const std::string node = uapi::Card(card).node();
    return std::stoull(uapi::read_file("/sys/class/accel-card/" + node.substr(node.rfind('/') + 1) +
                                       "/counters/" + name));
}

/// The number of bytes that crossed the link of a card.
struct Traffic {
    std::uint64_t host_read;
    std::uint64_t host_written;
    std::uint64_t memory_read;
    std::uint64_t memory_written;

    static Traffic of(std::size_t card) {
        return {counter(card, "host_read_bytes"), counter(card, "host_written_bytes"),
                counter(card, "memory_read_bytes"), counter(card, "memory_written_bytes")};
    }
    Traffic operator-(const Traffic& o) const {
        return {host_read - o.host_read, host_written - o.host_written, memory_read - o.memory_read,
                memory_written - o.memory_written};
    }
};

class TwoCards : public testing::Test {
  protected:
    void SetUp() override {
        if (uapi::Card::count() < 2) {
            GTEST_SKIP() << "this machine has one card";
        }
        first_ = std::make_unique<uapi::File>(uapi::Card(0).node());
        second_ = std::make_unique<uapi::File>(uapi::Card(1).node());
        memory_ = std::make_unique<uapi::Buffer>(*first_, bytes, uapi::device);
        dmabuf_ = memory_->export_dmabuf();
        uapi::fill_pattern(memory_->as<std::uint32_t>(), 1);
    }
    void TearDown() override {
        if (first_) {
            uapi::expect_working_card();
        }
    }

    std::unique_ptr<uapi::File> first_;
    std::unique_ptr<uapi::File> second_;
    std::unique_ptr<uapi::Buffer> memory_;
    uapi::Descriptor dmabuf_;
};

TEST_F(TwoCards, CopyFromOneToTheOtherWithoutMemoryOfTheHost) {
    const uapi::Import peer(*second_, dmabuf_, uapi::readable);
    const uapi::Buffer own(*second_, bytes, uapi::device);
    uapi::Queue queue(*second_);
    queue.run(uapi::nop());
    const Traffic before_first = Traffic::of(0);
    const Traffic before_second = Traffic::of(1);
    queue.run(uapi::copy(own.address(), peer.address(), bytes));
    const Traffic first = Traffic::of(0) - before_first;
    const Traffic second = Traffic::of(1) - before_second;

    EXPECT_EQ(uapi::first_difference(own.as<std::uint32_t>(), 1), words);
    // The second card read all data over its link, and wrote them into its own memory. Its other
    // reads are the command and page tables. The first card did nothing, because its BAR was read.
    EXPECT_GE(second.host_read, bytes);
    EXPECT_LT(second.host_read, bytes + (64U << 10));
    EXPECT_EQ(second.memory_written, bytes);
    EXPECT_LT(second.host_written, 4096U);
    EXPECT_EQ(first.memory_read, 0U);
    EXPECT_EQ(first.host_read + first.host_written, 0U);
    std::printf(
        "card 0 -> card 1: %zu bytes; card 1 read %llu over its link and wrote %llu to its "
        "memory, card 0 moved %llu\n",
        bytes, static_cast<unsigned long long>(second.host_read),
        static_cast<unsigned long long>(second.memory_written),
        static_cast<unsigned long long>(first.host_read + first.memory_read));
}

TEST_F(TwoCards, WriteToEachOther) {
    const uapi::Import peer(*second_, dmabuf_);
    const uapi::Buffer own(*second_, bytes, uapi::device);
    uapi::fill_pattern(own.as<std::uint32_t>(), 2);
    uapi::Queue queue(*second_);
    queue.run(uapi::copy(peer.address(), own.address(), bytes));
    EXPECT_EQ(uapi::first_difference(memory_->as<std::uint32_t>(), 2), words);
}

TEST_F(TwoCards, TransferTheOthersMemoryForTheHost) {
    const uapi::Import peer(*second_, dmabuf_);
    const auto sent = uapi::pattern(bytes - 5, 3);
    ASSERT_EQ(
        pwrite(second_->fd(), sent.data(), sent.size(), static_cast<off_t>(peer.address() + 5)),
        static_cast<ssize_t>(sent.size()));
    std::vector<std::byte> back(sent.size());
    ASSERT_EQ(
        pread(first_->fd(), back.data(), back.size(), static_cast<off_t>(memory_->address() + 5)),
        static_cast<ssize_t>(back.size()));
    EXPECT_EQ(back, sent);
}

TEST_F(TwoCards, LoseTheMemoryOfACardThatIsReset) {
    const uapi::Import peer(*second_, dmabuf_);
    uapi::Queue queue(*second_);
    queue.run(uapi::fill(peer.address(), 1, 4));
    uapi::Card(0).reset();
    const auto failure = queue.run_to_error(uapi::fill(peer.address(), 1, 4));
    EXPECT_EQ(failure.error, static_cast<std::uint32_t>(ACCEL_FAULT_UNMAPPED));
    EXPECT_EQ(uapi::Import::attempt(*second_, dmabuf_.get()), ENODEV);
    // The second card has lost nothing else.
    ASSERT_EQ(queue.reset(), 0);
    queue.run(uapi::nop());
}

TEST_F(TwoCards, LoseTheMemoryOfACardThatIsRemoved) {
    const uapi::Import peer(*second_, dmabuf_);
    uapi::Queue queue(*second_);
    const uapi::Card card(0);
    card.unbind();
    const auto failure = queue.run_to_error(uapi::fill(peer.address(), 1, 4));
    EXPECT_EQ(failure.error, static_cast<std::uint32_t>(ACCEL_FAULT_UNMAPPED));
    card.bind();
}

TEST_F(TwoCards, ReleaseTheOthersMemoryWhenTheyAreReset) {
    const uapi::Import peer(*second_, dmabuf_);
    uapi::Card(1).reset();
    EXPECT_EQ(uapi::first_difference(memory_->as<std::uint32_t>(), 1), words);
    const uapi::File fresh(uapi::Card(1).node());
    const uapi::Import again(fresh, dmabuf_);
    uapi::Queue queue(fresh);
    queue.run(uapi::fill(again.address(), 9, 4));
    EXPECT_EQ(memory_->as<std::uint32_t>()[0], 9U);
}

// Both cards import from each other and are reset concurrently: neither may wait for the other.
TEST_F(TwoCards, CanBothBeResetDuringTheirImports) {
    const uapi::OneProcessor one_processor;
    for (int round = 0; round < 10; ++round) {
        const uapi::File one(uapi::Card(0).node());
        const uapi::File two(uapi::Card(1).node());
        const uapi::Buffer of_one(one, uapi::page, uapi::device);
        const uapi::Buffer of_two(two, uapi::page, uapi::device);
        const uapi::Import in_two(two, of_one.export_dmabuf());
        const uapi::Import in_one(one, of_two.export_dmabuf());
        std::jthread first([] { uapi::Card(0).reset(); });
        std::jthread second([] { uapi::Card(1).reset(); });
    }
}

TEST_F(TwoCards, CanBeImportedFromDuringAReset) {
    const uapi::OneProcessor one_processor;
    std::atomic<bool> stop = false;
    std::jthread importer([&] {
        while (!stop) {
            try {
                const uapi::File one(uapi::Card(0).node());
                const uapi::Buffer buffer(one, uapi::page, uapi::device);
                const uapi::Descriptor dmabuf = buffer.export_dmabuf();
                const uapi::Import local(one, dmabuf);
                const uapi::Import peer(*second_, dmabuf);
            } catch (const std::system_error& error) {
                const int code = error.code().value();
                EXPECT_TRUE(code == ESTALE || code == ENODEV) << error.what();
            }
        }
    });
    for (int round = 0; round < 20; ++round) {
        uapi::Card(0).reset();
    }
    stop = true;
}

}  // namespace
