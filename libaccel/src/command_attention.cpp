// SPDX-License-Identifier: Apache-2.0
//
// Checks and encoding of Attention.
#include <algorithm>
#include <bit>
#include <string>

#include "encoder.hpp"

namespace accel {

namespace {

using detail::Encoder;
using detail::OperandName;
using detail::throw_invalid;

bool is_float(DataType type) {
    return type == DataType::f32 || type == DataType::f16 || type == DataType::bf16;
}

std::uint8_t float_type(DataType type, OperandName name) {
    if (!is_float(type)) {
        throw_invalid(name.text() + " is not supported: it must be f32, f16 or bf16");
    }
    return static_cast<std::uint8_t>(type);
}

// Rows of an operand.
struct Rows {
    std::uint32_t batches;
    std::uint32_t heads;
    std::uint32_t rows;
    std::uint32_t columns;
    HeadStrides strides;
    std::uint32_t element;
};

std::uint64_t bytes_of(const Rows& of, OperandName name) {
    if (of.batches == 0 || of.heads == 0 || of.rows == 0 || of.columns == 0) {
        return 0;
    }
    std::uint64_t elements = of.columns;
    elements = detail::sum(elements, detail::product(of.batches - 1, of.strides.batch, name), name);
    elements = detail::sum(elements, detail::product(of.heads - 1, of.strides.head, name), name);
    elements = detail::sum(elements, detail::product(of.rows - 1, of.strides.row, name), name);
    return detail::product(elements, of.element, name);
}

void set_strides(__le32 (&to)[3], const HeadStrides& from) {
    to[0] = from.batch;
    to[1] = from.head;
    to[2] = from.row;
}

void check_sizes(const Attention& attention, std::uint32_t key_heads) {
    if (attention.size == 0 || attention.size > ACCEL_ATTENTION_SIZE_MAX) {
        throw_invalid("Attention::size is " + std::to_string(attention.size) +
                      ": it must be 1 to " + std::to_string(ACCEL_ATTENTION_SIZE_MAX));
    }
    if (attention.value_size > ACCEL_ATTENTION_SIZE_MAX) {
        throw_invalid("Attention::value_size is " + std::to_string(attention.value_size) +
                      ": it must be at most " + std::to_string(ACCEL_ATTENTION_SIZE_MAX));
    }
    if (key_heads != 0 && attention.heads % key_heads != 0) {
        throw_invalid("Attention::heads is " + std::to_string(attention.heads) +
                      ", which is no multiple of its key_heads, " + std::to_string(key_heads));
    }
    if (!(attention.softcap >= 0)) {
        throw_invalid(
            "Attention::softcap is negative or NaN: pass a positive number, or 0 for none");
    }
}

// Encodes the operands of an Attention.
class AttentionEncoder {
  public:
    AttentionEncoder(Command& command, const Attention& attention)
        : encoder_(command, "Attention", ACCEL_OP_ATTENTION),
          from_(attention),
          key_heads_(attention.key_heads != 0 ? attention.key_heads : attention.heads),
          value_size_(attention.value_size != 0 ? attention.value_size : attention.size) {}

    void encode() {
        check_sizes(from_, key_heads_);
        params_.batch = from_.batch;
        params_.heads = from_.heads;
        params_.key_heads = key_heads_;
        params_.queries = from_.queries;
        params_.keys = from_.keys;
        params_.size = from_.size;
        params_.value_size = value_size_;
        params_.scale = std::bit_cast<std::uint32_t>(from_.scale);
        // -0.0 is no cap, too.
        params_.softcap = from_.softcap == 0 ? 0 : std::bit_cast<std::uint32_t>(from_.softcap);
        params_.left = from_.left.value_or(0);
        params_.right = from_.right.value_or(0);
        params_.offset = static_cast<std::uint32_t>(from_.offset);
        params_.flags = static_cast<std::uint16_t>(
            (from_.left ? ACCEL_ATTENTION_LEFT : 0) | (from_.right ? ACCEL_ATTENTION_RIGHT : 0) |
            (from_.nan_without_keys ? ACCEL_ATTENTION_NAN : 0));
        tensors();
        add_mask();
        add_index("lengths", from_.lengths, ACCEL_ATTENTION_LENGTHS, params_.lengths);
        add_index("positions", from_.positions, ACCEL_ATTENTION_POSITIONS, params_.positions);
        encoder_.params(params_);
        encoder_.finish();
    }

