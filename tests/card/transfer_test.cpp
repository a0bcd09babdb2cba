// SPDX-License-Identifier: Apache-2.0
//
// TRANSFER between lists of segments with different boundaries.
#include <algorithm>
#include <vector>

#include "card_fixture.hpp"

namespace accel::test {
namespace {

class Transfer : public CardTest {
  protected:
    Transfer() : CardTest({.device_memory = 256 << 20, .host_memory = 512 << 20, .contexts = 2}) {}

    struct SegmentList {
        std::vector<accel_segment> segments;
        std::uint64_t address = 0;
    };

    // A list of scattered segments, some of them empty, that hold `bytes` bytes together.
    SegmentList cut(std::size_t bytes, std::size_t longest) {
        SegmentList list;
        while (bytes > 0) {
            const std::size_t now = std::min<std::size_t>(bytes, random.below(longest));
            const std::uint64_t at = space.allocate(
                now + 1, random.coin() ? Layout::host : Layout::scattered, random.below(page_size));
            list.segments.push_back({.address = at, .bytes = now});
            bytes -= now;
        }
        list.address = space.allocate(list.segments.size() * sizeof(accel_segment) + 16);
        space.store(list.address, list.segments);
        return list;
    }
    void store(const SegmentList& list, const std::vector<std::uint8_t>& data) {
        auto next = data.begin();
        for (const auto& segment : list.segments) {
            const auto end = next + static_cast<std::ptrdiff_t>(segment.bytes);
            space.store(segment.address, std::vector<std::uint8_t>(next, end));
            next = end;
        }
    }
    std::vector<std::uint8_t> load(const SegmentList& list) {
        std::vector<std::uint8_t> all;
        for (const auto& segment : list.segments) {
            const auto part = space.load<std::uint8_t>(segment.address, segment.bytes);
            all.insert(all.end(), part.begin(), part.end());
        }
        return all;
    }
    static accel_command transfer(const SegmentList& dst, const SegmentList& src,
                                  std::uint64_t bytes) {
        accel_command command{};
        command.opcode = ACCEL_OP_TRANSFER;
        command.transfer.dst = dst.address;
        command.transfer.src = src.address;
        command.transfer.dst_count = static_cast<std::uint32_t>(dst.segments.size());
        command.transfer.src_count = static_cast<std::uint32_t>(src.segments.size());
        command.transfer.bytes = bytes;
        return command;
    }

    Random random{14};
};

TEST_F(Transfer, MovesBytesBetweenDifferentSegments) {
    for (int i = 0; i < 20; ++i) {
        const std::size_t bytes = 1 + random.below(300'000);
        const SegmentList src = cut(bytes, 9000);
        const SegmentList dst = cut(bytes, 5000);
        const auto data = random.bytes(bytes);
        store(src, data);
        ASSERT_EQ(queue.run(transfer(dst, src, bytes)), ACCEL_OK);
        ASSERT_EQ(load(dst), data);
    }
}

TEST_F(Transfer, WritesNoByteBeyondItsSize) {
    const SegmentList src = cut(50'000, 4000);
    const SegmentList dst = cut(50'000, 7000);
    const auto data = random.bytes(50'000);
    auto expected = random.bytes(50'000);
    store(src, data);
    store(dst, expected);
    ASSERT_EQ(queue.run(transfer(dst, src, 30'001)), ACCEL_OK);
    std::copy_n(data.begin(), 30'001, expected.begin());
    EXPECT_EQ(load(dst), expected);
    ASSERT_EQ(queue.run(transfer(dst, src, 0)), ACCEL_OK);
    EXPECT_EQ(load(dst), expected);
}

TEST_F(Transfer, AListShorterThanTheSizeIsBadSize) {
    const SegmentList src = cut(10'000, 4000);
    const SegmentList dst = cut(9'999, 4000);
    expect_error(ACCEL_BAD_SIZE, transfer(dst, src, 10'000));
    expect_error(ACCEL_BAD_SIZE, transfer(src, dst, 10'000));
}

TEST_F(Transfer, BadFieldsAreRefused) {
    const SegmentList list = cut(4096, 1000);
    accel_command command = transfer(list, list, 0);
    command.transfer.reserved[0] = 1;
    expect_error(ACCEL_BAD_FIELD, command);
    command = transfer(list, list, 0);
    command.transfer.dst += 8;
    expect_error(ACCEL_BAD_ALIGNMENT, command);
    command = transfer(list, list, 0);
    command.transfer.src += 8;
    expect_error(ACCEL_BAD_ALIGNMENT, command);
    command = transfer(list, list, 0);
    command.transfer.src_count = 65537;
    expect_error(ACCEL_BAD_SIZE, command);
}

TEST_F(Transfer, AnUnmappedSegmentFaultsAtItsAddress) {
    SegmentList src = cut(8192, 1000);
    const SegmentList dst = cut(8192, 1000);
    src.segments.back().address = 0x1000;
    src.segments.back().bytes = 8192;
    space.store(src.address, src.segments);
    EXPECT_EQ(expect_error(ACCEL_FAULT_UNMAPPED, transfer(dst, src, 8192)).address, 0x1000U);
}

}  // namespace
}  // namespace accel::test
