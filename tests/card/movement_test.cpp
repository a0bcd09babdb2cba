// SPDX-License-Identifier: Apache-2.0
//
// Commands that move elements: TRANSPOSE, GATHER and RESIZE, against the sentences of the data
// sheet.
#include <algorithm>
#include <cmath>

#include "reference.hpp"
#include "tensor_fixture.hpp"

namespace accel::test {
namespace {

class Movement : public TensorTest {};

TEST_F(Movement, TransposeCopiesAnyOrderStrideAndDirection) {
    for (int round = 0; round < 200; ++round) {
        accel_transpose p{};
        p.size =
            random.one_of({std::uint8_t{1}, std::uint8_t{2}, std::uint8_t{4}, std::uint8_t{8}});
        p.rank = static_cast<std::uint8_t>(up_to(ACCEL_RANK_MAX));
        std::vector<unsigned> order(p.rank);
        for (unsigned i = 0; i < p.rank; ++i) {
            order[i] = i;
            p.dims[i] = up_to(random.below(4) == 0 ? 90 : 5);
        }
        std::shuffle(order.begin(), order.end(), std::mt19937_64(random.bits()));
        std::uint64_t dense = 1;
        std::uint64_t span = 1;
        std::uint64_t first = 0;
        for (unsigned i = p.rank; i-- > 0;) {
            p.dst_strides[i] = static_cast<std::uint32_t>(dense);
            dense *= p.dims[i];
            const unsigned d = order[i];
            const std::int64_t stride =
                static_cast<std::int64_t>(span) * (random.below(3) == 0 ? 2 : 1);
            const bool back = random.below(4) == 0;
            p.src_strides[d] = static_cast<std::uint32_t>(back ? -stride : stride);
            first += back ? static_cast<std::uint64_t>(stride) * (p.dims[d] - 1) : 0;
            span = static_cast<std::uint64_t>(stride) * p.dims[d];
        }
        if (dense > 50000 || span > 150000) {
            continue;
        }
        const auto src = integers<std::uint8_t>((span + 1) * p.size);
        const std::uint64_t from = upload(src);
        const std::uint64_t to = upload(std::vector<std::uint8_t>(dense * p.size));
        run(ACCEL_OP_TRANSPOSE, {.dst = to, .src0 = from + first * p.size}, p);
        const auto got = space.load<std::uint8_t>(to, dense * p.size);
        for (std::uint64_t i = 0; i < dense; ++i) {
            auto at = static_cast<std::int64_t>(first);
            for (unsigned d = 0; d < p.rank; ++d) {
                at += static_cast<std::int64_t>(i / p.dst_strides[d] % p.dims[d]) *
                      static_cast<std::int32_t>(p.src_strides[d]);
            }
            ASSERT_EQ(0, std::memcmp(&got[i * p.size],
                                     &src[static_cast<std::uint64_t>(at) * p.size], p.size))
                << "round " << round << " element " << i;
        }
    }
}

TEST_F(Movement, GatherCopiesSlicesAndElements) {
    for (int round = 0; round < 60; ++round) {
        accel_gather p{};
        p.size = 4;
        p.index_type = random.coin() ? ACCEL_TYPE_I32 : ACCEL_TYPE_I64;
        p.flags = random.coin() ? ACCEL_GATHER_ELEMENTS : 0;
        p.outer = up_to(4);
        p.n = up_to(20);
        p.count = up_to(30);
        p.inner = up_to(40);
        const bool each = p.flags != 0;
        const auto src = integers<std::uint32_t>(std::size_t{p.outer} * p.n * p.inner);
        std::vector<std::int64_t> index(each ? std::size_t{p.outer} * p.count * p.inner : p.count);
        for (std::int64_t& i : index) {
            i = static_cast<std::int64_t>(random.below(std::uint64_t{2} * p.n)) - p.n;
        }
        const std::uint64_t indices =
            p.index_type == ACCEL_TYPE_I64
                ? upload(index)
                : upload(std::vector<std::int32_t>(index.begin(), index.end()));
        const std::size_t count = std::size_t{p.outer} * p.count * p.inner;
        const std::uint64_t dst = upload(std::vector<std::uint32_t>(count));
        run(ACCEL_OP_GATHER, {.dst = dst, .src0 = upload(src), .src1 = indices}, p);
        const auto got = space.load<std::uint32_t>(dst, count);
        for (std::size_t i = 0; i < count; ++i) {
            std::int64_t at = index[each ? i : i / p.inner % p.count];
            at += at < 0 ? p.n : 0;
            const std::size_t outer = i / p.inner / p.count;
            ASSERT_EQ(got[i],
                      src[(outer * p.n + static_cast<std::size_t>(at)) * p.inner + i % p.inner]);
        }
    }
}

TEST_F(Movement, AnIndexOutOfRangeIsAnError) {
    accel_gather p{};
    p.size = 4;
    p.index_type = ACCEL_TYPE_I64;
    p.outer = p.count = p.inner = 1;
    p.n = 4;
    for (const std::int64_t index : {std::int64_t{4}, std::int64_t{-5}, INT64_MAX, INT64_MIN}) {
        const Operands operands{.dst = upload(std::vector<std::uint32_t>(4)),
                                .src0 = upload(std::vector<std::uint32_t>(4)),
                                .src1 = upload(std::vector<std::int64_t>{index})};
        run(ACCEL_OP_GATHER, operands, p, ACCEL_BAD_INDEX);
    }
    accel_resize r{};
    r.type = ACCEL_TYPE_F32;
    r.taps = 1;
    r.outer = r.count = r.inner = 1;
    r.n = 4;
    const Operands operands{.dst = upload(std::vector<float>(4)),
                            .src0 = upload(std::vector<float>(4)),
                            .src1 = upload(std::vector<std::uint32_t>{4, 0})};
    run(ACCEL_OP_RESIZE, operands, r, ACCEL_BAD_INDEX);
}

TEST_F(Movement, ResizeSumsItsTapsInOrder) {
    for (int round = 0; round < 40; ++round) {
        accel_resize p{};
        p.type = ACCEL_TYPE_F32;
        p.taps = static_cast<std::uint16_t>(up_to(round % 8 == 0 ? 200 : 4));
        p.outer = up_to(3);
        p.n = up_to(9);
        p.count = up_to(17);
        p.inner = up_to(50);
        const auto src = random.ordinary(std::size_t{p.outer} * p.n * p.inner);
        std::vector<accel_resize_tap> table(std::size_t{p.count} * p.taps);
        for (accel_resize_tap& tap : table) {
            tap.index = static_cast<std::uint32_t>(random.below(p.n));
            tap.weight = std::bit_cast<std::uint32_t>(random.ordinary(1)[0]);
        }
        std::vector<float> expected;
        for (std::size_t outer = 0; outer < p.outer; ++outer) {
            for (std::size_t i = 0; i < p.count; ++i) {
                for (std::size_t inner = 0; inner < p.inner; ++inner) {
                    reference::SumOfProducts sum;
                    for (std::size_t k = 0; k < p.taps; ++k) {
                        const accel_resize_tap& tap = table[i * p.taps + k];
                        sum.add(src[(outer * p.n + tap.index) * p.inner + inner],
                                std::bit_cast<float>(tap.weight));
                    }
                    expected.push_back(sum.value());
                }
            }
        }
        const std::uint64_t dst = upload(std::vector<float>(expected.size()));
        run(ACCEL_OP_RESIZE, {.dst = dst, .src0 = upload(src), .src1 = upload(table)}, p);
        EXPECT_TRUE(same_bits(space.load<float>(dst, expected.size()), expected));
    }
}

}  // namespace
}  // namespace accel::test
