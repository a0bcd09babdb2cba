// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Construction and destruction of the card, and its C interface.
#include "core.hpp"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdio>
#include <exception>
#include <new>
#include <string>
#include <system_error>

#include "thread.hpp"

namespace accel::card {

namespace {

constexpr std::uint32_t max_list_commands = 16384;
constexpr std::uint32_t max_list_steps = 1U << 24;
constexpr std::uint32_t max_queues = 4096;
constexpr std::uint32_t max_contexts = 4096;
constexpr std::uint32_t max_vectors = 2048;
constexpr std::uint32_t max_ring_entries = 65536;

std::string range_error(const char* what, std::uint32_t limit) {
    return std::string("the number of ") + what + " must be from 1 to " + std::to_string(limit);
}

// The reason why the card refuses a configuration; empty for a valid one.
std::string config_error(const accel_core_config& config, const accel_core_callbacks& callbacks) {
    if (config.memory_size % ACCEL_PAGE_SIZE != 0 || config.memory_size >= std::uint64_t{1}
                                                                               << ACCEL_VA_BITS) {
        return "the size of device memory must be a multiple of 4 KiB below 256 TiB";
    }
    if (config.memory_size != 0 && config.memory == nullptr) {
        return "the configuration has a size of device memory but no device memory";
    }
    if (reinterpret_cast<std::uintptr_t>(config.memory) % alignof(std::uint64_t) != 0) {
        return "device memory must be aligned to 8 bytes";
    }
    if (config.queues == 0 || config.queues > max_queues) {
        return range_error("queues", max_queues);
    }
    if (config.contexts == 0 || config.contexts > max_contexts) {
        return range_error("contexts", max_contexts);
    }
    if (config.vectors == 0 || config.vectors > max_vectors) {
        return range_error("interrupt vectors", max_vectors);
    }
    if (!std::has_single_bit(config.ring_entries) || config.ring_entries < ACCEL_RING_ENTRIES_MIN ||
        config.ring_entries > max_ring_entries) {
        return "the longest ring must be a power of two from " +
               std::to_string(ACCEL_RING_ENTRIES_MIN) + " to " + std::to_string(max_ring_entries);
    }
    if (config.threads > ACCEL_CORE_MAX_THREADS) {
        return "a command can have at most " + std::to_string(ACCEL_CORE_MAX_THREADS) + " threads";
    }
    if (callbacks.read == nullptr || callbacks.write == nullptr || callbacks.read64 == nullptr ||
        callbacks.write64 == nullptr || callbacks.interrupt == nullptr ||
        callbacks.log == nullptr || callbacks.clock == nullptr ||
        (config.link != nullptr && callbacks.timer == nullptr)) {
        return "the configuration lacks a required callback";
    }
    const char* const reason = config.link != nullptr ? Link::config_error(*config.link) : nullptr;
    return reason != nullptr ? reason : "";
}

// A configuration that refers to the card's own copy of the link: the embedder may destroy its
// structures once the card is created.
accel_core_config with_link(accel_core_config config, const accel_core_link& link) {
    config.link = config.link != nullptr ? &link : nullptr;
    return config;
}

}  // namespace

Core::Core(const accel_core_config& config, const accel_core_callbacks& callbacks, void* opaque)
    : link_(config.link != nullptr ? *config.link : accel_core_link{}),
      config_(with_link(config, link_)),
      embedder_(callbacks, opaque),
      timeline_(config.link != nullptr ? std::optional<Timeline>(std::in_place, embedder_)
                                       : std::nullopt),
      timing_(config.link != nullptr
                  ? std::optional<TimingModel>(std::in_place, *config.link, *timeline_)
                  : std::nullopt),
      bus_(embedder_, counters_, timing()),
      sensors_(meters_),
      events_(bus_),
      scheduler_(config.queues, bus_, timeline()),
      control_(bus_, events_, scheduler_, counters_, sensors_, meters_,
               std::bit_ceil(config.queues), timeline()),
      processor_({.bus = bus_,
                  .memory = {config.memory, config.memory_size},
                  .counters = counters_,
                  .scheduler = scheduler_,
                  .meters = meters_,
                  .sensors = sensors_,
                  .list_commands = max_list_commands,
                  .list_steps = max_list_steps,
                  .post_event = [this](const accel_event& event) { control_.post_event(event); }}),
      admin_(bus_, {config.memory, config.memory_size}, counters_, scheduler_, processor_,
             {.queues = config.queues,
              .contexts = config.contexts,
              .vectors = config.vectors,
              .ring_entries = config.ring_entries},
             control_.stopping()),
      registers_({.config = config_,
                  .list_commands = max_list_commands,
                  .list_steps = max_list_steps,
                  .bus = bus_,
                  .control = control_,
                  .events = events_,
                  .sensors = sensors_,
                  .counters = counters_,
                  .meters = meters_}) {
    control_.attach(admin_);
    try {
        start();
    } catch (...) {
        stop();  // the threads that did start must end before they can be joined
        throw;
    }
}

void Core::start() {
    if (timing_) {
        virtual_engines_.emplace(*timing_, scheduler_, processor_, control_);
        return;
    }
    team_.emplace(config_.threads != 0 ? config_.threads
                                       : std::min<unsigned>(usable_cores(), ACCEL_CORE_MAX_THREADS),
                  embedder_);
    dma_.emplace(Engine::dma, scheduler_, processor_, *team_);
    compute_.emplace(Engine::compute, scheduler_, processor_, *team_);
    control_thread_ = start_thread(embedder_, [this] { control_.run(); });
    dma_->start(embedder_);
    compute_->start(embedder_);
}

Core::~Core() {
    stop();
}

void Core::stop() {
    control_.shut_down();
    scheduler_.shut_down();
}

void Core::doorbell(std::uint64_t offset, std::uint64_t value, unsigned bytes) {
    if (bytes != 4 || offset % ACCEL_DOORBELL_STRIDE != 0) {
        return;
    }
    counters_.doorbells.add(1);
    const std::uint64_t page = offset / ACCEL_DOORBELL_STRIDE;
    const auto tail = static_cast<std::uint32_t>(value);
    if (!timing_) {
        return deliver_doorbell(page, tail);
    }
    timeline_->at(timing_->arrival(), [this, page, tail, resets = bus_.resets()] {
        if (resets == bus_.resets()) {
            deliver_doorbell(page, tail);
        }
    });
}

void Core::deliver_doorbell(std::uint64_t page, std::uint32_t value) {
    if (page >= config_.queues || !scheduler_.doorbell(static_cast<std::uint32_t>(page), value)) {
        control_.bad_doorbell(page);
    }
}

void Core::set_defect(accel_core_defect defect) {
    defect_ = defect;
    scheduler_.set_engines_hung(defect == ACCEL_DEFECT_ENGINES);
    processor_.set_hangs(defect == ACCEL_DEFECT_PROGRESS);
    events_.set_dropped(defect == ACCEL_DEFECT_EVENTS);
    events_.set_doubled(defect == ACCEL_DEFECT_DUPLICATES);
    control_.set_hung(defect == ACCEL_DEFECT_ADMIN, defect == ACCEL_DEFECT_RESET);
    if (timeline_) {
        timeline_->at(timeline_->now(), [] {});  // the pump after it resumes tasks that hung
    }
}

void Core::reset() {
    if (defect_ != ACCEL_DEFECT_RESET) {
        set_defect(ACCEL_DEFECT_NONE);
    }
    registers_.reset(true);
}

void Core::timer() {
    if (timeline_) {
        timeline_->run();
    }
}

}  // namespace accel::card

