// SPDX-License-Identifier: Apache-2.0
//
// Builders for the commands of the admin queue, as the data sheet defines them.
#pragma once

#include <cstdint>

#include "accel_hw.h"

namespace accel::emulated {

[[nodiscard]] inline accel_admin_command admin_command(accel_admin_opcode opcode,
                                                       std::uint32_t id) {
    accel_admin_command command{};
    command.opcode = static_cast<std::uint8_t>(opcode);
    command.id = id;
    return command;
}

[[nodiscard]] inline accel_admin_command create_context(std::uint32_t id, std::uint64_t root) {
    accel_admin_command command = admin_command(ACCEL_ADMIN_CREATE_CONTEXT, id);
    command.create_context.root = root;
    return command;
}

struct QueueSetup {
    std::uint64_t ring = 0;
    std::uint64_t status = 0;
    std::uint32_t context = 0;
    std::uint32_t entries = 0;
    std::uint32_t vector = 0;
    std::uint32_t priority = 0;
    std::uint64_t time_limit = 0;
};

[[nodiscard]] inline accel_admin_command create_queue(std::uint32_t id, const QueueSetup& setup) {
    accel_admin_command command = admin_command(ACCEL_ADMIN_CREATE_QUEUE, id);
    command.create_queue.ring = setup.ring;
    command.create_queue.status = setup.status;
    command.create_queue.context = setup.context;
    command.create_queue.entries = setup.entries;
    command.create_queue.vector = setup.vector;
    command.create_queue.priority = setup.priority;
    command.create_queue.time_limit = setup.time_limit;
    return command;
}

[[nodiscard]] inline accel_admin_command invalidate(std::uint32_t context, std::uint64_t address,
                                                    std::uint64_t bytes) {
    accel_admin_command command = admin_command(ACCEL_ADMIN_INVALIDATE, context);
    command.invalidate.address = address;
    command.invalidate.bytes = bytes;
    return command;
}

// Writes an accel_queue_stats to the bus address `page`.
[[nodiscard]] inline accel_admin_command query_queue(std::uint32_t id, std::uint64_t page) {
    accel_admin_command command = admin_command(ACCEL_ADMIN_QUERY_QUEUE, id);
    command.query_queue.address = page;
    return command;
}

// Writes `count` of accel_queue_report to the bus address `page`.
[[nodiscard]] inline accel_admin_command query_queues(std::uint32_t first, std::uint32_t count,
                                                      std::uint64_t page) {
    accel_admin_command command = admin_command(ACCEL_ADMIN_QUERY_QUEUES, first);
    command.query_queues.address = page;
    command.query_queues.count = count;
    return command;
}

}  // namespace accel::emulated
