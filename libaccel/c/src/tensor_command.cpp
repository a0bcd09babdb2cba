// SPDX-License-Identifier: Apache-2.0
//
// Commands of the C interface that compute: matrices, images, elements, and axes of tensors.
#include <optional>

#include "handles.hpp"
#include "structure.hpp"

using accel::c::check_reserved;
using accel::c::make_handle;
using accel::c::one_if_zero;
using accel::c::read_structure;
using accel::c::to_bool;
using accel::c::to_data_type;
using accel::c::to_enum;
using accel::c::to_operand;

namespace {

accel::UnaryOp to_activation(std::uint32_t value) {
    return to_enum(value, accel::UnaryOp::none, accel::UnaryOp::atanh, "activation");
}

accel::NumericFormat to_format(const accel_format_t& from) {
    check_reserved(from.reserved, "format.reserved");
    return {.a_type = to_data_type(from.a_type),
            .b_type = to_data_type(from.b_type),
            .result_type = to_data_type(from.result_type),
            .a_zero_point = from.a_zero_point,
            .b_zero_point = from.b_zero_point,
            .result_zero_point = from.result_zero_point,
            .requantize = to_bool(from.requantize, "format.requantize"),
            .accumulate = to_bool(from.accumulate, "format.accumulate")};
}

accel::ImageLayout to_layout(const accel_image_t& from) {
    return {.height = one_if_zero(from.height),
            .width = one_if_zero(from.width),
            .channels = one_if_zero(from.channels),
            .pixel_stride = from.pixel_stride,
            .row_stride = from.row_stride,
            .image_stride = from.image_stride};
}

accel::ConvWindow to_window(const accel_window_t& from) {
    return {.height = one_if_zero(from.height),
            .width = one_if_zero(from.width),
            .stride_y = one_if_zero(from.stride_y),
            .stride_x = one_if_zero(from.stride_x),
            .dilation_y = one_if_zero(from.dilation_y),
            .dilation_x = one_if_zero(from.dilation_x),
            .pad_top = from.pad_top,
            .pad_left = from.pad_left};
}

accel::HeadStrides to_strides(const accel_head_strides_t& from) {
    return {.batch = from.batch, .head = from.head, .row = from.row};
}

accel::Shape to_shape(const accel_shape_t& from) {
    if (from.rank > ACCEL_MAX_DIMENSIONS) {
        accel::c::throw_invalid(
            "the rank of a shape is " + std::to_string(from.rank) + ", and a command has at most " +
            std::to_string(ACCEL_MAX_DIMENSIONS) + " dimensions: merge dimensions that are dense");
    }
    check_reserved(from.reserved, "the member reserved of a shape");
    return accel::Shape(std::span<const std::uint64_t>(from.dimensions, from.rank));
}

std::uint32_t to_element_size(std::uint32_t value) {
    return value == 0 ? 4 : value;
}

}  // namespace

int accel_command_gemm(const accel_gemm_t* gemm, accel_command_t** out, accel_error_t* error) {
    return make_handle(out, error, [&] {
        const auto from = read_structure(gemm, "gemm");
        return accel_command_t{
            accel::Gemm{.d = to_operand(from.d),
                        .a = to_operand(from.a),
                        .b = to_operand(from.b),
                        .bias = to_operand(from.bias),
                        .m = from.m,
                        .n = from.n,
                        .k = from.k,
                        .activation = to_activation(from.activation),
                        .transpose_a = to_bool(from.transpose_a, "gemm->transpose_a"),
                        .transpose_b = to_bool(from.transpose_b, "gemm->transpose_b"),
                        .lda = from.lda,
                        .ldb = from.ldb,
                        .ldd = from.ldd,
                        .activation_alpha = from.activation_alpha,
                        .activation_beta = from.activation_beta,
                        .format = to_format(from.format),
                        .batch = one_if_zero(from.batch),
                        .batch_stride_a = from.batch_stride_a,
                        .batch_stride_b = from.batch_stride_b,
                        .batch_stride_d = from.batch_stride_d}};
    });
}

int accel_command_conv2d(const accel_conv2d_t* conv, accel_command_t** out, accel_error_t* error) {
    return make_handle(out, error, [&] {
        const auto from = read_structure(conv, "conv");
        return accel_command_t{accel::Conv2d{.dst = to_operand(from.dst),
                                             .src = to_operand(from.src),
                                             .weights = to_operand(from.weights),
                                             .bias = to_operand(from.bias),
                                             .batch = one_if_zero(from.batch),
                                             .groups = one_if_zero(from.groups),
                                             .src_layout = to_layout(from.src_image),
                                             .dst_layout = to_layout(from.dst_image),
                                             .window = to_window(from.window),
                                             .activation = to_activation(from.activation),
                                             .activation_alpha = from.activation_alpha,
                                             .activation_beta = from.activation_beta,
                                             .format = to_format(from.format)}};
    });
}

