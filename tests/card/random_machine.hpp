// SPDX-License-Identifier: Apache-2.0
//
// Random commands of every kind that engines run, large enough that several threads share them.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "card_fixture.hpp"

namespace accel::test {

inline constexpr std::uint64_t operand_bytes = 1 << 20;
enum class Kind : std::uint8_t {
    copy,
    fill,
    transfer,
    gemm,
    gemm_int8,
    gemm_batch,
    elementwise,
    softmax,
    reduce,
    conv2d,
    depthwise,
    pool,
    transpose,
    gather,
    gather_elements,
    scatter,
    scatter_elements,
    resize,
    attention,
    attention_cache
};
inline constexpr Kind kinds[] = {Kind::copy,        Kind::fill,           Kind::transfer,
                                 Kind::gemm,        Kind::gemm_int8,      Kind::gemm_batch,
                                 Kind::elementwise, Kind::softmax,        Kind::reduce,
                                 Kind::conv2d,      Kind::depthwise,      Kind::pool,
                                 Kind::transpose,   Kind::gather,         Kind::gather_elements,
                                 Kind::scatter,     Kind::resize,         Kind::scatter_elements,
                                 Kind::attention,   Kind::attention_cache};

[[nodiscard]] inline std::string name_of(Kind kind) {
    static constexpr const char* names[] = {
        "Copy",        "Fill",          "Transfer",       "Gemm",    "GemmInt8",        "GemmBatch",
        "Elementwise", "Softmax",       "Reduce",         "Conv2d",  "Depthwise",       "Pool",
        "Transpose",   "Gather",        "GatherElements", "Scatter", "ScatterElements", "Resize",
        "Attention",   "AttentionCache"};
    return names[static_cast<unsigned>(kind)];
}

[[nodiscard]] inline HostOptions with_threads(std::uint32_t threads) {
    HostOptions options;
    options.device_memory = 32 << 20;
    options.host_memory = 64 << 20;
    options.contexts = 1;
    options.threads = threads;
    return options;
}

// A card whose commands have random operands of operand_bytes each, at the same addresses on every
// such card.
class Machine {
  public:
    explicit Machine(std::uint32_t threads, Layout layout = Layout::scattered)
        : host(with_threads(threads)) {
        for (std::uint64_t& operand : operands) {
            operand = space.allocate(operand_bytes, layout);
        }
        for (std::uint64_t& block : blocks) {
            block = space.allocate(operand_bytes / 4);
        }
    }

    // The same operands for the same seed.
    void prepare(std::uint64_t seed) {
        Random random(seed);
        std::vector<std::uint64_t> values(operand_bytes / sizeof(std::uint64_t));
        for (const std::uint64_t operand : operands) {
            for (std::uint64_t& value : values) {
                // Ordinary floats of both signs, whatever the type.
                value = random.bits() & 0xbfff'ffff'bfff'ffffU;
            }
            space.store(operand, values);
        }
    }
    std::vector<std::uint8_t> result() {
        return space.load<std::uint8_t>(operands[0], operand_bytes);
    }

    accel_command draw(Kind kind, Random& random);

    TestHost host;
    AddressSpace space{host, 0};
    Queue queue{space, 0};
    std::array<std::uint64_t, 4> operands{};  // the result, and three sources
    std::array<std::uint64_t, 2> blocks{};    // parameters, and lists or indices

  private:
    template <typename Params>
    accel_command tensor_command(accel_opcode opcode, const Operands& with, const Params& params) {
        space.store_one(blocks[0], params);
        return tensor(opcode, with, blocks[0], sizeof params);
    }
    accel_command draw_rows(Kind kind, Random& random);
    accel_command draw_transfer(Random& random);
    accel_command draw_gemm(Kind kind, Random& random);
    accel_command draw_elementwise(Random& random);
    accel_command draw_axis(Kind kind, Random& random);
    accel_command draw_image(Kind kind, Random& random);
    accel_command draw_transpose(Random& random);
    accel_command draw_table(Kind kind, Random& random);
    accel_command draw_scatter(Kind kind, Random& random);
    accel_command draw_attention(Kind kind, Random& random);
    // Stores `count` indices of an axis, also negative ones.
    void draw_indices(std::uint32_t count, std::uint32_t n, Random& random);

    [[nodiscard]] Operands one_source() const { return {.dst = operands[0], .src0 = operands[1]}; }
    [[nodiscard]] Operands two_sources() const {
        return {.dst = operands[0], .src0 = operands[1], .src1 = operands[2]};
    }
};

}  // namespace accel::test
