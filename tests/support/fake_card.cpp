// SPDX-License-Identifier: Apache-2.0
#include "fake_card.hpp"

#include <array>
#include <cstring>
#include <stdexcept>
#include <thread>

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
      options_(options),
      memory_(options.memory),
      admin_ring_(bus.allocate(admin_entries * sizeof(accel_admin_command))),
      admin_results_(bus.allocate(admin_entries * sizeof(accel_admin_result))),
      event_ring_(bus.allocate(event_entries * sizeof(accel_event))) {
    const accel_core_callbacks callbacks{
        .read =
            [](void* opaque, std::uint64_t address, void* to, std::size_t bytes) {
                return static_cast<Card*>(opaque)->bus_.read(address, to, bytes);
            },
        .write =
            [](void* opaque, std::uint64_t address, const void* from, std::size_t bytes) {
                return static_cast<Card*>(opaque)->bus_.write(address, from, bytes);
            },
        .read64 =
            [](void* opaque, std::uint64_t address, std::uint64_t* value) {
                return static_cast<Card*>(opaque)->bus_.read_word(address, *value);
            },
        .write64 =
            [](void* opaque, std::uint64_t address, std::uint64_t value) {
                return static_cast<Card*>(opaque)->bus_.write_word(address, value);
            },
        .interrupt =
            [](void* opaque, unsigned int /*vector*/) {
                auto& card = *static_cast<Card*>(opaque);
                if (!card.lose_interrupts) {
                    card.wake();
                }
            },
        .log = [](void* /*opaque*/, accel_log_level /*level*/, const char* /*text*/) {},
        .clock =
            [](void* /*opaque*/) {
                return static_cast<std::uint64_t>(
                    std::chrono::steady_clock::now().time_since_epoch().count());
            },
        .timer = nullptr,
        .thread_enter = nullptr,
        .thread_leave = nullptr};
    const accel_core_config config{.memory = memory_.data(),
                                   .memory_size = options.memory,
                                   .serial = options.serial,
                                   .queues = options.queues,
                                   .contexts = options.contexts,
                                   .vectors = options.vectors,
                                   .ring_entries = options.ring_entries,
                                   .link = nullptr};
    std::array<char, 128> error{};
    core_ = accel_core_create(&config, &callbacks, this, error.data(), error.size());
    if (core_ == nullptr) {
        throw std::runtime_error(error.data());
    }
    enable();
}

Card::~Card() {
    accel_core_destroy(core_);
}

std::uint64_t Card::read(std::uint64_t offset, unsigned bytes) {
    const std::lock_guard lock(core_mutex_);
    return accel_core_register_read(core_, offset, bytes);
}

void Card::write(std::uint64_t offset, std::uint64_t value, unsigned bytes) {
    const std::lock_guard lock(core_mutex_);
    accel_core_register_write(core_, offset, value, bytes);
}

void Card::doorbell(std::uint32_t queue, std::uint32_t value) {
    const std::lock_guard lock(core_mutex_);
    accel_core_doorbell(core_, std::uint64_t{queue} * ACCEL_DOORBELL_STRIDE, value, sizeof(value));
}

void Card::enable() {
    while ((read(ACCEL_REG_STATUS, 4) & ACCEL_STATUS_READY) == 0) {
        std::this_thread::yield();
    }
    std::memset(admin_results_.get(), 0, page_bytes);
    std::memset(event_ring_.get(), 0, page_bytes);
    admin_tail_ = 0;
    events_ = 0;
    write(ACCEL_REG_ADMIN_RING, bus_address(admin_ring_), 8);
    write(ACCEL_REG_ADMIN_RESULTS, bus_address(admin_results_), 8);
    write(ACCEL_REG_ADMIN_ENTRIES, admin_entries, 4);
    write(ACCEL_REG_EVENT_RING, bus_address(event_ring_), 8);
    write(ACCEL_REG_EVENT_ENTRIES, event_entries, 4);
    write(ACCEL_REG_CONTROL, ACCEL_CONTROL_ENABLE, 4);
}

void Card::reset() {
    write(ACCEL_REG_CONTROL, ACCEL_CONTROL_RESET, 4);
    enable();
    wake();
}

accel_status Card::admin(const accel_admin_command& command) {
    const std::uint64_t sequence = ++admin_tail_;
    const std::size_t slot = (sequence - 1) % admin_entries;
    std::memcpy(admin_ring_.get() + slot * sizeof(command), &command, sizeof(command));
    write(ACCEL_REG_ADMIN_DOORBELL, static_cast<std::uint32_t>(sequence), 4);
    auto* result = reinterpret_cast<accel_admin_result*>(admin_results_.get()) + slot;
    while (__atomic_load_n(&result->sequence, __ATOMIC_ACQUIRE) != sequence) {
        std::this_thread::yield();
    }
    return static_cast<accel_status>(result->status);
}

std::optional<accel_event> Card::take_event() {
    auto* event = reinterpret_cast<accel_event*>(event_ring_.get()) + events_ % event_entries;
    if (__atomic_load_n(&event->sequence, __ATOMIC_ACQUIRE) != events_ + 1) {
        return std::nullopt;
    }
    const accel_event taken = *event;
    ++events_;
    write(ACCEL_REG_EVENT_HEAD, static_cast<std::uint32_t>(events_), 4);
    return taken;
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
