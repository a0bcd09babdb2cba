// SPDX-License-Identifier: Apache-2.0
#include "emulated_status.hpp"

#include <fmt/core.h>

#include "emulated.hpp"

namespace accel::tools {

Status emulated_status(const Card& card) {
    const DeviceInfo info = open_card(card).info();
    Status status;
    status.card = card;
    status.state = "emulated";
    status.serial = fmt::format("{:016x}", info.serial);
    status.hardware_version =
        fmt::format("{}.{}", info.hardware_version >> 16U, info.hardware_version & 0xffffU);
    status.firmware_version =
        fmt::format("{}.{}.{}", info.firmware_version >> 24U, info.firmware_version >> 16U & 0xffU,
                    info.firmware_version & 0xffffU);
    status.generation = info.generation;
    status.memory_size = info.memory_size;
    status.memory_used = info.memory_size - info.memory_free;
    status.dma.count = info.dma_engines;
    status.compute.count = info.compute_engines;
    status.sensors.clock_hz = info.clock_hz;
    return status;
}

}  // namespace accel::tools
