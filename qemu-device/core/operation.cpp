// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The table of commands.
#include "operation.hpp"

#include <algorithm>
#include <array>

namespace accel::card {

namespace {

// Words of a command that are addresses: one, two, three, or dst, src0, src1, src2 and params.
constexpr std::uint8_t one_address = 0b000001;
constexpr std::uint8_t two_addresses = 0b000011;
constexpr std::uint8_t three_addresses = 0b000111;
constexpr std::uint8_t tensor_addresses = 0b011111;

constexpr std::array operations{
    Operation{ACCEL_OP_NOP, Engine::none, 0, false, nullptr},
    Operation{ACCEL_OP_CALL, Engine::none, 0, true, nullptr},
    Operation{ACCEL_OP_WAIT, Engine::none, one_address, false, nullptr},
    Operation{ACCEL_OP_SIGNAL, Engine::none, one_address, false, nullptr},
    Operation{ACCEL_OP_LOOP, Engine::none, three_addresses, true, nullptr},
    Operation{ACCEL_OP_SKIP, Engine::none, one_address, true, nullptr},
    Operation{ACCEL_OP_SET_ARGUMENT, Engine::none, two_addresses, true, nullptr},
    Operation{ACCEL_OP_COPY, Engine::dma, two_addresses, false, run_copy},
    Operation{ACCEL_OP_FILL, Engine::dma, one_address, true, run_fill},
    Operation{ACCEL_OP_TRANSFER, Engine::dma, two_addresses, false, run_transfer},
    Operation{ACCEL_OP_GEMM, Engine::compute, tensor_addresses, false, run_gemm},
    Operation{ACCEL_OP_ELEMENTWISE, Engine::compute, tensor_addresses, false, run_elementwise},
    Operation{ACCEL_OP_SOFTMAX, Engine::compute, tensor_addresses, false, run_softmax},
    Operation{ACCEL_OP_REDUCE, Engine::compute, tensor_addresses, false, run_reduce},
    Operation{ACCEL_OP_CONV2D, Engine::compute, tensor_addresses, false, run_conv2d},
    Operation{ACCEL_OP_POOL, Engine::compute, tensor_addresses, false, run_pool},
    Operation{ACCEL_OP_TRANSPOSE, Engine::compute, tensor_addresses, false, run_transpose},
    Operation{ACCEL_OP_GATHER, Engine::compute, tensor_addresses, false, run_gather},
    Operation{ACCEL_OP_SCATTER, Engine::compute, tensor_addresses, false, run_scatter},
    Operation{ACCEL_OP_RESIZE, Engine::compute, tensor_addresses, false, run_resize},
    Operation{ACCEL_OP_ATTENTION, Engine::compute, tensor_addresses, false, run_attention},
};

}  // namespace

const Operation* find_operation(std::uint8_t opcode) {
    const auto found = std::ranges::find(operations, opcode, &Operation::opcode);
    return found == operations.end() ? nullptr : &*found;
}

}  // namespace accel::card
