// SPDX-License-Identifier: Apache-2.0
//
// A host for one card.
#include "bench/bench.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <thread>

#include "ordering.hpp"

namespace accel::bench {

using namespace std::chrono_literals;

bool eventually(const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + 60s;
    for (int tries = 0; !condition(); ++tries) {
        if (std::chrono::steady_clock::now() > deadline) {
            return false;
        }
        // Not yield(): on a machine that is busy it gives a whole turn away.
        if (tries > 200) {
            std::this_thread::sleep_for(20us);
        }
    }
    return true;
}

Bench::Bench(const Options& options)
    : options_(options),
      host_(options.host),
      device_(zeroed(options.memory)),
      interrupts_(options.vectors) {
    const accel_core_callbacks callbacks{
        .read =
            [](void* opaque, std::uint64_t bus, void* to, std::size_t bytes) {
                auto& bench = *static_cast<Bench*>(opaque);
                bench.before_access(bus, false);
                return !bench.refused(bus) && bench.host_.read(bus, to, bytes);
            },
        .write =
            [](void* opaque, std::uint64_t bus, const void* from, std::size_t bytes) {
                auto& bench = *static_cast<Bench*>(opaque);
                bench.before_access(bus, true);
                return !bench.refused(bus) && bench.host_.write(bus, from, bytes);
            },
        .read64 =
            [](void* opaque, std::uint64_t bus, std::uint64_t* value) {
                auto& bench = *static_cast<Bench*>(opaque);
                bench.before_access(bus, false);
                return !bench.refused(bus) && bench.host_.read_word(bus, *value);
            },
        .write64 =
            [](void* opaque, std::uint64_t bus, std::uint64_t value) {
                auto& bench = *static_cast<Bench*>(opaque);
                bench.before_access(bus, true);
                return !bench.refused(bus) && bench.host_.write_word(bus, value);
            },
        .interrupt =
            [](void* opaque, unsigned int vector) {
                auto& bench = *static_cast<Bench*>(opaque);
                std::unique_lock lock(bench.big_lock_, std::defer_lock);
                if (!bench.timed()) {  // else whoever runs the card has it
                    lock.lock();
                }
                ++bench.interrupts_.at(vector);
            },
        .log =
            [](void* opaque, accel_log_level level, const char* text) {
                auto& bench = *static_cast<Bench*>(opaque);
                if (level == ACCEL_LOG_GUEST_ERROR) {
                    const std::lock_guard lock(bench.log_mutex_);
                    bench.guest_errors_.emplace_back(text);
                }
            },
        .clock = [](void* opaque) { return static_cast<Bench*>(opaque)->clock(); },
        .timer =
            [](void* opaque, std::uint64_t deadline) {
                static_cast<Bench*>(opaque)->set_deadline(deadline);
            },
        .thread_enter = nullptr,
        .thread_leave = nullptr};
    const accel_core_config config{.memory = device_.get(),
                                   .memory_size = options.memory,
                                   .serial = options.serial,
                                   .queues = options.queues,
                                   .contexts = options.contexts,
                                   .vectors = options.vectors,
                                   .ring_entries = options.ring_entries,
                                   .link = options.link ? &*options.link : nullptr};
    std::array<char, 128> error{};
    core_ = accel_core_create(&config, &callbacks, this, error.data(), error.size());
    if (core_ == nullptr) {
        throw std::runtime_error(error.data());
    }
    if (timed()) {
        leaper_ = std::jthread([this](const std::stop_token& stop) { leap(stop); });
    }
    if (options.enable) {
        enable();
    }
}

Bench::~Bench() {
    leaper_ = {};
    accel_core_destroy(core_);
}

std::optional<accel_core_link> Options::default_link() {
    const char* const timing = std::getenv("ACCEL_TIMING");
    return timing != nullptr && std::string_view(timing) == "model" ? std::optional(gen3x8)
                                                                    : std::nullopt;
}

void Bench::set_deadline(std::uint64_t deadline) {
    {
        const std::lock_guard lock(deadline_mutex_);
        deadline_ = deadline;
    }
    deadline_set_.notify_one();
}

void Bench::leap(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
        {
            std::unique_lock lock(deadline_mutex_);
            deadline_set_.wait(lock, stop, [this] { return deadline_ != UINT64_MAX; });
        }
        const std::lock_guard lock(big_lock_);
        std::uint64_t deadline = UINT64_MAX;
        {
            const std::lock_guard deadline_lock(deadline_mutex_);
            deadline = deadline_;
        }
        if (deadline != UINT64_MAX) {
            clock_offset_ = std::max<std::uint64_t>(clock_offset_, deadline);
            accel_core_timer(core_);
        }
    }
}

std::uint64_t Bench::clock() const {
    if (timed()) {
        return clock_offset_;
    }
    return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch() / 1ns) +
           clock_offset_;
}

void Bench::set_access_hook(std::function<void(std::uint64_t, bool)> hook) {
    const std::lock_guard lock(hook_mutex_);
    hook_ = hook ? std::make_shared<const std::function<void(std::uint64_t, bool)>>(std::move(hook))
                 : nullptr;
}

void Bench::before_access(std::uint64_t bus, bool write) {
    std::shared_ptr<const std::function<void(std::uint64_t, bool)>> hook;
    {
        const std::lock_guard lock(hook_mutex_);
        hook = hook_;
    }
    if (hook != nullptr) {
        (*hook)(bus, write);
    }
}

std::uint64_t Bench::read(std::uint64_t offset, unsigned bytes) {
    const std::lock_guard lock(big_lock_);
    return accel_core_register_read(core_, offset, bytes);
}

