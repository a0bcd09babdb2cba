// SPDX-License-Identifier: Apache-2.0
//
// Callbacks, registers, admin queue and event queue of a core within a process.
#include "hosted_core.hpp"

#include <array>
#include <cerrno>
#include <system_error>

#include "polling.hpp"

namespace accel::emulated {

namespace {

CoreHost& host_of(void* opaque) {
    return *static_cast<CoreHost*>(opaque);
}

constexpr accel_core_callbacks callbacks{
    .read =
        [](void* opaque, std::uint64_t bus, void* to, std::size_t bytes) {
            return host_of(opaque).admit(bus, false) && host_of(opaque).bus().read(bus, to, bytes);
        },
    .write =
        [](void* opaque, std::uint64_t bus, const void* from, std::size_t bytes) {
            return host_of(opaque).admit(bus, true) &&
                   host_of(opaque).bus().write(bus, from, bytes);
        },
    .read64 =
        [](void* opaque, std::uint64_t bus, std::uint64_t* value) {
            return host_of(opaque).admit(bus, false) &&
                   host_of(opaque).bus().read_word(bus, *value);
        },
    .write64 =
        [](void* opaque, std::uint64_t bus, std::uint64_t value) {
            return host_of(opaque).admit(bus, true) && host_of(opaque).bus().write_word(bus, value);
        },
    .interrupt = [](void* opaque, unsigned vector) { host_of(opaque).interrupt(vector); },
    .log = [](void* opaque, accel_log_level level,
              const char* text) { host_of(opaque).log(level, text); },
    .clock = [](void* opaque) { return host_of(opaque).clock(); },
    .timer = [](void* opaque, std::uint64_t deadline) { host_of(opaque).set_deadline(deadline); },
    .thread_enter = [](void* opaque) { host_of(opaque).thread_enter(); },
    .thread_leave = nullptr};

}  // namespace

HostedCore::HostedCore(CoreHost& host, const accel_core_config& config) : host_(host) {
    std::array<char, 128> error{};
    core_ = accel_core_create(&config, &callbacks, &host, error.data(), error.size());
    if (core_ == nullptr) {
        const int cause = errno;
        throw std::system_error(cause, std::generic_category(), error.data());
    }
}

HostedCore::~HostedCore() {
    accel_core_destroy(core_);
}

std::uint64_t HostedCore::read(std::uint64_t offset, unsigned bytes) {
    const std::lock_guard lock(mutex_);
    return accel_core_register_read(core_, offset, bytes);
}

void HostedCore::write(std::uint64_t offset, std::uint64_t value, unsigned bytes) {
    const std::lock_guard lock(mutex_);
    accel_core_register_write(core_, offset, value, bytes);
}

void HostedCore::doorbell(std::uint32_t queue, std::uint64_t value) {
    const std::lock_guard lock(mutex_);
    accel_core_doorbell(core_, std::uint64_t{queue} * ACCEL_DOORBELL_STRIDE, value, 4);
}

bool HostedCore::wait_ready() {
    return eventually([this] { return (read(ACCEL_REG_STATUS, 4) & ACCEL_STATUS_READY) != 0; });
}

void HostedCore::enable(const AdminRings& rings) {
    BusMemory& bus = host_.bus();
    for (std::uint32_t i = 0; i < rings.admin_entries; ++i) {
        const accel_admin_result none{};
        (void)bus.write(rings.admin_results + i * sizeof none, &none, sizeof none);
    }
    for (std::uint32_t i = 0; i < rings.event_entries; ++i) {
        (void)bus.write_word(rings.event_ring + i * sizeof(accel_event), 0);
    }
    rings_ = rings;
    admin_tail_ = 0;
    events_taken_ = 0;
    enable_card(*this, rings_);
}

std::uint64_t HostedCore::post_admin(const accel_admin_command& command) {
    const std::lock_guard lock(admin_mutex_);
    const std::uint64_t sequence = ++admin_tail_;
    const std::uint64_t slot = (sequence - 1) % rings_.admin_entries;
    (void)host_.bus().write(rings_.admin_ring + slot * sizeof command, &command, sizeof command);
    write32(ACCEL_REG_ADMIN_DOORBELL, static_cast<std::uint32_t>(sequence));
    return sequence;
}

std::optional<accel_status> HostedCore::admin_result(std::uint64_t sequence) {
    const std::uint64_t slot = (sequence - 1) % rings_.admin_entries;
    const std::uint64_t address = rings_.admin_results + slot * sizeof(accel_admin_result);
    std::uint64_t seen = 0;
    (void)host_.bus().read_word(address, seen);
    if (seen != sequence) {
        return std::nullopt;
    }
    accel_admin_result result{};
    (void)host_.bus().read(address, &result, sizeof result);
    return static_cast<accel_status>(result.status);
}

accel_status HostedCore::wait_admin(std::uint64_t sequence) {
    std::optional<accel_status> result;
    const bool done = eventually([&] {
        result = admin_result(sequence);
        return result.has_value();
    });
    return done ? *result : ACCEL_INTERNAL;
}

bool HostedCore::event_pending() {
    std::uint64_t sequence = 0;
    (void)host_.bus().read_word(event_slot(), sequence);
    return sequence == events_taken_ + 1;
}

std::optional<accel_event> HostedCore::take_event() {
    if (!event_pending()) {
        return std::nullopt;
    }
    accel_event event{};
    (void)host_.bus().read(event_slot(), &event, sizeof event);
    ++events_taken_;
    write32(ACCEL_REG_EVENT_HEAD, static_cast<std::uint32_t>(events_taken_));
    return event;
}

}  // namespace accel::emulated
