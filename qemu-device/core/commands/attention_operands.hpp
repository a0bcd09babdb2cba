// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The operands of ATTENTION: their places in memory, and the checks of the parameter block.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

#include "data_type.hpp"
#include "units.hpp"

namespace accel::card {

// Rows of elements, for each head of each batch.
struct AttentionRows {
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
    [[nodiscard]] Status check() const;
    [[nodiscard]] std::uint64_t at(std::uint64_t batch, std::uint64_t head,
                                   std::uint64_t row) const {
        return address + (batch * strides[0] + head * strides[1] + row * strides[2]) * element();
    }
    [[nodiscard]] std::uint64_t stride_bytes() const { return strides[2] * element(); }
    // It passed its check().
    [[nodiscard]] Extent extent() const;
    [[nodiscard]] bool has_distinct_elements() const;
};

class AttentionOperands {
  public:
    AttentionOperands(Execution& execution, const accel_attention& params);

    [[nodiscard]] Status check() const;
    // Whether no result is a source of another one. Follows check().
    [[nodiscard]] bool is_independent() const;

    [[nodiscard]] bool has(unsigned flag) const { return (params.flags & flag) != 0; }
    [[nodiscard]] bool has_mask() const { return params.mask_type != 0; }
    [[nodiscard]] std::uint64_t index_bytes() const {
        return params.index_type == ACCEL_TYPE_I32 ? sizeof(std::int32_t) : sizeof(std::int64_t);
    }

    [[nodiscard]] float softcap() const { return std::bit_cast<float>(params.softcap); }

    // `count` rows as f32, dense. A type other than F32 uses stage 2.
    [[nodiscard]] Status read_rows(const AttentionRows& from, std::uint64_t address,
                                   std::uint64_t count, std::uint64_t columns, float* to) const;
    // The number of keys of a batch, and the position of its first query.
    [[nodiscard]] Status read_batch(std::uint64_t batch, std::uint64_t& keys,
                                    std::int64_t& position) const;

    const accel_attention& params;
    AttentionRows q;
    AttentionRows k;
    AttentionRows v;
    AttentionRows d;
    AttentionRows mask;

  private:
    [[nodiscard]] Status check_fields() const;
    // An element of `lengths` or `positions`.
    [[nodiscard]] Status read_index(std::uint64_t address, std::uint64_t batch,
                                    std::int64_t& value) const;

    Memory& memory_;
    Scratch& scratch_;
};

}  // namespace accel::card
