// SPDX-License-Identifier: Apache-2.0
//
// Col2Im: adds blocks of pixels to an image. For each pixel of the block, the columns are an image
// with gaps, moved by the position of that pixel.
#include <optional>

#include "frontend/operators/lowering.hpp"

namespace accel::compiler {

namespace {

constexpr std::int64_t max_block = 4096;  // pixels

Dims list_of(const Node& n, const char* name, std::size_t count, std::int64_t otherwise) {
    Dims values = n.list(name, Dims(count, otherwise));
    if (values.size() != count) {
        refuse("its attribute " + std::string(name) + " has " + std::to_string(values.size()) +
               " elements, and its image needs " + std::to_string(count));
    }
    for (const std::int64_t value : values) {
        if (value < otherwise || value > INT32_MAX) {
            refuse("its attribute " + std::string(name) + " has the value " +
                   std::to_string(value));
        }
    }
    return values;
}

// The geometry of the blocks in the image.
struct Blocks {
    Dims image;
    Dims block;
    Dims strides = {};
    Dims dilations = {};
    Dims before = {};
    Dims padded = {};
    Dims count = {};  // along each axis
};

Blocks blocks_of(const Node& n) {
    Blocks b{.image = n.integers(1), .block = n.integers(2)};
    const std::size_t axes = b.image.size();
    if (axes == 0 || b.block.size() != axes || axes > 4) {
        refuse("its image has " + std::to_string(axes) + " axes, and its block " +
                   std::to_string(b.block.size()),
               "use from 1 to 4 axes for both");
    }
    b.strides = list_of(n, "strides", axes, 1);
    b.dilations = list_of(n, "dilations", axes, 1);
    const Dims pads = list_of(n, "pads", 2 * axes, 0);
    for (std::size_t i = 0; i < axes; ++i) {
        if (b.block[i] < 1 || b.block[i] > max_block || b.image[i] < 1 || b.image[i] > max_listed) {
            refuse("its image " + to_string(b.image) + " or its block " + to_string(b.block) +
                   " is too small or too large");
        }
        b.before.push_back(pads[i]);
        b.padded.push_back(b.image[i] + pads[i] + pads[i + axes]);
        const std::int64_t reach = (b.block[i] - 1) * b.dilations[i] + 1;
        if (b.padded[i] < reach) {
            refuse("its block " + to_string(b.block) + " is larger than the padded image");
        }
        b.count.push_back((b.padded[i] - reach) / b.strides[i] + 1);
    }
    return b;
}

Values col2im(const Node& n) {
    const ValueId x = n.in(0);  // [n, c * block, count]
    const Blocks b = blocks_of(n);
    const Dims dims = n.b.dims(x);
    const std::size_t axes = b.image.size();
    const std::int64_t pixels = elements(b.block);
    if (dims.size() != 3 || pixels > max_block || dims[1] % pixels != 0 ||
        dims[2] != elements(b.count)) {
        refuse("its input " + to_string(dims) + " does not have the blocks " + to_string(b.block) +
               " of an image " + to_string(b.image));
    }
    const std::int64_t channels = dims[1] / pixels;
    const ValueId columns = n.b.reshape(x, {dims[0], channels, pixels, dims[2]});
    const Dims strides = dense_strides(b.block);
    const ValueId zero = n.b.scalar(n.b.type(x), 0);
    std::optional<ValueId> sum;
    for (std::int64_t pixel = 0; pixel < pixels; ++pixel) {
        Dims shape{dims[0], channels};
        shape.insert(shape.end(), b.count.begin(), b.count.end());
        const ValueId part = n.b.reshape(n.b.slice(columns, 2, pixel, 1), std::move(shape));
        Dims before(2, 0);
        Dims after(2, 0);
        Dims step(2, 1);
        for (std::size_t i = 0; i < axes; ++i) {
            const std::int64_t at = pixel / strides[i] % b.block[i] * b.dilations[i];
            before.push_back(at);
            after.push_back(b.padded[i] - at - (b.count[i] - 1) * b.strides[i] - 1);
            step.push_back(b.strides[i]);
        }
        const ValueId spread = n.b.pad(part, before, after, zero, std::move(step));
        sum = sum ? add(n, *sum, spread) : spread;
    }
    Dims start(2, 0);
    start.insert(start.end(), b.before.begin(), b.before.end());
    Dims result{dims[0], channels};
    result.insert(result.end(), b.image.begin(), b.image.end());
    return {n.b.strided_slice(sum.value(), std::move(start), Dims(axes + 2, 1), std::move(result))};
}

}  // namespace

void add_col2im(OperatorTable& table) {
    table.add({{"Col2Im", {18}, col2im}});
}

}  // namespace accel::compiler
