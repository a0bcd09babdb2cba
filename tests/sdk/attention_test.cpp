// SPDX-License-Identifier: Apache-2.0
//
// The command Attention: its defaults, its encoding in lists and files, and its checks.
#include <bit>
#include <cmath>
#include <numeric>

#include "command_fixture.hpp"
#include "random_values.hpp"
#include "reference.hpp"

namespace accel::test {
namespace {

using ::testing::ElementsAreArray;

class AttentionCommand : public CommandTest {
  protected:
    static constexpr std::uint32_t batch = 2;
    static constexpr std::uint32_t heads = 4;
    static constexpr std::uint32_t key_heads = 2;
    static constexpr std::uint32_t queries = 3;
    static constexpr std::uint32_t keys = 150;
    static constexpr std::uint32_t size = 8;
    static constexpr std::size_t results = std::size_t{batch} * heads * queries * size;

    // What all operands have: causal, with a mask of booleans and the state of a cache.
    static Attention command() {
        return {.batch = batch,
                .heads = heads,
                .key_heads = key_heads,
                .queries = queries,
                .keys = keys,
                .size = size,
                .scale = 0.25F,
                .softcap = 3,
                .left = 140,
                .right = 0,
                .offset = -2,
                .mask_strides = {.batch = keys},
                .mask_type = DataType::boolean,
                .index_type = DataType::i32};
    }
    static accel_attention block() {
        accel_attention p{};
        p.mask_type = ACCEL_TYPE_BOOL;
        p.flags = ACCEL_ATTENTION_LEFT | ACCEL_ATTENTION_RIGHT;
        p.batch = batch;
        p.heads = heads;
        p.key_heads = key_heads;
        p.queries = queries;
        p.keys = keys;
        p.size = p.value_size = size;
        p.scale = std::bit_cast<std::uint32_t>(0.25F);
        p.softcap = std::bit_cast<std::uint32_t>(3.0F);
        p.left = 140;
        p.offset = static_cast<std::uint32_t>(-2);
        for (auto* const strides : {p.dst_strides, p.src0_strides}) {
            strides[0] = heads * queries * size;
            strides[1] = queries * size;
            strides[2] = size;
        }
        for (auto* const strides : {p.src1_strides, p.src2_strides}) {
            strides[0] = key_heads * keys * size;
            strides[1] = keys * size;
            strides[2] = size;
        }
        p.mask_strides[0] = keys;
        return p;
    }
    std::vector<float> expected() const {
        reference::AttentionOperands from{.q = {q.begin(), q.end()},
                                          .k = {k.begin(), k.end()},
                                          .v = {v.begin(), v.end()},
                                          .mask = {mask.begin(), mask.end()},
                                          .lengths = {lengths.begin(), lengths.end()},
                                          .positions = {positions.begin(), positions.end()}};
        std::vector<float> result(results);
        reference::attention(block(), from, result);
        return result;
    }

    template <typename T>
    Buffer<T> buffer(const std::vector<T>& values) {
        auto to = card.allocate<T>({values.size()});
        to.copy_from(values);
        return to;
    }

    Buffer<float> q = floats(random_values(results, 1));
    Buffer<float> k = floats(random_values(std::size_t{batch} * key_heads * keys * size, 2));
    Buffer<float> v = floats(random_values(std::size_t{batch} * key_heads * keys * size, 3));
    Buffer<float> d = card.allocate<float>({results});
    Buffer<std::uint8_t> mask = buffer([] {
        std::vector<std::uint8_t> values(std::size_t{batch} * keys, 1);
        values[3] = values[keys + 70] = 0;
        return values;
    }());
    Buffer<std::int32_t> lengths = buffer<std::int32_t>({keys, 100});
    Buffer<std::int32_t> positions = buffer<std::int32_t>({keys - 1, 99});
};

TEST_F(AttentionCommand, MatchesTheReferenceToTheBit) {
    Attention attention = command();
    attention.d = d;
    attention.q = q;
    attention.k = k;
    attention.v = v;
    attention.mask = mask;
    attention.lengths = lengths;
    attention.positions = positions;
    run(attention);
    EXPECT_THAT(d.span(), ElementsAreArray(expected()));
}

TEST_F(AttentionCommand, AllOperandsMayBeArgumentsOfAFile) {
    Attention attention = command();
    attention.d = argument(0);
    attention.q = argument(1);
    attention.k = argument(2);
    attention.v = argument(3);
    attention.mask = argument(4);
    attention.lengths = argument(5);
    attention.positions = argument(6);
    const std::vector<std::byte> bytes = Command(attention).serialize();
    CommandList list = card.create_command_list();
    list.add(Command::deserialize(bytes));
    list.close();
    queue.submit(list, {d, q, k, v, mask, lengths, positions}).wait();
    EXPECT_THAT(d.span(), ElementsAreArray(expected()));
}

TEST_F(AttentionCommand, IsChecked) {
    const auto refused = [&](auto&& change, const char* text) {
        Attention attention = command();
        attention.d = attention.q = attention.k = attention.v = nowhere;
        change(attention);
        EXPECT_REFUSED(attention, text);
    };
    refused([](Attention& a) { a.size = 0; }, "Attention::size is 0: it must be 1 to 512");
    refused([](Attention& a) { a.size = 513; }, "Attention::size is 513");
    refused([](Attention& a) { a.value_size = 513; }, "Attention::value_size is 513");
    refused([](Attention& a) { a.key_heads = 3; }, "no multiple of its key_heads, 3");
    refused([](Attention& a) { a.softcap = -1; }, "Attention::softcap is negative");
    refused([](Attention& a) { a.q_type = DataType::i8; }, "Attention::q_type is not supported");
    refused([](Attention& a) { a.d_type = DataType::f64; }, "Attention::d_type is not supported");
    refused(
        [](Attention& a) {
            a.mask = nowhere;
            a.mask_type = DataType::i32;
        },
        "Attention::mask_type is not supported");
    refused(
        [](Attention& a) {
            a.lengths = nowhere;
            a.index_type = DataType::u8;
        },
        "Attention::index_type is not supported");
    refused([&](Attention& a) { a.k = d; }, "Attention::k touches");
    refused([&](Attention& a) { a.mask = mask.slice(0, keys); }, "Attention::mask touches 300");
    refused([&](Attention& a) { a.lengths = lengths.slice(0, 1); }, "Attention::lengths touches 8");
    refused([](Attention& a) { a.keys = a.queries = UINT32_MAX; }, "32 bits");
}

}  // namespace
}  // namespace accel::test
