// SPDX-License-Identifier: Apache-2.0
//
// Memory of one card that another reads and writes through its BAR.
#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <thread>

#include "card.hpp"
#include "commands.hpp"
#include "health.hpp"
#include "process.hpp"
#include "transfer.hpp"

namespace {

constexpr std::size_t bytes = 3U << 20;
constexpr std::size_t words = bytes / sizeof(std::uint32_t);

std::uint64_t counter(std::size_t card, const std::string& name) {
    const std::string node = bench::Card(card).node();
    return std::stoull(bench::read_file("/sys/class/accel-card/" +
                                        node.substr(node.rfind('/') + 1) + "/counters/" + name));
}

/// Bytes that crossed the link of a card.
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
        if (bench::Card::count() < 2) {
            GTEST_SKIP() << "this machine has one card";
        }
        first_ = std::make_unique<bench::File>(bench::Card(0).node());
        second_ = std::make_unique<bench::File>(bench::Card(1).node());
        memory_ = std::make_unique<bench::Buffer>(*first_, bytes, bench::device);
        dmabuf_ = memory_->export_dmabuf();
        bench::fill_pattern(memory_->as<std::uint32_t>(), 1);
    }
    void TearDown() override {
        if (first_) {
            bench::expect_healthy();
        }
    }

    std::unique_ptr<bench::File> first_;
    std::unique_ptr<bench::File> second_;
    std::unique_ptr<bench::Buffer> memory_;
    bench::Descriptor dmabuf_;
};

TEST_F(TwoCards, CopyFromOneToTheOtherWithoutMemoryOfTheHost) {
    const bench::Import peer(*second_, dmabuf_, bench::readable);
    const bench::Buffer own(*second_, bytes, bench::device);
    bench::Queue queue(*second_);
    queue.run(bench::nop());
    const Traffic before_first = Traffic::of(0);
    const Traffic before_second = Traffic::of(1);
    queue.run(bench::copy(own.address(), peer.address(), bytes));
    const Traffic first = Traffic::of(0) - before_first;
    const Traffic second = Traffic::of(1) - before_second;

    EXPECT_EQ(bench::first_difference(own.as<std::uint32_t>(), 1), words);
    // The second card read all of it over its link, and wrote it into its own memory. What it read
    // beyond that is the command and page tables. The first did nothing: its BAR was read.
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

TEST_F(TwoCards, WriteIntoEachOther) {
    const bench::Import peer(*second_, dmabuf_);
    const bench::Buffer own(*second_, bytes, bench::device);
    bench::fill_pattern(own.as<std::uint32_t>(), 2);
    bench::Queue queue(*second_);
    queue.run(bench::copy(peer.address(), own.address(), bytes));
    EXPECT_EQ(bench::first_difference(memory_->as<std::uint32_t>(), 2), words);
}

TEST_F(TwoCards, ReadAndWriteTheOthersMemoryForTheHost) {
    const bench::Import peer(*second_, dmabuf_);
    const auto sent = bench::pattern(bytes - 5, 3);
    ASSERT_EQ(
        pwrite(second_->fd(), sent.data(), sent.size(), static_cast<off_t>(peer.address() + 5)),
        static_cast<ssize_t>(sent.size()));
    std::vector<std::byte> back(sent.size());
    ASSERT_EQ(
        pread(first_->fd(), back.data(), back.size(), static_cast<off_t>(memory_->address() + 5)),
        static_cast<ssize_t>(back.size()));
    EXPECT_EQ(back, sent);
}

TEST_F(TwoCards, LoseTheMemoryOfTheOneThatIsReset) {
    const bench::Import peer(*second_, dmabuf_);
    bench::Queue queue(*second_);
    queue.run(bench::fill(peer.address(), 1, 4));
    bench::Card(0).reset();
    const auto why = queue.run_to_error(bench::fill(peer.address(), 1, 4));
    EXPECT_EQ(why.error, static_cast<std::uint32_t>(ACCEL_FAULT_UNMAPPED));
    EXPECT_EQ(bench::Import::attempt(*second_, dmabuf_.get()), ENODEV);
    // The second card lost nothing else.
    ASSERT_EQ(queue.reset(), 0);
    queue.run(bench::nop());
}

TEST_F(TwoCards, LoseTheMemoryOfTheOneThatIsRemoved) {
    const bench::Import peer(*second_, dmabuf_);
    bench::Queue queue(*second_);
    const bench::Card card(0);
    card.unbind();
    const auto why = queue.run_to_error(bench::fill(peer.address(), 1, 4));
    EXPECT_EQ(why.error, static_cast<std::uint32_t>(ACCEL_FAULT_UNMAPPED));
    card.bind();
}

TEST_F(TwoCards, LetGoOfTheOtherWhenTheyAreReset) {
    const bench::Import peer(*second_, dmabuf_);
    bench::Card(1).reset();
    EXPECT_EQ(bench::first_difference(memory_->as<std::uint32_t>(), 1), words);
    const bench::File fresh(bench::Card(1).node());
    const bench::Import again(fresh, dmabuf_);
    bench::Queue queue(fresh);
    queue.run(bench::fill(again.address(), 9, 4));
    EXPECT_EQ(memory_->as<std::uint32_t>()[0], 9U);
}

// Both cards import from each other, and both are reset at once: neither may wait for the other.
TEST_F(TwoCards, AreResetBothWhileTheyShare) {
    const bench::OneProcessor one_processor;
    for (int round = 0; round < 10; ++round) {
        const bench::File one(bench::Card(0).node());
        const bench::File two(bench::Card(1).node());
        const bench::Buffer of_one(one, bench::page, bench::device);
        const bench::Buffer of_two(two, bench::page, bench::device);
        const bench::Import in_two(two, of_one.export_dmabuf());
        const bench::Import in_one(one, of_two.export_dmabuf());
        std::jthread first([] { bench::Card(0).reset(); });
        std::jthread second([] { bench::Card(1).reset(); });
    }
}

TEST_F(TwoCards, AreImportedFromWhileTheyAreReset) {
    const bench::OneProcessor one_processor;
    std::atomic<bool> stop = false;
    std::jthread importer([&] {
        while (!stop) {
            try {
                const bench::File one(bench::Card(0).node());
                const bench::Buffer buffer(one, bench::page, bench::device);
                const bench::Descriptor dmabuf = buffer.export_dmabuf();
                const bench::Import local(one, dmabuf);
                const bench::Import peer(*second_, dmabuf);
            } catch (const std::system_error& error) {
                const int code = error.code().value();
                EXPECT_TRUE(code == ESTALE || code == ENODEV) << error.what();
            }
        }
    });
    for (int round = 0; round < 20; ++round) {
        bench::Card(0).reset();
    }
    stop = true;
}

}  // namespace
