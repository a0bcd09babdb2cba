// SPDX-License-Identifier: Apache-2.0
//
// One page of the host that the cards use in several ways at once: each way has the right data.
#include <gtest/gtest.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>

#include "card.hpp"
#include "commands.hpp"
#include "sanity.hpp"

namespace {

class Twice : public testing::Test {
  protected:
    void TearDown() override { uapi::expect_working_card(); }

    /// The words at this address, as a card sees them.
    [[nodiscard]] static std::uint32_t first_word(const uapi::File& file, std::uint64_t address) {
        const uapi::Buffer copied(file, uapi::page);
        uapi::Queue queue(file, 4);
        queue.run(uapi::copy(copied.address(), address, sizeof(std::uint32_t)));
        return copied.as<std::uint32_t>()[0];
    }
    static void write_word(const uapi::File& file, std::uint64_t address, std::uint32_t value) {
        uapi::Queue queue(file, 4);
        queue.run(uapi::fill(address, value, sizeof(std::uint32_t)));
    }

    uapi::File file_;
    uapi::Mapping own_ = uapi::Mapping::anonymous(uapi::page);
};

TEST_F(Twice, ForReadingByTheCard) {
    own_.as<std::uint32_t>()[0] = 0x1111;
    const uapi::Registration first(file_, own_.data(), uapi::page, uapi::readable);
    const uapi::Registration second(file_, own_.data(), uapi::page, uapi::readable);
    own_.as<std::uint32_t>()[0] = 0x2222;
    EXPECT_EQ(first_word(file_, first.address()), 0x2222U);
    EXPECT_EQ(first_word(file_, second.address()), 0x2222U);
}

TEST_F(Twice, InTwoHalves) {
    constexpr std::size_t half = uapi::page / 2;
    uapi::Registration lower(file_, own_.data(), half);
    const uapi::Registration upper(file_, own_.data() + half, half);
    write_word(file_, lower.address(), 1);
    write_word(file_, upper.address(), 2);
    ASSERT_EQ(lower.destroy(), 0);
    write_word(file_, upper.address() + sizeof(std::uint32_t), 3);
    EXPECT_EQ(own_.as<std::uint32_t>()[0], 1U);
    EXPECT_EQ(own_.as<std::uint32_t>()[half / sizeof(std::uint32_t)], 2U);
    EXPECT_EQ(own_.as<std::uint32_t>()[half / sizeof(std::uint32_t) + 1], 3U);
}

TEST_F(Twice, OnTwoCards) {
    if (uapi::Card::count() < 2) {
        GTEST_SKIP() << "this machine has one card";
    }
    const uapi::File other(uapi::Card(1).node());
    uapi::Registration here(file_, own_.data(), uapi::page);
    const uapi::Registration there(other, own_.data(), uapi::page);
    write_word(file_, here.address(), 5);
    EXPECT_EQ(first_word(other, there.address()), 5U);
    write_word(other, there.address(), 6);
    EXPECT_EQ(first_word(file_, here.address()), 6U);
    ASSERT_EQ(here.destroy(), 0);
    write_word(other, there.address(), 7);
    EXPECT_EQ(own_.as<std::uint32_t>()[0], 7U);
}

TEST_F(Twice, AsAnExportAndAsImportsOfBothCards) {
    const uapi::Buffer buffer(file_, uapi::page);
    const uapi::Descriptor dmabuf = buffer.export_dmabuf();
    for (std::size_t card = 0; card < uapi::Card::count(); ++card) {
        const uapi::File importer(uapi::Card(card).node());
        const uapi::Import import(importer, dmabuf);
        const auto value = static_cast<std::uint32_t>(card + 9);
        write_word(importer, import.address(), value);
        EXPECT_EQ(first_word(file_, buffer.address()), value);
    }
}

TEST_F(Twice, AsRegisteredMemoryAndForATransfer) {
    const uapi::Buffer memory(file_, uapi::page, uapi::device);
    const uapi::Registration registered(file_, own_.data(), uapi::page);
    const auto at = static_cast<off_t>(memory.address());
    write_word(file_, memory.address(), 0xabc);
    ASSERT_EQ(::pread(file_.fd(), own_.data(), uapi::page, at), ssize_t{uapi::page});
    EXPECT_EQ(first_word(file_, registered.address()), 0xabcU);
    write_word(file_, registered.address(), 0xdef);
    ASSERT_EQ(::pwrite(file_.fd(), own_.data(), uapi::page, at), ssize_t{uapi::page});
    EXPECT_EQ(first_word(file_, memory.address()), 0xdefU);
}

TEST_F(Twice, AsTwoPiecesOfATransfer) {
    constexpr std::size_t half = uapi::page / 2;
    const uapi::Buffer memory(file_, uapi::page, uapi::device);
    uapi::fill_pattern(memory.as<std::uint32_t>(), 4);
    const std::array pieces{iovec{own_.data(), half}, iovec{own_.data() + half, half}};
    ASSERT_EQ(::preadv(file_.fd(), pieces.data(), 2, static_cast<off_t>(memory.address())),
              ssize_t{uapi::page});
    EXPECT_EQ(uapi::first_difference(own_.as<std::uint32_t>(), 4),
              uapi::page / sizeof(std::uint32_t));
}

}  // namespace
