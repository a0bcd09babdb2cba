// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
#include "attention_operands.hpp"

namespace accel::card {

namespace {

constexpr std::uint64_t max_size = ACCEL_ATTENTION_SIZE_MAX;

[[nodiscard]] bool is_float(std::uint8_t type) {
    return type == ACCEL_TYPE_F32 || type == ACCEL_TYPE_BF16 || type == ACCEL_TYPE_F16;
}

[[nodiscard]] AttentionRows rows(std::uint64_t address, std::uint8_t type, std::uint64_t batches,
                                 std::uint64_t heads, std::uint64_t count, std::uint64_t columns,
                                 const __le32 (&strides)[3]) {
    return {.address = address,
            .type = type,
            .batches = batches,
            .heads = heads,
            .rows = count,
            .columns = columns,
            .strides = {strides[0], strides[1], strides[2]}};
}

[[nodiscard]] std::uint8_t type_or(std::uint8_t type, std::uint8_t other) {
    return type != 0 ? type : other;
}

}  // namespace

Status AttentionRows::check() const {
    if (!aligned(address, element())) {
        return ACCEL_BAD_ALIGNMENT;
    }
    if (empty()) {
        return ACCEL_OK;
    }
    std::uint64_t elements = columns;
    for (const auto& [length, stride] :
         {std::pair(batches, strides[0]), std::pair(heads, strides[1]),
          std::pair(rows, strides[2])}) {
        std::uint64_t span = 0;
        if (__builtin_mul_overflow(length - 1, stride, &span) ||
            __builtin_add_overflow(elements, span, &elements)) {
            return ACCEL_BAD_SIZE;
        }
    }
    std::uint64_t bytes = 0;
    return __builtin_mul_overflow(elements, element(), &bytes) ? ACCEL_BAD_SIZE
                                                               : check_extent(address, 1, 0, bytes);
}
Extent AttentionRows::extent() const {
    if (empty()) {
        return {};
    }
    const std::uint64_t elements =
        (batches - 1) * strides[0] + (heads - 1) * strides[1] + (rows - 1) * strides[2] + columns;
    return {.begin = address, .bytes = elements * element()};
}

bool AttentionRows::has_distinct_elements() const {
    return are_distinct(std::array<Spacing, 4>{
        {{batches, strides[0]}, {heads, strides[1]}, {rows, strides[2]}, {columns, 1}}});
}

AttentionOperands::AttentionOperands(Execution& execution, const accel_attention& block)
    : params(block),
      q(rows(execution.command.tensor.src0, block.type, block.batch, block.heads, block.queries,
             block.size, block.src0_strides)),
      k(rows(execution.command.tensor.src1, type_or(block.key_type, block.type), block.batch,
             block.key_heads, block.keys, block.size, block.src1_strides)),
      v(rows(execution.command.tensor.src2, type_or(block.value_type, block.type), block.batch,
             block.key_heads, block.keys, block.value_size, block.src2_strides)),
      d(rows(execution.command.tensor.dst, type_or(block.dst_type, block.type), block.batch,
             block.heads, block.queries, block.value_size, block.dst_strides)),
      mask(rows(block.mask, block.mask_type, block.batch, block.heads, block.queries, block.keys,
                block.mask_strides)),
      memory_(execution.memory),
      scratch_(execution.scratch) {}

Status AttentionOperands::check() const {
    if (Status status = check_fields(); status != ACCEL_OK) {
        return status;
    }
    if (params.size == 0 || params.size > max_size || params.value_size > max_size ||
        (params.key_heads != 0 ? params.heads % params.key_heads != 0 : params.heads != 0)) {
        return ACCEL_BAD_SIZE;
    }
    const std::uint64_t index = index_bytes();
    if ((has(ACCEL_ATTENTION_LENGTHS) && !aligned(params.lengths, index)) ||
        (has(ACCEL_ATTENTION_POSITIONS) && !aligned(params.positions, index))) {
        return ACCEL_BAD_ALIGNMENT;
    }
    const std::uint64_t bytes = index * params.batch;
    return first_failure(
        {q.check(), k.check(), v.check(), d.check(), has_mask() ? mask.check() : ACCEL_OK,
         has(ACCEL_ATTENTION_LENGTHS) ? check_extent(params.lengths, 1, 0, bytes) : ACCEL_OK,
         has(ACCEL_ATTENTION_POSITIONS) ? check_extent(params.positions, 1, 0, bytes) : ACCEL_OK});
}

Status AttentionOperands::check_fields() const {
    const bool indexed = has(ACCEL_ATTENTION_LENGTHS | ACCEL_ATTENTION_POSITIONS);
    const bool index_known =
        params.index_type == ACCEL_TYPE_I32 || params.index_type == ACCEL_TYPE_I64;
    const bool types = is_float(q.type) && is_float(k.type) && is_float(v.type) &&
                       is_float(d.type) &&
                       (!has_mask() || is_float(mask.type) || mask.type == ACCEL_TYPE_BOOL);
    const bool unused_are_zero =
        params.reserved == 0 &&
        (has_mask() || (params.mask == 0 && all_zero(params.mask_strides))) &&
        (has(ACCEL_ATTENTION_LENGTHS) || params.lengths == 0) &&
        (has(ACCEL_ATTENTION_POSITIONS) || params.positions == 0) &&
        (has(ACCEL_ATTENTION_LEFT) || params.left == 0) &&
        (has(ACCEL_ATTENTION_RIGHT) || params.right == 0);
    const bool valid = (params.flags & ~ACCEL_ATTENTION_FLAGS) == 0 && types && unused_are_zero &&
                       softcap() >= 0.0F && (indexed ? index_known : params.index_type == 0);
    return valid ? ACCEL_OK : ACCEL_BAD_FIELD;
}

bool AttentionOperands::is_independent() const {
    const Extent results = d.extent();
    const std::uint64_t bytes = index_bytes() * params.batch;
    const auto apart = [&](bool used, const Extent& source) {
        return !used || !results.overlaps(source);
    };
    return d.has_distinct_elements() && apart(true, q.extent()) && apart(true, k.extent()) &&
           apart(true, v.extent()) && apart(has_mask(), mask.extent()) &&
           apart(has(ACCEL_ATTENTION_LENGTHS), {.begin = params.lengths, .bytes = bytes}) &&
           apart(has(ACCEL_ATTENTION_POSITIONS), {.begin = params.positions, .bytes = bytes});
}

Status AttentionOperands::read_rows(const AttentionRows& from, std::uint64_t address,
                                    std::uint64_t count, std::uint64_t columns, float* to) const {
    if (from.type == ACCEL_TYPE_F32) {
        return memory_.read_rows(address, from.stride_bytes(), count, columns * sizeof(float), to);
    }
    void* const raw = scratch_.stage[2].get();
    if (Status status =
            memory_.read_rows(address, from.stride_bytes(), count, columns * from.element(), raw);
        status != ACCEL_OK) {
        return status;
    }
    load(from.type, raw, count * columns, to);
    return ACCEL_OK;
}

Status AttentionOperands::read_index(std::uint64_t address, std::uint64_t batch,
                                     std::int64_t& value) const {
    std::array<std::uint8_t, sizeof(std::int64_t)> raw{};
    const std::uint64_t bytes = index_bytes();
    if (Status status = memory_.read(address + batch * bytes, raw.data(), bytes);
        status != ACCEL_OK) {
        return status;
    }
    load(params.index_type, raw.data(), 1, &value);
    return ACCEL_OK;
}

Status AttentionOperands::read_batch(std::uint64_t batch, std::uint64_t& keys,
                                     std::int64_t& position) const {
    std::int64_t length = params.keys;
    std::int64_t first = 0;
    if (has(ACCEL_ATTENTION_LENGTHS)) {
        if (Status status = read_index(params.lengths, batch, length); status != ACCEL_OK) {
            return status;
        }
    }
    if (has(ACCEL_ATTENTION_POSITIONS)) {
        if (Status status = read_index(params.positions, batch, first); status != ACCEL_OK) {
            return status;
        }
    }
    if (length < 0 || length > std::int64_t{params.keys} ||
        first != static_cast<std::int32_t>(first)) {
        return ACCEL_BAD_INDEX;
    }
    keys = static_cast<std::uint64_t>(length);
    position = first + static_cast<std::int32_t>(params.offset);
    return ACCEL_OK;
}

}  // namespace accel::card
