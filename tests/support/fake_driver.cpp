// SPDX-License-Identifier: Apache-2.0
//
// Counts, failures on demand, and the state that tests look at.
#include "fake_driver.hpp"

#include <algorithm>
#include <cerrno>

#include "emulated/machine_state.hpp"

namespace accel::fake {

namespace {

std::vector<emulated::CardOptions> emulated_options(const std::vector<CardOptions>& cards) {
    std::vector<emulated::CardOptions> result;
    result.reserve(cards.size());
    for (const CardOptions& card : cards) {
        result.push_back({.memory = card.memory,
                          .serial = card.serial,
                          .queues = card.queues,
                          .contexts = card.contexts,
                          .vectors = card.vectors,
                          .ring_entries = card.ring_entries,
                          .timing_model = false});
    }
    return result;
}

template <typename T>
void store(T& word, std::type_identity_t<T> value) {
    __atomic_store_n(&word, value, __ATOMIC_SEQ_CST);
}

}  // namespace

Driver::Driver(const std::vector<CardOptions>& cards)
    : Machine("emulated", emulated_options(cards)) {
    // As small as the usual limit of a process: tests reach it.
    limits_.locked = 1 << 20;
    // Tests look at the entries of io_uring, and submit none.
    capabilities_ |= ACCEL_CAP_URING;
}

std::vector<std::string> Driver::nodes() {
    std::vector<std::string> paths;
    for (std::size_t i = 0; i < cards_.size(); ++i) {
        if (static_cast<int>(i) != missing_node) {
            paths.push_back("/dev/accel" + std::to_string(i));
        }
    }
    return paths;
}

std::optional<std::size_t> Driver::card_of(const std::string& path) {
    const auto names = nodes();
    if (std::find(names.begin(), names.end(), path) == names.end()) {
        return std::nullopt;
    }
    return std::stoul(path.substr(path.find_first_of("0123456789")));
}

void Driver::fail(unsigned long request, int error) {
    const std::lock_guard lock(script_mutex_);
    failures_[request].push_back(error);
}

void Driver::before(unsigned long request, std::function<void()> action) {
    const std::lock_guard lock(script_mutex_);
    actions_[request] = std::move(action);
}

std::uint64_t Driver::calls(unsigned long request) {
    const std::lock_guard lock(script_mutex_);
    return counts_[request];
}

std::optional<int> Driver::injected(unsigned long request) {
    ++calls_;
    std::function<void()> action;
    std::optional<int> error;
    {
        const std::lock_guard lock(script_mutex_);
        ++counts_[request];
        if (const auto found = actions_.find(request); found != actions_.end()) {
            action = found->second;
        }
        if (auto& queue = failures_[request]; !queue.empty()) {
            error = queue.front();
            queue.pop_front();
        }
    }
    if (action) {
        action();
    }
    return error == 0 ? std::nullopt : error;
}

std::size_t Driver::alive() {
    const std::lock_guard lock(mutex_);
    std::size_t count = files_.size() + mappings_.size();
    for (const auto& [fd, file] : files_) {
        count += file->buffers.size() + file->queues.size();
    }
    return count;
}

std::size_t Driver::buffers() {
    const std::lock_guard lock(mutex_);
    std::size_t count = 0;
    for (const auto& [fd, file] : files_) {
        count += file->buffers.size();
    }
    return count;
}

int Driver::open(const std::string& path) noexcept {
    const auto error = injected(open_request);
    return error ? -*error : Machine::open(path);
}

void Driver::close(int fd) noexcept {
    ++calls_;
    Machine::close(fd);
}

int Driver::ioctl(int fd, unsigned long request, void* argument) noexcept {
    if (fd < 0) {
        return -EBADF;
    }
    if (const auto error = injected(request)) {
        return -*error;
    }
    if (request == ACCEL_IOCTL_CONTEXT_QUERY && !knows_reasons) {
        return -ENOTTY;
    }
    const int result = Machine::ioctl(fd, request, argument);
    if (result != 0) {
        return result;
    }
    if (request == ACCEL_IOCTL_INFO && hw_version != 0) {
        static_cast<accel_info*>(argument)->hw_version = hw_version;
    }
    if (request == ACCEL_IOCTL_QUEUE_QUERY && !knows_reasons) {
        static_cast<accel_queue_query*>(argument)->reason = ACCEL_REASON_NONE;
    }
    return 0;
}

int Driver::mmap(int fd, std::uint64_t offset, std::size_t bytes, void** memory) noexcept {
    if (fd < 0) {
        return -EBADF;
    }
    const auto error = injected(mmap_request);
    return error ? -*error : Machine::mmap(fd, offset, bytes, memory);
}

void Driver::munmap(void* memory, std::size_t bytes) noexcept {
    ++calls_;
    Machine::munmap(memory, bytes);
}

int Driver::poll(std::span<pollfd> fds, int timeout_ms) noexcept {
    ++calls_;
    return Machine::poll(fds, timeout_ms);
}

void Driver::ring_doorbell(void* doorbell, std::uint32_t value) noexcept {
    ++rings_;
    Machine::ring_doorbell(doorbell, value);
}

void Driver::set_limits(const Limits& limits) {
    const std::lock_guard lock(mutex_);
    const std::uint64_t locked = limits_.locked;
    limits_ = limits;
    limits_.locked = locked;
}

void Driver::set_locked_limit(std::uint64_t bytes) {
    const std::lock_guard lock(mutex_);
    limits_.locked = bytes;
}

accel_queue_status& Driver::status_page(int fd) {
    const FilePtr file = file_of(fd);
    const std::lock_guard lock(mutex_);
    return file->queues.rbegin()->second.state->status();
}

void Driver::stop_newest_queue(int fd, accel_status status, accel_reason reason) {
    const FilePtr file = file_of(fd);
    const std::lock_guard lock(mutex_);
    emulated::QueueState& queue = *file->queues.rbegin()->second.state;
    file->card.change([&] {
        queue.error.status = status;
        queue.error.command_sequence = queue.completed() + 1;
        queue.error.list_index = ACCEL_NO_LIST_INDEX;
        queue.stopped = reason;
        store(queue.status().error, status);
        store(queue.status().error_sequence, queue.error.command_sequence);
        store(queue.status().error_list_index, ACCEL_NO_LIST_INDEX);
        store(queue.status().state, ACCEL_QUEUE_ERROR);
    });
}

}  // namespace accel::fake