int accel_command_pool(const accel_pool_t* pool, accel_command_t** out, accel_error_t* error) {
    return make_handle(out, error, [&] {
        const auto from = read_structure(pool, "pool");
        return accel_command_t{accel::Pool{
            .op = to_enum(from.op, accel::PoolOp::max, accel::PoolOp::average, "op"),
            .dst = to_operand(from.dst),
            .src = to_operand(from.src),
            .batch = one_if_zero(from.batch),
            .src_layout = to_layout(from.src_image),
            .dst_layout = to_layout(from.dst_image),
            .window = to_window(from.window),
            .count_include_pad = to_bool(from.count_include_pad, "pool->count_include_pad"),
            .type = to_data_type(from.type, accel::DataType::f32)}};
    });
}

int accel_command_elementwise(const accel_elementwise_t* elementwise, accel_command_t** out,
                              accel_error_t* error) {
    return make_handle(out, error, [&] {
        const auto from = read_structure(elementwise, "elementwise");
        return accel_command_t{accel::Elementwise{
            .op = to_enum(from.op, accel::ElementwiseOp::add, accel::ElementwiseOp::select, "op"),
            .dst = to_operand(from.dst),
            .a = to_operand(from.a),
            .b = to_operand(from.b),
            .shape = to_shape(from.shape),
            .dst_strides = to_shape(from.dst_strides),
            .a_strides = to_shape(from.a_strides),
            .b_strides = to_shape(from.b_strides),
            .activation = to_activation(from.activation),
            .activation_alpha = from.activation_alpha,
            .activation_beta = from.activation_beta,
            .type = to_data_type(from.type),
            .dst_type = to_data_type(from.dst_type),
            .a_type = to_data_type(from.a_type),
            .b_type = to_data_type(from.b_type),
            .c = to_operand(from.c),
            .c_strides = to_shape(from.c_strides),
            .c_type = to_data_type(from.c_type, accel::DataType::boolean)}};
    });
}

int accel_command_attention(const accel_attention_t* attention, accel_command_t** out,
                            accel_error_t* error) {
    return make_handle(out, error, [&] {
        const auto from = read_structure(attention, "attention");
        check_reserved(from.reserved, "attention->reserved");
        constexpr std::uint32_t known =
            ACCEL_ATTEND_LEFT | ACCEL_ATTEND_RIGHT | ACCEL_ATTEND_NAN_WITHOUT_KEYS;
        if ((from.flags & ~known) != 0) {
            accel::c::throw_invalid(
                "attention->flags has an unknown bit: combine the ACCEL_ATTEND_* of this version");
        }
        const auto bound = [&](std::uint32_t flag, std::uint32_t value) {
            return (from.flags & flag) != 0 ? std::optional(value) : std::nullopt;
        };
        const auto type = [](std::uint32_t value) {
            return to_data_type(value, accel::DataType::f32);
        };
        return accel_command_t{
            accel::Attention{.d = to_operand(from.d),
                             .q = to_operand(from.q),
                             .k = to_operand(from.k),
                             .v = to_operand(from.v),
                             .mask = to_operand(from.mask),
                             .lengths = to_operand(from.lengths),
                             .positions = to_operand(from.positions),
                             .batch = one_if_zero(from.batch),
                             .heads = one_if_zero(from.heads),
                             .key_heads = from.key_heads,
                             .queries = from.queries,
                             .keys = from.keys,
                             .size = from.head_size,
                             .value_size = from.value_size,
                             .scale = from.scale == 0 ? 1 : from.scale,
                             .softcap = from.softcap,
                             .left = bound(ACCEL_ATTEND_LEFT, from.left),
                             .right = bound(ACCEL_ATTEND_RIGHT, from.right),
                             .offset = from.offset,
                             .nan_without_keys = (from.flags & ACCEL_ATTEND_NAN_WITHOUT_KEYS) != 0,
                             .d_strides = to_strides(from.d_strides),
                             .q_strides = to_strides(from.q_strides),
                             .k_strides = to_strides(from.k_strides),
                             .v_strides = to_strides(from.v_strides),
                             .mask_strides = to_strides(from.mask_strides),
                             .d_type = type(from.d_type),
                             .q_type = type(from.q_type),
                             .k_type = type(from.k_type),
                             .v_type = type(from.v_type),
                             .mask_type = type(from.mask_type),
                             .index_type = to_data_type(from.index_type, accel::DataType::i64)}};
    });
}

