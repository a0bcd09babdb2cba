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

#include "attention_operands.hpp"
#include "call.hpp"
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

class Attention {
  public:
    Attention(Execution& execution, const accel_attention& params)
        : memory_(execution.memory),
          scratch_(execution.scratch),
          params_(params),
          operands_(execution, params),
          group_heads_(params.key_heads != 0 ? params.heads / params.key_heads : 0),
          group_rows_(std::uint64_t{group_heads_} * params.queries),
          narrow_(group_rows_ <= tile_rows),
          value_width_(round_up(params.value_size, tile_columns)) {}

    [[nodiscard]] Status check() const { return operands_.check(); }

    [[nodiscard]] Units units() {
        if (operands_.d.empty()) {
            return {};
        }
        blocks_ = divide_up(group_rows_, block_rows);
        const std::uint64_t count =
            saturated_product(saturated_product(params_.batch, params_.key_heads), blocks_);
        return {.count = count, .nanoseconds = operands_.is_independent() ? unit_nanoseconds() : 0};
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

    // Products, packing and exponentials.
    [[nodiscard]] double unit_nanoseconds() const {
        constexpr double nanoseconds_each = 0.3;
        const std::uint64_t rows = std::min(group_rows_, block_rows);
        const double sizes = params_.size + params_.value_size;
        const double each_key =
            static_cast<double>(round_up(rows, tile_rows)) * sizes / macs_each_nanosecond +
            sizes / static_cast<double>(blocks_) * nanoseconds_each +
            static_cast<double>(rows) * nanoseconds_each;
        return 100 + each_key * params_.keys;
    }

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

    // Continues with a group. What is packed stays valid if it is the same as before.
    [[nodiscard]] Status begin(std::uint64_t batch, std::uint64_t key_head) {
        std::uint64_t keys = 0;
        if (Status status = operands_.read_batch(batch, keys, position_); status != ACCEL_OK) {
            return status;
        }
        if (!begun_ || batch != batch_ || key_head != key_head_ || keys != length_) {
            tiles_.fill(0);
        }
        begun_ = true;
        batch_ = batch;
        key_head_ = key_head;
        length_ = keys;
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

    [[nodiscard]] Status pack_queries() {
        float* const stage = scratch_.stage[0].get();
        if (Status status = for_segments([&](const Segment& s) {
                return operands_.read_rows(operands_.q, operands_.q.at(batch_, s.head, s.query),
                                           s.count, params_.size, stage + s.first * params_.size);
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
        const auto read = [&](const AttentionRows& from, std::uint64_t columns,
                              auto&& pack) -> Status {
            const std::uint64_t most =
                Scratch::stage_floats / columns / tile_columns * tile_columns;
            for (std::uint64_t done = 0; done < keys;) {
                const std::uint64_t now = std::min(keys - done, most);
                if (Status status = operands_.read_rows(
                        from, from.at(batch_, key_head_, tile * tile_keys + done), now, columns,
                        stage);
                    status != ACCEL_OK) {
                    return status;
                }
                pack(done, now);
                done += now;
            }
            return ACCEL_OK;
        };
        const Status status =
            read(operands_.k, params_.size, [&](std::uint64_t first, std::uint64_t now) {
                if (narrow_) {
                    pack_across<tile_columns>(panel, first, now, stage, params_.size);
                } else {
                    pack_across<tile_rows>(panel, first, now, stage, params_.size);
                }
            });
        if (status != ACCEL_OK) {
            return status;
        }
        if (Status values = read(operands_.v, params_.value_size,
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
        const std::uint64_t key_bytes = first * operands_.mask.element();
        const bool one_head = first_row_ % params_.queries + rows_ <= params_.queries;
        if (operands_.mask.strides[2] == 0 && (operands_.mask.strides[1] == 0 || one_head)) {
            const std::uint64_t head = key_head_ * group_heads_ + first_row_ / params_.queries;
            if (Status status = operands_.read_rows(
                    operands_.mask, operands_.mask.at(batch_, head, 0) + key_bytes, 1, keys, stage);
                status != ACCEL_OK) {
                return status;
            }
            mask_scores(scores(), keys, rows_, stage, false, is_boolean);
            return ACCEL_OK;
        }
        if (Status status = for_segments([&](const Segment& s) {
                return operands_.read_rows(operands_.mask,
                                           operands_.mask.at(batch_, s.head, s.query) + key_bytes,
                                           s.count, keys, stage + s.first * keys);
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
        if (!operands_.has(ACCEL_ATTENTION_LEFT | ACCEL_ATTENTION_RIGHT)) {
            return;
        }
        constexpr float blocked = -std::numeric_limits<float>::infinity();
        (void)for_segments([&](const Segment& s) {
            const auto count = static_cast<std::int64_t>(s.count);
            const std::int64_t start = position(s.query);
            for (std::uint64_t i = 0; i < keys; ++i) {
                float* const row = scores() + i * rows_ + s.first;
                const auto key = static_cast<std::int64_t>(first + i);
                if (operands_.has(ACCEL_ATTENTION_RIGHT)) {
                    const std::int64_t before = key - std::int64_t{params_.right} - start;
                    std::fill_n(row, std::clamp<std::int64_t>(before, 0, count), blocked);
                }
                if (operands_.has(ACCEL_ATTENTION_LEFT)) {
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
            operands_.has(ACCEL_ATTENTION_LEFT)
                ? std::clamp<std::int64_t>(low - std::int64_t{params_.left}, 0, length)
                : 0;
        const std::int64_t end =
            operands_.has(ACCEL_ATTENTION_RIGHT)
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
        memory_.work(Work::specials, keys * rows_ * (operands_.softcap() != 0.0F ? 2 : 1));
        scale_scores(scores(), keys * rows_, std::bit_cast<float>(params_.scale),
                     operands_.softcap());
        if (operands_.has_mask()) {
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
        softmax.finish(operands_.has(ACCEL_ATTENTION_NAN) ? std::numeric_limits<float>::quiet_NaN()
                                                          : 0.0F);
        const std::uint64_t columns = params_.value_size;
        add_bias(totals(), rows_, columns, value_width_, nullptr);
        store(operands_.d.type, totals(), rows_ * columns, totals());
        const auto* const results = reinterpret_cast<const std::uint8_t*>(totals());
        return for_segments([&](const Segment& s) {
            return memory_.write_rows(operands_.d.at(batch_, s.head, s.query),
                                      operands_.d.stride_bytes(), s.count,
                                      columns * operands_.d.element(),
                                      results + s.first * columns * operands_.d.element());
        });
    }

    Memory& memory_;
    Scratch& scratch_;
    const accel_attention& params_;
    AttentionOperands operands_;
    const std::uint32_t group_heads_;
    const std::uint64_t group_rows_;
    const bool narrow_;  // the queries are the rows of the product with the keys, not the columns
    const std::uint64_t value_width_;
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
