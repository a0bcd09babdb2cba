// SPDX-License-Identifier: Apache-2.0
//
// Encoding of commands: checked sizes, and Encoder, which collects the 64 bytes of a command, its
// parameters and its uses of operands. A check here finds a mistake before the card does, and the
// card would stop the queue for it.
#pragma once

#include <accel_hw.h>

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string>

#include "accel/command.hpp"
#include "command_access.hpp"
#include "throw_error.hpp"

namespace accel::detail {

inline constexpr std::uint32_t f32_bytes = 4;

/// Arithmetic on unchecked sizes. Throws if the result exceeds the card's address space.
[[nodiscard]] std::uint64_t product(std::uint64_t a, std::uint64_t b, OperandName name);
[[nodiscard]] std::uint64_t sum(std::uint64_t a, std::uint64_t b, OperandName name);

/// Bytes from the start of the first to the end of the last of `rows` rows; all sizes in bytes.
[[nodiscard]] std::uint64_t strided_bytes(std::uint64_t rows, std::uint64_t stride,
                                          std::uint64_t row_bytes, OperandName name);

/// Bytes of a dense tensor.
[[nodiscard]] std::uint64_t dense_bytes(std::uint32_t outer, std::uint32_t n, std::uint32_t inner,
                                        std::uint32_t element_size, OperandName name);

[[nodiscard]] std::uint32_t to_u32(std::uint64_t value, OperandName name);

/// The strides of a tensor in elements, and the bytes from its first element to the end of its
/// last.
struct StridedLayout {
    std::uint64_t bytes = 0;
    std::array<std::uint32_t, ACCEL_RANK_MAX> strides{};
};

/// Empty `strides` mean a dense tensor.
[[nodiscard]] StridedLayout strided_layout(const Shape& shape, const Shape& strides,
                                           std::uint32_t element_size, OperandName name);

/// Throws unless the card supports this combination of data types.
[[nodiscard]] accel_numeric_format to_raw(const NumericFormat& format, OperandName name);

/// Bytes of the bias operand for each channel.
[[nodiscard]] std::uint32_t channel_bytes(const NumericFormat& format);

/// Sets the activation of a parameter block. Throws if a parameter is set that the activation does
/// not have.
template <typename T>
void set_activation(T& params, UnaryOp activation, float alpha, float beta, const char* type) {
    const bool has_alpha = activation == UnaryOp::clip || activation == UnaryOp::leaky_relu ||
                           activation == UnaryOp::hard_sigmoid || activation == UnaryOp::elu;
    const bool has_beta = activation == UnaryOp::clip || activation == UnaryOp::hard_sigmoid;
    if ((!has_alpha && alpha != 0) || (!has_beta && beta != 0)) {
        throw_invalid(std::string(type) +
                      "::" + (has_alpha ? "activation_beta" : "activation_alpha") +
                      " has no meaning for this activation: leave it zero");
    }
    params.activation = static_cast<std::uint8_t>(activation);
    // An unused parameter may be -0.0, which the card would reject: its bits are not zero.
    params.alpha = has_alpha ? std::bit_cast<std::uint32_t>(alpha) : 0;
    params.beta = has_beta ? std::bit_cast<std::uint32_t>(beta) : 0;
}

/// Encodes one command: set the fields of raw(), call use() and params(), then finish().
class Encoder {
  public:
    Encoder(Command& command, const char* type, std::uint8_t opcode)
        : command_(command), type_(type) {
        raw_.opcode = opcode;
    }

    [[nodiscard]] accel_command& raw() { return raw_; }
    [[nodiscard]] OperandName name(const char* field) const { return {type_, field}; }

    /// Checks and adds an operand; returns its encoded address.
    [[nodiscard]] std::uint64_t use(const char* field, const Operand& operand, std::uint64_t bytes,
                                    Access access, std::uint32_t alignment) {
        CommandAccess::Use use{operand, bytes, alignment, access};
        check_operand(operand, use, name(field));
        CommandAccess::add(command_, std::move(use));
        return encoded_address(operand);
    }

    template <typename T>
    void params(const T& block) {
        static_assert(sizeof(T) <= CommandAccess::max_params);
        std::memcpy(CommandAccess::params(command_).data(), &block, sizeof(T));
        CommandAccess::params_size(command_) = sizeof(T);
        raw_.tensor.params_size = sizeof(T);
    }

    void finish() {
        static_assert(sizeof(raw_) == ACCEL_COMMAND_SIZE);
        std::memcpy(CommandAccess::words(command_).data(), &raw_, sizeof(raw_));
    }

  private:
    Command& command_;
    const char* type_;
    accel_command raw_{};
};

}  // namespace accel::detail
