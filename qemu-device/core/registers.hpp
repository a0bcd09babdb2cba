// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The register file: it decodes accesses, keeps the values that the host sets, and starts the
// effects of writes.
//
// Only the host's side uses it, one access at a time (the contract of accel_core.h), so its values
// need no lock.
#pragma once

#include <cstdint>

#include "accel_core.h"
#include "control.hpp"

namespace accel::card {

struct RegisterParts {
    const accel_core_config& config;
    std::uint32_t list_commands;
    std::uint32_t list_steps;
    Bus& bus;
    Control& control;
    Events& events;
    Sensors& sensors;
    const Counters& counters;
    const BusyMeters& meters;
};

class Registers {
  public:
    explicit Registers(const RegisterParts& parts) : parts_(parts) {}

    [[nodiscard]] std::uint64_t read(std::uint64_t offset, unsigned bytes);
    void write(std::uint64_t offset, std::uint64_t value, unsigned bytes);
    void reset(bool function);

  private:
    // The 64-bit register at an offset. False: there is none.
    [[nodiscard]] bool read_wide(std::uint64_t offset, std::uint64_t& value) const;
    [[nodiscard]] std::uint32_t read_narrow(std::uint64_t offset) const;
    void write_narrow(std::uint64_t offset, std::uint32_t value);
    void write_control(std::uint32_t value);
    // The writable 64-bit register at an offset. Null: there is none.
    [[nodiscard]] std::uint64_t* address_register(std::uint64_t offset);

    RegisterParts parts_;
    Rings rings_;
};

}  // namespace accel::card
