// SPDX-License-Identifier: Apache-2.0
//
// Files, buffers and mappings of the fake driver; its queues are in fake_driver_queues.cpp, its
// limits and the end of its cards in fake_driver_endings.cpp.
#include "fake_driver.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "command_builders.hpp"
#include "fake_driver_state.hpp"

namespace accel::fake {

namespace {

constexpr std::uint64_t round_up(std::uint64_t bytes) {
    return (bytes + page_bytes - 1) / page_bytes * page_bytes;
}

std::uint64_t bus_address(const void* memory) {
    return reinterpret_cast<std::uintptr_t>(memory);
}

std::uint64_t permissions(std::uint32_t flags) {
    return ((flags & ACCEL_BUFFER_CARD_READ) != 0 ? ACCEL_PTE_READ : 0) |
           ((flags & ACCEL_BUFFER_CARD_WRITE) != 0 ? ACCEL_PTE_WRITE : 0);
}

}  // namespace

Driver::Driver(const std::vector<CardOptions>& cards) {
    for (const CardOptions& options : cards) {
        cards_.push_back(std::make_unique<Card>(bus_, options));
    }
}

Driver::~Driver() = default;

std::vector<std::string> Driver::nodes() {
    std::vector<std::string> paths;
    for (std::size_t i = 0; i < cards_.size(); ++i) {
        if (static_cast<int>(i) != missing_node) {
            paths.push_back("/dev/accel" + std::to_string(i));
        }
    }
    return paths;
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

Driver::FilePtr Driver::file_of(int fd) {
    const std::lock_guard lock(mutex_);
    const auto found = files_.find(fd);
    return found == files_.end() ? nullptr : found->second;
}

int Driver::open(const std::string& path) noexcept {
    if (const auto error = injected(open_request)) {
        return -*error;
    }
    const auto names = nodes();
    if (std::find(names.begin(), names.end(), path) == names.end()) {
        return -ENOENT;
    }
    const std::lock_guard lock(mutex_);
    if (files_.size() >= limits_.contexts) {
        return -EDQUOT;
    }
    auto file = std::make_shared<File>();
    file->card_index = std::stoul(path.substr(path.find_first_of("0123456789")));
    file->generation = generation_;
    file->card = cards_[file->card_index].get();
    const auto contexts = static_cast<std::uint32_t>(file->card->read(ACCEL_REG_CONTEXTS, 4));
    for (file->context = 0; file->context < contexts; ++file->context) {
        if (std::none_of(files_.begin(), files_.end(), [&](const auto& entry) {
                return entry.second->card == file->card && entry.second->context == file->context;
            })) {
            break;
        }
    }
    if (file->context == contexts) {
        return -ENOSPC;
    }
    file->root = bus_.allocate(page_bytes);
    if (file->card->admin(test::create_context(file->context, bus_address(file->root.get()))) !=
        ACCEL_OK) {
        return -EIO;
    }
    files_[next_fd_] = file;
    return next_fd_++;
}

void Driver::close(int fd) noexcept {
    ++calls_;
    const std::lock_guard lock(mutex_);
    const auto found = files_.find(fd);
    if (found == files_.end()) {
        return;
    }
    File& file = *found->second;
    for (auto& [handle, queue] : file.queues) {
        stop_queue(file, *queue);
    }
    for (auto& [handle, buffer] : file.buffers) {
        free_buffer(file, buffer);
    }
    if (file.dead == 0) {
        static_cast<void>(
            file.card->admin(test::admin_command(ACCEL_ADMIN_DESTROY_CONTEXT, file.context)));
    }
    files_.erase(found);
}

int Driver::ioctl(int fd, unsigned long request, void* argument) noexcept {
    if (fd < 0) {
        return -EBADF;
    }
    if (const auto error = injected(request)) {
        return -*error;
    }
    const FilePtr file = file_of(fd);
    return file ? -serve(*file, request, argument) : -EBADF;
}

int Driver::serve(File& file, unsigned long request, void* argument) {
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
        case ACCEL_IOCTL_QUEUE_CREATE:
            return queue_create(file, *static_cast<accel_queue_create*>(argument));
        case ACCEL_IOCTL_QUEUE_DESTROY:
            return queue_destroy(file, static_cast<accel_queue_destroy*>(argument)->handle);
        case ACCEL_IOCTL_QUEUE_RESET:
            return queue_reset(file, static_cast<accel_queue_reset*>(argument)->handle);
        case ACCEL_IOCTL_QUEUE_NOTIFY:
            return queue_notify(file, *static_cast<accel_queue_notify*>(argument));
        case ACCEL_IOCTL_QUEUE_QUERY:
            return queue_query(file, *static_cast<accel_queue_query*>(argument));
        default:
            return ENOTTY;
    }
}

int Driver::info(File& file, accel_info& argument) {
    if (argument.size != sizeof(argument) || argument.flags != 0) {
        return EINVAL;
    }
    const auto read32 = [&](std::uint64_t offset) {
        return static_cast<std::uint32_t>(file.card->read(offset, 4));
    };
    argument.hw_version = hw_version != 0 ? hw_version.load() : read32(ACCEL_REG_VERSION);
    argument.firmware = read32(ACCEL_REG_FIRMWARE);
    argument.features = file.card->read(ACCEL_REG_FEATURES, 8);
    argument.capabilities = capabilities;
    argument.serial = file.card->read(ACCEL_REG_SERIAL, 8);
    argument.memory_size = file.card->read(ACCEL_REG_MEMORY_SIZE, 8);
    argument.memory_free = argument.memory_size;
    for (const auto& [offset, bytes] : memory_used_[file.card]) {
        argument.memory_free -= bytes;
    }
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
    argument.generation = generation_;
    argument.locked = locked_;
    argument.locked_limit = locked_limit;
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
    return 0;
}

// ---- Memory ----

std::uint64_t Driver::reserve(File& file, std::uint64_t bytes) {
    const std::uint64_t address = file.next_address;
    file.next_address += round_up(bytes) + page_bytes;  // with an unmapped page behind each
    return address;
}

void Driver::map_pages(File& file, std::uint64_t address, std::uint64_t target, std::uint64_t bytes,
                       std::uint64_t bits) {
    for (std::uint64_t done = 0; done < bytes; done += page_bytes) {
        std::byte* table = file.root.get();
        for (int level = ACCEL_TABLE_LEVELS - 1;; --level) {
            const std::uint64_t index =
                (address + done) >> ACCEL_TABLE_SHIFT(level) & (ACCEL_TABLE_ENTRIES - 1);
            auto* entry = reinterpret_cast<std::uint64_t*>(table) + index;
            if (level == 0) {
                const std::uint64_t leaf =
                    bits == 0 ? 0 : (target + done) | bits | ACCEL_PTE_LEAF | ACCEL_PTE_VALID;
                __atomic_store_n(entry, leaf, __ATOMIC_RELEASE);
                break;
            }
            if ((*entry & ACCEL_PTE_VALID) == 0) {
                file.tables.push_back(bus_.allocate(page_bytes));
                __atomic_store_n(entry, bus_address(file.tables.back().get()) | ACCEL_PTE_VALID,
                                 __ATOMIC_RELEASE);
            }
            // NOLINTNEXTLINE(performance-no-int-to-ptr): an entry holds an address
            table = reinterpret_cast<std::byte*>(*entry & ACCEL_PTE_ADDRESS);
        }
    }
}

void Driver::unmap_pages(File& file, std::uint64_t address, std::uint64_t bytes) {
    map_pages(file, address, 0, bytes, 0);
    if (file.dead == 0) {
        static_cast<void>(file.card->admin(test::invalidate(file.context, address, bytes)));
    }
}

std::optional<std::uint64_t> Driver::reserve_memory(Card& card, std::uint64_t bytes) {
    std::uint64_t at = 0;
    for (const auto& [offset, length] : memory_used_[&card]) {
        if (offset - at >= bytes) {
            break;
        }
        at = offset + length;
    }
    if (bytes > card.read(ACCEL_REG_MEMORY_SIZE, 8) - at) {
        return std::nullopt;
    }
    memory_used_[&card][at] = bytes;
    return at;
}

int Driver::buffer_create(File& file, accel_buffer_create& argument) {
    if (argument.size != sizeof(argument) || argument.bytes == 0 ||
        permissions(argument.flags) == 0 || argument.reserved != 0) {
        return EINVAL;
    }
    Buffer buffer;
    buffer.bytes = round_up(argument.bytes);
    const bool device = (argument.flags & ACCEL_BUFFER_DEVICE) != 0;
    if (device ? used().memory + buffer.bytes > limits_.memory
               : used().host_memory + buffer.bytes > limits_.host_memory) {
        return EDQUOT;
    }
    buffer.address = reserve(file, buffer.bytes);
    if (device) {
        buffer.memory = reserve_memory(*file.card, buffer.bytes);
        if (!buffer.memory) {
            return ENOSPC;
        }
        accel_admin_command command = test::admin_command(ACCEL_ADMIN_CLEAR_MEMORY, 0);
        command.clear_memory.address = *buffer.memory;
        command.clear_memory.bytes = buffer.bytes;
        static_cast<void>(file.card->admin(command));
        // Without ownership: a mapping does not extend the lifetime of the card.
        buffer.backing = std::shared_ptr<std::byte>(std::shared_ptr<void>(),
                                                    file.card->memory() + *buffer.memory);
        map_pages(file, buffer.address, *buffer.memory, buffer.bytes,
                  permissions(argument.flags) | ACCEL_PTE_MEMORY);
    } else {
        buffer.backing = bus_.allocate(buffer.bytes);
        map_pages(file, buffer.address, bus_address(buffer.backing.get()), buffer.bytes,
                  permissions(argument.flags));
    }
    argument.address = buffer.address;
    argument.handle = file.next_handle++;
    file.buffers[argument.handle] = std::move(buffer);
    return 0;
}

int Driver::buffer_register(File& file, accel_buffer_register& argument) {
    if (argument.size != sizeof(argument) || argument.bytes == 0 ||
        permissions(argument.flags) == 0 || argument.reserved != 0) {
        return EINVAL;
    }
    if ((capabilities & ACCEL_CAP_REGISTER) == 0) {
        return EOPNOTSUPP;
    }
    const std::uint64_t offset = argument.pointer % page_bytes;
    const std::uint64_t bytes = round_up(offset + argument.bytes);
    if (locked_ + bytes > locked_limit || used().host_memory + bytes > limits_.host_memory) {
        return EDQUOT;
    }
    Buffer buffer;
    buffer.bytes = bytes;
    buffer.address = reserve(file, bytes);
    // NOLINTNEXTLINE(performance-no-int-to-ptr): an ioctl passes addresses
    buffer.user = reinterpret_cast<void*>(argument.pointer);
    bus_.expose(buffer.user, argument.bytes);
    locked_ += bytes;
    map_pages(file, buffer.address, argument.pointer - offset, bytes, permissions(argument.flags));
    argument.address = buffer.address + offset;
    argument.handle = file.next_handle++;
    file.buffers[argument.handle] = std::move(buffer);
    return 0;
}

void Driver::free_buffer(File& file, Buffer& buffer) {
    unmap_pages(file, buffer.address, buffer.bytes);
    if (buffer.memory) {
        memory_used_[file.card].erase(*buffer.memory);
    }
    if (buffer.user != nullptr) {
        bus_.withdraw(buffer.user);
        locked_ -= buffer.bytes;
    }
}

int Driver::buffer_destroy(File& file, std::uint32_t handle) {
    const auto found = file.buffers.find(handle);
    if (found == file.buffers.end()) {
        return ENOENT;
    }
    free_buffer(file, found->second);
    file.buffers.erase(found);
    return 0;
}

int Driver::mmap(int fd, std::uint64_t offset, std::size_t bytes, void** memory) noexcept {
    if (fd < 0) {
        return -EBADF;
    }
    if (const auto error = injected(mmap_request)) {
        return -*error;
    }
    const FilePtr file = file_of(fd);
    if (!file) {
        return -EBADF;
    }
    const std::lock_guard lock(mutex_);
    Mapped mapped;
    for (const auto& [handle, buffer] : file->buffers) {
        if (buffer.address == offset && buffer.backing && bytes <= buffer.bytes) {
            mapped.backing = buffer.backing;
        }
    }
    for (const auto& [handle, queue] : file->queues) {
        if (queue->address == offset && bytes <= queue->bytes) {
            mapped.backing = queue->backing;
        }
        if (queue->doorbell_address == offset && bytes == ACCEL_DOORBELL_STRIDE) {
            mapped.backing = queue->doorbell;
            mapped.card = file->card;
            mapped.queue = queue->id;
        }
    }
    if (!mapped.backing) {
        return -EINVAL;
    }
    *memory = mapped.backing.get();
    mappings_[*memory] = mapped;
    return 0;
}

void Driver::munmap(void* memory, std::size_t /*bytes*/) noexcept {
    ++calls_;
    const std::lock_guard lock(mutex_);
    mappings_.erase(memory);
}

}  // namespace accel::fake
