// SPDX-License-Identifier: Apache-2.0
//
// Queues of the fake driver: making and ending them, waiting, poll().
#include <algorithm>
#include <bit>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "command_builders.hpp"
#include "fake_driver.hpp"
#include "fake_driver_state.hpp"

namespace accel::fake {

namespace {

using Clock = std::chrono::steady_clock;

Clock::time_point deadline_at(std::int64_t nanoseconds) {
    // Far enough for a test, and near enough not to overflow in a condition variable.
    const auto latest = Clock::now() + std::chrono::hours(1);
    return std::min(latest, Clock::time_point(std::chrono::nanoseconds(nanoseconds)));
}

template <typename T>
T load(T& word) {
    return __atomic_load_n(&word, __ATOMIC_SEQ_CST);
}

template <typename T>
void store(T& word, std::type_identity_t<T> value) {
    __atomic_store_n(&word, value, __ATOMIC_SEQ_CST);
}

}  // namespace

int Driver::queue_create(File& file, accel_queue_create& argument) {
    const auto most = static_cast<std::uint32_t>(file.card->read(ACCEL_REG_RING_ENTRIES, 4));
    if (argument.size != sizeof(argument) || argument.flags != 0 || argument.reserved != 0 ||
        !std::has_single_bit(argument.entries) || argument.entries < ACCEL_RING_ENTRIES_MIN ||
        argument.entries > most || argument.priority >= ACCEL_PRIORITIES) {
        return EINVAL;
    }
    if (argument.priority > limits_.priority_max) {
        return EPERM;
    }
    if (limits_.time_limit_ms != 0 && argument.time_limit_ms > limits_.time_limit_ms) {
        return EINVAL;
    }
    if (used().queues >= limits_.queues) {
        return EDQUOT;
    }
    auto queue = std::make_shared<Queue>();
    const auto queues = static_cast<std::uint32_t>(file.card->read(ACCEL_REG_QUEUES, 4));
    const auto taken = [&](std::uint32_t id) {
        return std::any_of(files_.begin(), files_.end(), [&](const auto& entry) {
            const File& other = *entry.second;
            return other.card == file.card && other.dead == 0 &&
                   std::any_of(other.queues.begin(), other.queues.end(),
                               [&](const auto& q) { return q.second->id == id; });
        });
    };
    while (queue->id < queues && taken(queue->id)) {
        ++queue->id;
    }
    if (queue->id == queues) {
        return ENOSPC;
    }
    queue->bytes = ACCEL_QUEUE_RING_OFFSET + std::uint64_t{argument.entries} * ACCEL_COMMAND_SIZE;
    queue->backing = bus_.allocate(queue->bytes);
    queue->doorbell = bus_.allocate(page_bytes);
    queue->address = reserve(file, queue->bytes);
    queue->doorbell_address = reserve(file, page_bytes);
    map_pages(file, queue->address, reinterpret_cast<std::uintptr_t>(queue->backing.get()),
              queue->bytes, ACCEL_PTE_READ | ACCEL_PTE_WRITE);

    const accel_admin_command create =
        test::create_queue(queue->id, {.ring = queue->address + ACCEL_QUEUE_RING_OFFSET,
                                       .status = queue->address,
                                       .context = file.context,
                                       .entries = argument.entries,
                                       .vector = 1,
                                       .priority = argument.priority});
    if (file.card->admin(create) != ACCEL_OK) {
        return EIO;
    }
    argument.handle = file.next_handle++;
    argument.address = queue->address;
    argument.bytes = queue->bytes;
    argument.doorbell = queue->doorbell_address;
    file.queues[argument.handle] = std::move(queue);
    return 0;
}

void Driver::stop_queue(File& file, Queue& queue) {
    ++queue.epoch;
    if (file.dead == 0) {
        static_cast<void>(
            file.card->admin(test::admin_command(ACCEL_ADMIN_DESTROY_QUEUE, queue.id)));
    }
    unmap_pages(file, queue.address, queue.bytes);
    file.card->wake();
}

int Driver::queue_destroy(File& file, std::uint32_t handle) {
    const auto found = file.queues.find(handle);
    if (found == file.queues.end()) {
        return ENOENT;
    }
    stop_queue(file, *found->second);
    file.queues.erase(found);
    return 0;
}

int Driver::queue_reset(File& file, std::uint32_t handle) {
    const auto found = file.queues.find(handle);
    if (found == file.queues.end()) {
        return ENOENT;
    }
    Queue& queue = *found->second;
    store(queue.status().tail, 0);
    store(queue.status().arm, 0);
    if (file.card->admin(test::admin_command(ACCEL_ADMIN_RESET_QUEUE, queue.id)) != ACCEL_OK) {
        return EIO;
    }
    take_events(*file.card);  // drops the events from before the reset
    queue.error = {};
    queue.stopped = ACCEL_REASON_NONE;
    queue.notify = 0;
    ++queue.epoch;
    file.card->wake();
    return 0;
}

accel_queue_status& Driver::status_page(int fd) {
    const FilePtr file = file_of(fd);
    const std::lock_guard lock(mutex_);
    return file->queues.rbegin()->second->status();
}

void Driver::stop_newest_queue(int fd, accel_status status, accel_reason reason) {
    const FilePtr file = file_of(fd);
    {
        const std::lock_guard lock(mutex_);
        Queue& queue = *file->queues.rbegin()->second;
        queue.error.status = status;
        queue.error.command_sequence = load(queue.status().completed) + 1;
        queue.error.list_index = ACCEL_NO_LIST_INDEX;
        queue.stopped = reason;
        store(queue.status().error, status);
        store(queue.status().error_sequence, queue.error.command_sequence);
        store(queue.status().error_list_index, ACCEL_NO_LIST_INDEX);
        store(queue.status().state, ACCEL_QUEUE_ERROR);
    }
    file->card->wake();
}

namespace {

accel_reason reason_of(std::uint32_t status) {
    switch (status) {
        case ACCEL_OK:
            return ACCEL_REASON_NONE;
        case ACCEL_TIME_LIMIT:
            return ACCEL_REASON_TIME_LIMIT;
        default:
            return ACCEL_REASON_ERROR;
    }
}

}  // namespace

void Driver::take_events(Card& card) {
    while (const auto event = card.take_event()) {
        if (event->type != ACCEL_EVENT_QUEUE_ERROR) {
            continue;
        }
        for (auto& [fd, file] : files_) {
            if (file->card != &card || file->dead != 0) {
                continue;
            }
            for (auto& [handle, queue] : file->queues) {
                if (queue->id == event->queue) {
                    queue->error = *event;
                }
            }
        }
    }
}

int Driver::look(File& file, Queue& queue, std::uint64_t sequence, std::uint32_t epoch) {
    take_events(*file.card);
    if (queue.epoch != epoch) {
        return -ECANCELED;
    }
    if (load(queue.status().completed) >= sequence) {
        return 1;
    }
    if (file.dead != 0) {
        return -file.dead;
    }
    if (queue.error.status == ACCEL_TIME_LIMIT || queue.error.status == ACCEL_NO_PROGRESS) {
        return -ETIME;
    }
    return queue.error.status != 0 ? -EIO : 0;
}

// Arms the card for the lowest sequence number that a call waits for.
void Driver::arm(Queue& queue) {
    const std::uint64_t completed = load(queue.status().completed);
    std::uint64_t lowest = queue.notify > completed ? queue.notify : UINT64_MAX;
    const auto next = queue.waiting.upper_bound(completed);
    lowest = std::min(lowest, next == queue.waiting.end() ? UINT64_MAX : *next);
    if (lowest != UINT64_MAX) {
        store(queue.status().arm, lowest);
    }
}

int Driver::queue_wait(File& file, accel_queue_wait& argument) {
    QueuePtr queue;
    std::uint32_t epoch = 0;
    {
        const std::lock_guard lock(mutex_);
        const auto found = file.queues.find(argument.handle);
        if (argument.size != sizeof(argument)) {
            return EINVAL;
        }
        if (found == file.queues.end()) {
            return file.dead != 0 ? file.dead : ENOENT;
        }
        queue = found->second;
        epoch = queue->epoch;
        queue->waiting.insert(argument.sequence);
    }
    const auto deadline = deadline_at(argument.deadline);
    int result = 0;
    for (;;) {
        const std::uint64_t seen = file.card->interrupts();
        {
            const std::lock_guard lock(mutex_);
            arm(*queue);
            result = look(file, *queue, argument.sequence, epoch);
        }
        if (result != 0) {
            break;
        }
        if (Clock::now() >= deadline) {
            result = -ETIMEDOUT;
            break;
        }
        file.card->sleep(seen, deadline);
    }
    const std::lock_guard lock(mutex_);
    queue->waiting.erase(queue->waiting.find(argument.sequence));
    argument.completed = load(queue->status().completed);
    return result > 0 ? 0 : -result;
}

int Driver::queue_notify(File& file, const accel_queue_notify& argument) {
    const auto found = file.queues.find(argument.handle);
    if (argument.size != sizeof(argument)) {
        return EINVAL;
    }
    if (found == file.queues.end()) {
        return ENOENT;
    }
    found->second->notify = argument.sequence;
    file.card->wake();
    return 0;
}

int Driver::queue_query(File& file, accel_queue_query& argument) {
    const auto found = file.queues.find(argument.handle);
    if (argument.size != sizeof(argument)) {
        return EINVAL;
    }
    if (found == file.queues.end()) {
        return ENOENT;
    }
    Queue& queue = *found->second;
    const auto page = bus_.allocate(page_bytes);
    const auto address = reinterpret_cast<std::uintptr_t>(page.get());
    if (file.card->admin(test::query_queue(queue.id, address)) != ACCEL_OK) {
        return EIO;
    }
    accel_queue_stats stats;
    std::memcpy(&stats, page.get(), sizeof(stats));
    take_events(*file.card);
    argument.state = queue.error.status != 0 ? ACCEL_QUEUE_ERROR : ACCEL_QUEUE_RUNNING;
    argument.error = queue.error.status;
    argument.error_sequence = queue.error.command_sequence;
    argument.error_address = queue.error.address;
    argument.error_list_index = queue.error.list_index;
    argument.error_opcode = queue.error.opcode;
    if (knows_reasons) {
        argument.reason =
            queue.stopped != ACCEL_REASON_NONE ? queue.stopped : reason_of(queue.error.status);
    }
    argument.completed = load(queue.status().completed);
    argument.commands = stats.commands;
    argument.doorbells = stats.doorbells;
    argument.interrupts = stats.interrupts;
    argument.dma_busy = stats.dma_busy;
    argument.compute_busy = stats.compute_busy;
    argument.host_read = stats.host_read;
    argument.host_written = stats.host_written;
    argument.memory_read = stats.memory_read;
    argument.memory_written = stats.memory_written;
    return 0;
}

int Driver::poll(std::span<pollfd> fds, int timeout_ms) noexcept {
    ++calls_;
    // Sleeps on the first card, and checks the others every millisecond: tests have few cards.
    const auto deadline = timeout_ms < 0 ? deadline_at(INT64_MAX)
                                         : Clock::now() + std::chrono::milliseconds(timeout_ms);
    for (;;) {
        const std::uint64_t seen = cards_.front()->interrupts();
        int ready = 0;
        bool foreign = false;
        {
            const std::lock_guard lock(mutex_);
            for (pollfd& entry : fds) {
                entry.revents = 0;
                const auto found = files_.find(entry.fd);
                if (found == files_.end()) {
                    static_cast<void>(::poll(&entry, 1, 0));  // not of this driver
                    foreign = true;
                } else {
                    File& file = *found->second;
                    entry.revents = static_cast<short>(file.dead != 0 ? POLLHUP | POLLERR : 0);
                    for (auto& [handle, queue] : file.queues) {
                        if (queue->notify != 0) {
                            arm(*queue);
                            const int due = look(file, *queue, queue->notify, queue->epoch);
                            entry.revents = static_cast<short>(entry.revents | (due > 0   ? POLLIN
                                                                                : due < 0 ? POLLERR
                                                                                          : 0));
                        }
                    }
                }
                ready += entry.revents != 0 ? 1 : 0;
            }
        }
        if (ready != 0 || Clock::now() >= deadline) {
            return ready;
        }
        const bool one = cards_.size() == 1 && !foreign;
        cards_.front()->sleep(
            seen, one ? deadline : std::min(deadline, Clock::now() + std::chrono::milliseconds(1)));
    }
}

void Driver::ring_doorbell(void* doorbell, std::uint32_t value) noexcept {
    ++rings_;
    Card* card = nullptr;
    std::uint32_t queue = 0;
    {
        const std::lock_guard lock(mutex_);
        if (const auto found = mappings_.find(doorbell); found != mappings_.end()) {
            card = found->second.card;
            queue = found->second.queue;
        }
    }
    if (card != nullptr) {
        card->doorbell(queue, value);
    }
}

}  // namespace accel::fake
