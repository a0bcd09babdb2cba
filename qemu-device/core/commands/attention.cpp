// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// ATTENTION: D = softmax(scale * Q K^T + mask) V for each head, a tile of keys after the other.
//
// A unit is a block of rows of a group: the query heads that share a key head. A row of a group is
// a query of one of its heads. Packed tiles of keys and values stay in the large panel for the next
// units of the same group.
#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "call.hpp"
#include "data_type.hpp"
#include "gemm_block.hpp"
#include "numerics/attention.hpp"
#include "units.hpp"

namespace accel::card {

namespace {

constexpr std::uint64_t tile_keys = ACCEL_ATTENTION_TILE;
constexpr std::uint64_t max_size = ACCEL_ATTENTION_SIZE_MAX;
static_assert(RunningSoftmax::max_rows == block_rows);
static_assert(max_size <= max_depth && tile_keys <= max_depth);
static_assert(tile_keys % tile_rows == 0 && tile_keys % tile_columns == 0);
static_assert(max_size % tile_columns == 0);
static_assert(block_rows * max_size <= Scratch::stage_floats);
static_assert(block_rows * tile_keys <= Scratch::stage_floats);

[[nodiscard]] bool is_float(std::uint8_t type) {
    return type == ACCEL_TYPE_F32 || type == ACCEL_TYPE_BF16 || type == ACCEL_TYPE_F16;
}

// Rows of elements, for each head of each batch.
struct Rows {
    std::uint64_t address;
    std::uint8_t type;
    std::uint64_t batches;
    std::uint64_t heads;
    std::uint64_t rows;
    std::uint64_t columns;
    std::array<std::uint64_t, 3> strides;  // of a batch, a head and a row; in elements

    [[nodiscard]] std::uint64_t element() const { return type_bytes(type); }
    [[nodiscard]] bool empty() const {
        return batches == 0 || heads == 0 || rows == 0 || columns == 0;
    }
    [[nodiscard]] Status check() const {
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
        return __builtin_mul_overflow(elements, element(), &bytes)
                   ? ACCEL_BAD_SIZE
                   : check_extent(address, 1, 0, bytes);
    }
    [[nodiscard]] std::uint64_t at(std::uint64_t batch, std::uint64_t head,
                                   std::uint64_t row) const {
        return address + (batch * strides[0] + head * strides[1] + row * strides[2]) * element();
    }
    [[nodiscard]] std::uint64_t stride_bytes() const { return strides[2] * element(); }
    // It passed its check().
    [[nodiscard]] Extent extent() const {
        if (empty()) {
            return {};
        }
        const std::uint64_t elements = (batches - 1) * strides[0] + (heads - 1) * strides[1] +
                                       (rows - 1) * strides[2] + columns;
        return {.begin = address, .bytes = elements * element()};
    }
    [[nodiscard]] bool has_distinct_elements() const {
        return are_distinct(std::array<Spacing, 4>{
            {{batches, strides[0]}, {heads, strides[1]}, {rows, strides[2]}, {columns, 1}}});
    }
};

class Attention {
  public:
    Attention(Execution& execution, const accel_attention& params)
        : memory_(execution.memory),
          scratch_(execution.scratch),
          params_(params),
          group_heads_(params.key_heads != 0 ? params.heads / params.key_heads : 0),
          group_rows_(std::uint64_t{group_heads_} * params.queries),
          narrow_(group_rows_ <= tile_rows) {
        const accel_tensor& t = execution.command.tensor;
        q_ = rows(t.src0, params.type, params.heads, params.queries, params.size,
                  params.src0_strides);
        k_ = rows(t.src1, type_or(params.key_type), params.key_heads, params.keys, params.size,
                  params.src1_strides);
        v_ = rows(t.src2, type_or(params.value_type), params.key_heads, params.keys,
                  params.value_size, params.src2_strides);
        d_ = rows(t.dst, type_or(params.dst_type), params.heads, params.queries, params.value_size,
                  params.dst_strides);
        mask_ = rows(params.mask, params.mask_type, params.heads, params.queries, params.keys,
                     params.mask_strides);
        value_width_ = round_up(params.value_size, tile_columns);
    }

