// SPDX-License-Identifier: Apache-2.0
//
// Weights of 2, 4 or 8 bits with a scale for each block. Those of large products stay packed on the
// card, and each run unpacks them; others are unpacked when the model is loaded.
#include <algorithm>
#include <array>

#include "frontend/operators/contrib.hpp"
#include "frontend/operators/stored_weights.hpp"

namespace accel::compiler {

namespace {

// Values of a few bits each, the lowest bits of a byte first.
class Packed {
  public:
    Packed(const Tensor& bytes, std::int64_t bits) : bytes_(bytes.as<std::uint8_t>()), bits_(bits) {
        if (bits != 2 && bits != 4 && bits != 8) {
            refuse("its weights have " + std::to_string(bits) + " bits, not 2, 4 or 8");
        }
        if (bytes.type != DataType::u8) {
            refuse("its packed weights are " + std::string(to_string(bytes.type)) + ", not u8");
        }
    }

    [[nodiscard]] std::int64_t count() const { return std::ssize(bytes_) * (8 / bits_); }
    [[nodiscard]] int at(std::int64_t index) const {
        const std::int64_t per_byte = 8 / bits_;
        const int byte = bytes_[static_cast<std::size_t>(index / per_byte)];
        return (byte >> (index % per_byte * bits_)) & ((1 << bits_) - 1);
    }

  private:
    std::span<const std::uint8_t> bytes_;
    std::int64_t bits_;
};

// A matrix of rows, each of which has a scale and a zero point for each block of its columns. The
// packed values, and the packed zero points, of each row begin at a byte.
struct Blocks {
    std::int64_t rows = 0;
    std::int64_t columns = 0;
    std::int64_t block = 0;
    std::int64_t bits = 4;
    bool padded = true;  // a row of packed values consists of whole blocks
    std::vector<std::int64_t> block_of_column = {};  // if columns of a block are not neighbors

