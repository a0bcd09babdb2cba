// SPDX-License-Identifier: Apache-2.0
//
// Commands that occupy an engine for hours, and hogs: queues that have nothing but such commands.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "command_builders.hpp"
#include "fixture/queue.hpp"

namespace accel::test {

// The kinds of hogs. Those before `wait` never give up an engine on their own.
enum class Hog : std::uint8_t {
    fill,         // long pieces on the link
    copy,         // the same in both directions
    transfer,     // between lists of segments
    gemm,         // arithmetic
    elementwise,  // device memory
    transpose,    // a packet for each element
    list,         // a list of short commands, again and again
    loop,         // an endless loop of short commands
    wait,         // a WAIT that is never signaled
};
inline constexpr Hog hogs[] = {Hog::fill, Hog::copy,        Hog::transfer,
                               Hog::gemm, Hog::elementwise, Hog::transpose,
                               Hog::list, Hog::loop,        Hog::wait};

[[nodiscard]] inline std::string name_of(Hog hog) {
    static constexpr const char* names[] = {"Fill",      "Copy", "Transfer", "Gemm", "Elementwise",
                                            "Transpose", "List", "Loop",     "Wait"};
    return names[static_cast<unsigned>(hog)];
}

// A range of context addresses that maps the same 2 MiB of device memory again and again.
[[nodiscard]] inline std::uint64_t endless_window(AddressSpace& space, std::uint64_t bytes) {
    const std::uint64_t block = space.allocate(ACCEL_LARGE_SIZE, Layout::device_large);
    const std::uint64_t window = space.reserve(bytes, ACCEL_LARGE_SIZE);
    for (std::uint64_t at = 0; at < bytes; at += ACCEL_LARGE_SIZE) {
        *space.entry(window + at, 1) = *space.entry(block, 1);
    }
    return window;
}

template <typename Params>
[[nodiscard]] accel_command tensor_in(AddressSpace& space, accel_opcode opcode,
                                      const Operands& operands, const Params& params) {
    const std::uint64_t block = space.allocate(page_size);
    space.store_one(block, params);
    return tensor(opcode, operands, block, sizeof params);
}

// A GEMM of 65536 x 65536 x 65536.
[[nodiscard]] inline accel_command huge_gemm(AddressSpace& space) {
    const std::uint64_t window = endless_window(space, std::uint64_t{1} << 34);
    accel_gemm p{};
    p.type = ACCEL_TYPE_F32;
    p.m = p.n = p.k = p.lda = p.ldb = p.ldd = 65536;
    return tensor_in(space, ACCEL_OP_GEMM, {.dst = window, .src0 = window, .src1 = window}, p);
}

[[nodiscard]] inline accel_command huge_elementwise(AddressSpace& space) {
    const std::uint64_t window = endless_window(space, 8 << 20);
    accel_elementwise p{};
    p.type = ACCEL_TYPE_F32;
    p.op = ACCEL_EW_ADD;
    p.rank = 2;
    p.dims[0] = p.dims[1] = 1 << 20;
    p.dst_strides[1] = p.src0_strides[1] = p.src1_strides[1] = 1;
    return tensor_in(space, ACCEL_OP_ELEMENTWISE, {.dst = window, .src0 = window, .src1 = window},
                     p);
}

// Writes single bytes to the host: a packet for each.
[[nodiscard]] inline accel_command huge_transpose(AddressSpace& space) {
    const std::uint64_t in_host = space.allocate(page_size);
    accel_transpose p{};
    p.size = 1;
    p.rank = 2;
    p.dims[0] = p.dims[1] = 1 << 20;
    return tensor_in(space, ACCEL_OP_TRANSPOSE, {.dst = in_host, .src0 = in_host + 64}, p);
}

[[nodiscard]] inline accel_command huge_transfer(AddressSpace& space) {
    constexpr std::uint64_t bytes = 2 << 20;
    constexpr std::uint32_t segments = 4096;
    const std::uint64_t data = space.allocate(2 * bytes, Layout::host_large);
    const std::uint64_t lists = space.allocate(std::uint64_t{2} * segments * sizeof(accel_segment));
    std::vector<accel_segment> list(segments, {.address = data, .bytes = bytes});
    space.store(lists, list);
    list.assign(segments, {.address = data + bytes, .bytes = bytes});
    space.store(lists + segments * sizeof(accel_segment), list);
    accel_command command{};
    command.opcode = ACCEL_OP_TRANSFER;
    command.transfer = {.dst = lists,
                        .src = lists + segments * sizeof(accel_segment),
                        .dst_count = segments,
                        .src_count = segments,
                        .bytes = std::uint64_t{segments} * bytes,
                        .reserved = {}};
    return command;
}

// A list of short commands; there is no longer list.
[[nodiscard]] inline accel_command long_list(AddressSpace& space) {
    constexpr std::uint32_t count = 16384;
    const std::uint64_t list = space.allocate(std::uint64_t{count} * ACCEL_COMMAND_SIZE);
    const std::uint64_t page = space.allocate(page_size);
    space.store(list, std::vector<accel_command>(count, fill(page, 1, 1, 256)));
    return call(list, count);
}

// A list with a loop that never ends, around these commands.
[[nodiscard]] inline accel_command endless_loop(AddressSpace& space,
                                                std::vector<accel_command> body) {
    body.insert(body.begin(), loop(static_cast<std::uint32_t>(body.size()), UINT64_MAX));
    const std::uint64_t list = space.allocate(body.size() * ACCEL_COMMAND_SIZE);
    space.store(list, body);
    return call(list, static_cast<std::uint32_t>(body.size()));
}

[[nodiscard]] inline accel_command make(Hog hog, AddressSpace& space) {
    constexpr std::uint64_t large = 2 << 20;
    switch (hog) {
        case Hog::fill:
            return fill_rows(space.allocate(large, Layout::host_large), 0, 1, 1, large, UINT32_MAX);
        case Hog::copy: {
            const std::uint64_t data = space.allocate(2 * large, Layout::host_large);
            return copy_rows(data, 0, data + large, 0, large, UINT32_MAX);
        }
        case Hog::transfer:
            return huge_transfer(space);
        case Hog::gemm:
            return huge_gemm(space);
        case Hog::elementwise:
            return huge_elementwise(space);
        case Hog::transpose:
            return huge_transpose(space);
        case Hog::list:
            return long_list(space);
        case Hog::loop:
            return endless_loop(space, {fill(space.allocate(page_size), 1, 1, 256)});
        default:
            return wait_for(space.allocate(page_size), 1);
    }
}

}  // namespace accel::test