int accel_command_softmax(const accel_softmax_t* softmax, accel_command_t** out,
                          accel_error_t* error) {
    return make_handle(out, error, [&] {
        const auto from = read_structure(softmax, "softmax");
        return accel_command_t{accel::Softmax{.dst = to_operand(from.dst),
                                              .src = to_operand(from.src),
                                              .outer = one_if_zero(from.outer),
                                              .n = from.n,
                                              .inner = one_if_zero(from.inner)}};
    });
}

int accel_command_reduce(const accel_reduce_t* reduce, accel_command_t** out,
                         accel_error_t* error) {
    return make_handle(out, error, [&] {
        const auto from = read_structure(reduce, "reduce");
        return accel_command_t{
            accel::Reduce{.op = to_enum(from.op, accel::ReduceOp::sum, accel::ReduceOp::mean, "op"),
                          .dst = to_operand(from.dst),
                          .src = to_operand(from.src),
                          .outer = one_if_zero(from.outer),
                          .n = from.n,
                          .inner = one_if_zero(from.inner)}};
    });
}

int accel_command_transpose(const accel_transpose_t* transpose, accel_command_t** out,
                            accel_error_t* error) {
    return make_handle(out, error, [&] {
        const auto from = read_structure(transpose, "transpose");
        accel::Transpose command{.dst = to_operand(from.dst),
                                 .src = to_operand(from.src),
                                 .element_size = to_element_size(from.element_size),
                                 .shape = to_shape(from.shape),
                                 .dst_strides = to_shape(from.dst_strides),
                                 .src_offset = from.src_offset};
        std::copy_n(from.src_strides, command.src_strides.size(), command.src_strides.begin());
        return accel_command_t{command};
    });
}

int accel_command_gather(const accel_gather_t* gather, accel_command_t** out,
                         accel_error_t* error) {
    return make_handle(out, error, [&] {
        const auto from = read_structure(gather, "gather");
        return accel_command_t{
            accel::Gather{.dst = to_operand(from.dst),
                          .src = to_operand(from.src),
                          .indices = to_operand(from.indices),
                          .index_type = to_data_type(from.index_type, accel::DataType::i64),
                          .elements = to_bool(from.elements, "gather->elements"),
                          .element_size = to_element_size(from.element_size),
                          .outer = one_if_zero(from.outer),
                          .n = from.n,
                          .count = from.count,
                          .inner = one_if_zero(from.inner)}};
    });
}

int accel_command_scatter(const accel_scatter_t* scatter, accel_command_t** out,
                          accel_error_t* error) {
    return make_handle(out, error, [&] {
        const auto from = read_structure(scatter, "scatter");
        check_reserved(from.reserved, "scatter->reserved");
        return accel_command_t{accel::Scatter{
            .op = to_enum(from.op, accel::ScatterOp::set, accel::ScatterOp::max, "op"),
            .dst = to_operand(from.dst),
            .src = to_operand(from.src),
            .indices = to_operand(from.indices),
            .type = to_data_type(from.type, accel::DataType::f32),
            .index_type = to_data_type(from.index_type, accel::DataType::i64),
            .elements = to_bool(from.elements, "scatter->elements"),
            .outer = one_if_zero(from.outer),
            .n = from.n,
            .count = from.count,
            .inner = one_if_zero(from.inner)}};
    });
}

int accel_command_resize(const accel_resize_t* resize, accel_command_t** out,
                         accel_error_t* error) {
    return make_handle(out, error, [&] {
        const auto from = read_structure(resize, "resize");
        if (from.taps > UINT16_MAX) {
            accel::c::throw_invalid("resize->taps is " + std::to_string(from.taps) +
                                    ", and the highest value is 65535");
        }
        return accel_command_t{
            accel::Resize{.dst = to_operand(from.dst),
                          .src = to_operand(from.src),
                          .table = to_operand(from.table),
                          .taps = one_if_zero(static_cast<std::uint16_t>(from.taps)),
                          .outer = one_if_zero(from.outer),
                          .n = from.n,
                          .count = from.count,
                          .inner = one_if_zero(from.inner)}};
    });
}
