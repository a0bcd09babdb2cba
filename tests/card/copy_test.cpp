// SPDX-License-Identifier: Apache-2.0
//
// COPY and FILL: each pair of memory layouts, odd sizes and alignments, rows and strides.
#include <algorithm>

#include "card_fixture.hpp"

namespace accel::test {
namespace {

class Copy : public CardTest {
  protected:
    Copy() : CardTest({.device_memory = 256 << 20, .host_memory = 512 << 20, .contexts = 2}) {}

    Random random{4};
};

TEST_F(Copy, MovesOddSizesAndAlignmentsBetweenAllLayouts) {
    for (const Layout from : layouts) {
        for (const Layout to : layouts) {
            const std::size_t size = 1 + random.below(150'000);
            const auto data = random.bytes(size);
            const std::uint64_t src = space.allocate(size, from, random.below(page_size));
            const std::uint64_t dst = space.allocate(size + 2, to, random.below(page_size));
            space.store(src, data);
            ASSERT_EQ(queue.run(copy(dst + 1, src, size)), ACCEL_OK);
            ASSERT_EQ(space.load<std::uint8_t>(dst + 1, size), data);
            EXPECT_EQ(space.load<std::uint8_t>(dst, 1)[0], 0);
            EXPECT_EQ(space.load<std::uint8_t>(dst + 1 + size, 1)[0], 0);
        }
    }
}

TEST_F(Copy, MovesEveryShortLengthAcrossAPageBoundary) {
    const std::uint64_t src = space.allocate(2 * page_size, Layout::scattered);
    const std::uint64_t dst = space.allocate(2 * page_size, Layout::scattered);
    for (std::size_t size = 1; size < 40; ++size) {
        const auto data = random.bytes(size);
        space.store(src + page_size - 17, data);
        ASSERT_EQ(queue.run(copy(dst + page_size - 5, src + page_size - 17, size)), ACCEL_OK);
        ASSERT_EQ(space.load<std::uint8_t>(dst + page_size - 5, size), data);
    }
}

TEST_F(Copy, MovesRowsWithStrides) {
    for (int i = 0; i < 60; ++i) {
        const std::size_t bytes = 1 + random.below(3000);
        const auto rows = static_cast<std::uint32_t>(1 + random.below(30));
        const std::size_t src_stride = random.coin() ? bytes : bytes + random.below(5000);
        const std::size_t dst_stride = random.coin() ? bytes : bytes + random.below(5000);
        const auto source = random.bytes(src_stride * rows);
        auto expected = random.bytes(dst_stride * rows);
        const std::uint64_t src =
            space.allocate(source.size(), Layout::scattered, random.below(page_size));
        const std::uint64_t dst =
            space.allocate(expected.size(), Layout::host, random.below(page_size));
        space.store(src, source);
        space.store(dst, expected);
        for (std::size_t row = 0; row < rows; ++row) {
            std::copy_n(source.begin() + static_cast<std::ptrdiff_t>(row * src_stride), bytes,
                        expected.begin() + static_cast<std::ptrdiff_t>(row * dst_stride));
        }
        ASSERT_EQ(queue.run(copy_rows(dst, dst_stride, src, src_stride, bytes, rows)), ACCEL_OK);
        ASSERT_EQ(space.load<std::uint8_t>(dst, expected.size()), expected);
    }
}

TEST_F(Copy, AStrideOfZeroRepeatsARow) {
    const auto row = random.bytes(100);
    const std::uint64_t src = space.allocate(page_size);
    const std::uint64_t dst = space.allocate(page_size);
    space.store(src, row);
    ASSERT_EQ(queue.run(copy_rows(dst, 100, src, 0, 100, 20)), ACCEL_OK);
    for (std::uint64_t i = 0; i < 20; ++i) {
        EXPECT_EQ(space.load<std::uint8_t>(dst + i * 100, 100), row);
    }
}

TEST_F(Copy, ZeroSizesHaveNoEffect) {
    const std::uint64_t anywhere = 0x123456789abc;  // unmapped
    EXPECT_EQ(queue.run(copy(anywhere, anywhere, 0)), ACCEL_OK);
    EXPECT_EQ(queue.run(copy_rows(anywhere, 1, anywhere, 1, 100, 0)), ACCEL_OK);
    EXPECT_EQ(queue.run(copy_rows(anywhere, UINT64_MAX, anywhere, 1, 0, UINT32_MAX)), ACCEL_OK);
    EXPECT_EQ(queue.run(fill(anywhere, 1, 1, 0)), ACCEL_OK);
    EXPECT_EQ(queue.run(fill_rows(anywhere, 1, 1, 1, 5, 0)), ACCEL_OK);
}

TEST_F(Copy, SizesBeyondTheAddressSpaceAreBadSize) {
    const std::uint64_t page = space.allocate(page_size);
    const std::uint64_t end = std::uint64_t{1} << ACCEL_VA_BITS;
    expect_error(ACCEL_BAD_SIZE, copy(page, page, end));
    expect_error(ACCEL_BAD_SIZE, copy(page, page, UINT64_MAX));
    expect_error(ACCEL_BAD_SIZE, copy(end - 8, page, 9));
    expect_error(ACCEL_BAD_SIZE, copy(page, end - 8, 9));
    expect_error(ACCEL_BAD_SIZE, copy_rows(page, std::uint64_t{1} << 47, page, 0, 1, 4));
    expect_error(ACCEL_BAD_SIZE, copy_rows(page, 0, page, UINT64_MAX, 1, 4));
    expect_error(ACCEL_BAD_SIZE, copy_rows(page, 0, page, UINT64_MAX / 2, 1, UINT32_MAX));
    expect_error(ACCEL_BAD_SIZE, fill(end - 8, 0, 8, 16));
    expect_error(ACCEL_BAD_SIZE, fill_rows(page, UINT64_MAX - 7, 0, 8, 8, 3));
}

TEST_F(Copy, ReservedFieldsMustBeZero) {
    const std::uint64_t page = space.allocate(page_size);
    auto bad = copy(page, page, 1);
    bad.copy.reserved = 1;
    expect_error(ACCEL_BAD_FIELD, bad);
    bad = copy(page, page, 1);
    bad.variant = 1;
    expect_error(ACCEL_BAD_FIELD, bad);
    for (auto& reserved : {0, 1, 2}) {
        bad = fill(page, 1, 1, 1);
        bad.fill.reserved[reserved] = 1;
        expect_error(ACCEL_BAD_FIELD, bad);
    }
    for (const std::uint16_t width : {0, 3, 16, 0x100}) {
        expect_error(ACCEL_BAD_FIELD, fill(page, 1, width, 16));
    }
}

TEST_F(Copy, AFaultOfTheReadPrecedesThatOfTheWrite) {
    const std::uint64_t hole = space.reserve(page_size);
    const std::uint64_t page = space.allocate(page_size);
    expect_fault(ACCEL_FAULT_UNMAPPED, hole + 7, copy(hole, hole + 7, 100));
    expect_fault(ACCEL_FAULT_UNMAPPED, hole + 3, copy(hole + 3, page, 100));
    expect_fault(ACCEL_FAULT_UNMAPPED, page + page_size, copy(page, page + 1, page_size));
}

TEST_F(Copy, FillWorksForEveryWidthInEveryLayout) {
    constexpr std::uint64_t pattern = 0x8877665544332211;
    for (const std::uint16_t width : {1, 2, 4, 8}) {
        for (const Layout layout : layouts) {
            const std::uint64_t size = 8 * (1 + random.below(20'000));
            const std::uint64_t dst = space.allocate(size + 16, layout, 8 * random.below(64)) + 8;
            ASSERT_EQ(queue.run(fill(dst, pattern, width, size)), ACCEL_OK);
            std::vector<std::uint8_t> expected(size + 16);
            for (std::uint64_t i = 0; i < size; ++i) {
                expected[i + 8] = static_cast<std::uint8_t>(pattern >> i % width * 8);
            }
            ASSERT_EQ(space.load<std::uint8_t>(dst - 8, size + 16), expected);
        }
    }
}

TEST_F(Copy, FillWritesRowsWithStrides) {
    const std::uint64_t dst = space.allocate(4 * page_size, Layout::scattered);
    ASSERT_EQ(queue.run(fill_rows(dst, 300, 0xabcd, 2, 200, 40)), ACCEL_OK);
    std::vector<std::uint16_t> expected(std::size_t{150} * 40);
    for (std::size_t row = 0; row < 40; ++row) {
        std::fill_n(expected.begin() + static_cast<std::ptrdiff_t>(row * 150), 100,
                    std::uint16_t{0xabcd});
    }
    EXPECT_EQ(space.load<std::uint16_t>(dst, expected.size()), expected);
}

TEST_F(Copy, FillChecksAlignment) {
    const std::uint64_t page = space.allocate(page_size);
    for (const std::uint16_t width : {2, 4, 8}) {
        expect_error(ACCEL_BAD_ALIGNMENT, fill(page + 1, 0, width, 16));
        expect_error(ACCEL_BAD_ALIGNMENT, fill(page, 0, width, 17));
        expect_error(ACCEL_BAD_ALIGNMENT, fill_rows(page, 33, 0, width, 16, 2));
    }
}

}  // namespace
}  // namespace accel::test
