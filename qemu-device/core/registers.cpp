// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The register file. A 64-bit access to two 32-bit registers is two accesses, the lower one first.
#include "registers.hpp"

#include "accel_timing.h"
#include "commands/execution.hpp"

namespace accel::card {

namespace {

constexpr std::uint32_t firmware_version = 1U << 24;  // 1.0.0
constexpr std::uint32_t clock_hz = 1'000'000'000;

// The numbers of compute engines and DMA channels. Without a timing model there is one thread each.
std::uint32_t engines_register(const accel_core_config& config) {
    return config.link != nullptr ? ACCEL_TIMING_COMPUTE_ENGINES << 8 | ACCEL_TIMING_DMA_CHANNELS
                                  : 1U << 8 | 1U;
}

constexpr std::uint64_t features =
    ACCEL_FEATURE_SHADOW | ACCEL_FEATURE_CALL | ACCEL_FEATURE_TIMELINE | ACCEL_FEATURE_F32 |
    ACCEL_FEATURE_SCATTER | ACCEL_FEATURE_IMAGE | ACCEL_FEATURE_TENSOR | ACCEL_FEATURE_SHARING |
    ACCEL_FEATURE_TENSOR_SCATTER | ACCEL_FEATURE_SMALL_TYPES | ACCEL_FEATURE_LOOPS |
    ACCEL_FEATURE_ATTENTION;

bool well_formed(std::uint64_t offset, unsigned bytes) {
    return (bytes == 4 || bytes == 8) && offset % bytes == 0 &&
           offset <= ACCEL_REGISTER_BLOCK - bytes;
}

}  // namespace

std::uint64_t* Registers::address_register(std::uint64_t offset) {
    switch (offset) {
        case ACCEL_REG_ADMIN_RING:
            return &rings_.admin.ring;
        case ACCEL_REG_ADMIN_RESULTS:
            return &rings_.admin.results;
        case ACCEL_REG_EVENT_RING:
            return &rings_.events.address;
        default:
            return nullptr;
    }
}

bool Registers::read_wide(std::uint64_t offset, std::uint64_t& value) const {
    const auto& counters = parts_.counters;
    const auto busy = [&](Engine engine) {
        return parts_.meters[static_cast<unsigned>(engine)].read(parts_.bus.clock());
    };
    switch (offset) {
        case ACCEL_REG_FEATURES:
            value = features;
            return true;
        case ACCEL_REG_MEMORY_SIZE:
            value = parts_.config.memory_size;
            return true;
        case ACCEL_REG_SERIAL:
            value = parts_.config.serial;
            return true;
        case ACCEL_REG_CLOCK:
            value = parts_.bus.clock();
            return true;
        case ACCEL_REG_ADMIN_RING:
            value = rings_.admin.ring;
            return true;
        case ACCEL_REG_ADMIN_RESULTS:
            value = rings_.admin.results;
            return true;
        case ACCEL_REG_EVENT_RING:
            value = rings_.events.address;
            return true;
        case ACCEL_REG_COMMANDS:
            value = counters.commands.read();
            return true;
        case ACCEL_REG_DOORBELLS:
            value = counters.doorbells.read();
            return true;
        case ACCEL_REG_INTERRUPTS:
            value = counters.interrupts.read();
            return true;
        case ACCEL_REG_HOST_READ:
            value = counters.traffic.host_read.read();
            return true;
        case ACCEL_REG_HOST_WRITTEN:
            value = counters.traffic.host_written.read();
            return true;
        case ACCEL_REG_MEMORY_READ:
            value = counters.traffic.memory_read.read();
            return true;
        case ACCEL_REG_MEMORY_WRITTEN:
            value = counters.traffic.memory_written.read();
            return true;
        case ACCEL_REG_TLB_MISSES:
            value = counters.tlb_misses.read();
            return true;
        case ACCEL_REG_FAULTS:
            value = counters.faults.read();
            return true;
        case ACCEL_REG_DMA_BUSY:
            value = busy(Engine::dma);
            return true;
        case ACCEL_REG_COMPUTE_BUSY:
            value = busy(Engine::compute);
            return true;
        default:
            return false;
    }
}

std::uint32_t Registers::read_narrow(std::uint64_t offset) const {
    const auto& config = parts_.config;
    const auto sensors = [&] { return parts_.sensors.read(parts_.bus.clock()); };
    switch (offset) {
        case ACCEL_REG_MAGIC:
            return ACCEL_MAGIC;
        case ACCEL_REG_VERSION:
            return ACCEL_VERSION;
        case ACCEL_REG_STATUS:
            return parts_.control.status() | (sensors().throttled ? ACCEL_STATUS_THROTTLED : 0U);
        case ACCEL_REG_CONTROL:
            return parts_.control.enabled() ? ACCEL_CONTROL_ENABLE : 0U;
        case ACCEL_REG_QUEUES:
            return config.queues;
        case ACCEL_REG_CONTEXTS:
            return config.contexts;
        case ACCEL_REG_RING_ENTRIES:
            return config.ring_entries;
        case ACCEL_REG_LIST_COMMANDS:
            return parts_.list_commands;
        case ACCEL_REG_LIST_STEPS:
            return parts_.list_steps;
        case ACCEL_REG_CALL_ARGUMENTS:
            return ACCEL_CALL_ARGS_MAX;
        case ACCEL_REG_SEGMENTS:
            return max_segments;
        case ACCEL_REG_VECTORS:
            return config.vectors;
        case ACCEL_REG_VA_BITS:
            return ACCEL_VA_BITS;
        case ACCEL_REG_FIRMWARE:
            return firmware_version;
        case ACCEL_REG_ENGINES:
            return engines_register(config);
        case ACCEL_REG_CLOCK_HZ:
            return clock_hz;
        case ACCEL_REG_TEMPERATURE:
            return static_cast<std::uint32_t>(sensors().temperature);
        case ACCEL_REG_POWER:
            return sensors().power;
        case ACCEL_REG_CORE_CLOCK:
            return sensors().clock;
        case ACCEL_REG_POWER_CAP:
            return parts_.sensors.power_cap();
        case ACCEL_REG_POWER_CAP_MIN:
            return Sensors::power_cap_min;
        case ACCEL_REG_POWER_CAP_MAX:
            return Sensors::power_cap_max;
        case ACCEL_REG_ADMIN_ENTRIES:
            return rings_.admin.entries;
        case ACCEL_REG_EVENT_ENTRIES:
            return rings_.events.entries;
        case ACCEL_REG_EVENT_HEAD:
            return parts_.events.consumed();
        case ACCEL_REG_EVENT_LOST:
            return parts_.events.lost();
        default:
            return 0;
    }
}

std::uint64_t Registers::read(std::uint64_t offset, unsigned bytes) {
    if (!well_formed(offset, bytes)) {
        return 0;
    }
    const std::uint64_t base = offset & ~std::uint64_t{7};
    std::uint64_t wide = 0;
    if (read_wide(base, wide)) {
        return bytes == 8 ? wide : static_cast<std::uint32_t>(wide >> (offset - base) * 8);
    }
    return bytes == 8 ? read_narrow(offset) | std::uint64_t{read_narrow(offset + 4)} << 32
                      : read_narrow(offset);
}

void Registers::write(std::uint64_t offset, std::uint64_t value, unsigned bytes) {
    if (!well_formed(offset, bytes)) {
        return;
    }
    const std::uint64_t base = offset & ~std::uint64_t{7};
    const bool resetting = (parts_.control.status() & ACCEL_STATUS_RESETTING) != 0;
    if (std::uint64_t* const wide = address_register(base); wide != nullptr) {
        if (!resetting) {
            const unsigned shift = static_cast<unsigned>(offset - base) * 8;
            const std::uint64_t mask = bytes == 8 ? UINT64_MAX : std::uint64_t{UINT32_MAX} << shift;
            *wide = (*wide & ~mask) | (value << shift & mask);
        }
        return;
    }
    for (unsigned half = 0; half < bytes; half += 4, value >>= 32) {
        const auto word = static_cast<std::uint32_t>(value);
        if (!resetting || offset + half == ACCEL_REG_CONTROL) {
            write_narrow(offset + half, word);
        }
    }
}

void Registers::write_narrow(std::uint64_t offset, std::uint32_t value) {
    switch (offset) {
        case ACCEL_REG_CONTROL:
            return write_control(value);
        case ACCEL_REG_POWER_CAP:
            return parts_.sensors.set_power_cap(value);
        case ACCEL_REG_ADMIN_ENTRIES:
            rings_.admin.entries = value;
            return;
        case ACCEL_REG_ADMIN_DOORBELL:
            return parts_.control.admin_doorbell(value);
        case ACCEL_REG_EVENT_ENTRIES:
            rings_.events.entries = value;
            return;
        case ACCEL_REG_EVENT_HEAD:
            return parts_.events.set_consumed(value);
        default:
            return;
    }
}

void Registers::write_control(std::uint32_t value) {
    if ((value & ACCEL_CONTROL_RESET) != 0) {
        reset(false);
    } else if ((value & ACCEL_CONTROL_ENABLE) != 0) {
        parts_.control.enable(rings_);
    } else {
        parts_.control.disable();
    }
}

void Registers::reset(bool function) {
    rings_ = {};
    parts_.events.set_consumed(0);
    parts_.events.clear_lost();
    if (function) {
        parts_.sensors.set_power_cap(Sensors::power_cap_max);
    }
    parts_.control.reset(function);
}

}  // namespace accel::card