struct accel_core : accel::card::Core {
    using Core::Core;
};

accel_core* accel_core_create(const accel_core_config* config,
                              const accel_core_callbacks* callbacks, void* opaque, char* error,
                              std::size_t error_size) {
    const auto refuse = [&](const char* reason, int cause) -> accel_core* {
        if (error != nullptr && error_size > 0) {
            (void)std::snprintf(error, error_size, "%s", reason);
        }
        errno = cause;
        return nullptr;
    };
    try {
        const std::string reason = accel::card::config_error(*config, *callbacks);
        if (!reason.empty()) {
            return refuse(reason.c_str(), EINVAL);
        }
        return std::make_unique<accel_core>(*config, *callbacks, opaque).release();
    } catch (const std::system_error& exception) {
        return refuse("cannot start a thread", exception.code().value());
    } catch (const std::exception& exception) {
        return refuse(exception.what(), ENOMEM);
    }
}

void accel_core_destroy(accel_core* core) {
    const std::unique_ptr<accel_core> owner(core);
}

std::uint64_t accel_core_register_read(accel_core* core, std::uint64_t offset, unsigned int bytes) {
    return core->registers().read(offset, bytes);
}

void accel_core_register_write(accel_core* core, std::uint64_t offset, std::uint64_t value,
                               unsigned int bytes) {
    core->registers().write(offset, value, bytes);
}

void accel_core_doorbell(accel_core* core, std::uint64_t offset, std::uint64_t value,
                         unsigned int bytes) {
    core->doorbell(offset, value, bytes);
}

void accel_core_timer(accel_core* core) {
    core->timer();
}

void accel_core_reset(accel_core* core) {
    core->reset();
}

void accel_core_set_defect(accel_core* core, accel_core_defect defect) {
    core->set_defect(defect);
}

accel_core_defect accel_core_get_defect(const accel_core* core) {
    return core->defect();
}

void accel_core_set_ambient(accel_core* core, std::int32_t millicelsius) {
    core->sensors().set_ambient(millicelsius);
}

std::int32_t accel_core_ambient(const accel_core* core) {
    return core->sensors().ambient();
}