    [[nodiscard]] Status check() const {
        if (Status status = check_fields(); status != ACCEL_OK) {
            return status;
        }
        if (params_.size == 0 || params_.size > max_size || params_.value_size > max_size ||
            (params_.key_heads != 0 ? params_.heads % params_.key_heads != 0
                                    : params_.heads != 0)) {
            return ACCEL_BAD_SIZE;
        }
        const std::uint64_t index = index_bytes();
        if ((has(ACCEL_ATTENTION_LENGTHS) && !aligned(params_.lengths, index)) ||
            (has(ACCEL_ATTENTION_POSITIONS) && !aligned(params_.positions, index))) {
            return ACCEL_BAD_ALIGNMENT;
        }
        const std::uint64_t bytes = index * params_.batch;
        return first_failure(
            {q_.check(), k_.check(), v_.check(), d_.check(), has_mask() ? mask_.check() : ACCEL_OK,
             has(ACCEL_ATTENTION_LENGTHS) ? check_extent(params_.lengths, 1, 0, bytes) : ACCEL_OK,
             has(ACCEL_ATTENTION_POSITIONS) ? check_extent(params_.positions, 1, 0, bytes)
                                            : ACCEL_OK});
    }

    [[nodiscard]] Units units() {
        if (d_.empty()) {
            return {};
        }
        blocks_ = divide_up(group_rows_, block_rows);
        const std::uint64_t count =
            saturated_product(saturated_product(params_.batch, params_.key_heads), blocks_);
        const double scores = static_cast<double>(std::min(group_rows_, block_rows)) * params_.keys;
        return {.count = count,
                .nanoseconds = is_independent()
                                   ? 100 + scores * (0.3 + (params_.size + params_.value_size) /
                                                               macs_each_nanosecond)
                                   : 0};
    }

    [[nodiscard]] Status run(const UnitRange& range) {
        for (std::uint64_t unit = range.first; unit < range.last; ++unit) {
            const std::uint64_t group = unit / blocks_;
            if (Status status = begin(group / params_.key_heads, group % params_.key_heads);
                status != ACCEL_OK) {
                return status;
            }
            first_row_ = unit % blocks_ * block_rows;
            rows_ = std::min(group_rows_ - first_row_, block_rows);
            if (Status status = block(); status != ACCEL_OK) {
                return status;
            }
        }
        return ACCEL_OK;
    }

  private:
    // Neighboring rows of one head.
    struct Segment {
        std::uint64_t head;
        std::uint64_t query;  // the first one
        std::uint64_t first;  // its row in the block
        std::uint64_t count;
    };

    // The packed tiles of keys and values in the panel. A tile has one possible place.
    static constexpr std::uint64_t max_slots =
        Scratch::panel_floats / (tile_keys * (1 + tile_columns));

    [[nodiscard]] std::uint8_t type_or(std::uint8_t type) const {
        return type != 0 ? type : params_.type;
    }
    [[nodiscard]] Rows rows(std::uint64_t address, std::uint8_t type, std::uint64_t heads,
                            std::uint64_t count, std::uint64_t columns,
                            const __le32 (&strides)[3]) const {
        return {.address = address,
                .type = type,
                .batches = params_.batch,
                .heads = heads,
                .rows = count,
                .columns = columns,
                .strides = {strides[0], strides[1], strides[2]}};
    }
    [[nodiscard]] bool has(unsigned flag) const { return (params_.flags & flag) != 0; }
    [[nodiscard]] bool has_mask() const { return params_.mask_type != 0; }
    [[nodiscard]] std::uint64_t index_bytes() const {
        return params_.index_type == ACCEL_TYPE_I32 ? sizeof(std::int32_t) : sizeof(std::int64_t);
    }

