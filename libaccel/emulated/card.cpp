// SPDX-License-Identifier: Apache-2.0
//
// Brings the card up, and passes its interrupts on.
#include "card.hpp"

#include <pthread.h>

#include <algorithm>
#include <stdexcept>

#include "polling.hpp"
#include "signals.hpp"

namespace accel::emulated {

namespace {

constexpr std::uint32_t admin_entries = 16;
constexpr std::uint32_t event_entries = 64;

// The link that the card has in QEMU by default: generation 4, 16 lanes.
constexpr accel_core_link link{
    .generation = 4, .lanes = 16, .payload = 256, .read_request = 512, .completion = 256};

constexpr std::uint64_t results_offset = page_bytes;
constexpr std::uint64_t events_offset = 2 * page_bytes;
static_assert(admin_entries * sizeof(accel_admin_command) <= page_bytes);
static_assert(event_entries * sizeof(accel_event) <= page_bytes);

}  // namespace

Card::Card(Bus& bus, const CardOptions& options)
    : bus_(bus),
      timing_model_(options.timing_model),
      memory_(std::make_shared<DeviceMemory>(options.memory)),
      rings_(bus, 3 * page_bytes) {
    {
        const SignalBlock block;
        CoreHost& host = *this;  // a private base: make_unique() may not convert to it
        core_ = std::make_unique<HostedCore>(
            host, accel_core_config{.memory = reinterpret_cast<std::uint8_t*>(memory_->data()),
                                    .memory_size = options.memory,
                                    .serial = options.serial,
                                    .queues = options.queues,
                                    .contexts = options.contexts,
                                    .vectors = options.vectors,
                                    .ring_entries = options.ring_entries,
                                    .link = timing_model_ ? &link : nullptr,
                                    .threads = options.threads});
    }
    if (timing_model_) {
        clock_.start([this] {
            core_->locked([](accel_core* core) { accel_core_timer(core); });
            if (pending_.exchange(false)) {
                const std::lock_guard lock(mutex_);
                update();
            }
        });
    }
    enable();
}

Card::~Card() {
    clock_.stop();
    core_.reset();
}

void Card::enable() {
    if (!core_->wait_ready()) {
        throw std::runtime_error(
            "the card does not become ready: report this, with the options of the device");
    }
    core_->enable({.admin_ring = rings_.address(),
                   .admin_results = rings_.address() + results_offset,
                   .event_ring = rings_.address() + events_offset,
                   .admin_entries = admin_entries,
                   .event_entries = event_entries});
}

void Card::thread_enter() {
    ::pthread_setname_np(::pthread_self(), "accel-emulated");
}

std::uint64_t Card::clock() {
    return timing_model_ ? clock_.now()
                         : static_cast<std::uint64_t>(Clock::now().time_since_epoch().count());
}

void Card::interrupt(unsigned vector) {
    if (vector != 0 && lose_interrupts) {
        return;
    }
    if (timing_model_) {
        pending_ = true;  // the core is in a call: its lock is taken
        return;
    }
    const std::lock_guard lock(mutex_);
    update();
}

void Card::take_events() {
    while (const auto event = core_->take_event()) {
        if (event->type != ACCEL_EVENT_QUEUE_ERROR) {
            continue;
        }
        for (const auto& queue : queues_) {
            if (queue->id == event->queue) {
                queue->error = *event;
            }
        }
    }
}

void Card::update() {
    ++interrupts_;
    interrupted_.notify_all();
    take_events();
    for (const auto& queue : queues_) {
        queue->file->due = false;
        queue->file->failed = false;
    }
    for (const auto& queue : queues_) {
        queue->update();
    }
    for (const auto& queue : queues_) {
        queue->file->set_ready(queue->file->due);
    }
}

accel_status Card::admin(const accel_admin_command& command) {
    std::unique_lock lock(mutex_);
    std::uint64_t seen = interrupts_;
    lock.unlock();
    const std::uint64_t sequence = core_->post_admin(command);
    const auto deadline = Clock::now() + hang_limit;
    for (;;) {
        if (const auto status = core_->admin_result(sequence)) {
            return *status;
        }
        lock.lock();
        if (!interrupted_.wait_until(lock, deadline, [&] { return interrupts_ != seen; })) {
            return ACCEL_INTERNAL;
        }
        seen = interrupts_;
        lock.unlock();
    }
}

void Card::attach(const std::shared_ptr<QueueState>& queue) {
    const std::lock_guard lock(mutex_);
    take_events();  // those of an earlier queue of the same number
    queues_.push_back(queue);
}

void Card::detach(const QueueState& queue) {
    const std::lock_guard lock(mutex_);
    std::erase_if(queues_, [&](const auto& one) { return one.get() == &queue; });
}

bool Card::attached(std::uint32_t id) {
    const std::lock_guard lock(mutex_);
    return std::any_of(queues_.begin(), queues_.end(),
                       [&](const auto& queue) { return queue->id == id; });
}

int Card::wait(QueueState& queue, std::uint64_t sequence, std::uint32_t epoch,
               Clock::time_point deadline) {
    std::unique_lock lock(mutex_);
    const auto waiting = queue.waiting.insert(sequence);
    int result = 0;
    for (;;) {
        queue.arm();
        take_events();
        result = queue.look(sequence, epoch);
        if (result != 0) {
            break;
        }
        if (Clock::now() >= deadline) {
            result = -ETIMEDOUT;
            break;
        }
        // In slices: the latest deadlines overflow in a condition variable.
        queue.changed.wait_until(lock, std::min(deadline, Clock::now() + std::chrono::hours(1)));
    }
    queue.waiting.erase(waiting);
    return result > 0 ? 0 : -result;
}

void Card::reset() {
    ++generation_;
    core_->write32(ACCEL_REG_CONTROL, ACCEL_CONTROL_RESET);
    enable();
    const std::lock_guard lock(mutex_);
    update();
    queues_.clear();
}

}  // namespace accel::emulated
