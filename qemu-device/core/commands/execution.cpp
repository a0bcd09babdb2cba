// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The checks that commands share.
#include "execution.hpp"

namespace accel::card {

namespace {

constexpr std::uint32_t max_params_size = 256;
constexpr std::uint64_t address_space = std::uint64_t{1} << ACCEL_VA_BITS;

}  // namespace

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

Status read_params(Execution& execution, void* params, std::uint32_t size, std::uint32_t min_size) {
    const accel_tensor& tensor = execution.command.tensor;
    if (tensor.reserved != 0) {
        return ACCEL_BAD_FIELD;
    }
    if (!aligned(tensor.params, 16)) {
        return ACCEL_BAD_ALIGNMENT;
    }
    if (tensor.params_size < min_size || tensor.params_size > max_params_size) {
        return ACCEL_BAD_SIZE;
    }
    std::array<std::uint8_t, max_params_size> block{};
    if (Status status =
            execution.memory.read_block(tensor.params, block.data(), tensor.params_size);
        status != ACCEL_OK) {
        return status;
    }
    std::memcpy(params, block.data(), size);
    return all_zero(std::span(block).subspan(size)) ? ACCEL_OK : ACCEL_BAD_FIELD;
}

}  // namespace accel::card