    [[nodiscard]] Status check_fields() const {
        const bool indexed = has(ACCEL_ATTENTION_LENGTHS | ACCEL_ATTENTION_POSITIONS);
        const bool index_known =
            params_.index_type == ACCEL_TYPE_I32 || params_.index_type == ACCEL_TYPE_I64;
        const bool types = is_float(q_.type) && is_float(k_.type) && is_float(v_.type) &&
                           is_float(d_.type) &&
                           (!has_mask() || is_float(mask_.type) || mask_.type == ACCEL_TYPE_BOOL);
        const bool unused_are_zero =
            params_.reserved == 0 &&
            (has_mask() || (params_.mask == 0 && all_zero(params_.mask_strides))) &&
            (has(ACCEL_ATTENTION_LENGTHS) || params_.lengths == 0) &&
            (has(ACCEL_ATTENTION_POSITIONS) || params_.positions == 0) &&
            (has(ACCEL_ATTENTION_LEFT) || params_.left == 0) &&
            (has(ACCEL_ATTENTION_RIGHT) || params_.right == 0);
        const bool valid = (params_.flags & ~ACCEL_ATTENTION_FLAGS) == 0 && types &&
                           unused_are_zero && softcap() >= 0.0F &&
                           (indexed ? index_known : params_.index_type == 0);
        return valid ? ACCEL_OK : ACCEL_BAD_FIELD;
    }

    [[nodiscard]] bool is_independent() const {
        const Extent d = d_.extent();
        const std::uint64_t bytes = index_bytes() * params_.batch;
        return d_.has_distinct_elements() && !d.overlaps(q_.extent()) && !d.overlaps(k_.extent()) &&
               !d.overlaps(v_.extent()) && !(has_mask() && d.overlaps(mask_.extent())) &&
               !(has(ACCEL_ATTENTION_LENGTHS) &&
                 d.overlaps({.begin = params_.lengths, .bytes = bytes})) &&
               !(has(ACCEL_ATTENTION_POSITIONS) &&
                 d.overlaps({.begin = params_.positions, .bytes = bytes}));
    }

    [[nodiscard]] float softcap() const { return std::bit_cast<float>(params_.softcap); }
    [[nodiscard]] std::uint64_t key_floats() const { return tile_keys * params_.size; }
    [[nodiscard]] std::uint64_t slot_floats() const {
        return key_floats() + tile_keys * value_width_;
    }
    // The buffers of a block.
    [[nodiscard]] float* scores() const { return scratch_.tile[1].get(); }
    [[nodiscard]] float* packed() const { return scratch_.tile[0].get(); }
    [[nodiscard]] float* totals() const { return scratch_.levels.get(); }
    [[nodiscard]] float* products() const { return totals() + block_rows * max_size; }
    [[nodiscard]] float* queries() const { return products() + block_rows * max_size; }
    static_assert(3 * block_rows * max_size <= Scratch::level_count * Scratch::tile_floats / 2);

    // Reads an element of `lengths` or `positions`.
    [[nodiscard]] Status read_index(std::uint64_t address, std::uint64_t batch,
                                    std::int64_t& value) {
        std::array<std::uint8_t, sizeof(std::int64_t)> raw{};
        const std::uint64_t bytes = index_bytes();
        if (Status status = memory_.read(address + batch * bytes, raw.data(), bytes);
            status != ACCEL_OK) {
            return status;
        }
        load(params_.index_type, raw.data(), 1, &value);
        return ACCEL_OK;
    }

    // Continues with a group. What is packed stays valid if it is the same as before.
    [[nodiscard]] Status begin(std::uint64_t batch, std::uint64_t key_head) {
        std::int64_t length = params_.keys;
        std::int64_t position = 0;
        if (has(ACCEL_ATTENTION_LENGTHS)) {
            if (Status status = read_index(params_.lengths, batch, length); status != ACCEL_OK) {
                return status;
            }
        }
        if (has(ACCEL_ATTENTION_POSITIONS)) {
            if (Status status = read_index(params_.positions, batch, position);
                status != ACCEL_OK) {
                return status;
            }
        }
        if (length < 0 || length > std::int64_t{params_.keys} ||
            position != static_cast<std::int32_t>(position)) {
            return ACCEL_BAD_INDEX;
        }
        const auto keys = static_cast<std::uint64_t>(length);
        if (!begun_ || batch != batch_ || key_head != key_head_ || keys != length_) {
            tiles_.fill(0);
        }
        begun_ = true;
        batch_ = batch;
        key_head_ = key_head;
        length_ = keys;
        position_ = position + static_cast<std::int32_t>(params_.offset);
        return ACCEL_OK;
    }