    [[nodiscard]] std::int64_t block_of(std::int64_t column) const {
        return block_of_column.empty() ? column / block
                                       : block_of_column[static_cast<std::size_t>(column)];
    }
    [[nodiscard]] std::int64_t blocks() const { return (columns + block - 1) / block; }
    [[nodiscard]] std::int64_t whole(std::int64_t count) const {
        const std::int64_t per_byte = 8 / bits;
        return (count + per_byte - 1) / per_byte * per_byte;
    }
};

void check_block(const Blocks& of) {
    if (of.rows < 1 || of.columns < 1 || of.block < 16 || (of.block & (of.block - 1)) != 0) {
        refuse("its weights have the shape " + to_string(Dims{of.rows, of.columns}) +
               " and blocks of " + std::to_string(of.block) +
               ", which must be a power of two from 16 on");
    }
}

// The zero point of each block: an input with packed or unpacked values, or half the range.
std::vector<float> zero_points(const Node& n, const Blocks& of, std::size_t input) {
    const std::int64_t count = of.rows * of.blocks();
    if (!n.has(input)) {
        std::vector<float> middle(static_cast<std::size_t>(count));
        std::ranges::fill(middle, static_cast<float>(1 << (of.bits - 1)));
        return middle;
    }
    const Tensor& tensor = n.b.require_constant(n.in(input), "its zero points");
    if (tensor.type != DataType::u8) {
        std::vector<float> values = tensor.floats();
        if (std::ssize(values) != count) {
            refuse("it has " + std::to_string(values.size()) + " zero points for " +
                   std::to_string(count) + " blocks");
        }
        return values;
    }
    const Packed packed(tensor, of.bits);
    const std::int64_t row = of.whole(of.blocks());
    if (packed.count() != of.rows * row) {
        refuse("its packed zero points " + to_string(tensor.dims) + " do not fit its " +
               std::to_string(count) + " blocks");
    }
    std::vector<float> values;
    values.reserve(static_cast<std::size_t>(count));
    for (std::int64_t r = 0; r < of.rows; ++r) {
        for (std::int64_t b = 0; b < of.blocks(); ++b) {
            values.push_back(static_cast<float>(packed.at(r * row + b)));
        }
    }
    return values;
}

// The same as unpacked(), computed on the card in each run from the packed values.
ValueId unpacked_in_runs(const Node& n, const Blocks& of, const Packed& packed,
                         const std::vector<float>& scale, const std::vector<float>& zero) {
    const auto middle = static_cast<float>(1 << (of.bits - 1));
    const bool is_signed = std::ranges::all_of(zero, [&](float z) { return z == middle; });
    const DataType type = of.bits == 2   ? (is_signed ? DataType::i2 : DataType::u2)
                          : of.bits == 4 ? (is_signed ? DataType::i4 : DataType::u4)
                                         : (is_signed ? DataType::i8 : DataType::u8);
    std::vector<std::int64_t> values;
    values.reserve(static_cast<std::size_t>(packed.count()));
    for (std::int64_t i = 0; i < packed.count(); ++i) {
        values.push_back(packed.at(i) - (is_signed ? 1 << (of.bits - 1) : 0));
    }
    const Constant weights = make_constant(type, {of.rows, of.blocks(), of.block},
                                           std::span<const std::int64_t>(values));
    const auto parameter = [&](const std::vector<float>& of_blocks) {
        return n.b.constant(make_constant(DataType::f32, {of.rows, of.blocks(), 1},
                                          std::span<const float>(of_blocks)));
    };
    ValueId x = unpacked_on_card(n, *weights);
    if (!is_signed) {
        x = sub(n, n.b.cast(x, DataType::f32), parameter(zero));
    }
    const ValueId y = n.b.mixed(ElementwiseOp::mul, parameter(scale), x, DataType::f32);
    return n.b.slice(n.b.reshape(y, {of.rows, of.blocks() * of.block}), 1, 0, of.columns);
}

// (value - zero point) * scale, as f32 [rows, columns].
ValueId unpacked(const Node& n, const Blocks& of, std::size_t values, std::size_t scales,
                 std::size_t zeros) {
    check_block(of);
    const Tensor& bytes = n.b.require_constant(n.in(values), "its packed weights");
    const Packed packed(bytes, of.bits);
    const std::int64_t row = of.padded ? of.blocks() * of.block : of.whole(of.columns);
    const std::vector<float> scale = n.floats(scales);
    if (packed.count() != of.rows * row || std::ssize(scale) != of.rows * of.blocks()) {
        refuse("its packed weights " + to_string(bytes.dims) + " or its " +
               std::to_string(scale.size()) + " scales do not fit a matrix " +
               to_string(Dims{of.rows, of.columns}));
    }
    const std::vector<float> zero = zero_points(n, of, zeros);
    auto result = std::make_shared<Tensor>(DataType::f32, Dims{of.rows, of.columns});
    const std::span<float> to = result->as<float>();
    for (std::int64_t r = 0; r < of.rows; ++r) {
        for (std::int64_t c = 0; c < of.columns; ++c) {
            const auto block = static_cast<std::size_t>(r * of.blocks() + of.block_of(c));
            to[static_cast<std::size_t>(r * of.columns + c)] =
                (static_cast<float>(packed.at(r * row + c)) - zero[block]) * scale[block];
        }
    }
    const ValueId folded = n.b.constant(std::move(result));
    const bool regular = of.padded && of.block_of_column.empty();
    if (regular && of.rows * of.columns >= min_stored_elements) {
        n.b.set_unfolded(folded, unpacked_in_runs(n, of, packed, scale, zero));
    }
    return folded;
}

// The product of A and unpacked weights [n, k], transposed.
ValueId product(const Node& n, ValueId weights) {
    const ValueId a = n.in(0);
    return lowered_as(n, "MatMul", {a, n.b.permute(n.b.cast(weights, n.b.type(a)), {1, 0})})[0];
}

// The block of each column by the input g_idx; empty if it is the usual one.
std::vector<std::int64_t> blocks_of_columns(const Node& n, const Blocks& of) {
    if (!n.has(4)) {
        return {};
    }
    std::vector<std::int64_t> given = n.integers(4);
    // Some writers fill the last block.
    if (std::ssize(given) != of.columns && std::ssize(given) != of.blocks() * of.block) {
        refuse("its g_idx has " + std::to_string(given.size()) + " elements for " +
               std::to_string(of.columns) + " columns");
    }
    given.resize(static_cast<std::size_t>(of.columns));
    bool usual = true;
    for (std::int64_t c = 0; c < of.columns; ++c) {
        const std::int64_t block = given[static_cast<std::size_t>(c)];
        if (block < 0 || block >= of.blocks()) {
            refuse("its g_idx names block " + std::to_string(block) + " of " +
                   std::to_string(of.blocks()));
        }
        usual = usual && block == of.block_of(c);
    }
    return usual ? std::vector<std::int64_t>() : given;
}

Values matmul_nbits(const Node& n) {
    if (n.integer("weight_prepacked", 0) != 0) {
        refuse("its weights are packed for one kind of GPU (weight_prepacked)",
               "save the model before its weights are prepacked");
    }
    Blocks blocks{.rows = n.integer("N"),
                  .columns = n.integer("K"),
                  .block = n.integer("block_size"),
                  .bits = n.integer("bits", 4)};
    check_block(blocks);
    blocks.block_of_column = blocks_of_columns(n, blocks);
    const ValueId y = product(n, unpacked(n, blocks, 1, 2, 3));
    return {n.has(5) ? add(n, y, n.in(5)) : y};
}

// The 16 values of the formats FP4 and NF4 of bitsandbytes.
constexpr std::array<float, 16> fp4{
    0.0F,  5.208333333e-03F,  0.66666667F,  1.0F,  0.33333333F,  0.5F,  0.16666667F,  0.25F,
    -0.0F, -5.208333333e-03F, -0.66666667F, -1.0F, -0.33333333F, -0.5F, -0.16666667F, -0.25F};
constexpr std::array<float, 16> nf4{
    -1.0F,
    -0.6961928009986877F,
    -0.5250730514526367F,
    -0.39491748809814453F,
    -0.28444138169288635F,
    -0.18477343022823334F,
    -0.09105003625154495F,
    0.0F,
    0.07958029955625534F,
    0.16093020141124725F,
    0.24611230194568634F,
    0.33791524171829224F,
    0.44070982933044434F,
    0.5626170039176941F,
    0.7229568362236023F,
    1.0F,
};

// Blocks follow each other through the whole matrix. The first value of a byte has the high bits.
Values matmul_bnb4(const Node& n) {
    const std::int64_t rows = n.integer("N");
    const std::int64_t columns = n.integer("K");
    const std::int64_t block = n.integer("block_size");
    check_block({.rows = rows, .columns = columns, .block = block});
    const std::int64_t count = rows * columns;
    const Tensor& bytes = n.b.require_constant(n.in(1), "its packed weights");
    const std::vector<float> scale = n.floats(2);
    if (bytes.type != DataType::u8 || elements(bytes.dims) != (count + 1) / 2 ||
        std::ssize(scale) != (count + block - 1) / block) {
        refuse("its packed weights " + to_string(bytes.dims) + " or its " +
               std::to_string(scale.size()) + " scales do not fit a matrix " +
               to_string(Dims{rows, columns}));
    }
    const std::array<float, 16>& levels = n.integer("quant_type", 1) == 1 ? nf4 : fp4;
    auto result = std::make_shared<Tensor>(DataType::f32, Dims{rows, columns});
    const std::span<float> to = result->as<float>();
    for (std::size_t i = 0; i < to.size(); ++i) {
        const auto byte = static_cast<unsigned>(bytes.as<std::uint8_t>()[i / 2]);
        to[i] = levels[i % 2 == 0 ? byte >> 4U : byte & 15U] *
                scale[i / static_cast<std::size_t>(block)];
    }
    const ValueId weights = n.b.constant(std::move(result));
    return {n.integer("transB", 1) != 0 ? product(n, weights)
                                        : lowered_as(n, "MatMul", {n.in(0), weights})[0]};
}

// Rows of an embedding table whose values are packed along the last axis.
Values gather_block_quantized(const Node& n) {
    const ValueId table = n.in(0);
    const Dims dims = n.b.dims(table);
    const std::int64_t bits = n.integer("bits", 4);
    const auto axis = [&](const char* name, std::int64_t otherwise) {
        return normalize_axis(n.integer(name, otherwise), dims.size());
    };
    if (n.b.type(table) != DataType::u8 || dims.size() != 2 || axis("gather_axis", 0) != 0 ||
        axis("quantize_axis", 1) != 1 || (bits != 2 && bits != 4 && bits != 8)) {
        refuse(
            "only u8 tables of two dimensions are supported, with rows that are gathered and "
            "quantized along the last axis");
    }
    const Blocks blocks{.rows = dims[0],
                        .columns = dims[1] * (8 / bits),
                        .block = n.integer("block_size", 128),
                        .bits = bits,
                        .padded = false};
    const ValueId rows = unpacked(n, blocks, 0, 2, 3);
    return {n.b.gather(n.b.cast(rows, n.b.type(n.in(2))), n.in(1), 0, false)};
}

}  // namespace

void add_contrib_packed_weights(OperatorTable& table) {
    table.add({
        {"com.microsoft.GatherBlockQuantized", gather_block_quantized},
        {"com.microsoft.MatMulBnb4", matmul_bnb4},
        {"com.microsoft.MatMulNBits", matmul_nbits},
    });
}

}  // namespace accel::compiler
