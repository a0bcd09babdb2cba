// SPDX-License-Identifier: Apache-2.0
//
// Files of a machine, their ends, and what concerns no buffer or queue alone.
#include "machine.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <utility>

#include "admin_commands.hpp"
#include "machine_state.hpp"

namespace accel::emulated {

Machine::Machine(std::string name, const std::vector<CardOptions>& cards) : name_(std::move(name)) {
    for (const CardOptions& options : cards) {
        cards_.push_back(std::make_unique<Card>(bus_, options));
    }
}

Machine::~Machine() {
    while (!files_.empty()) {
        Machine::close(files_.begin()->first);
    }
}

std::vector<std::string> Machine::nodes() {
    std::vector<std::string> names{name_};
    const char separator = name_.find(':') == std::string::npos ? ':' : ',';
    for (std::size_t i = 1; i < cards_.size(); ++i) {
        names.push_back(name_ + separator + "card=" + std::to_string(i));
    }
    return names;
}

std::optional<std::size_t> Machine::card_of(const std::string& path) {
    const auto names = Machine::nodes();
    const auto found = std::find(names.begin(), names.end(), path);
    return found == names.end() ? std::nullopt
                                : std::optional(static_cast<std::size_t>(found - names.begin()));
}

std::optional<std::string> Machine::attribute(const std::string& /*path*/,
                                              const std::string& name) {
    const std::lock_guard lock(mutex_);
    return name == "quota/contexts" ? std::optional(std::to_string(limits_.contexts))
                                    : std::nullopt;
}

Machine::FilePtr Machine::file_of(int fd) {
    const std::lock_guard lock(mutex_);
    const auto found = files_.find(fd);
    return found == files_.end() ? nullptr : found->second;
}

std::optional<std::uint32_t> Machine::free_context(const Card& card) const {
    std::uint32_t context = 0;
    for (;; ++context) {
        if (std::none_of(files_.begin(), files_.end(), [&](const auto& entry) {
                return &entry.second->card == &card && entry.second->context == context;
            })) {
            break;
        }
    }
    const auto contexts =
        static_cast<std::uint32_t>(const_cast<Card&>(card).read(ACCEL_REG_CONTEXTS, 4));
    return context < contexts ? std::optional(context) : std::nullopt;
}

int Machine::open(const std::string& path) noexcept {
    int fd = -1;
    const int error = guarded([&] {
        fd = try_open(path);
        return 0;
    });
    return error != 0 ? -error : fd;
}

int Machine::try_open(const std::string& path) {
    const auto index = card_of(path);
    if (!index) {
        return -ENOENT;
    }
    const std::lock_guard lock(mutex_);
    if (files_.size() >= limits_.contexts) {
        return -EDQUOT;
    }
    Card& card = *cards_[*index];
    const auto context = free_context(card);
    if (!context) {
        return -ENOSPC;
    }
    auto file = std::make_shared<File>(bus_, card, *index);
    file->context = *context;
    if (card.admin(create_context(*context, file->pages.root())) != ACCEL_OK) {
        return -EIO;
    }
    const int fd = file->state->fd();
    files_[fd] = std::move(file);
    return fd;
}

void Machine::close(int fd) noexcept {
    const std::lock_guard lock(mutex_);
    const auto found = files_.find(fd);
    if (found == files_.end()) {
        return;
    }
    File& file = *found->second;
    for (auto& [handle, queue] : file.queues) {
        stop_queue(file, queue);
    }
    for (auto& [handle, buffer] : file.buffers) {
        free_buffer(file, buffer);
    }
    if (file.dead == 0) {
        static_cast<void>(
            file.card.admin(admin_command(ACCEL_ADMIN_DESTROY_CONTEXT, file.context)));
    }
    files_.erase(found);
}

int Machine::ioctl(int fd, unsigned long request, void* argument) noexcept {
    const FilePtr file = file_of(fd);
    return file ? -guarded([&] { return serve(*file, request, argument); }) : -EBADF;
}

int Machine::serve(File& file, unsigned long request, void* argument) {
    if (request == ACCEL_IOCTL_QUEUE_WAIT) {
        return queue_wait(file, *static_cast<accel_queue_wait*>(argument));
    }
    const std::lock_guard lock(mutex_);
    if (request == ACCEL_IOCTL_CONTEXT_QUERY) {
        return context_query(file, *static_cast<accel_context_query*>(argument));
    }
    if (file.dead != 0 && request != ACCEL_IOCTL_BUFFER_DESTROY &&
        request != ACCEL_IOCTL_QUEUE_DESTROY) {
        return file.dead;
    }
    switch (request) {
        case ACCEL_IOCTL_INFO:
            return info(file, *static_cast<accel_info*>(argument));
        case ACCEL_IOCTL_BUFFER_CREATE:
            return buffer_create(file, *static_cast<accel_buffer_create*>(argument));
        case ACCEL_IOCTL_BUFFER_REGISTER:
            return buffer_register(file, *static_cast<accel_buffer_register*>(argument));
        case ACCEL_IOCTL_BUFFER_DESTROY:
            return buffer_destroy(file, static_cast<accel_buffer_destroy*>(argument)->handle);
        case ACCEL_IOCTL_BUFFER_EXPORT:
            return buffer_export(file, *static_cast<accel_buffer_export*>(argument));
        case ACCEL_IOCTL_BUFFER_IMPORT:
            return buffer_import(file, *static_cast<accel_buffer_import*>(argument));
        default:
            return serve_queue(file, request, argument);
    }
}

int Machine::info(File& file, accel_info& argument) {
    if (argument.size != sizeof(argument) || argument.flags != 0) {
        return EINVAL;
    }
    const auto read32 = [&](std::uint64_t offset) {
        return static_cast<std::uint32_t>(file.card.read(offset, 4));
    };
    argument.hw_version = read32(ACCEL_REG_VERSION);
    argument.firmware = read32(ACCEL_REG_FIRMWARE);
    argument.features = file.card.read(ACCEL_REG_FEATURES, 8);
    argument.capabilities = capabilities_;
    argument.serial = file.card.read(ACCEL_REG_SERIAL, 8);
    argument.memory_size = file.card.read(ACCEL_REG_MEMORY_SIZE, 8);
    argument.memory_free = file.card.memory().free_bytes();
    argument.queues = read32(ACCEL_REG_QUEUES);
    argument.contexts = read32(ACCEL_REG_CONTEXTS);
    argument.ring_entries = read32(ACCEL_REG_RING_ENTRIES);
    argument.list_commands = read32(ACCEL_REG_LIST_COMMANDS);
    argument.va_bits = read32(ACCEL_REG_VA_BITS);
    argument.engines = read32(ACCEL_REG_ENGINES);
    argument.clock_hz = read32(ACCEL_REG_CLOCK_HZ);
    argument.vectors = read32(ACCEL_REG_VECTORS);
    argument.pci_bus = static_cast<std::uint32_t>(file.card_index + 1);
    argument.numa_node = -1;
    argument.generation = file.card.generation();
    argument.locked = locked_;
    argument.locked_limit = limits_.locked;
    const Limits use = used();
    argument.contexts_used = use.contexts;
    argument.contexts_quota = limits_.contexts;
    argument.queues_used = use.queues;
    argument.queues_quota = limits_.queues;
    argument.memory_used = use.memory;
    argument.memory_quota = limits_.memory;
    argument.host_memory_used = use.host_memory;
    argument.host_memory_quota = limits_.host_memory;
    argument.priority_max = limits_.priority_max;
    argument.time_limit_ms = limits_.time_limit_ms;
    argument.list_steps = read32(ACCEL_REG_LIST_STEPS);
    argument.call_arguments = read32(ACCEL_REG_CALL_ARGUMENTS);
    return 0;
}

Limits Machine::used() const {
    Limits used{.contexts = files_.size(), .queues = 0, .memory = 0, .host_memory = 0};
    for (const auto& [fd, file] : files_) {
        used.queues += file->queues.size();
        for (const auto& [handle, buffer] : file->buffers) {
            const bool device = buffer.memory && buffer.memory->device() != nullptr;
            if (!buffer.imported) {
                (device ? used.memory : used.host_memory) += buffer.bytes;
            }
        }
    }
    return used;
}

int Machine::context_query(const File& file, accel_context_query& argument) {
    if (argument.size != sizeof(argument) || argument.flags != 0) {
        return EINVAL;
    }
    argument.reason = file.reason;
    argument.error = static_cast<std::uint32_t>(file.dead);
    argument.generation = file.generation;
    argument.card_generation = file.card.generation();
    argument.time = file.end_time;
    argument.pid = file.pid;
    return 0;
}

void Machine::end_files(std::size_t index, int error, accel_reason reason, std::uint32_t pid) {
    const std::lock_guard lock(mutex_);
    timespec now{};
    ::clock_gettime(CLOCK_BOOTTIME, &now);
    Card& card = *cards_.at(index);
    for (auto& [fd, open_file] : files_) {
        File& file = *open_file;
        if (file.card_index == index && file.dead == 0) {
            file.dead = error;
            file.reason = reason;
            file.pid = pid;
            file.end_time = static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
                            static_cast<std::uint64_t>(now.tv_nsec);
            card.change([&] { file.state->end(error); });
        }
    }
    card.reset();
}

// fork() has closed the file descriptor already (owned_fd.hpp).
void Machine::close_in_child(int /*fd*/) noexcept {}

void Machine::replace_in_child(void* memory, std::size_t bytes) noexcept {
    (void)::mmap(memory, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
                 0);
}

int Machine::poll(std::span<pollfd> fds, int timeout_ms) noexcept {
    const int ready = ::poll(fds.data(), fds.size(), timeout_ms);
    if (ready < 0) {
        return -errno;
    }
    // A socket cannot report the failure of a queue as the driver does.
    for (pollfd& entry : fds) {
        if ((entry.revents & POLLIN) == 0) {
            continue;
        }
        if (const FilePtr file = file_of(entry.fd);
            file && file->card.look([&] { return file->state->failed; })) {
            entry.revents |= POLLERR;
        }
    }
    return ready;
}

void Machine::ring_doorbell(void* doorbell, std::uint32_t value) noexcept {
    const auto& target = *static_cast<const DoorbellTarget*>(doorbell);
    if (Card* const card = target.card.load(std::memory_order_acquire)) {
        card->doorbell(target.queue, value);
    }
}

}  // namespace accel::emulated