    // Calls visit(segment) for the rows of the block, head by head.
    template <typename Visit>
    [[nodiscard]] Status for_segments(Visit&& visit) const {
        for (std::uint64_t done = 0; done < rows_;) {
            const std::uint64_t row = first_row_ + done;
            const std::uint64_t query = row % params_.queries;
            const Segment segment{
                .head = key_head_ * group_heads_ + row / params_.queries,
                .query = query,
                .first = done,
                .count = std::min<std::uint64_t>(rows_ - done, params_.queries - query)};
            if (Status status = visit(segment); status != ACCEL_OK) {
                return status;
            }
            done += segment.count;
        }
        return ACCEL_OK;
    }

    // Rows of an operand as f32, dense. A type other than F32 uses stage 2.
    [[nodiscard]] Status read_rows(const Rows& from, std::uint64_t address, std::uint64_t count,
                                   std::uint64_t columns, float* to) {
        if (from.type == ACCEL_TYPE_F32) {
            return memory_.read_rows(address, from.stride_bytes(), count, columns * sizeof(float),
                                     to);
        }
        void* const raw = scratch_.stage[2].get();
        if (Status status = memory_.read_rows(address, from.stride_bytes(), count,
                                              columns * from.element(), raw);
            status != ACCEL_OK) {
            return status;
        }
        load(from.type, raw, count * columns, to);
        return ACCEL_OK;
    }

    [[nodiscard]] Status pack_queries() {
        float* const stage = scratch_.stage[0].get();
        if (Status status = for_segments([&](const Segment& s) {
                return read_rows(q_, q_.at(batch_, s.head, s.query), s.count, params_.size,
                                 stage + s.first * params_.size);
            });
            status != ACCEL_OK) {
            return status;
        }
        if (narrow_) {
            pack_across<tile_rows>(queries(), 0, rows_, stage, params_.size);
        } else {
            pack_across<tile_columns>(queries(), 0, rows_, stage, params_.size);
        }
        return ACCEL_OK;
    }

    // The packed keys of a tile; its values are key_floats() behind them.
    [[nodiscard]] Status pack_tile(std::uint64_t tile, std::uint64_t keys, const float*& to) {
        const std::uint64_t slot =
            tile % std::min(max_slots, Scratch::panel_floats / slot_floats());
        float* const panel = scratch_.panel.get() + slot * slot_floats();
        to = panel;
        if (tiles_[slot] == tile + 1) {
            return ACCEL_OK;
        }
        tiles_[slot] = 0;
        float* const stage = scratch_.stage[0].get();
        const auto read = [&](const Rows& from, std::uint64_t columns, auto&& pack) -> Status {
            const std::uint64_t most =
                Scratch::stage_floats / columns / tile_columns * tile_columns;
            for (std::uint64_t done = 0; done < keys;) {
                const std::uint64_t now = std::min(keys - done, most);
                if (Status status =
                        read_rows(from, from.at(batch_, key_head_, tile * tile_keys + done), now,
                                  columns, stage);
                    status != ACCEL_OK) {
                    return status;
                }
                pack(done, now);
                done += now;
            }
            return ACCEL_OK;
        };
        const Status status = read(k_, params_.size, [&](std::uint64_t first, std::uint64_t now) {
            if (narrow_) {
                pack_across<tile_columns>(panel, first, now, stage, params_.size);
            } else {
                pack_across<tile_rows>(panel, first, now, stage, params_.size);
            }
        });
        if (status != ACCEL_OK) {
            return status;
        }
        if (Status values = read(v_, params_.value_size,
                                 [&](std::uint64_t first, std::uint64_t now) {
                                     pack_along<tile_columns>(panel + key_floats(), first, now,
                                                              stage, params_.value_size, keys);
                                 });
            values != ACCEL_OK) {
            return values;
        }
        tiles_[slot] = tile + 1;
        return ACCEL_OK;
    }

