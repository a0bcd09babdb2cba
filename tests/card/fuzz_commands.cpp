// SPDX-License-Identifier: Apache-2.0
//
// Draws addresses, sizes, parameter blocks and commands from a script.
#include "fuzz_commands.hpp"

#include <array>
#include <iterator>

#include "ordering.hpp"

namespace accel::test {

namespace {

constexpr std::uint64_t params_blocks = 8;  // in the parameter page
constexpr std::uint64_t params_bytes = 256;

// Numbers just above an enumeration are drawn, too: they must be refused.
std::uint8_t up_to_one_above(FuzzScript& script, std::uint64_t last) {
    return static_cast<std::uint8_t>(script.below(last + 2));
}

std::uint8_t draw_type(FuzzScript& script) {
    return up_to_one_above(script, ACCEL_TYPE_U2);
}

std::uint64_t draw_address(FuzzScript& script) {
    const std::uint64_t offset = script.take<std::uint16_t>() % (2 * page_size);
    switch (script.below(10)) {
        case 0:
            return script.take<std::uint64_t>();
        case 1:
            return ACCEL_ARG(script.below(6), offset & ~3ULL);
        case 2:
            return (std::uint64_t{1} << ACCEL_VA_BITS) - offset;
        case 3:
            return fuzz_large_window + (offset & ~3ULL) +
                   script.below(2) * (ACCEL_LARGE_SIZE - page_size);
        case 4:
            return offset;
        case 5:
            return fuzz_window + script.below(fuzz_pages) * page_size + offset;
        default:
            return fuzz_window + script.below(fuzz_pages) * page_size + (offset & ~63ULL);
    }
}

// Mostly small.
std::uint64_t draw_size(FuzzScript& script) {
    switch (script.below(8)) {
        case 0:
            return script.take<std::uint64_t>();
        case 1:
            return script.take<std::uint32_t>();
        case 2:
            return 0;
        case 3:
            return std::uint64_t{4} * (script.take<std::uint16_t>() % 4096);
        default:
            return script.below(70);
    }
}

std::uint32_t draw_dimension(FuzzScript& script) {
    return static_cast<std::uint32_t>(draw_size(script));
}

void draw_images(FuzzScript& script, accel_image_layout& src, accel_image_layout& dst,
                 accel_conv_window& window) {
    const auto small = [&] { return static_cast<std::uint16_t>(script.below(5)); };
    for (accel_image_layout* image : {&src, &dst}) {
        image->height = draw_dimension(script);
        image->width = draw_dimension(script);
        image->channels = draw_dimension(script);
        image->pixel = image->channels + small();
        image->row = draw_dimension(script);
        image->image = draw_dimension(script);
    }
    if (script.coin()) {
        dst.channels = dst.pixel = src.channels;
    }
    window = {.height = small(),
              .width = small(),
              .stride_y = small(),
              .stride_x = small(),
              .dilation_y = small(),
              .dilation_x = small(),
              .pad_top = static_cast<std::uint16_t>(draw_size(script)),
              .pad_left = static_cast<std::uint16_t>(draw_size(script))};
}

void draw(FuzzScript& script, accel_numeric_format& format) {
    format.src1_type = draw_type(script);
    format.dst_type = draw_type(script);
    format.src0_zero = static_cast<std::uint8_t>(script.below(3));
    format.src1_zero = static_cast<std::uint8_t>(script.below(3));
}

void draw(FuzzScript& script, accel_gemm& gemm) {
    gemm.type = draw_type(script);
    draw(script, gemm.format);
    gemm.batch = static_cast<std::uint32_t>(script.below(4));
    gemm.batch_a = draw_dimension(script);
    gemm.batch_d = draw_dimension(script);
    gemm.activation = up_to_one_above(script, ACCEL_UNARY_ATANH);
    gemm.flags = up_to_one_above(script, ACCEL_GEMM_FLAGS);
    gemm.m = draw_dimension(script);
    gemm.n = draw_dimension(script);
    gemm.k = draw_dimension(script);
    gemm.lda = gemm.ldb = gemm.ldd = draw_dimension(script);
}

void draw(FuzzScript& script, accel_elementwise& elementwise) {
    elementwise.op = up_to_one_above(script, ACCEL_EW_SELECT);
    elementwise.activation = up_to_one_above(script, ACCEL_UNARY_ATANH);
    elementwise.type = script.coin() ? ACCEL_TYPE_I64 : ACCEL_TYPE_F32;
    elementwise.dst_type = draw_type(script);
    elementwise.src0_type = draw_type(script);
    elementwise.rank = static_cast<std::uint8_t>(script.below(8));
    for (unsigned i = 0; i < elementwise.rank && i < ACCEL_RANK_MAX; ++i) {
        elementwise.dims[i] = draw_dimension(script);
        elementwise.dst_strides[i] = draw_dimension(script);
        elementwise.src0_strides[i] = draw_dimension(script);
        elementwise.src1_strides[i] = draw_dimension(script);
    }
}

void draw(FuzzScript& script, accel_reduce& reduce) {
    reduce.type = ACCEL_TYPE_F32;
    reduce.op = up_to_one_above(script, ACCEL_REDUCE_MEAN);
    reduce.outer = draw_dimension(script);
    reduce.n = draw_dimension(script);
    reduce.inner = draw_dimension(script);
}

void draw(FuzzScript& script, accel_conv2d& conv2d) {
    conv2d.type = draw_type(script);
    draw(script, conv2d.format);
    conv2d.flags = up_to_one_above(script, ACCEL_CONV2D_FLAGS);
    conv2d.batch = draw_dimension(script);
    conv2d.groups = draw_dimension(script);
    draw_images(script, conv2d.src, conv2d.dst, conv2d.window);
}

void draw(FuzzScript& script, accel_pool& pool) {
    pool.type = ACCEL_TYPE_F32;
    pool.op = static_cast<std::uint8_t>(script.below(3));
    pool.batch = draw_dimension(script);
    draw_images(script, pool.src, pool.dst, pool.window);
}

void draw(FuzzScript& script, accel_transpose& transpose) {
    transpose.size = static_cast<std::uint8_t>(1U << script.below(5));
    transpose.rank = static_cast<std::uint8_t>(script.below(8));
    for (unsigned i = 0; i < transpose.rank && i < ACCEL_RANK_MAX; ++i) {
        transpose.dims[i] = draw_dimension(script);
        transpose.dst_strides[i] = draw_dimension(script);
        transpose.src_strides[i] =
            script.coin() ? 0 - draw_dimension(script) : draw_dimension(script);
    }
}

void draw(FuzzScript& script, accel_gather& gather) {
    gather.size = static_cast<std::uint8_t>(1U << script.below(5));
    gather.index_type = script.coin() ? ACCEL_TYPE_I64 : ACCEL_TYPE_I32;
    gather.flags = static_cast<std::uint16_t>(script.below(3));
    gather.outer = draw_dimension(script);
    gather.n = draw_dimension(script);
    gather.count = draw_dimension(script);
    gather.inner = draw_dimension(script);
}

void draw(FuzzScript& script, accel_scatter& scatter) {
    scatter.type = static_cast<std::uint8_t>(script.below(ACCEL_TYPE_U2 + 2));
    scatter.op = static_cast<std::uint8_t>(script.below(ACCEL_SCATTER_MAX + 2));
    scatter.index_type = script.coin() ? ACCEL_TYPE_I64 : ACCEL_TYPE_I32;
    scatter.flags = static_cast<std::uint8_t>(script.below(3));
    scatter.outer = draw_dimension(script);
    scatter.n = draw_dimension(script);
    scatter.count = draw_dimension(script);
    scatter.inner = draw_dimension(script);
}

void draw(FuzzScript& script, accel_resize& resize) {
    resize.type = ACCEL_TYPE_F32;
    resize.taps = static_cast<std::uint16_t>(script.below(5));
    resize.outer = draw_dimension(script);
    resize.n = draw_dimension(script);
    resize.count = draw_dimension(script);
    resize.inner = draw_dimension(script);
}

void draw(FuzzScript& script, accel_attention& attention) {
    static constexpr std::uint8_t types[] = {ACCEL_TYPE_F32, ACCEL_TYPE_F16, ACCEL_TYPE_BF16,
                                             ACCEL_TYPE_BOOL, 0};
    const auto type = [&] { return types[script.below(std::size(types))]; };
    attention.type = script.coin() ? std::uint8_t{ACCEL_TYPE_F32} : type();
    attention.key_type = script.coin() ? std::uint8_t{0} : type();
    attention.dst_type = script.coin() ? std::uint8_t{0} : type();
    attention.flags = up_to_one_above(script, ACCEL_ATTENTION_FLAGS);
    attention.batch = static_cast<std::uint32_t>(script.below(4));
    attention.key_heads = static_cast<std::uint32_t>(script.below(4));
    attention.heads = attention.key_heads * static_cast<std::uint32_t>(script.below(4));
    attention.queries = draw_dimension(script);
    attention.keys = draw_dimension(script);
    attention.size = draw_dimension(script);
    attention.value_size = draw_dimension(script);
    attention.scale = script.take<std::uint32_t>();
    attention.softcap = script.coin() ? 0 : script.take<std::uint32_t>() >> 1;
    attention.offset = draw_dimension(script);
    const bool indexed =
        (attention.flags & (ACCEL_ATTENTION_LENGTHS | ACCEL_ATTENTION_POSITIONS)) != 0;
    attention.index_type = indexed ? (script.coin() ? ACCEL_TYPE_I64 : ACCEL_TYPE_I32) : 0;
    attention.mask_type = type();
    const auto when = [&](bool used, std::uint64_t value) { return used ? value : 0; };
    const auto flag = [&](unsigned bit) { return (attention.flags & bit) != 0; };
    attention.left =
        static_cast<std::uint32_t>(when(flag(ACCEL_ATTENTION_LEFT), draw_size(script)));
    attention.right =
        static_cast<std::uint32_t>(when(flag(ACCEL_ATTENTION_RIGHT), draw_size(script)));
    attention.mask = when(attention.mask_type != 0, draw_address(script));
    attention.lengths = when(flag(ACCEL_ATTENTION_LENGTHS), draw_address(script));
    attention.positions = when(flag(ACCEL_ATTENTION_POSITIONS), draw_address(script));
    for (unsigned i = 0; i < 3; ++i) {
        attention.dst_strides[i] = draw_dimension(script);
        attention.src0_strides[i] = draw_dimension(script);
        attention.src1_strides[i] = draw_dimension(script);
        attention.src2_strides[i] = draw_dimension(script);
        attention.mask_strides[i] =
            static_cast<std::uint32_t>(when(attention.mask_type != 0, draw_size(script)));
    }
}

std::uint8_t* params_block(FuzzScript& script, std::uint8_t* params_page) {
    return params_page + script.below(params_blocks) * params_bytes;
}

// Writes a block of any command into one of the slots of the parameter page.
void draw_params(FuzzScript& script, std::uint8_t* params_page) {
    union {
        accel_gemm gemm;
        accel_elementwise elementwise;
        accel_reduce reduce;
        accel_conv2d conv2d;
        accel_pool pool;
        accel_transpose transpose;
        accel_gather gather;
        accel_resize resize;
        accel_scatter scatter;
        accel_attention attention;
        std::array<std::uint8_t, params_bytes> bytes;
    } block{};
    switch (script.below(11)) {
        case 0:
            draw(script, block.gemm);
            break;
        case 1:
            draw(script, block.elementwise);
            break;
        case 2:
            draw(script, block.reduce);
            break;
        case 3:
            draw(script, block.conv2d);
            break;
        case 4:
            draw(script, block.pool);
            break;
        case 5:
            draw(script, block.transpose);
            break;
        case 6:
            draw(script, block.gather);
            break;
        case 7:
            draw(script, block.resize);
            break;
        case 8:
            draw(script, block.scatter);
            break;
        case 9:
            draw(script, block.attention);
            break;
        default:
            block.bytes = script.take<std::array<std::uint8_t, params_bytes>>();
            break;
    }
    card::move_payload(params_block(script, params_page), &block, sizeof block);
}

void draw_call(FuzzScript& script, accel_command& command) {
    command.variant = static_cast<std::uint16_t>(script.below(2));
    command.call.list =
        fuzz_window + (fuzz_first_list_page + script.below(fuzz_list_pages)) * page_size;
    command.call.count = draw_dimension(script);
    command.call.arguments = static_cast<std::uint32_t>(script.below(6));
    for (unsigned i = 0; i < command.call.arguments && i < ACCEL_CALL_ARGS_INLINE; ++i) {
        command.call.args[i] = draw_address(script);
    }
}

// The commands that change the order in a list, or its arguments. Few passes: the time of a script
// has a bound.
void draw_list_control(FuzzScript& script, accel_command& command) {
    command.variant = static_cast<std::uint16_t>(script.below(9));
    const auto address = [&](unsigned bit) {
        return (command.variant & bit) != 0 || script.below(16) == 0 ? draw_address(script) : 0;
    };
    switch (command.opcode) {
        case ACCEL_OP_LOOP:
            command.loop = {.count = address(ACCEL_LOOP_COUNT),
                            .condition = address(ACCEL_LOOP_CONDITION),
                            .index = address(ACCEL_LOOP_INDEX),
                            .limit = script.below(5),
                            .commands = static_cast<std::uint32_t>(script.below(7)),
                            .reserved0 = 0,
                            .reserved1 = 0};
            break;
        case ACCEL_OP_SKIP:
            command.variant %= 3;
            command.skip = {.condition = draw_address(script),
                            .commands = static_cast<std::uint32_t>(script.below(5)),
                            .reserved0 = 0,
                            .reserved1 = {}};
            break;
        default:
            command.variant %= 4;
            command.set_argument = {
                .base = draw_address(script),
                .number = command.variant == ACCEL_SET_ARGUMENT_WORD ? draw_address(script) : 0,
                .bound = command.variant == 0 ? 0 : draw_size(script),
                .stride =
                    command.variant == 0 ? 0 : script.take<std::uint64_t>() >> script.below(64),
                .argument = static_cast<std::uint32_t>(
                    script.below(16) == 0 ? script.take<std::uint32_t>() : script.below(6)),
                .reserved0 = 0,
                .reserved1 = 0};
            break;
    }
    if (script.below(32) == 0) {
        command.words[5] = script.take<std::uint64_t>();
    }
}

void draw_tensor(FuzzScript& script, accel_command& command, std::uint8_t* params_page) {
    draw_params(script, params_page);
    command.tensor.dst = draw_address(script);
    command.tensor.src0 = draw_address(script);
    command.tensor.src1 = script.coin() ? 0 : draw_address(script);
    command.tensor.src2 = script.coin() ? 0 : draw_address(script);
    command.tensor.params =
        fuzz_window + fuzz_params_page * page_size + script.below(params_blocks) * params_bytes;
    command.tensor.params_size = script.coin() ? params_bytes : script.coin() ? 128 : 64;
}

}  // namespace

accel_command draw_command(FuzzScript& script, std::uint8_t* params_page) {
    static constexpr std::uint8_t opcodes[] = {
        ACCEL_OP_NOP,       ACCEL_OP_CALL,   ACCEL_OP_WAIT,         ACCEL_OP_SIGNAL,
        ACCEL_OP_COPY,      ACCEL_OP_FILL,   ACCEL_OP_GEMM,         ACCEL_OP_ELEMENTWISE,
        ACCEL_OP_SOFTMAX,   ACCEL_OP_REDUCE, ACCEL_OP_CONV2D,       ACCEL_OP_POOL,
        ACCEL_OP_TRANSPOSE, ACCEL_OP_GATHER, ACCEL_OP_RESIZE,       ACCEL_OP_SCATTER,
        ACCEL_OP_LOOP,      ACCEL_OP_SKIP,   ACCEL_OP_SET_ARGUMENT, ACCEL_OP_ATTENTION};
    accel_command command{};
    command.opcode = opcodes[script.below(std::size(opcodes))];
    if (script.below(8) == 0) {
        command.flags = ACCEL_CMD_RECORD;
        command.record = draw_address(script);
    }
    switch (command.opcode) {
        case ACCEL_OP_NOP:
            break;
        case ACCEL_OP_CALL:
            draw_call(script, command);
            break;
        case ACCEL_OP_WAIT:
        case ACCEL_OP_SIGNAL:
            command.semaphore.address = draw_address(script);
            command.semaphore.value = script.below(4);
            break;
        case ACCEL_OP_LOOP:
        case ACCEL_OP_SKIP:
        case ACCEL_OP_SET_ARGUMENT:
            draw_list_control(script, command);
            break;
        case ACCEL_OP_COPY:
            command.copy.dst = draw_address(script);
            command.copy.src = draw_address(script);
            command.copy.bytes = draw_size(script);
            command.copy.dst_stride = draw_size(script);
            command.copy.src_stride = draw_size(script);
            command.copy.rows = draw_dimension(script);
            break;
        case ACCEL_OP_FILL:
            command.variant = static_cast<std::uint16_t>(1U << script.below(5));
            command.fill.dst = draw_address(script);
            command.fill.pattern = script.take<std::uint64_t>();
            command.fill.bytes = draw_size(script);
            command.fill.dst_stride = draw_size(script);
            command.fill.rows = draw_dimension(script);
            break;
        default:
            draw_tensor(script, command, params_page);
            break;
    }
    return command;
}

}  // namespace accel::test
