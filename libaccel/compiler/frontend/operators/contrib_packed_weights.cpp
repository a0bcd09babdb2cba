// SPDX-License-Identifier: Apache-2.0
//
// Weights of 2, 4 or 8 bits with a scale for each block. Those of large products stay packed on the
// card, and each run unpacks them; others are unpacked when the model is loaded.
#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <utility>

#include "frontend/operators/contrib.hpp"
#include "frontend/operators/stored_weights.hpp"
#include "ir/number_reader.hpp"

namespace accel::compiler {

namespace {

// Values of a few bits each, the lowest bits of a byte first.
class Packed {
  public:
    Packed(const Tensor& bytes, std::int64_t bits)
        : data_(bytes.data),
          bits_(bits),
          shift_(bits == 8   ? 0U
                 : bits == 4 ? 1U
                             : 2U) {
        if (bits != 2 && bits != 4 && bits != 8) {
            refuse("its weights have " + std::to_string(bits) + " bits, not 2, 4 or 8");
        }
        if (bytes.type != DataType::u8) {
            refuse("its packed weights are " + std::string(to_string(bytes.type)) + ", not u8");
        }
        // In memory, or in the file: values are read at any place.
        static_cast<void>(std::as_const(data_).data());
    }

    [[nodiscard]] std::int64_t count() const {
        return static_cast<std::int64_t>(data_.size()) * (8 / bits_);
    }
    [[nodiscard]] int at(std::int64_t index) const {
        const auto place = static_cast<std::uint64_t>(index);  // a division costs more here
        const auto byte = std::to_integer<unsigned>(data_[place >> shift_]);
        const std::uint64_t within = place & ((std::uint64_t{1} << shift_) - 1);
        return static_cast<int>(byte >> (within * static_cast<std::uint64_t>(bits_)) &
                                ((1U << static_cast<unsigned>(bits_)) - 1));
    }
    // Releases the bytes of these values, if they are also in a mapped file.
    void evict(std::int64_t first, std::int64_t count) const {
        const std::int64_t per_byte = 8 / bits_;
        data_.evict_in_steps(static_cast<std::size_t>(first / per_byte),
                             static_cast<std::size_t>(count / per_byte));
    }

  private:
    const TensorStorage data_;
    std::int64_t bits_;
    unsigned shift_;  // log2 of the values in a byte
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
class ZeroPoints {
  public:
    ZeroPoints(const Node& n, const Blocks& of, std::size_t input) : of_(of) {
        if (!n.has(input)) {
            return;
        }
        const std::int64_t count = of.rows * of.blocks();
        values_ = n.b.value(n.in(input)).constant;
        const Tensor& tensor = n.b.require_constant(n.in(input), "its zero points");
        if (tensor.type == DataType::u8) {
            packed_.emplace(tensor, of.bits);
            if (packed_->count() != of.rows * of.whole(of.blocks())) {
                refuse("its packed zero points " + to_string(tensor.dims) + " do not fit its " +
                       std::to_string(count) + " blocks");
            }
        } else if (elements(tensor.dims) != count) {
            refuse("it has " + std::to_string(elements(tensor.dims)) + " zero points for " +
                   std::to_string(count) + " blocks");
        }
    }

    // Null if there is no such input.
    [[nodiscard]] const Constant& constant() const { return values_; }

    [[nodiscard]] float middle() const { return static_cast<float>(1 << (of_.bits - 1)); }

    // Writes the zero points from block `first` on.
    void read(std::int64_t first, std::span<float> to) const {
        if (!values_) {
            std::ranges::fill(to, middle());
        } else if (!packed_) {
            NumberReader<float>(*values_).read(first, to);
        } else {
            const std::int64_t row = of_.whole(of_.blocks());
            for (float& zero : to) {
                zero = static_cast<float>(
                    packed_->at(first / of_.blocks() * row + first % of_.blocks()));
                ++first;
            }
        }
    }

