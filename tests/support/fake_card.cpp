// SPDX-License-Identifier: Apache-2.0
//
// Brings the card up, and passes its interrupts on.
#include "fake_card.hpp"

#include <stdexcept>

namespace accel::fake {

namespace {

constexpr std::uint32_t admin_entries = 16;
constexpr std::uint32_t event_entries = 64;

std::uint64_t bus_address(const std::shared_ptr<std::byte>& memory) {
    return reinterpret_cast<std::uintptr_t>(memory.get());
}

}  // namespace

Card::Card(Bus& bus, const CardOptions& options)
    : bus_(bus),
      memory_(options.memory),
      admin_ring_(bus.allocate(admin_entries * sizeof(accel_admin_command))),
      admin_results_(bus.allocate(admin_entries * sizeof(accel_admin_result))),
      event_ring_(bus.allocate(event_entries * sizeof(accel_event))),
      core_(*this, {.memory = memory_.data(),
                    .memory_size = options.memory,
                    .serial = options.serial,
                    .queues = options.queues,
                    .contexts = options.contexts,
                    .vectors = options.vectors,
                    .ring_entries = options.ring_entries,
                    .link = nullptr}) {
    enable();
}

void Card::interrupt(unsigned /*vector*/) {
    if (!lose_interrupts) {
        wake();
    }
}

std::uint64_t Card::clock() {
    return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
}

void Card::enable() {
    if (!core_.wait_ready()) {
        throw std::runtime_error("the card does not become ready");
    }
    core_.enable({.admin_ring = bus_address(admin_ring_),
                  .admin_results = bus_address(admin_results_),
                  .event_ring = bus_address(event_ring_),
                  .admin_entries = admin_entries,
                  .event_entries = event_entries});
}

void Card::reset() {
    core_.write32(ACCEL_REG_CONTROL, ACCEL_CONTROL_RESET);
    enable();
    wake();
}

std::uint64_t Card::interrupts() {
    const std::lock_guard lock(interrupt_mutex_);
    return interrupts_;
}

void Card::sleep(std::uint64_t seen, std::chrono::steady_clock::time_point deadline) {
    std::unique_lock lock(interrupt_mutex_);
    interrupt_.wait_until(lock, deadline, [&] { return interrupts_ != seen; });
}

void Card::wake() {
    const std::lock_guard lock(interrupt_mutex_);
    ++interrupts_;
    interrupt_.notify_all();
}

}  // namespace accel::fake
