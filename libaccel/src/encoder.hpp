// SPDX-License-Identifier: Apache-2.0
//
// What encoding a command takes: sizes that are checked, and Encoder, which collects its 64 bytes,
// its parameters and what it touches.
#pragma once

#include <accel_hw.h>

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>

#include "accel/command.hpp"
#include "command_access.hpp"
#include "errors.hpp"

namespace accel::detail {

inline constexpr std::uint32_t f32_bytes = 4;

/// Arithmetic on sizes that may be anything: what passes the address space throws.
[[nodiscard]] std::uint64_t product(std::uint64_t a, std::uint64_t b, Name name);
[[nodiscard]] std::uint64_t sum(std::uint64_t a, std::uint64_t b, Name name);

/// Bytes from the first to the end of the last of `rows` rows.
[[nodiscard]] std::uint64_t extent(std::uint64_t rows, std::uint64_t stride, std::uint64_t row,
                                   Name name);

/// Bytes of a dense tensor.
[[nodiscard]] std::uint64_t tensor(std::uint32_t outer, std::uint32_t n, std::uint32_t inner,
                                   std::uint32_t element, Name name);

[[nodiscard]] std::uint32_t to_u32(std::uint64_t value, Name name);

/// Throws unless the card combines these types.
[[nodiscard]] accel_numeric_format to_raw(const NumericFormat& format, Name name);

/// What the bias operand holds for a channel.
[[nodiscard]] std::uint32_t channel_bytes(const NumericFormat& format);

/// Checked by both, so that a number without a meaning is told before the card refuses it.
template <typename T>
void set_activation(T& params, UnaryOp activation, float alpha, float beta, const char* type) {
    const bool first = activation == UnaryOp::clip || activation == UnaryOp::leaky_relu ||
                       activation == UnaryOp::hard_sigmoid || activation == UnaryOp::elu;
    const bool second = activation == UnaryOp::clip || activation == UnaryOp::hard_sigmoid;
    if ((!first && alpha != 0) || (!second && beta != 0)) {
        throw_invalid(std::string(type) + "::" + (first ? "beta" : "alpha") +
                      " has no meaning for this activation: leave it zero");
    }
    params.activation = static_cast<std::uint8_t>(activation);
    // Minus zero is no zero to the card.
    params.alpha = first ? std::bit_cast<std::uint32_t>(alpha) : 0;
    params.beta = second ? std::bit_cast<std::uint32_t>(beta) : 0;
}

class Encoder {
  public:
    Encoder(Command& command, const char* type, std::uint8_t opcode)
        : command_(command), type_(type) {
        raw_.opcode = opcode;
    }

    [[nodiscard]] accel_command& raw() { return raw_; }
    [[nodiscard]] Name name(const char* field) const { return {type_, field}; }

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