    [[nodiscard]] bool all_are_middle() const {
        constexpr std::int64_t part = 1 << 12;
        std::vector<float> zeros;
        const std::int64_t count = values_ ? of_.rows * of_.blocks() : 0;
        for (std::int64_t first = 0; first < count; first += part) {
            zeros.resize(static_cast<std::size_t>(std::min(part, count - first)));
            read(first, zeros);
            if (std::ranges::any_of(zeros, [&](float zero) { return zero != middle(); })) {
                return false;
            }
        }
        return true;
    }

  private:
    Blocks of_;
    Constant values_;
    std::optional<Packed> packed_;  // of values_
};

constexpr std::size_t computed_later_bytes = 1 << 16;

// A constant that `make` computes when something reads it. A small one is computed at once.
Constant computed(DataType type, Dims dims, TensorStorage::Computation make) {
    const std::size_t bytes = static_cast<std::size_t>(elements(dims)) * size_of(type);
    auto tensor =
        std::make_shared<Tensor>(type, std::move(dims), TensorStorage(bytes, std::move(make), 1));
    if (bytes < computed_later_bytes) {
        static_cast<void>(std::as_const(tensor->data).data());
    }
    return tensor;
}

// The values of the blocks, as integers of their bits.
Constant integers_of_blocks(const Blocks& of, const Packed& packed, bool is_signed) {
    const DataType type = of.bits == 2   ? (is_signed ? DataType::i2 : DataType::u2)
                          : of.bits == 4 ? (is_signed ? DataType::i4 : DataType::u4)
                                         : (is_signed ? DataType::i8 : DataType::u8);
    const int shift = is_signed ? 1 << (of.bits - 1) : 0;
    return computed(type, {of.rows, of.blocks(), of.block}, [packed, shift]() -> PartReader {
        return [packed, shift](std::size_t first, std::span<std::byte> to) {
            const auto begin = static_cast<std::int64_t>(first);
            std::int64_t index = begin;
            for (std::byte& byte : to) {
                byte = static_cast<std::byte>(packed.at(index++) - shift);
            }
            packed.evict(begin, index - begin);
        };
    });
}

// A packed matrix, with the inputs of its node.
struct PackedMatrix {
    Blocks of;
    Constant bytes;
    Packed packed;
    Constant scales;
    ZeroPoints zeros;