void Bench::write(std::uint64_t offset, std::uint64_t value, unsigned bytes) {
    const std::lock_guard lock(big_lock_);
    accel_core_register_write(core_, offset, value, bytes);
}

void Bench::doorbell(std::uint32_t queue, std::uint64_t value) {
    doorbell_raw(std::uint64_t{queue} * ACCEL_DOORBELL_STRIDE, value, 4);
}

void Bench::doorbells(std::span<const std::pair<std::uint32_t, std::uint64_t>> rung) {
    const std::lock_guard lock(big_lock_);
    for (const auto& [queue, value] : rung) {
        accel_core_doorbell(core_, std::uint64_t{queue} * ACCEL_DOORBELL_STRIDE, value, 4);
    }
}

void Bench::doorbell_raw(std::uint64_t offset, std::uint64_t value, unsigned bytes) {
    const std::lock_guard lock(big_lock_);
    accel_core_doorbell(core_, offset, value, bytes);
}

void Bench::function_reset() {
    const std::lock_guard lock(big_lock_);
    accel_core_reset(core_);
}

void Bench::set_defect(accel_core_defect defect) {
    const std::lock_guard lock(big_lock_);
    accel_core_set_defect(core_, defect);
}

void Bench::set_ambient(std::int32_t millicelsius) {
    const std::lock_guard lock(big_lock_);
    accel_core_set_ambient(core_, millicelsius);
}

void Bench::enable() {
    if (admin_ring_ == 0) {
        admin_ring_ = host_.allocate(64 * sizeof(accel_admin_command));
        admin_results_ = host_.allocate(64 * sizeof(accel_admin_result));
        event_ring_ = host_.allocate(std::uint64_t{options_.event_entries} * sizeof(accel_event));
    }
    card::move_payload(host_.at(admin_results_), std::array<std::uint8_t, 1024>{}.data(), 1024);
    for (std::uint32_t i = 0; i < options_.event_entries; ++i) {
        (void)host_.write_word(event_ring_ + i * sizeof(accel_event), 0);
    }
    admin_tail_ = 0;
    events_seen_ = 0;
    write64(ACCEL_REG_ADMIN_RING, admin_ring_);
    write64(ACCEL_REG_ADMIN_RESULTS, admin_results_);
    write32(ACCEL_REG_ADMIN_ENTRIES, options_.admin_entries);
    write64(ACCEL_REG_EVENT_RING, event_ring_);
    write32(ACCEL_REG_EVENT_ENTRIES, options_.event_entries);
    write32(ACCEL_REG_CONTROL, ACCEL_CONTROL_ENABLE);
}

bool Bench::settled(std::uint64_t events) {
    return eventually([&] { return interrupts(0) == admin_tail_ + events; });
}

bool Bench::wait_ready() {
    return eventually([this] { return (read32(ACCEL_REG_STATUS) & ACCEL_STATUS_READY) != 0; });
}

bool Bench::soft_reset() {
    write32(ACCEL_REG_CONTROL, ACCEL_CONTROL_RESET);
    return wait_ready();
}

std::uint64_t Bench::post_admin(const accel_admin_command& command) {
    const std::lock_guard lock(admin_mutex_);
    const std::uint64_t sequence = ++admin_tail_;
    const std::uint64_t slot = (sequence - 1) % options_.admin_entries;
    (void)host_.write(admin_ring_ + slot * sizeof command, &command, sizeof command);
    write32(ACCEL_REG_ADMIN_DOORBELL, static_cast<std::uint32_t>(sequence));
    return sequence;
}

accel_status Bench::wait_admin(std::uint64_t sequence) {
    const std::uint64_t slot = (sequence - 1) % options_.admin_entries;
    const std::uint64_t address = admin_results_ + slot * sizeof(accel_admin_result);
    accel_admin_result result{};
    const bool done = eventually([&] {
        std::uint64_t seen = 0;
        (void)host_.read_word(address, seen);
        return seen == sequence;
    });
    (void)host_.read(address, &result, sizeof result);
    return done ? static_cast<accel_status>(result.status) : ACCEL_INTERNAL;
}

accel_queue_stats Bench::query(std::uint32_t queue) {
    const std::lock_guard lock(query_mutex_);
    if (query_page_ == 0) {
        query_page_ = host_.allocate(page_size);
    }
    accel_admin_command command{};
    command.opcode = ACCEL_ADMIN_QUERY_QUEUE;
    command.id = queue;
    command.query_queue.address = query_page_;
    accel_queue_stats stats{};
    if (admin(command) == ACCEL_OK) {
        (void)host_.read(query_page_, &stats, sizeof stats);
    }
    return stats;
}

bool Bench::event_pending() {
    std::uint64_t sequence = 0;
    (void)host_.read_word(event_ring_ + events_seen_ % options_.event_entries * sizeof(accel_event),
                          sequence);
    return sequence == events_seen_ + 1;
}

std::optional<accel_event> Bench::next_event() {
    if (!eventually([this] { return event_pending(); })) {
        return std::nullopt;
    }
    accel_event event{};
    (void)host_.read(event_ring_ + events_seen_ % options_.event_entries * sizeof event, &event,
                     sizeof event);
    ++events_seen_;
    set_event_head(static_cast<std::uint32_t>(events_seen_));
    return event;
}

std::vector<std::string> Bench::guest_errors() {
    const std::lock_guard lock(log_mutex_);
    return guest_errors_;
}

}  // namespace accel::bench
