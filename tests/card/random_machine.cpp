// SPDX-License-Identifier: Apache-2.0
//
// Drawing the commands.
#include "random_machine.hpp"

#include <algorithm>
#include <bit>
#include <utility>

namespace accel::test {

namespace {

accel_image_layout image(std::uint32_t height, std::uint32_t width, std::uint32_t channels) {
    accel_image_layout shape{};
    shape.height = height;
    shape.width = width;
    shape.channels = shape.pixel = channels;
    shape.row = width * channels;
    shape.image = height * shape.row;
    return shape;
}

std::uint32_t between(Random& random, std::uint32_t least, std::uint32_t most) {
    return least + static_cast<std::uint32_t>(random.below(most - least + 1));
}

}  // namespace

accel_command Machine::draw_rows(Kind kind, Random& random) {
    const std::uint32_t rows = between(random, 1, 40);
    const std::uint64_t stride = operand_bytes / rows / 8 * 8;
    const std::uint64_t bytes = random.coin() ? stride : stride - 8 * random.below(100);
    return kind == Kind::copy ? copy_rows(operands[0], stride, operands[1], stride, bytes, rows)
                              : fill_rows(operands[0], stride, random.bits(), 8, bytes, rows);
}

// Segments in a random order.
accel_command Machine::draw_transfer(Random& random) {
    constexpr std::uint64_t segment = 8192;
    constexpr std::uint32_t count = operand_bytes / segment;
    std::vector<accel_segment> lists;
    for (const std::uint64_t operand : {operands[0], operands[1]}) {
        const auto first = static_cast<std::ptrdiff_t>(lists.size());
        for (std::uint64_t i = 0; i < count; ++i) {
            lists.push_back({.address = operand + i * segment, .bytes = segment});
        }
        for (std::uint64_t i = count; i > 1; --i) {
            std::swap(lists[static_cast<std::size_t>(first) + i - 1],
                      lists[static_cast<std::size_t>(first) + random.below(i)]);
        }
    }
    space.store(blocks[1], lists);
    accel_command command{};
    command.opcode = ACCEL_OP_TRANSFER;
    command.transfer = {.dst = blocks[1],
                        .src = blocks[1] + count * sizeof(accel_segment),
                        .dst_count = count,
                        .src_count = count,
                        .bytes = operand_bytes - random.below(segment),
                        .reserved = {}};
    return command;
}

accel_command Machine::draw_gemm(Kind kind, Random& random) {
    accel_gemm p{};
    p.type = ACCEL_TYPE_F32;
    p.batch = kind == Kind::gemm_batch ? between(random, 8, 20) : 0;
    const std::uint32_t most = kind == Kind::gemm_batch ? 100 : 500;
    p.m = random.below(4) == 0 ? between(random, 1, 8) : between(random, most / 2, most);
    p.n = between(random, most / 2, most);
    p.k = between(random, most / 2, most);
    p.flags = random.coin() ? ACCEL_GEMM_TRANSPOSE_B : 0;
    if (kind == Kind::gemm_int8) {
        p.type = ACCEL_TYPE_I8;
        p.format.src1_type = ACCEL_TYPE_U8;
        p.format.dst_type = ACCEL_TYPE_I32;
    }
    p.lda = p.k;
    p.ldb = (p.flags & ACCEL_GEMM_TRANSPOSE_B) != 0 ? p.k : p.n;
    if (kind == Kind::gemm_batch && random.coin()) {  // the rows of the results alternate
        p.ldd = p.n * p.batch;
        p.batch_d = p.n;
    } else {
        p.ldd = p.n;
        p.batch_d = kind == Kind::gemm_batch ? p.m * p.n : 0;
    }
    p.batch_a = kind == Kind::gemm_batch ? p.m * p.k : 0;
    p.batch_b = kind == Kind::gemm_batch ? p.k * p.n : 0;
    return tensor_command(ACCEL_OP_GEMM, two_sources(), p);
}

accel_command Machine::draw_elementwise(Random& random) {
    accel_elementwise p{};
    p.type = ACCEL_TYPE_F32;
    p.op = ACCEL_EW_ADD;
    p.activation = random.coin() ? ACCEL_UNARY_NONE : ACCEL_UNARY_SIGMOID;
    p.rank = 2;
    p.dims[0] = between(random, 1, 400);
    p.dims[1] = operand_bytes / sizeof(float) / p.dims[0];
    p.dst_strides[0] = p.src0_strides[0] = p.dims[1];
    p.dst_strides[1] = p.src0_strides[1] = p.src1_strides[1] = 1;
    p.src1_strides[0] = random.coin() ? 0 : p.dims[1];
    Operands with = two_sources();
    with.src0 = random.coin() ? with.dst : with.src0;  // in place
    return tensor_command(ACCEL_OP_ELEMENTWISE, with, p);
}

accel_command Machine::draw_axis(Kind kind, Random& random) {
    accel_reduce p{};
    p.type = ACCEL_TYPE_F32;
    p.inner = random.coin() ? 1 : between(random, 100, 5000);
    p.n = between(random, 10, 90);
    p.outer = operand_bytes / sizeof(float) / p.n / p.inner;
    Operands with = one_source();
    if (kind == Kind::reduce) {
        p.op = static_cast<std::uint8_t>(random.below(ACCEL_REDUCE_MEAN + 1));
    } else if (random.coin()) {
        with.src0 = with.dst;
    }
    return tensor_command(kind == Kind::reduce ? ACCEL_OP_REDUCE : ACCEL_OP_SOFTMAX, with, p);
}

accel_command Machine::draw_image(Kind kind, Random& random) {
    const std::uint32_t channels = between(random, 16, 64);
    const std::uint32_t side = between(random, 30, 50);
    const accel_conv_window window{.height = 3,
                                   .width = 3,
                                   .stride_y = 1,
                                   .stride_x = 1,
                                   .dilation_y = 1,
                                   .dilation_x = 1,
                                   .pad_top = 1,
                                   .pad_left = 1};
    if (kind == Kind::pool) {
        accel_pool p{};
        p.type = ACCEL_TYPE_F32;
        p.op = static_cast<std::uint8_t>(random.below(2));
        p.batch = 1;
        p.src = p.dst = image(side, side, channels);
        p.window = window;
        return tensor_command(ACCEL_OP_POOL, one_source(), p);
    }
    accel_conv2d p{};
    p.type = ACCEL_TYPE_F32;
    p.batch = 1;
    p.groups = kind == Kind::depthwise ? channels : 1;
    p.src = image(side, side, channels);
    p.dst = image(side, side, kind == Kind::depthwise ? channels : between(random, 40, 100));
    p.window = window;
    return tensor_command(ACCEL_OP_CONV2D, two_sources(), p);
}

accel_command Machine::draw_transpose(Random& random) {
    accel_transpose p{};
    p.size = sizeof(float);
    p.rank = 2;
    p.dims[0] = between(random, 300, 500);
    p.dims[1] = between(random, 300, 500);
    p.dst_strides[0] = p.dims[1];
    p.dst_strides[1] = 1;
    switch (random.below(3)) {
        case 0:  // tiles
            p.src_strides[0] = 1;
            p.src_strides[1] = p.dims[0];
            break;
        case 1:  // rows
            p.src_strides[0] = p.dims[1] + 2;
            p.src_strides[1] = 1;
            break;
        default:  // elements
            p.src_strides[0] = p.dims[1];
            p.src_strides[1] = -1U;
            break;
    }
    Operands with = one_source();
    with.src0 += p.src_strides[1] == -1U ? (p.dims[1] - 1) * sizeof(float) : 0;
    return tensor_command(ACCEL_OP_TRANSPOSE, with, p);
}

accel_command Machine::draw_table(Kind kind, Random& random) {
    constexpr std::uint32_t values = operand_bytes / sizeof(float);
    Operands with = one_source();
    with.src1 = blocks[1];
    if (kind == Kind::resize) {
        accel_resize p{};
        p.type = ACCEL_TYPE_F32;
        p.taps = 2;
        p.count = between(random, 100, 300);
        p.n = p.count;
        p.inner = values / p.count;
        p.outer = 1;
        std::vector<accel_resize_tap> taps(std::size_t{p.count} * p.taps);
        for (accel_resize_tap& tap : taps) {
            tap.index = static_cast<std::uint32_t>(random.below(p.n));
            tap.weight = std::bit_cast<std::uint32_t>(random.ordinary(1)[0]);
        }
        space.store(blocks[1], taps);
        return tensor_command(ACCEL_OP_RESIZE, with, p);
    }
    accel_gather p{};
    p.size = sizeof(float);
    p.index_type = ACCEL_TYPE_I32;
    p.flags = kind == Kind::gather_elements ? ACCEL_GATHER_ELEMENTS : 0;
    p.outer = 1;
    p.inner = kind == Kind::gather_elements ? 1 : between(random, 8, 64);
    p.count = 50'000 / (kind == Kind::gather_elements ? 1U : 2U);
    p.n = values / p.inner;
    p.count = std::min<std::uint32_t>(p.count, p.n);
    draw_indices(p.count, p.n, random);
    return tensor_command(ACCEL_OP_GATHER, with, p);
}

void Machine::draw_indices(std::uint32_t count, std::uint32_t n, Random& random) {
    std::vector<std::int32_t> indices(count);
    for (std::int32_t& index : indices) {
        index = static_cast<std::int32_t>(random.below(2 * std::uint64_t{n})) -
                static_cast<std::int32_t>(n);
    }
    space.store(blocks[1], indices);
}

// Several updates of most elements.
accel_command Machine::draw_scatter(Kind kind, Random& random) {
    accel_scatter p{};
    p.type = ACCEL_TYPE_F32;
    p.op = static_cast<std::uint8_t>(random.below(ACCEL_SCATTER_MAX + 1));
    p.index_type = ACCEL_TYPE_I32;
    p.flags = kind == Kind::scatter_elements ? ACCEL_SCATTER_ELEMENTS : 0;
    p.outer = between(random, 4, 8);
    p.inner = between(random, 8, 64);
    p.n = between(random, 10, 100);
    p.count = (kind == Kind::scatter_elements ? 60'000U : 200'000U) / p.outer / p.inner;
    draw_indices(p.count * (p.flags != 0 ? p.outer * p.inner : 1), p.n, random);
    Operands with = one_source();
    with.src1 = blocks[1];
    return tensor_command(ACCEL_OP_SCATTER, with, p);
}

// Several heads, or with a cache few queries that share the heads of many keys.
accel_command Machine::draw_attention(Kind kind, Random& random) {
    const bool cache = kind == Kind::attention_cache;
    accel_attention p{};
    p.type = ACCEL_TYPE_F32;
    p.batch = 2;
    p.key_heads = cache ? 4 : between(random, 2, 4);
    p.heads = p.key_heads * between(random, 1, 3);
    p.size = between(random, 20, 60);
    p.value_size = between(random, 20, 40);
    p.queries = cache ? between(random, 1, 3) : between(random, 150, 180);
    p.keys = cache ? between(random, 300, 400) : between(random, 150, 250);
    p.scale = std::bit_cast<std::uint32_t>(0.1F);
    p.src0_strides[2] = p.size;
    p.src0_strides[1] = p.queries * p.size;
    p.src0_strides[0] = p.heads * p.src0_strides[1];
    // Heads within a row, as a projection writes them.
    for (auto* const strides : {p.src1_strides, p.src2_strides}) {
        strides[1] = strides == p.src1_strides ? p.size : p.value_size;
        strides[2] = p.key_heads * strides[1];
        strides[0] = p.keys * strides[2];
    }
    p.dst_strides[1] = p.value_size;
    p.dst_strides[2] = p.heads * p.value_size;
    p.dst_strides[0] = p.queries * p.dst_strides[2];
    if (cache) {
        p.flags = ACCEL_ATTENTION_LENGTHS | ACCEL_ATTENTION_POSITIONS | ACCEL_ATTENTION_RIGHT;
        p.index_type = ACCEL_TYPE_I32;
        std::vector<std::int32_t> words{static_cast<std::int32_t>(p.keys) - 20, 77};
        words.insert(words.end(), {static_cast<std::int32_t>(p.keys) - 22, 74});
        space.store(blocks[1], words);
        p.lengths = blocks[1];
        p.positions = blocks[1] + 2 * sizeof(std::int32_t);
    }
    Operands with = two_sources();
    with.src2 = operands[3];
    return tensor_command(ACCEL_OP_ATTENTION, with, p);
}

accel_command Machine::draw(Kind kind, Random& random) {
    switch (kind) {
        case Kind::copy:
        case Kind::fill:
            return draw_rows(kind, random);
        case Kind::transfer:
            return draw_transfer(random);
        case Kind::gemm:
        case Kind::gemm_int8:
        case Kind::gemm_batch:
            return draw_gemm(kind, random);
        case Kind::elementwise:
            return draw_elementwise(random);
        case Kind::softmax:
        case Kind::reduce:
            return draw_axis(kind, random);
        case Kind::conv2d:
        case Kind::depthwise:
        case Kind::pool:
            return draw_image(kind, random);
        case Kind::transpose:
            return draw_transpose(random);
        case Kind::scatter:
        case Kind::scatter_elements:
            return draw_scatter(kind, random);
        case Kind::attention:
        case Kind::attention_cache:
            return draw_attention(kind, random);
        default:
            return draw_table(kind, random);
    }
}

}  // namespace accel::test