    // The scores of a tile, [keys][rows], before the scale.
    [[nodiscard]] Status multiply_keys(const float* panel, std::uint64_t keys) {
        if (narrow_) {
            const std::uint64_t width = round_up(keys, tile_columns);
            float* const sums = packed();
            if (Status status =
                    multiply_block(memory_, queries(), panel, sums, tile_rows, width, params_.size);
                status != ACCEL_OK) {
                return status;
            }
            add_bias(sums, rows_, keys, width, nullptr);
            transpose_values(sums, rows_, keys, scores());
            return ACCEL_OK;
        }
        const std::uint64_t width = round_up(rows_, tile_columns);
        if (Status status = multiply_block(memory_, panel, queries(), scores(),
                                           round_up(keys, tile_rows), width, params_.size);
            status != ACCEL_OK) {
            return status;
        }
        if (width != rows_) {
            add_bias(scores(), keys, rows_, width, nullptr);
        }
        return ACCEL_OK;
    }

    [[nodiscard]] Status add_mask(std::uint64_t first, std::uint64_t keys) {
        memory_.work(Work::elements, keys * rows_);
        const bool is_boolean = params_.mask_type == ACCEL_TYPE_BOOL;
        float* const stage = scratch_.stage[0].get();
        const std::uint64_t key_bytes = first * mask_.element();
        const bool one_head = first_row_ % params_.queries + rows_ <= params_.queries;
        if (mask_.strides[2] == 0 && (mask_.strides[1] == 0 || one_head)) {
            const std::uint64_t head = key_head_ * group_heads_ + first_row_ / params_.queries;
            if (Status status =
                    read_rows(mask_, mask_.at(batch_, head, 0) + key_bytes, 1, keys, stage);
                status != ACCEL_OK) {
                return status;
            }
            mask_scores(scores(), keys, rows_, stage, false, is_boolean);
            return ACCEL_OK;
        }
        if (Status status = for_segments([&](const Segment& s) {
                return read_rows(mask_, mask_.at(batch_, s.head, s.query) + key_bytes, s.count,
                                 keys, stage + s.first * keys);
            });
            status != ACCEL_OK) {
            return status;
        }
        float* const turned = scratch_.stage[1].get();
        transpose_values(stage, rows_, keys, turned);
        mask_scores(scores(), keys, rows_, turned, true, is_boolean);
        return ACCEL_OK;
    }

    [[nodiscard]] std::int64_t position(std::uint64_t query) const {
        return position_ + static_cast<std::int64_t>(query);
    }

    // Blocks the keys of a tile that are outside of the window of a row.
    void apply_window(std::uint64_t first, std::uint64_t keys) {
        if (!has(ACCEL_ATTENTION_LEFT | ACCEL_ATTENTION_RIGHT)) {
            return;
        }
        constexpr float blocked = -std::numeric_limits<float>::infinity();
        (void)for_segments([&](const Segment& s) {
            const auto count = static_cast<std::int64_t>(s.count);
            const std::int64_t start = position(s.query);
            for (std::uint64_t i = 0; i < keys; ++i) {
                float* const row = scores() + i * rows_ + s.first;
                const auto key = static_cast<std::int64_t>(first + i);
                if (has(ACCEL_ATTENTION_RIGHT)) {
                    const std::int64_t before = key - std::int64_t{params_.right} - start;
                    std::fill_n(row, std::clamp<std::int64_t>(before, 0, count), blocked);
                }
                if (has(ACCEL_ATTENTION_LEFT)) {
                    const std::int64_t last = key + std::int64_t{params_.left} - start + 1;
                    std::fill(row + std::clamp<std::int64_t>(last, 0, count), row + count, blocked);
                }
            }
            return ACCEL_OK;
        });
    }

    // The tiles that are not blocked by the window of all rows: [first, last).
    [[nodiscard]] UnitRange tiles() const {
        std::int64_t low = std::numeric_limits<std::int64_t>::max();
        std::int64_t high = std::numeric_limits<std::int64_t>::min();
        (void)for_segments([&](const Segment& s) {
            low = std::min(low, position(s.query));
            high = std::max(high, position(s.query + s.count - 1));
            return ACCEL_OK;
        });
        const auto length = static_cast<std::int64_t>(length_);
        const std::int64_t first =
            has(ACCEL_ATTENTION_LEFT)
                ? std::clamp<std::int64_t>(low - std::int64_t{params_.left}, 0, length)
                : 0;
        const std::int64_t end =
            has(ACCEL_ATTENTION_RIGHT)
                ? std::clamp<std::int64_t>(high + std::int64_t{params_.right} + 1, 0, length)
                : length;
        if (first >= end) {
            return {};
        }
        return {.first = static_cast<std::uint64_t>(first) / tile_keys,
                .last = divide_up(static_cast<std::uint64_t>(end), tile_keys)};
    }