  private:
    void tensors() {
        accel_tensor& raw = encoder_.raw().tensor;
        params_.type = float_type(from_.q_type, encoder_.name("q_type"));
        params_.key_type = float_type(from_.k_type, encoder_.name("k_type"));
        params_.value_type = float_type(from_.v_type, encoder_.name("v_type"));
        params_.dst_type = float_type(from_.d_type, encoder_.name("d_type"));
        raw.dst = tensor("d", from_.d, from_.heads, from_.queries, value_size_, from_.d_strides,
                         from_.d_type, Access::write, params_.dst_strides);
        raw.src0 = tensor("q", from_.q, from_.heads, from_.queries, from_.size, from_.q_strides,
                          from_.q_type, Access::read, params_.src0_strides);
        raw.src1 = tensor("k", from_.k, key_heads_, from_.keys, from_.size, from_.k_strides,
                          from_.k_type, Access::read, params_.src1_strides);
        raw.src2 = tensor("v", from_.v, key_heads_, from_.keys, value_size_, from_.v_strides,
                          from_.v_type, Access::read, params_.src2_strides);
    }

    std::uint64_t tensor(const char* field, const Operand& operand, std::uint32_t heads,
                         std::uint32_t rows, std::uint32_t columns, HeadStrides strides,
                         DataType type, Access access, __le32 (&to)[3]) {
        const OperandName name = encoder_.name(field);
        if (strides.batch == 0 && strides.head == 0 && strides.row == 0) {
            const std::uint64_t head = detail::product(rows, columns, name);
            strides = {detail::to_u32(detail::product(heads, head, name), name),
                       detail::to_u32(head, name), columns};
        }
        set_strides(to, strides);
        const std::uint32_t element = size_of(type);
        const Rows all{from_.batch, heads, rows, columns, strides, element};
        return encoder_.use(field, operand, bytes_of(all, name), access, element);
    }

    void add_mask() {
        if (!from_.mask) {
            return;
        }
        params_.mask_type = from_.mask_type == DataType::boolean
                                ? std::uint8_t{ACCEL_TYPE_BOOL}
                                : float_type(from_.mask_type, encoder_.name("mask_type"));
        set_strides(params_.mask_strides, from_.mask_strides);
        const std::uint32_t element = size_of(from_.mask_type);
        const Rows all{from_.batch, from_.heads,        from_.queries,
                       from_.keys,  from_.mask_strides, element};
        params_.mask = encoder_.use("mask", from_.mask, bytes_of(all, encoder_.name("mask")),
                                    Access::read, element);
    }

    void add_index(const char* field, const Operand& operand, unsigned flag, __le64& address) {
        if (!operand) {
            return;
        }
        if (from_.index_type != DataType::i32 && from_.index_type != DataType::i64) {
            throw_invalid("Attention::index_type is not supported: it must be i32 or i64");
        }
        const std::uint32_t element = size_of(from_.index_type);
        params_.index_type = static_cast<std::uint8_t>(from_.index_type);
        params_.flags = static_cast<std::uint16_t>(params_.flags | flag);
        address = encoder_.use(field, operand, std::uint64_t{from_.batch} * element, Access::read,
                               element);
    }

    Encoder encoder_;
    const Attention& from_;
    const std::uint32_t key_heads_;
    const std::uint32_t value_size_;
    accel_attention params_{};
};

}  // namespace

Command::Command(const Attention& attention) {
    AttentionEncoder(*this, attention).encode();
}

}  // namespace accel