    [[nodiscard]] std::int64_t row() const {
        return of.padded ? of.blocks() * of.block : of.whole(of.columns);
    }
};

// (value - zero point) * scale, for the elements from `first` on.
void unpack_rows(const PackedMatrix& matrix, std::int64_t first, std::span<float> to) {
    const Blocks& of = matrix.of;
    std::vector<float> scale(static_cast<std::size_t>(of.blocks()));
    std::vector<float> zero(scale.size());
    NumberReader<float> scales(*matrix.scales);
    while (!to.empty()) {
        const std::int64_t r = first / of.columns;
        const std::int64_t begin = first % of.columns;
        const auto count = std::min(static_cast<std::size_t>(of.columns - begin), to.size());
        scales.read(r * of.blocks(), scale);
        matrix.zeros.read(r * of.blocks(), zero);
        for (std::size_t i = 0; i < count; ++i) {
            const std::int64_t c = begin + static_cast<std::int64_t>(i);
            const auto block = static_cast<std::size_t>(of.block_of(c));
            to[i] = (static_cast<float>(matrix.packed.at(r * matrix.row() + c)) - zero[block]) *
                    scale[block];
        }
        matrix.packed.evict(r * matrix.row(), matrix.row());
        to = to.subspan(count);
        first += static_cast<std::int64_t>(count);
    }
}

Constant unpacked_matrix(const PackedMatrix& matrix) {
    return computed(DataType::f32, {matrix.of.rows, matrix.of.columns}, [matrix]() -> PartReader {
        return [matrix](std::size_t first, std::span<std::byte> to) {
            std::vector<float> values(to.size() / sizeof(float));
            unpack_rows(matrix, static_cast<std::int64_t>(first / sizeof(float)), values);
            std::ranges::copy(std::as_bytes(std::span(values)), to.begin());
        };
    });
}

// The same as unpacked_matrix(), computed on the card in each run from the packed values.
ValueId unpacked_in_runs(const Node& n, const PackedMatrix& matrix) {
    const Blocks& of = matrix.of;
    const bool is_signed = matrix.zeros.all_are_middle();
    const Constant weights =
        n.b.derived("blocks", {of.rows, of.columns, of.block, of.bits, is_signed}, {matrix.bytes},
                    [&] { return integers_of_blocks(of, matrix.packed, is_signed); });
    const Dims of_blocks{of.rows, of.blocks(), 1};
    ValueId x = unpacked_on_card(n, weights);
    if (!is_signed) {
        const Constant zeros = n.b.derived(
            "zero points", {of.rows, of.columns, of.block, of.bits}, {matrix.zeros.constant()},
            [&, points = matrix.zeros] {
                return computed(DataType::f32, of_blocks, [points]() -> PartReader {
                    return [points](std::size_t first, std::span<std::byte> to) {
                        std::vector<float> values(to.size() / sizeof(float));
                        points.read(static_cast<std::int64_t>(first / sizeof(float)), values);
                        std::ranges::copy(std::as_bytes(std::span(values)), to.begin());
                    };
                });
            });
        x = sub(n, n.b.cast(x, DataType::f32), n.b.constant(zeros));
    }
    const ValueId scales =
        n.b.cast(n.b.constant(reshaped_constant(*matrix.scales, matrix.scales->type, of_blocks)),
                 DataType::f32);
    const ValueId y = n.b.mixed(ElementwiseOp::mul, scales, x, DataType::f32);
    return n.b.slice(n.b.reshape(y, {of.rows, of.blocks() * of.block}), 1, 0, of.columns);
}

// (value - zero point) * scale, as f32 [rows, columns].
ValueId unpacked(const Node& n, const Blocks& of, std::size_t values, std::size_t scales,
                 std::size_t zeros) {
    check_block(of);
    const Tensor& bytes = n.b.require_constant(n.in(values), "its packed weights");
    const Tensor& scale = n.b.require_constant(n.in(scales), "its input " + std::to_string(scales));
    const PackedMatrix matrix{.of = of,
                              .bytes = n.b.value(n.in(values)).constant,
                              .packed = Packed(bytes, of.bits),
                              .scales = n.b.value(n.in(scales)).constant,
                              .zeros = ZeroPoints(n, of, zeros)};
    if (matrix.packed.count() != of.rows * matrix.row() ||
        elements(scale.dims) != of.rows * of.blocks()) {
        refuse("its packed weights " + to_string(bytes.dims) + " or its " +
               std::to_string(elements(scale.dims)) + " scales do not fit a matrix " +
               to_string(Dims{of.rows, of.columns}));
    }
    const ValueId folded = n.b.constant(unpacked_matrix(matrix));
    const bool regular = of.padded && of.block_of_column.empty();
    if (regular && of.rows * of.columns >= min_stored_elements) {
        n.b.set_unfolded(folded, unpacked_in_runs(n, matrix));
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
    std::vector<float> scale = n.floats(2);
    if (bytes.type != DataType::u8 || elements(bytes.dims) != (count + 1) / 2 ||
        std::ssize(scale) != (count + block - 1) / block) {
        refuse("its packed weights " + to_string(bytes.dims) + " or its " +
               std::to_string(scale.size()) + " scales do not fit a matrix " +
               to_string(Dims{rows, columns}));
    }
    const std::array<float, 16>& levels = n.integer("quant_type", 1) == 1 ? nf4 : fp4;
    const PartReader read = [data = bytes.data, scale = std::move(scale), &levels,
                             block = static_cast<std::size_t>(block)](std::size_t first,
                                                                      std::span<std::byte> to) {
        std::vector<float> values(to.size() / sizeof(float));
        std::size_t i = first / sizeof(float);
        for (float& value : values) {
            const auto byte = std::to_integer<unsigned>(std::as_const(data)[i / 2]);
            value = levels[i % 2 == 0 ? byte >> 4U : byte & 15U] * scale[i / block];
            ++i;
        }
        std::ranges::copy(std::as_bytes(std::span(values)), to.begin());
        data.evict_in_steps(first / sizeof(float) / 2, values.size() / 2);
    };
    const ValueId weights =
        n.b.constant(computed(DataType::f32, {rows, columns}, [read] { return PartReader(read); }));
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