    [[nodiscard]] Status add_tile(std::uint64_t tile, RunningSoftmax& softmax) {
        const std::uint64_t first = tile * tile_keys;
        const std::uint64_t keys = std::min(length_ - first, tile_keys);
        const float* panel = nullptr;
        if (Status status = pack_tile(tile, keys, panel); status != ACCEL_OK) {
            return status;
        }
        if (Status status = multiply_keys(panel, keys); status != ACCEL_OK) {
            return status;
        }
        memory_.work(Work::elements, keys * rows_);
        memory_.work(Work::specials, keys * rows_ * (softcap() != 0.0F ? 2 : 1));
        scale_scores(scores(), keys * rows_, std::bit_cast<float>(params_.scale), softcap());
        if (has_mask()) {
            if (Status status = add_mask(first, keys); status != ACCEL_OK) {
                return status;
            }
        }
        apply_window(first, keys);
        softmax.add_scores(scores(), keys);
        pack_along<tile_rows>(packed(), 0, keys, scores(), rows_, keys);
        if (Status status = multiply_block(memory_, packed(), panel + key_floats(), products(),
                                           round_up(rows_, tile_rows), value_width_, keys);
            status != ACCEL_OK) {
            return status;
        }
        softmax.add_products(products());
        return ACCEL_OK;
    }

    [[nodiscard]] Status block() {
        if (Status status = pack_queries(); status != ACCEL_OK) {
            return status;
        }
        RunningSoftmax softmax(rows_, value_width_, totals());
        const UnitRange range = tiles();
        for (std::uint64_t tile = range.first; tile < range.last; ++tile) {
            if (Status status = add_tile(tile, softmax); status != ACCEL_OK) {
                return status;
            }
        }
        memory_.work(Work::specials, rows_ * params_.value_size);
        softmax.finish(has(ACCEL_ATTENTION_NAN) ? std::numeric_limits<float>::quiet_NaN() : 0.0F);
        const std::uint64_t columns = params_.value_size;
        add_bias(totals(), rows_, columns, value_width_, nullptr);
        store(d_.type, totals(), rows_ * columns, totals());
        const auto* const results = reinterpret_cast<const std::uint8_t*>(totals());
        return for_segments([&](const Segment& s) {
            return memory_.write_rows(d_.at(batch_, s.head, s.query), d_.stride_bytes(), s.count,
                                      columns * d_.element(),
                                      results + s.first * columns * d_.element());
        });
    }

    Memory& memory_;
    Scratch& scratch_;
    const accel_attention& params_;
    const std::uint32_t group_heads_;
    const std::uint64_t group_rows_;
    const bool narrow_;  // the queries are the rows of the product with the keys, not the columns
    Rows q_{};
    Rows k_{};
    Rows v_{};
    Rows d_{};
    Rows mask_{};
    std::uint64_t value_width_ = 0;
    std::uint64_t blocks_ = 1;  // of a group
    // The group and the block of rows.
    bool begun_ = false;
    std::uint64_t batch_ = 0;
    std::uint64_t key_head_ = 0;
    std::uint64_t length_ = 0;
    std::int64_t position_ = 0;
    std::uint64_t first_row_ = 0;
    std::uint64_t rows_ = 0;
    std::array<std::uint64_t, max_slots> tiles_{};  // in the slots: the number plus one, or zero
};

}  // namespace

Status run_attention(Execution& execution) {
    accel_attention params{};
    if (Status status = read_params(execution, &params, sizeof params); status != ACCEL_OK) {
        return status;
    }
    if (execution.call != nullptr) {
        for (__le64* const address : {&params.mask, &params.lengths, &params.positions}) {
            if (Status status = resolve_argument(*execution.call, *address); status != ACCEL_OK) {
                return status;
            }
        }
    }
    Attention command(execution, params);
    if (Status status = command.check(); status != ACCEL_OK) {
        return status;
    }
    return run_units(execution, command, params);
}

}  // namespace accel::card
