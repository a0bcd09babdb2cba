// SPDX-License-Identifier: Apache-2.0
//
// Layout of what works along an axis, of products and of images.
#include <algorithm>

#include "passes/layout_assignment_impl.hpp"

namespace accel::compiler {

namespace {

const Order channels_last{0, 2, 3, 1};

}  // namespace

Layout::Along Layout::along(ValueId id, std::size_t axis) {
    Along result{.order = natural(id), .outer = 1, .n = 1, .inner = 1};
    const Dims& shape = dims(id);
    const auto at = std::ranges::find(result.order, axis);
    std::int64_t outer = 1;
    std::int64_t inner = 1;
    for (auto d = result.order.begin(); d != result.order.end(); ++d) {
        (d < at ? outer : inner) *= d == at ? 1 : shape[*d];
    }
    result.outer = u32(outer);
    result.n = u32(shape[axis]);
    result.inner = u32(inner);
    return result;
}

void Layout::need_f32(ValueId id) const {
    if (type(id) != DataType::f32) {
        refuse("the card does this in f32 only, and its operand is " +
               std::string(compiler::to_string(type(id))));
    }
}

void Layout::lower(const Reduction& reduction, const Instruction& x) {
    need_f32(x.in[0]);
    const Along a = along(x.in[0], reduction.axis);
    const Place from = in_order(x.in[0], a.order);
    const Place to = fresh(x.out, a.order);
    places_[x.out] = to;
    emit(Reduce{.op = reduction.op, .outer = a.outer, .n = a.n, .inner = a.inner},
         ref(to, DataType::f32), {ref(from, DataType::f32)});
}

void Layout::lower(const SoftMax& softmax, const Instruction& x) {
    need_f32(x.in[0]);
    const Along a = along(x.in[0], softmax.axis);
    const Place from = in_order(x.in[0], a.order);
    const Place to = fresh(x.out, a.order);
    places_[x.out] = to;
    emit(Softmax{.outer = a.outer, .n = a.n, .inner = a.inner}, ref(to, DataType::f32),
         {ref(from, DataType::f32)}, {from.first == 0});
}

void Layout::lower(const Interpolate& resize, const Instruction& x) {
    need_f32(x.in[0]);
    const Along a = along(x.in[0], resize.axis);
    const Place from = in_order(x.in[0], a.order);
    const Place table = place(x.in[1]);
    const Place to = fresh(x.out, a.order);
    places_[x.out] = to;
    emit(Resize{.taps = resize.taps,
                .outer = a.outer,
                .n = a.n,
                .count = u32(dims(x.out)[resize.axis]),
                .inner = a.inner},
         ref(to, DataType::f32), {ref(from, DataType::f32), ref(table, DataType::f32)});
}

void Layout::lower(const Pick& pick, const Instruction& x) {
    const ValueId data = x.in[0];
    const ValueId indices = x.in[1];
    const bool same_rank = !pick.elements && dims(indices).size() == 1;
    Along a = along(data, pick.axis);
    if (!same_rank) {
        a.order = row_major(dims(data).size());
        const auto at = dims(data).begin() + static_cast<std::ptrdiff_t>(pick.axis);
        a.outer = u32(elements(Dims(dims(data).begin(), at)));
        a.inner = u32(elements(Dims(at + 1, dims(data).end())));
    }
    const Place from = in_order(data, a.order);
    const Place index = dense(indices);
    const Place to = fresh(x.out, same_rank ? a.order : row_major(dims(x.out).size()));
    places_[x.out] = to;
    emit(Gather{.index_type = type(indices),
                .elements = pick.elements,
                .element_size = size_of(type(data)),
                .outer = a.outer,
                .n = a.n,
                .count =
                    pick.elements ? u32(dims(indices)[pick.axis]) : u32(elements(dims(indices))),
                .inner = a.inner},
         ref(to, type(data)), {ref(from, type(data)), ref(index, type(indices))});
}

void Layout::lower(const MatMul& product, const Instruction& x) {
    const Dims& shape = dims(x.out);
    const std::size_t batch = shape.size() - 2;
    const Side a = side(x.in[0], shape);
    const Side b = side(x.in[1], shape);
    const Place to = fresh(x.out, row_major(shape.size()));
    places_[x.out] = to;
    const Dims& a_dims = dims(x.in[0]);
    const std::int64_t m = a_dims[a_dims.size() - 2];
    const std::int64_t k = a_dims.back();
    const std::int64_t n = shape.back();
    const Dims outer(shape.begin(), shape.begin() + static_cast<std::ptrdiff_t>(batch));
    const Dims to_batch(to.strides.begin(),
                        to.strides.begin() + static_cast<std::ptrdiff_t>(batch));
    Loops loops = collapse(outer, {to_batch, a.batch, b.batch}, row_major(batch));
    Gemm command{.m = u32(m),
                 .n = u32(n),
                 .k = u32(k),
                 .activation = product.then.activation,
                 .transpose_a = a.transposed,
                 .transpose_b = b.transposed,
                 .lda = u32(a.leading),
                 .ldb = u32(b.leading),
                 .ldd = u32(n),
                 .activation_alpha = product.then.alpha,
                 .activation_beta = product.then.beta,
                 .format = product.format};
    // Rows of a batch that all meet the same b are rows of one larger a.
    if (loops.dims.size() == 1 && loops.strides[2][0] == 0 && !a.transposed &&
        loops.strides[1][0] == m * a.leading && loops.strides[0][0] == m * n) {
        command.m = u32(m * loops.dims[0]);
        loops = {{1}, {{1}, {1}, {1}}};
    }
    command.batch = u32(loops.dims.back());
    if (command.batch > 1) {
        command.batch_stride_d = u32(loops.strides[0].back());
        command.batch_stride_a = u32(loops.strides[1].back());
        command.batch_stride_b = u32(loops.strides[2].back());
    }
    Ref bias;
    if (x.in.size() > 2) {
        bias = ref(dense(x.in[2]), type(x.in[2]));
    }
    // One dimension of a batch is the card's; the others are commands.
    loops.dims.pop_back();
    const std::int64_t commands = elements(loops.dims);
    if (commands > 4096) {
        refuse("its batch has no order that the card can walk");
    }
    Dims at(loops.dims.size());
    for (std::int64_t i = 0; i < commands; ++i) {
        std::array<std::int64_t, 3> offset{};
        for (std::size_t d = 0; d < at.size(); ++d) {
            for (std::size_t o = 0; o < 3; ++o) {
                offset.at(o) += at[d] * loops.strides[o][d];
            }
        }
        emit(command, shifted(to, offset[0], type(x.out)),
             {shifted(a.place, offset[1], type(x.in[0])),
              shifted(b.place, offset[2], type(x.in[1])), bias});
        for (std::size_t d = at.size(); d-- > 0;) {
            if (++at[d] < loops.dims[d]) {
                break;
            }
            at[d] = 0;
        }
    }
}

Ref Layout::shifted(Place at, std::int64_t by, DataType element) const {
    at.first += by;
    return ref(at, element);
}

Layout::Side Layout::side(ValueId id, const Dims& shape) {
    const Dims& d = dims(id);
    const std::int64_t rows = d[d.size() - 2];
    const std::int64_t columns = d.back();
    Place at = place(id);
    const auto fits = [](std::int64_t across, std::int64_t along, std::int64_t count,
                         std::int64_t length) {
        return (along == 1 || length == 1) && (across >= length || count == 1);
    };
    const std::size_t r = d.size() - 2;
    const bool positive = std::ranges::all_of(at.strides, [](auto s) { return s >= 0; });
    bool plain = positive && fits(at.strides[r], at.strides[r + 1], rows, columns);
    const bool turned = positive && fits(at.strides[r + 1], at.strides[r], columns, rows);
    if (!plain && !turned) {
        at = dense(id);
        plain = true;
    }
    Side result{.place = at, .batch = {}, .leading = 0, .transposed = !plain};
    const std::int64_t across = plain ? at.strides[r] : at.strides[r + 1];
    const std::int64_t length = plain ? columns : rows;
    result.leading = (plain ? rows : columns) == 1 ? length : across;
    result.leading = std::max(result.leading, length);
    // The batch of the result, as this operand repeats in it.
    const std::size_t batch = shape.size() - 2;
    const std::size_t own = d.size() - 2;
    result.batch.assign(batch, 0);
    for (std::size_t i = 0; i < own; ++i) {
        result.batch[batch - own + i] = d[i] == 1 ? 0 : at.strides[i];
    }
    return result;
}

Layout::Laid Layout::image(ValueId id) {
    const Dims& d = dims(id);
    Place at = place(id);
    const auto stride = [&](std::size_t i, std::int64_t otherwise) {
        return d[i] == 1 ? otherwise : at.strides[i];
    };
    const auto taken = [&] {
        const std::int64_t pixel = stride(3, d[1]);
        const std::int64_t row = stride(2, pixel * d[3]);
        const std::int64_t whole = stride(0, row * d[2]);
        const bool fits = stride(1, 1) == 1 && pixel >= d[1] && row > 0 && whole > 0 &&
                          pixel <= UINT32_MAX && row <= UINT32_MAX && whole <= UINT32_MAX;
        return fits ? std::optional(ImageLayout{.height = u32(d[2]),
                                                .width = u32(d[3]),
                                                .channels = u32(d[1]),
                                                .pixel_stride = u32(pixel),
                                                .row_stride = u32(row),
                                                .image_stride = u32(whole)})
                    : std::nullopt;
    };
    auto images = taken();
    if (!images) {
        at = in_order(id, channels_last);
        images = taken();
    }
    if (!images) {
        refuse("images of the shape " + compiler::to_string(d) + " are too large");
    }
    return {std::move(at), *images};
}

Layout::Laid Layout::result_image(ValueId id) {
    const Place to = fresh(id, channels_last);
    places_[id] = to;
    const Dims& d = dims(id);
    return {to,
            {.height = u32(d[2]),
             .width = u32(d[3]),
             .channels = u32(d[1]),
             .pixel_stride = u32(d[1]),
             .row_stride = u32(d[1] * d[3]),
             .image_stride = u32(d[1] * d[3] * d[2])}};
}

void Layout::lower(const Conv& conv, const Instruction& x) {
    const Laid from = image(x.in[0]);
    const Place w = in_order(x.in[1], {2, 3, 1, 0});
    Ref bias;
    if (x.in.size() > 2) {
        bias = ref(dense(x.in[2]), type(x.in[2]));
    }
    const Laid to = result_image(x.out);
    if (x.in.size() > 3) {
        copy(place(x.in[3]), to.place, dims(x.out), type(x.out));
    }
    emit(Conv2d{.batch = u32(dims(x.out)[0]),
                .groups = conv.groups,
                .src_layout = from.images,
                .dst_layout = to.images,
                .window = conv.window,
                .activation = conv.then.activation,
                .activation_alpha = conv.then.alpha,
                .activation_beta = conv.then.beta,
                .format = conv.format},
         ref(to.place, type(x.out)), {ref(from.place, type(x.in[0])), ref(w, type(x.in[1])), bias});
}

void Layout::lower(const Pooling& pool, const Instruction& x) {
    need_f32(x.in[0]);
    const Laid from = image(x.in[0]);
    const Laid to = result_image(x.out);
    emit(accel::Pool{.op = pool.op,
                     .batch = u32(dims(x.out)[0]),
                     .src_layout = from.images,
                     .dst_layout = to.images,
                     .window = pool.window,
                     .count_include_pad = pool.count_outside},
         ref(to.place, DataType::f32), {ref(from.place, DataType::f32)});
}

}  // namespace accel::compiler
