// SPDX-License-Identifier: GPL-2.0
//
// The table of commands, and the checks they share.
#include <algorithm>

#include "operation.hpp"

namespace accel::card {

namespace {

constexpr std::uint8_t tensor_addresses = 0b011111;  // dst, src0, src1, src2, params

constexpr std::array operations{
    Operation{ACCEL_OP_NOP, Engine::none, 0, false, nullptr},
    Operation{ACCEL_OP_CALL, Engine::none, 0, true, nullptr},
    Operation{ACCEL_OP_WAIT, Engine::none, 0b000001, false, nullptr},
    Operation{ACCEL_OP_SIGNAL, Engine::none, 0b000001, false, nullptr},
    Operation{ACCEL_OP_COPY, Engine::dma, 0b000011, false, run_copy},
    Operation{ACCEL_OP_FILL, Engine::dma, 0b000001, true, run_fill},
    Operation{ACCEL_OP_TRANSFER, Engine::dma, 0b000011, false, run_transfer},
    Operation{ACCEL_OP_GEMM, Engine::compute, tensor_addresses, false, run_gemm},
    Operation{ACCEL_OP_ELEMENTWISE, Engine::compute, tensor_addresses, false, run_elementwise},
    Operation{ACCEL_OP_SOFTMAX, Engine::compute, tensor_addresses, false, run_softmax},
    Operation{ACCEL_OP_REDUCE, Engine::compute, tensor_addresses, false, run_reduce},
    Operation{ACCEL_OP_CONV2D, Engine::compute, tensor_addresses, false, run_conv2d},
    Operation{ACCEL_OP_POOL, Engine::compute, tensor_addresses, false, run_pool},
    Operation{ACCEL_OP_TRANSPOSE, Engine::compute, tensor_addresses, false, run_transpose},
    Operation{ACCEL_OP_GATHER, Engine::compute, tensor_addresses, false, run_gather},
    Operation{ACCEL_OP_RESIZE, Engine::compute, tensor_addresses, false, run_resize},
};

constexpr std::uint32_t params_max = 256;
constexpr std::uint64_t address_space = std::uint64_t{1} << ACCEL_VA_BITS;

}  // namespace

const Operation* find_operation(std::uint8_t opcode) {
    const auto found = std::ranges::find(operations, opcode, &Operation::opcode);
    return found == operations.end() ? nullptr : &*found;
}

Status check_extent(std::uint64_t address, std::uint64_t rows, std::uint64_t stride,
                    std::uint64_t bytes) {
    if (rows == 0 || bytes == 0) {
        return ACCEL_OK;
    }
    std::uint64_t extent = 0;
    if (__builtin_mul_overflow(rows - 1, stride, &extent) ||
        __builtin_add_overflow(extent, bytes, &extent) || extent > address_space ||
        (address < address_space && extent > address_space - address)) {
        return ACCEL_BAD_SIZE;
    }
    return ACCEL_OK;
}

Status read_params(Execution& execution, void* params, std::uint32_t known, std::uint32_t least) {
    const accel_tensor& tensor = execution.command.tensor;
    if (tensor.reserved != 0) {
        return ACCEL_BAD_FIELD;
    }
    if (!aligned(tensor.params, 16)) {
        return ACCEL_BAD_ALIGNMENT;
    }
    if (tensor.params_size < least || tensor.params_size > params_max) {
        return ACCEL_BAD_SIZE;
    }
    std::array<std::uint8_t, params_max> block{};
    if (Status status =
            execution.memory.read_block(tensor.params, block.data(), tensor.params_size);
        status != ACCEL_OK) {
        return status;
    }
    std::memcpy(params, block.data(), known);
    return all_zero(std::span(block).subspan(known)) ? ACCEL_OK : ACCEL_BAD_FIELD;
}

}  // namespace accel::card
