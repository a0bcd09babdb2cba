// SPDX-License-Identifier: Apache-2.0
//
// Element-wise commands, commands on one axis of a tensor, convolution and pooling.
#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bindings.hpp"
#include "casters.hpp"
#include "command_builder.hpp"
#include "objects.hpp"

namespace accel::python {

namespace {

CommandObject make_elementwise(ElementwiseOp op, const OperandArgument& dst,
                               const OperandArgument& a, const OperandArgument& b,
                               const ShapeArgument& shape, const ShapeArgument& dst_strides,
                               const ShapeArgument& a_strides, const ShapeArgument& b_strides,
                               UnaryOp activation, float activation_alpha, float activation_beta,
                               const TypeArgument& type, const TypeArgument& dst_type,
                               const TypeArgument& a_type, const TypeArgument& b_type,
                               const OperandArgument& c, const ShapeArgument& c_strides,
                               const TypeArgument& c_type) {
    Pins pins;
    return build(Elementwise{.op = op,
                             .dst = dst.operand(pins),
                             .a = a.operand(pins),
                             .b = b.operand(pins),
                             .shape = shape.shape(),
                             .dst_strides = dst_strides.shape(),
                             .a_strides = a_strides.shape(),
                             .b_strides = b_strides.shape(),
                             .activation = activation,
                             .activation_alpha = activation_alpha,
                             .activation_beta = activation_beta,
                             .type = type.get(),
                             .dst_type = dst_type.get(),
                             .a_type = a_type.get(),
                             .b_type = b_type.get(),
                             .c = c.operand(pins),
                             .c_strides = c_strides.shape(),
                             .c_type = c_type.get()},
                 std::move(pins));
}

CommandObject make_softmax(const OperandArgument& dst, const OperandArgument& src,
                           std::uint32_t outer, std::uint32_t n, std::uint32_t inner) {
    Pins pins;
    return build(Softmax{dst.operand(pins), src.operand(pins), outer, n, inner}, std::move(pins));
}

CommandObject make_reduce(ReduceOp op, const OperandArgument& dst, const OperandArgument& src,
                          std::uint32_t outer, std::uint32_t n, std::uint32_t inner) {
    Pins pins;
    return build(Reduce{op, dst.operand(pins), src.operand(pins), outer, n, inner},
                 std::move(pins));
}

CommandObject make_transpose(const OperandArgument& dst, const OperandArgument& src,
                             std::uint32_t element_size, const ShapeArgument& shape,
                             const ShapeArgument& dst_strides,
                             const std::vector<std::int32_t>& src_strides,
                             std::uint64_t src_offset) {
    Pins pins;
    Transpose transpose{.dst = dst.operand(pins),
                        .src = src.operand(pins),
                        .element_size = element_size,
                        .shape = shape.shape(),
                        .dst_strides = dst_strides.shape(),
                        .src_offset = src_offset};
    if (src_strides.size() != transpose.shape.rank()) {
        refuse("src_strides of Transpose has " + std::to_string(src_strides.size()) +
               " values, and the shape " + std::to_string(transpose.shape.rank()) +
               ": pass one for each dimension");
    }
    std::ranges::copy(src_strides, transpose.src_strides.begin());
    return build(transpose, std::move(pins));
}

CommandObject make_gather(const OperandArgument& dst, const OperandArgument& src,
                          const OperandArgument& indices, const TypeArgument& index_type,
                          bool elements, std::uint32_t element_size, std::uint32_t outer,
                          std::uint32_t n, std::uint32_t count, std::uint32_t inner) {
    Pins pins;
    return build(Gather{dst.operand(pins), src.operand(pins), indices.operand(pins),
                        index_type.get(), elements, element_size, outer, n, count, inner},
                 std::move(pins));
}

CommandObject make_scatter(ScatterOp op, const OperandArgument& dst, const OperandArgument& src,
                           const OperandArgument& indices, const TypeArgument& type,
                           const TypeArgument& index_type, bool elements, std::uint32_t outer,
                           std::uint32_t n, std::uint32_t count, std::uint32_t inner) {
    Pins pins;
    return build(Scatter{op, dst.operand(pins), src.operand(pins), indices.operand(pins),
                         type.get(), index_type.get(), elements, outer, n, count, inner},
                 std::move(pins));
}

CommandObject make_resize(const OperandArgument& dst, const OperandArgument& src,
                          const OperandArgument& table, std::uint16_t taps, std::uint32_t outer,
                          std::uint32_t n, std::uint32_t count, std::uint32_t inner) {
    Pins pins;
    return build(Resize{dst.operand(pins), src.operand(pins), table.operand(pins), taps, outer, n,
                        count, inner},
                 std::move(pins));
}

CommandObject make_conv2d(const OperandArgument& dst, const OperandArgument& src,
                          const OperandArgument& weights, const OperandArgument& bias,
                          std::uint32_t batch, std::uint32_t groups, const ImageLayout& src_layout,
                          const ImageLayout& dst_layout, const ConvWindow& window,
                          UnaryOp activation, float activation_alpha, float activation_beta,
                          const NumericFormat& format) {
    Pins pins;
    return build(Conv2d{dst.operand(pins), src.operand(pins), weights.operand(pins),
                        bias.operand(pins), batch, groups, src_layout, dst_layout, window,
                        activation, activation_alpha, activation_beta, format},
                 std::move(pins));
}

CommandObject make_pool(PoolOp op, const OperandArgument& dst, const OperandArgument& src,
                        std::uint32_t batch, const ImageLayout& src_layout,
                        const ImageLayout& dst_layout, const ConvWindow& window,
                        bool count_include_pad, const TypeArgument& type) {
    Pins pins;
    return build(Pool{op, dst.operand(pins), src.operand(pins), batch, src_layout, dst_layout,
                      window, count_include_pad, type.get()},
                 std::move(pins));
}

HeadStrides to_strides(const std::vector<std::uint32_t>& strides, const char* name) {
    if (strides.empty()) {
        return {};
    }
    if (strides.size() != 3) {
        refuse(std::string(name) + " of Attention has " + std::to_string(strides.size()) +
               " values: pass those of a batch, a head and a row");
    }
    return {strides[0], strides[1], strides[2]};
}

using Strides = std::vector<std::uint32_t>;

CommandObject make_attention(
    const OperandArgument& d, const OperandArgument& q, const OperandArgument& k,
    const OperandArgument& v, const OperandArgument& mask, const OperandArgument& lengths,
    const OperandArgument& positions, std::uint32_t batch, std::uint32_t heads,
    std::uint32_t key_heads, std::uint32_t queries, std::uint32_t keys, std::uint32_t size,
    std::uint32_t value_size, float scale, float softcap, std::optional<std::uint32_t> left,
    std::optional<std::uint32_t> right, std::int32_t offset, bool nan_without_keys,
    const Strides& d_strides, const Strides& q_strides, const Strides& k_strides,
    const Strides& v_strides, const Strides& mask_strides, const TypeArgument& d_type,
    const TypeArgument& q_type, const TypeArgument& k_type, const TypeArgument& v_type,
    const TypeArgument& mask_type, const TypeArgument& index_type) {
    Pins pins;
    return build(Attention{.d = d.operand(pins),
                           .q = q.operand(pins),
                           .k = k.operand(pins),
                           .v = v.operand(pins),
                           .mask = mask.operand(pins),
                           .lengths = lengths.operand(pins),
                           .positions = positions.operand(pins),
                           .batch = batch,
                           .heads = heads,
                           .key_heads = key_heads,
                           .queries = queries,
                           .keys = keys,
                           .size = size,
                           .value_size = value_size,
                           .scale = scale,
                           .softcap = softcap,
                           .left = left,
                           .right = right,
                           .offset = offset,
                           .nan_without_keys = nan_without_keys,
                           .d_strides = to_strides(d_strides, "d_strides"),
                           .q_strides = to_strides(q_strides, "q_strides"),
                           .k_strides = to_strides(k_strides, "k_strides"),
                           .v_strides = to_strides(v_strides, "v_strides"),
                           .mask_strides = to_strides(mask_strides, "mask_strides"),
                           .d_type = d_type.get(),
                           .q_type = q_type.get(),
                           .k_type = k_type.get(),
                           .v_type = v_type.get(),
                           .mask_type = mask_type.get(),
                           .index_type = index_type.get()},
                 std::move(pins));
}

void bind_attention(nb::module_& module) {
    module.def(
        "Attention", &make_attention, nb::kw_only(), nb::arg("d"), nb::arg("q"), nb::arg("k"),
        nb::arg("v"), nb::arg("mask") = nb::none(), nb::arg("lengths") = nb::none(),
        nb::arg("positions") = nb::none(), nb::arg("batch") = 1, nb::arg("heads") = 1,
        nb::arg("key_heads") = 0, nb::arg("queries"), nb::arg("keys"), nb::arg("size"),
        nb::arg("value_size") = 0, nb::arg("scale") = 1.0F, nb::arg("softcap") = 0.0F,
        nb::arg("left") = nb::none(), nb::arg("right") = nb::none(), nb::arg("offset") = 0,
        nb::arg("nan_without_keys") = false, nb::arg("d_strides") = nb::make_tuple(),
        nb::arg("q_strides") = nb::make_tuple(), nb::arg("k_strides") = nb::make_tuple(),
        nb::arg("v_strides") = nb::make_tuple(), nb::arg("mask_strides") = nb::make_tuple(),
        nb::arg("d_type") = DataType::f32, nb::arg("q_type") = DataType::f32,
        nb::arg("k_type") = DataType::f32, nb::arg("v_type") = DataType::f32,
        nb::arg("mask_type") = DataType::f32, nb::arg("index_type") = DataType::i64,
        "d = softmax(cap(scale * q k^T) + mask) v, for each head of each batch. Strides are those "
        "of a batch, a head and a row in elements; () means dense for d, q, k and v, and one row "
        "for all queries for the mask. `left` and `right` are the window of a query; right=0 is "
        "causal.");
}

void bind_image_layouts(nb::module_& module) {
    nb::class_<ImageLayout>(module, "ImageLayout",
                            "The layout of a batch of images in NHWC order. Strides are in "
                            "elements; zero means dense.")
        .def(
            "__init__",
            [](ImageLayout* self, std::uint32_t height, std::uint32_t width, std::uint32_t channels,
               std::uint32_t pixel_stride, std::uint32_t row_stride, std::uint32_t image_stride) {
                new (self)
                    ImageLayout{height, width, channels, pixel_stride, row_stride, image_stride};
            },
            nb::kw_only(), nb::arg("height") = 1, nb::arg("width") = 1, nb::arg("channels") = 1,
            nb::arg("pixel_stride") = 0, nb::arg("row_stride") = 0, nb::arg("image_stride") = 0)
        .def_rw("height", &ImageLayout::height)
        .def_rw("width", &ImageLayout::width)
        .def_rw("channels", &ImageLayout::channels)
        .def_rw("pixel_stride", &ImageLayout::pixel_stride)
        .def_rw("row_stride", &ImageLayout::row_stride)
        .def_rw("image_stride", &ImageLayout::image_stride);
    nb::class_<ConvWindow>(module, "ConvWindow",
                           "The window of a convolution or a pool. Padding at the bottom and at "
                           "the right follows from the size of the result.")
        .def(
            "__init__",
            [](ConvWindow* self, std::uint16_t height, std::uint16_t width, std::uint16_t stride_y,
               std::uint16_t stride_x, std::uint16_t dilation_y, std::uint16_t dilation_x,
               std::uint16_t pad_top, std::uint16_t pad_left) {
                new (self) ConvWindow{height,     width,      stride_y, stride_x,
                                      dilation_y, dilation_x, pad_top,  pad_left};
            },
            nb::kw_only(), nb::arg("height") = 1, nb::arg("width") = 1, nb::arg("stride_y") = 1,
            nb::arg("stride_x") = 1, nb::arg("dilation_y") = 1, nb::arg("dilation_x") = 1,
            nb::arg("pad_top") = 0, nb::arg("pad_left") = 0)
        .def_rw("height", &ConvWindow::height)
        .def_rw("width", &ConvWindow::width)
        .def_rw("stride_y", &ConvWindow::stride_y)
        .def_rw("stride_x", &ConvWindow::stride_x)
        .def_rw("dilation_y", &ConvWindow::dilation_y)
        .def_rw("dilation_x", &ConvWindow::dilation_x)
        .def_rw("pad_top", &ConvWindow::pad_top)
        .def_rw("pad_left", &ConvWindow::pad_left);
}

void bind_image_commands(nb::module_& module) {
    bind_image_layouts(module);
    module.def("Conv2d", &make_conv2d, nb::kw_only(), nb::arg("dst"), nb::arg("src"),
               nb::arg("weights"), nb::arg("bias") = nb::none(), nb::arg("batch") = 1,
               nb::arg("groups") = 1, nb::arg("src_layout"), nb::arg("dst_layout"),
               nb::arg("window"), nb::arg("activation").noconvert() = UnaryOp::none,
               nb::arg("activation_alpha") = 0.0F, nb::arg("activation_beta") = 0.0F,
               nb::arg("format") = NumericFormat{},
               "A 2-D convolution with an activation. `weights` is dense, in the order "
               "[window.height][window.width][src_layout.channels / groups][dst_layout.channels].");
    module.def("Pool", &make_pool, nb::kw_only(), nb::arg("op").noconvert(), nb::arg("dst"),
               nb::arg("src"), nb::arg("batch") = 1, nb::arg("src_layout"), nb::arg("dst_layout"),
               nb::arg("window"), nb::arg("count_include_pad") = false,
               nb::arg("type") = DataType::f32,
               "Max or average pooling of each channel in f32; max also in i8 and u8.");
}

}  // namespace

void bind_tensor_commands(nb::module_& module) {
    module.def("Elementwise", &make_elementwise, nb::kw_only(), nb::arg("op").noconvert(),
               nb::arg("dst"), nb::arg("a"), nb::arg("b") = nb::none(), nb::arg("shape"),
               nb::arg("dst_strides") = nb::make_tuple(), nb::arg("a_strides") = nb::make_tuple(),
               nb::arg("b_strides") = nb::make_tuple(),
               nb::arg("activation").noconvert() = UnaryOp::none,
               nb::arg("activation_alpha") = 0.0F, nb::arg("activation_beta") = 0.0F,
               nb::arg("type") = DataType::f32, nb::arg("dst_type") = DataType::f32,
               nb::arg("a_type") = DataType::f32, nb::arg("b_type") = DataType::f32,
               nb::arg("c") = nb::none(), nb::arg("c_strides") = nb::make_tuple(),
               nb::arg("c_type") = DataType::boolean,
               "dst[i] = activation(op(a[i], b[i])) over `shape`.\n\nStrides are in elements, one "
               "for each dimension; none means dense. A stride of zero on a source broadcasts it.");
    module.def("Softmax", &make_softmax, nb::kw_only(), nb::arg("dst"), nb::arg("src"),
               nb::arg("outer") = 1, nb::arg("n"), nb::arg("inner") = 1,
               "Softmax over the axis of a dense f32 tensor of outer x n x inner. `dst` may be "
               "`src`.");
    module.def("Reduce", &make_reduce, nb::kw_only(), nb::arg("op").noconvert(), nb::arg("dst"),
               nb::arg("src"), nb::arg("outer") = 1, nb::arg("n"), nb::arg("inner") = 1,
               "Reduces the axis of a dense f32 tensor of outer x n x inner. `dst` holds outer x "
               "inner values of f32, or of u32 for argmax and argmin.");
    module.def("Transpose", &make_transpose, nb::kw_only(), nb::arg("dst"), nb::arg("src"),
               nb::arg("element_size") = 4, nb::arg("shape"),
               nb::arg("dst_strides") = nb::make_tuple(), nb::arg("src_strides"),
               nb::arg("src_offset") = 0,
               "dst[i] = src[i] over `shape`: a strided copy that permutes, slices, repeats "
               "(stride 0) or reverses (negative stride). Strides and offset are in elements.");
    module.def("Gather", &make_gather, nb::kw_only(), nb::arg("dst"), nb::arg("src"),
               nb::arg("indices"), nb::arg("index_type") = DataType::i64,
               nb::arg("elements") = false, nb::arg("element_size") = 4, nb::arg("outer") = 1,
               nb::arg("n"), nb::arg("count"), nb::arg("inner") = 1,
               "dst[o][c][i] = src[o][indices[c]][i], or with `elements` "
               "src[o][indices[o][c][i]][i]. An index out of range stops the queue with "
               "CardStatus.bad_index.");
    module.def(
        "Scatter", &make_scatter, nb::kw_only(), nb::arg("op").noconvert() = ScatterOp::set,
        nb::arg("dst"), nb::arg("src"), nb::arg("indices"), nb::arg("type") = DataType::f32,
        nb::arg("index_type") = DataType::i64, nb::arg("elements") = false, nb::arg("outer") = 1,
        nb::arg("n"), nb::arg("count"), nb::arg("inner") = 1,
        "Updates dst[o][indices[c]][i], or with `elements` dst[o][indices[o][c][i]][i], with "
        "src[o][c][i], in ascending order of c. An index out of range stops the queue with "
        "CardStatus.bad_index.");
    module.def("Resize", &make_resize, nb::kw_only(), nb::arg("dst"), nb::arg("src"),
               nb::arg("table"), nb::arg("taps") = 1, nb::arg("outer") = 1, nb::arg("n"),
               nb::arg("count"), nb::arg("inner") = 1,
               "Interpolates along the axis, f32. `table` holds count x taps pairs of u32 index "
               "and f32 weight.");
    bind_attention(module);
    bind_image_commands(module);
}

}  // namespace accel::python
